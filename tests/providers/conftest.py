"""What tests of several providers share: one PostgreSQL for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A real PostgreSQL; skips where there is none."""
    with postgres.running() as server:
        yield server


@pytest.fixture
def connection_string(postgres_server: postgres.Server) -> str:
    """A new empty database."""
    return postgres_server.database()
