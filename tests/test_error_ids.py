"""Every error id is documented, and nothing else is."""

from __future__ import annotations

from tests import error_ids


def test_docs_list_every_error_id() -> None:
    assert error_ids.documented() == set(error_ids.used())
