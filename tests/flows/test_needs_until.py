"""needs with `until`: a release that waits for readiness, and one that starts once definitions are established."""

from __future__ import annotations

from helmflow.core.events import ReleaseFinished, ReleaseStarted, StepFinished
from helmflow.execute.report import Outcome
from tests.flows import charts
from tests.flows.test_removal import DEFINITION, GADGET
from tests.flows.town import Town, report_of

WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata:
      labels: {app: "{{ .Release.Name }}"}
      annotations: {ANNOTATIONS}
    spec: {containers: [{name: main, image: busybox}]}
"""
SLOW = 'embedded.helmflow.dev/ready-after: "1s", helmflow.test/ready-after: "2"'
NEVER = "embedded.helmflow.dev/fail: image-pull, helmflow.test/fail: image"


def _moment(town: Town, kind: type, name: str) -> int:
    return next(
        index
        for index, event in enumerate(town.events)
        if isinstance(event, kind) and event.release.name == name  # type: ignore[attr-defined]
    )


def _file(town: Town, until: str, *, wait: bool = False) -> None:
    town.file(
        "helmflow.yaml",
        "releases:\n"
        f"  - {{name: base, namespace: NS(apps), chart: ./charts/base, wait: {str(wait).lower()}, timeout: 20}}\n"
        f"  - {{name: app, namespace: NS(apps), chart: ./charts/app, needs: [{{release: base, until: {until}}}]}}\n",
    )


def test_until_ready_waits_for_objects_that_nobody_else_waits_for(town: Town) -> None:
    town.chart("base", workload=WORKLOAD.replace("ANNOTATIONS", SLOW))
    town.chart("app", config=charts.CONFIG)
    _file(town, "ready")
    assert town.sync().ok
    waited = next(e for e in town.events if isinstance(e, StepFinished) and e.step == "WaitForNeed")
    assert waited.release.name == "app"
    live = town.find("Deployment", "base", api="apps/v1")
    assert live is not None
    assert live["status"]["readyReplicas"] == 1


def test_until_ready_fails_the_dependent_where_the_need_never_is(town: Town) -> None:
    town.chart("base", workload=WORKLOAD.replace("ANNOTATIONS", NEVER))
    town.chart("app", config=charts.CONFIG)
    town.file(
        "helmflow.yaml",
        "releases:\n"
        "  - {name: base, namespace: NS(apps), chart: ./charts/base, timeout: 2}\n"
        "  - {name: app, namespace: NS(apps), chart: ./charts/app, needs: [{release: base, until: ready}]}\n",
    )
    report = town.sync()
    assert report_of(report, "base").outcome is Outcome.DONE
    failed = report_of(report, "app")
    assert failed.outcome is Outcome.FAILED
    assert failed.failure is not None
    assert "which is needed, is not ready" in failed.failure.message
    assert town.names("ConfigMap") == []


def test_until_deployed_does_not_wait(town: Town) -> None:
    town.chart("base", workload=WORKLOAD.replace("ANNOTATIONS", SLOW))
    town.chart("app", config=charts.CONFIG)
    _file(town, "deployed")
    assert town.sync().ok
    assert not any(isinstance(e, StepFinished) and e.step == "WaitForNeed" for e in town.events)


def test_until_established_starts_while_the_operator_is_still_coming_up(town: Town) -> None:
    group = f"g{town.number}.example.org"
    town.chart("base", crd=DEFINITION.replace("GROUP", group), workload=WORKLOAD.replace("ANNOTATIONS", SLOW))
    town.chart("app", gadget=GADGET.replace("GROUP", group).replace("FINALIZERS", "[]"))
    _file(town, "crd-established", wait=True)
    assert town.sync().ok
    assert _moment(town, ReleaseStarted, "app") < _moment(town, ReleaseFinished, "base")
    assert town.sync().writes == 0
