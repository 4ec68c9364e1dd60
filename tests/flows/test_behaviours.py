"""Behaviours that each defeat at least one other tool, one test each."""

from __future__ import annotations

import time
from typing import Any

from helmflow.core.ids import ObjectRef
from helmflow.execute.report import Outcome
from helmflow.flows.options import ShowOptions
from helmflow.plan.model import ChangeKind
from tests.flows import charts
from tests.flows.town import Town, plan_of, report_of


def one(town: Town, **templates: str) -> None:
    """One release `web` of a chart with these templates."""
    town.chart("web", **templates)
    town.file(
        "helmflow.yaml",
        "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web, values: [values.yaml]}\n",
    )
    if not (town.folder / "values.yaml").exists():
        town.file("values.yaml", "{}\n")


def test_planning_leaves_every_resource_version_alone(town: Town) -> None:
    charts.small(town)
    town.sync()
    town.file("values.yaml", "color: green\n")
    before = [town.find("ConfigMap", "web"), *town.client.list("v1", "Secret", town.ns("apps")).items]
    town.diff()
    assert [town.find("ConfigMap", "web"), *town.client.list("v1", "Secret", town.ns("apps")).items] == before
    assert town.wire is not None
    assert not town.wire.writes


def test_an_unchanged_plan_asks_no_more_than_it_must(town: Town) -> None:
    town.chart("app", config=charts.CONFIG, deployment=charts.DEPLOYMENT)
    town.file(
        "helmflow.yaml",
        "releases:\n"
        + "".join(f"  - {{name: r{n}, namespace: NS(apps), chart: ./charts/app}}\n" for n in range(6)),
    )
    town.sync()
    report = town.sync()
    assert report.writes == 0
    namespaces, kinds = 1, 2
    assert report.requests <= 4 + namespaces + kinds * namespaces


def test_an_apply_asks_no_more_than_it_must(town: Town) -> None:
    charts.small(town)
    town.sync()
    town.file("values.yaml", "color: green\n")
    report = town.sync()
    changed, per_release = 1, 3 + 2
    assert report.writes <= changed + per_release


def test_a_key_that_leaves_string_data_leaves_the_secret(town: Town) -> None:
    secret = """\
    apiVersion: v1
    kind: Secret
    metadata: {name: s}
    stringData:
      kept: a
      {{- if .Values.both }}
      gone: b
      {{- end }}
    """
    one(town, secret=secret)
    town.file("values.yaml", "both: true\n")
    town.sync()
    town.file("values.yaml", "{}\n")
    assert town.sync().ok
    live = town.find("Secret", "s")
    assert live is not None
    assert list(live["data"]) == ["kept"]


def test_a_strategy_may_change_its_type(town: Town) -> None:
    text = charts.DEPLOYMENT.replace(
        "spec:\n  replicas", "spec:\n  strategy: {type: {{ .Values.strategy }}}\n  replicas", 1
    )
    one(town, deployment=text)
    town.file("values.yaml", "strategy: RollingUpdate\n")
    assert town.sync().ok
    town.file("values.yaml", "strategy: Recreate\n")
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    live = town.find("Deployment", "web", api="apps/v1")
    assert live is not None
    assert live["spec"]["strategy"] == {"type": "Recreate"}
    assert town.sync().writes == 0


def test_replicas_that_an_autoscaler_set_stay(town: Town) -> None:
    one(town, deployment=charts.DEPLOYMENT)
    town.file("values.yaml", "replicas: 1\n")
    town.sync()
    ref = ObjectRef("apps/v1", "Deployment", town.ns("apps"), "web")
    _scale(town, ref, 3)
    town.file("values.yaml", "replicas: 2\nx: 1\n")
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    live = town.client.get(ref)
    assert live["spec"]["replicas"] == 3


def _scale(town: Town, ref: ObjectRef, replicas: int) -> None:
    """What an autoscaler does."""
    town.client.patch(
        ref,
        "application/merge-patch+json",
        {"spec": {"replicas": replicas}},
        manager="kube-controller-manager",
        subresource="scale",
    )


def test_replicas_that_leave_the_chart_do_not_fall_to_one(town: Town) -> None:
    text = charts.DEPLOYMENT.replace(
        "  replicas: {{ .Values.replicas | default 1 }}\n",
        "{{- if .Values.replicas }}\n  replicas: {{ .Values.replicas }}\n{{- end }}\n",
    )
    one(town, deployment=text)
    town.file("values.yaml", "replicas: 3\n")
    town.sync()
    town.file("values.yaml", "{}\n")
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    live = town.find("Deployment", "web", api="apps/v1")
    assert live is not None
    assert live["spec"]["replicas"] == 3


def test_an_immutable_field_is_refused_while_planning_and_replaced_on_request(town: Town) -> None:
    job = """\
    apiVersion: batch/v1
    kind: Job
    metadata: {name: once}
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: main, image: "{{ .Values.image }}"}]
    """
    one(town, job=job)
    town.file("values.yaml", "image: a\n")
    town.sync()
    town.file("values.yaml", "image: b\n")
    report = town.sync()
    failure = report_of(report, "web").failure
    assert failure is not None
    assert failure.error_id == "release.immutable-field"
    assert report.writes == 0
    town.file(
        "helmflow.yaml",
        "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web, force: true, values: [values.yaml]}\n",
    )
    plan = plan_of(town.diff(), "web")
    assert [change.kind for change in plan.changes if not change.hook] == [ChangeKind.REPLACE]
    assert town.sync().ok
    live = town.find("Job", "once", api="batch/v1")
    assert live is not None
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "b"


def test_an_image_that_cannot_be_pulled_fails_early(town: Town) -> None:
    text = charts.DEPLOYMENT.replace(
        "metadata: {labels: {app: {{ .Release.Name }}}}",
        "metadata:\n      labels: {app: {{ .Release.Name }}}\n"
        "      annotations: {embedded.helmflow.dev/fail: image-pull, helmflow.test/image: missing}",
    )
    one(town, deployment=text)
    town.file(
        "helmflow.yaml",
        "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web, wait: true, timeout: 120}\n",
    )
    started = time.monotonic()
    report = town.sync()
    failed = report_of(report, "web")
    assert failed.outcome is Outcome.FAILED
    assert time.monotonic() - started < 40
    assert failed.failure is not None
    summary = failed.failure.message.splitlines()[0]
    assert "container main: " in summary
    assert "ImagePull" in summary
    assert 'failed to pull and unpack image "web:1"' in summary  # what the container itself said
    assert "not found" in summary
    assert failed.failed_step == "WaitUntilReady"


def test_secret_values_are_masked_in_plans_and_stay_comparable(town: Town) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: {{ .Values.a }}, same: constant-secret}\n"
    one(town, secret=secret)
    town.file("values.yaml", "a: first-secret\n")
    town.sync()
    town.file("values.yaml", "a: second-secret\n")
    plan = plan_of(town.diff(show=ShowOptions()), "web")
    (change,) = [change for change in plan.changes if change.shows]
    shown = change.before + change.after
    assert "-secret" not in shown
    before, after = change.before.splitlines(), change.after.splitlines()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_duplicate_environment_names_are_explained(town: Town) -> None:
    text = charts.DEPLOYMENT.replace(
        "          image: web:1\n",
        "          image: web:1\n          env: [{name: A, value: x}, {name: A, value: y}]\n",
    )
    one(town, deployment=text)
    report = town.sync()
    failure = report_of(report, "web").failure
    assert failure is not None
    assert "A" in failure.message


def test_two_runs_at_once_on_one_environment_both_end_well(town: Town) -> None:
    import threading

    charts.five(town)
    reports: list[Any] = []

    def run() -> None:
        session = town.session()
        from helmflow.flows import sync
        from helmflow.flows.options import accept

        reports.append(sync.sync(session.options, session.emit, accept, session))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failures = [release.failure for report in reports for release in report.releases if release.failure]
    assert not failures
    assert town.sync().writes == 0
    for release in ("orders", "catalog", "web"):
        assert town.statuses(release).count("deployed") == 1
