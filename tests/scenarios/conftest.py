"""The shop in scenarios: on the embedded cluster, and on a real API server where `-m apiserver` asks for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.execute.lease import API, ENVIRONMENT_PREFIX
from helmflow.kube import errors, kubeconfig, objects
from helmflow.kube.client import KubeClient
from helmflow.kube.http import HttpTransport
from tests.apiserver import fixture
from tests.scenarios.shop import Shop, make

CLUSTERS = ["embedded", pytest.param("real", marks=pytest.mark.apiserver)]
NAMESPACES = ("shop-data", "shop-apps", "shop-edge", "apps", "town")


@pytest.fixture(scope="session", autouse=True)
def _real_cluster_ends_with_the_session() -> Iterator[None]:
    yield
    fixture.stop()


@pytest.fixture(params=CLUSTERS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, repository_url: str) -> Iterator[Shop]:
    """A fresh copy; on the real cluster its dev environment names that context."""
    made = make(tmp_path, repository_url)
    if request.param == "embedded":
        yield made
        return
    running = fixture.cluster()
    made.context = "real"
    made.environ["KUBECONFIG"] = str(running.kubeconfig)
    made.transport = lambda: HttpTransport(kubeconfig.load([running.kubeconfig], "real"))
    made.edit("helmflow.yaml", "kubeContext: embedded", "kubeContext: real")
    yield made
    _empty(made.cluster())


def _empty(client: KubeClient) -> None:
    """Remove every namespace of the shop and its inventories, and wait until the next scenario can begin.

    Workloads first and pods without grace: a namespace whose pods are being deleted is looked at every 15 s only.
    """
    for lease in client.list(API, "Lease", "default").items:
        if objects.ref(lease).name.startswith(ENVIRONMENT_PREFIX):
            with contextlib.suppress(errors.NotFound):
                client.delete(objects.ref(lease))
    refs = [ObjectRef("v1", "Namespace", "", name) for name in NAMESPACES]
    for api, kind, grace in (
        ("apps/v1", "Deployment", None),
        ("apps/v1", "StatefulSet", None),
        ("batch/v1", "Job", None),
        ("apps/v1", "ReplicaSet", None),
        ("v1", "Pod", 0),
    ):
        for item in client.list(api, kind).items:
            with contextlib.suppress(errors.NotFound):
                client.delete(objects.ref(item), grace_period_s=grace)
    for ref in refs:
        with contextlib.suppress(errors.NotFound):
            client.delete(ref)
    deadline = time.monotonic() + 60
    while any(client.find(ref) for ref in refs):
        assert time.monotonic() < deadline
        time.sleep(0.2)
