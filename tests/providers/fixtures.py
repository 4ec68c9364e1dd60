"""Real parts that tests share: keys made by gpg, and OCI registries; made once per run, on first use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers import keys as keyrings
from tests.providers import registries
from tests.providers.keys import Keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """Keys made by gpg."""
    made = keyrings.make(tmp_path_factory.mktemp("keys"))
    yield made
    keyrings.stop(made)


@pytest.fixture(scope="session")
def oci_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of an OCI registry that forgets everything at the end."""
    with registries.running(tmp_path_factory.mktemp("oci")) as host:
        yield host


@pytest.fixture(scope="session")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, where only `user` with the password `pass word` may read and write."""
    with registries.running(tmp_path_factory.mktemp("locked"), user=("user", "pass word")) as host:
        yield host
