"""The clusters that every contract holds for: embedded in process, embedded over HTTP, and a real API server."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.kube import kubeconfig
from helmflow.kube.client import KubeClient
from helmflow.kube.http import HttpTransport
from tests.apiserver import fixture

CLUSTERS = ["embedded", "loopback", pytest.param("real", marks=pytest.mark.apiserver)]
_NUMBERS = itertools.count()


@dataclass
class Cluster:
    """A cluster under contract."""

    name: str
    client: KubeClient
    kubeconfig: Path | None = None

    def namespace(self) -> str:
        """A new namespace of the test's own."""
        name = f"t{os.getpid()}-{next(_NUMBERS)}"
        self.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name


@pytest.fixture(scope="session", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Each cluster in turn."""
    match request.param:
        case "embedded":
            yield from _embedded()
        case "loopback":
            yield from _loopback(tmp_path_factory.mktemp("loopback"))
        case _:
            running = fixture.cluster()
            yield Cluster("real", running.client(), running.kubeconfig)
            fixture.stop()


def _embedded() -> Iterator[Cluster]:
    from helmflow.embedded.server import ApiServer
    from helmflow.embedded.transport import InProcessTransport

    server = ApiServer()
    yield Cluster("embedded", KubeClient(InProcessTransport(server)))
    server.close()


def _loopback(folder: Path) -> Iterator[Cluster]:
    from helmflow.embedded.loopback import serve, write_kubeconfig
    from helmflow.embedded.server import ApiServer

    listening = serve(ApiServer()).start()
    path = folder / "kubeconfig"
    write_kubeconfig(path, listening)
    yield Cluster("loopback", KubeClient(HttpTransport(kubeconfig.load([path]))), path)
    listening.stop()


@pytest.fixture
def client(cluster: Cluster) -> KubeClient:
    """The cluster's client."""
    return cluster.client


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own, deleted afterwards."""
    name = cluster.namespace()
    yield name
    cluster.client.delete(ObjectRef("v1", "Namespace", "", name))
