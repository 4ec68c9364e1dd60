"""Failing releases: who is skipped, what the record says, what is undone."""

from __future__ import annotations

import pytest

from helmflow.core.errors import HelmflowError
from helmflow.core.ids import ObjectRef
from helmflow.execute.report import Outcome
from helmflow.flows.options import OnFailure, RunningOptions
from helmflow.kube.client import MERGE_PATCH
from tests.flows import charts
from tests.flows.town import Town, report_of

FAILING_HOOK = """\
{{- if .Values.fail }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-fails
  annotations: {helm.sh/hook: "pre-install,pre-upgrade"}
spec:
  backoffLimit: 0
  template:
    metadata:
      annotations: {embedded.helmflow.dev/fail: exit, helmflow.test/exit-code: "1"}
    spec:
      restartPolicy: Never
      containers: [{name: main, image: busybox}]
{{- end }}
"""


def _town(town: Town) -> None:
    town.chart("app", config=charts.CONFIG, extra=charts.EXTRA)
    town.chart(
        "broken",
        config=charts.CONFIG,
        bad="apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: []}\n",
    )
    town.file(
        "helmflow.yaml",
        """\
        releases:
          - {name: first, namespace: NS(apps), chart: ./charts/broken}
          - {name: second, namespace: NS(apps), chart: ./charts/app, needs: [first]}
          - {name: third, namespace: NS(apps), chart: ./charts/app, needs: [second]}
          - {name: other, namespace: NS(apps), chart: ./charts/app}
        """,
    )


def test_a_failure_stops_its_dependents_only(town: Town) -> None:
    _town(town)
    report = town.sync()
    assert not report.ok
    outcomes = {release.id.name: release.outcome for release in report.releases}
    assert outcomes == {
        "first": Outcome.FAILED,
        "second": Outcome.SKIPPED,
        "third": Outcome.SKIPPED,
        "other": Outcome.DONE,
    }
    third = report_of(report, "third")
    assert third.because_of is not None
    assert third.because_of.name == "second"
    assert town.statuses("first") == ["failed"]
    assert town.history("first")[0].description.startswith('Release "first" failed: ')
    assert town.history("second") == []


def test_a_fixed_release_goes_on(town: Town) -> None:
    _town(town)
    town.sync()
    (town.folder / "charts/broken/templates/bad.yaml").unlink()
    report = town.sync()
    assert report.ok
    assert town.statuses("first") == ["failed", "deployed"]
    assert town.statuses("third") == ["deployed"]


def test_on_failure_stop_starts_nothing_more(town: Town) -> None:
    _town(town)
    running = RunningOptions(on_failure=OnFailure.STOP, concurrency=1, lease_duration_s=1.0)
    report = town.sync(running=running)
    assert report_of(report, "other").outcome is Outcome.UNTOUCHED


def test_an_atomic_install_that_fails_leaves_nothing(town: Town) -> None:
    _town(town)
    report = town.sync(running=RunningOptions(atomic=True, lease_duration_s=1.0))
    assert report_of(report, "first").outcome is Outcome.FAILED
    assert town.history("first") == []
    assert "first" not in town.names("ConfigMap")


def test_an_atomic_upgrade_that_fails_goes_back(town: Town) -> None:
    charts.small(town)
    town.sync()
    town.chart("web", bad="apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: []}\n")
    town.file("values.yaml", "color: green\n")
    report = town.sync(running=RunningOptions(atomic=True, lease_duration_s=1.0))
    assert report_of(report, "web").outcome is Outcome.FAILED
    config = town.find("ConfigMap", "web")
    assert config is not None
    assert config["data"]["color"] == "red"
    assert town.statuses("web") == ["superseded", "failed", "deployed"]
    assert town.history("web")[-1].description == "Rollback to 1"


@pytest.mark.parametrize("newest", [False, True], ids=["deployed", "newest"])
def test_a_record_that_cannot_be_read_stops_its_release_before_anything_is_written(
    town: Town, newest: bool
) -> None:
    """Nobody knows what it installed: neither a new install nor "is not installed" would be the truth."""
    charts.small(town)
    assert town.sync().ok
    if newest:
        town.file("values.yaml", "color: green\n")
        assert town.sync().ok
    ref = ObjectRef("v1", "Secret", town.ns("apps"), f"sh.helm.release.v1.web.v{2 if newest else 1}")
    good = town.client.get(ref)["data"]["release"]
    town.client.patch(ref, MERGE_PATCH, {"data": {"release": "Z2FyYmFnZQ=="}})
    for run in (town.sync, town.destroy):
        failure = report_of(run(), "web").failure
        assert failure is not None
        assert failure.error_id == "release.unreadable"
        assert ref.name in failure.hint
        assert town.wire is not None
        assert town.wire.writes == []
    with pytest.raises(HelmflowError) as refused:
        town.test()
    assert refused.value.error_id == "release.unreadable"
    town.client.patch(ref, MERGE_PATCH, {"data": {"release": good}})
    assert town.sync().writes == 0
    assert town.destroy().ok


def test_rollback_goes_to_the_revision_before(town: Town) -> None:
    charts.small(town)
    town.sync()
    town.file("values.yaml", "color: green\n")
    town.sync()
    report = town.rollback()
    assert report.ok
    config = town.find("ConfigMap", "web")
    assert config is not None
    assert config["data"]["color"] == "red"
    assert town.statuses("web") == ["superseded", "superseded", "deployed"]
    assert town.history("web")[-1].description == "Rollback to 1"
