"""The least access: enough to sync and destroy on a real API server, and no wildcard."""

from __future__ import annotations

import pytest

from helmflow.flows.permissions import permissions, plural
from tests.flows import charts
from tests.flows.town import Town


def _granted(town: Town, user: str) -> list[dict[str, object]]:
    session = town.session()
    return permissions(session.options, session.emit, user=user, given=session)


def test_no_wildcards_and_every_namespace_named(town: Town) -> None:
    charts.five(town)
    manifests = _granted(town, "u")
    assert "*" not in str(manifests)
    places = {(m["kind"], m["metadata"].get("namespace", "")) for m in manifests}  # type: ignore[attr-defined]
    assert ("Role", town.ns("apps")) in places
    assert ("Role", town.ns("data")) in places
    assert ("ClusterRole", "") in places


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("Ingress", "ingresses"),
        ("NetworkPolicy", "networkpolicies"),
        ("ConfigMap", "configmaps"),
        ("Endpoints", "endpoints"),
        ("IngressClass", "ingressclasses"),
        ("PodDisruptionBudget", "poddisruptionbudgets"),
    ],
)
def test_plurals(kind: str, resource: str) -> None:
    assert plural(kind) == resource


@pytest.mark.apiserver
def test_with_only_these_rights_sync_and_destroy_work(town: Town, request: pytest.FixtureRequest) -> None:
    if "embedded" in request.node.name:
        pytest.skip("the embedded cluster in this process asks for no rights")
    from dataclasses import replace

    from helmflow.kube import kubeconfig
    from helmflow.kube.http import HttpTransport
    from tests.apiserver import fixture

    charts.five(town)
    user = f"deployer-{town.number}"
    for name in ("apps", "data"):
        town.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": town.ns(name)}})
    for manifest in _granted(town, user):
        metadata = {**manifest["metadata"], "name": f"helmflow-{town.number}"}  # type: ignore[dict-item]
        body = {**manifest, "metadata": metadata}
        if "roleRef" in body:
            body["roleRef"] = {**body["roleRef"], "name": f"helmflow-{town.number}"}  # type: ignore[dict-item]
        town.client.create(body)
    target = kubeconfig.load([fixture.cluster().kubeconfig], "real")
    limited = replace(target, impersonate=replace(target.impersonate, user=user))
    deployer = replace(town, transport=lambda: HttpTransport(limited))
    report = deployer.sync()
    assert report.ok, [release.failure for release in report.releases if release.failure]
    assert deployer.sync().writes == 0
    assert deployer.destroy().ok
