"""Real Helm as the other party on a real API server: each goes on where the other stopped."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.execute.report import Outcome
from tests import helm_sdk
from tests.flows import charts
from tests.flows.town import RECORD_FIELDS, Town, plan_of, report_of

helm_python = pytest.importorskip("helm_python", reason="the Helm SDK is a wheel for Linux x86-64 only")
pytestmark = pytest.mark.apiserver


@pytest.fixture
def real(town: Town, request: pytest.FixtureRequest) -> Town:
    """Only the real API server: the SDK does not reach the one in this process."""
    if "embedded" in request.node.name:
        pytest.skip("real Helm needs a server to connect to")
    charts.small(town)
    town.chart("web", deployment=charts.DEPLOYMENT, prepare=charts.PRE_INSTALL)
    return town


def helm(town: Town, action: str, **arguments: Any) -> Any:
    """What an action of the SDK answers."""
    from tests.apiserver import fixture

    config = {
        "kubeconfig_path": str(fixture.cluster().kubeconfig),
        "kube_context": "real",
        "namespace": town.ns("apps"),
    }
    return helm_sdk.helm(config, action, arguments)


def _install(town: Town) -> None:
    values = {"color": "red"}
    helm(town, "install", chart=_chart(town), name="web", values=values, create_namespace=True, timeout=60)


def _chart(town: Town) -> str:
    return str(town.folder / "charts/web")


def test_helm_upgrades_lists_and_rolls_back_what_helmflow_installed(real: Town) -> None:
    assert real.sync().ok
    assert [release["name"] for release in helm(real, "list")] == ["web"]
    helm(real, "upgrade", chart=_chart(real), name="web", values={"color": "green"}, timeout=60)
    assert real.statuses("web") == ["superseded", "deployed"]
    assert len(helm(real, "history", name="web")) == 2
    helm(real, "rollback", name="web", version=1, timeout=60)
    live = real.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "red"
    assert real.statuses("web") == ["superseded", "superseded", "deployed"]
    # The rolled back revision is what the files say: nothing is left to do.
    assert plan_of(real.diff(), "web").action.reason == "unchanged"
    assert real.sync().writes == 0


def test_helmflow_goes_on_with_what_helm_installed(real: Town) -> None:
    _install(real)
    assert plan_of(real.diff(), "web").action.reason == "unchanged"
    assert real.sync().writes == 0
    real.file("values.yaml", "color: green\n")
    report = real.sync()
    assert report_of(report, "web").outcome is Outcome.DONE, report_of(report, "web").failure
    assert report_of(report, "web").revision == 2
    live = real.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "green"
    assert len(helm(real, "history", name="web")) == 2
    helm(real, "uninstall", name="web", timeout=60)
    assert real.history("web") == []
    assert real.names("ConfigMap") == []


def test_what_a_program_with_helm_inside_installed_becomes_ours(real: Town) -> None:
    from tests.apiserver import fixture

    with helm_python.Config(
        kubeconfig_path=fixture.cluster().kubeconfig, kube_context="real", namespace=real.ns("apps")
    ) as config:
        config.install(_chart(real), "web", {"color": "red"}, create_namespace=True, timeout=60)
    assert plan_of(real.diff(), "web").action.reason == "unchanged"
    real.file("values.yaml", "color: green\n")
    report = real.sync()
    assert report_of(report, "web").outcome is Outcome.DONE, report_of(report, "web").failure
    live = real.find("ConfigMap", "web")
    assert live is not None
    assert {entry["manager"] for entry in live["metadata"]["managedFields"]} == {"helm"}


def test_both_write_the_same_record(real: Town) -> None:
    _install(real)
    (theirs,) = real.history("web")
    real.destroy()
    real.sync()
    (ours,) = real.history("web")
    for field in RECORD_FIELDS:
        assert getattr(ours, field) == getattr(theirs, field), field
    # Who ran helmflow is written beside what Helm writes.
    assert {key for key in ours.labels if not key.startswith("helmflow.dev/")} == set(theirs.labels)
    assert [(h.name, h.kind, h.path, h.manifest, h.events, h.weight) for h in ours.hooks] == [
        (h.name, h.kind, h.path, h.manifest, h.events, h.weight) for h in theirs.hooks
    ]
    assert ours.chart["metadata"] == theirs.chart["metadata"]
    ours_templates = {t["name"]: t["data"] for t in ours.chart["templates"]}
    assert ours_templates == {t["name"]: t["data"] for t in theirs.chart["templates"]}
    assert ours.chart.get("values") == theirs.chart.get("values")
