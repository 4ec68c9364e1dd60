"""The clusters that every contract holds for: embedded in process, embedded over HTTP, and a real API server."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.core.sensitive import SecretText
from helmflow.kube.client import KubeClient
from helmflow.kube.http import HttpTransport
from helmflow.kube.kubeconfig import Credentials, Target
from tests.apiserver import fixture

CLUSTERS = ["embedded", "loopback", pytest.param("real", marks=pytest.mark.apiserver)]
_NUMBERS = itertools.count()


@dataclass
class Cluster:
    """A cluster under contract."""

    name: str
    client: KubeClient

    def namespace(self) -> str:
        """A new namespace of the test's own."""
        name = f"t{os.getpid()}-{next(_NUMBERS)}"
        self.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name


@pytest.fixture(scope="session", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Each cluster in turn."""
    match request.param:
        case "embedded":
            yield from _embedded()
        case "loopback":
            yield from _loopback()
        case _:
            yield Cluster("real", fixture.cluster().client())
            fixture.stop()


def _embedded() -> Iterator[Cluster]:
    from helmflow.embedded.server import ApiServer
    from helmflow.embedded.transport import InProcessTransport

    server = ApiServer()
    yield Cluster("embedded", KubeClient(InProcessTransport(server)))
    server.close()


def _loopback() -> Iterator[Cluster]:
    from helmflow.embedded.loopback import serve

    from helmflow.embedded.server import ApiServer

    listening = serve(ApiServer(), 0, "contract-token").start()
    target = Target(
        context="loopback",
        server=listening.url,
        credentials=Credentials(token=SecretText("contract-token")),
    )
    yield Cluster("loopback", KubeClient(HttpTransport(target)))
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
