"""A town per test: on the embedded cluster, and on a real API server where `-m apiserver` asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.town import Town

CLUSTERS = ["embedded", pytest.param("real", marks=pytest.mark.apiserver)]


@pytest.fixture(scope="session", autouse=True)
def _real_cluster_ends_with_the_session() -> Iterator[None]:
    yield
    from tests.apiserver import fixture

    fixture.stop()


@pytest.fixture(params=CLUSTERS)
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """An empty project."""
    if request.param == "embedded":
        from helmflow.embedded.server import ApiServer
        from helmflow.embedded.transport import InProcessTransport

        server = ApiServer()
        yield Town(tmp_path, lambda: InProcessTransport(server))
        server.close()
        return
    from helmflow.kube import kubeconfig
    from helmflow.kube.http import HttpTransport
    from tests.apiserver import fixture

    target = kubeconfig.load([fixture.cluster().kubeconfig], "real")
    found = Town(tmp_path, lambda: HttpTransport(target))
    yield found
    found.close()
