"""Fixtures of the embedded server's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.embedded.api import Api


@pytest.fixture
def api() -> Iterator[Api]:
    """A fresh in-memory cluster with virtual time."""
    made = Api()
    yield made
    made.server.close()
