"""What a diff shows and why: causes, drift, rules, the stored revision alone, and a failed run continued."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helmflow.core.errors import ConfigError
from helmflow.core.ids import ObjectRef
from helmflow.execute.report import Outcome, RunReport
from helmflow.flows.options import ShowOptions, StateOptions
from helmflow.kube.client import STRATEGIC_PATCH
from helmflow.plan.model import ActionKind, Change, ChangeKind
from helmflow.ui import diff_view, plan_json, run_json
from helmflow.ui.recording import Recorder
from tests.flows import charts
from tests.flows.town import Town, plan_of


def web(town: Town) -> None:
    """One release of a ConfigMap and a Deployment, synced."""
    town.chart("web", config=charts.CONFIG, deployment=charts.DEPLOYMENT)
    town.file(
        "helmflow.yaml",
        """\
        releases:
          - name: web
            namespace: NS(apps)
            chart: ./charts/web
            values: [values.yaml]
        """,
    )
    town.file("values.yaml", "color: red\n")
    town.sync()


def edit(
    town: Town, kind: str, patch: dict[str, object], api: str = "v1", manager: str = "kubectl-edit"
) -> None:
    ref = ObjectRef(api, kind, town.ns("apps"), "web")
    town.client.patch(ref, STRATEGIC_PATCH, patch, manager=manager)


def change_of(town: Town, kind: str, **show: object) -> Change:
    plan = town.diff(show=ShowOptions(**show))  # type: ignore[arg-type]
    return next(change for change in plan_of(plan, "web").changes if change.ref.kind == kind)


def changed_lines(change: Change) -> list[str]:
    return [line for line in diff_view.lines(change, context=0) if line.startswith(("+ ", "- "))]


def test_drift_is_shown_with_its_manager_and_only_its_lines(town: Town) -> None:
    web(town)
    edit(town, "ConfigMap", {"data": {"color": "green", "foreign": "stays"}})
    change = change_of(town, "ConfigMap")
    assert changed_lines(change) == ["-   color: green", "+   color: red"]
    (cause,) = change.causes
    assert (cause.planned, cause.drift, cause.manager) == (False, True, "kubectl-edit")
    assert cause.since
    assert change.drift


def test_chart_drift_and_both_are_told_apart(town: Town) -> None:
    web(town)
    town.file("values.yaml", "color: blue\nreplicas: 3\n")
    edit(town, "Deployment", {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "web:9"}]}}}}, "apps/v1")  # fmt: skip
    edit(town, "ConfigMap", {"data": {"color": "green"}}, manager="kubectl-patch")
    plan = plan_of(town.diff(), "web")
    assert plan.because == ("values",)
    found = {change.ref.kind: change for change in plan.changes}
    both = found["ConfigMap"].causes[0]
    assert (both.planned, both.drift, both.manager) == (True, True, "kubectl-patch")
    lines = diff_view.lines(found["Deployment"], plan.because, context=0)
    said = [line for line in lines if line.startswith("#")]
    assert said[0] == "# values"
    assert said[1].startswith("# changed in the cluster by kubectl-edit at ")
    assert [line.strip("+- ") for line in lines if line[:1] in "+-"] == [
        "replicas: 1",
        "replicas: 3",
        "image: web:9",
        "image: web:1",
    ]


def test_nothing_of_the_server_s_own_is_shown_and_it_is_counted(town: Town) -> None:
    web(town)
    town.file("values.yaml", "color: red\nreplicas: 2\n")
    change = change_of(town, "Deployment")
    assert changed_lines(change) == ["-   replicas: 1", "+   replicas: 2"]
    assert dict(change.ignored)["kept by the server"] >= 1
    everything = change_of(town, "Deployment", show_ignored=True)
    assert "resourceVersion" in everything.before
    assert "kept by the server" in plan_json.ignored(town.diff())


@pytest.mark.parametrize(
    "rule",
    [
        "data.color", "kind=ConfigMap,path=/data/color", "regex=^data\\.c", "manager=kubectl-*", "kind=config*,name=w?b",
        "data.*",
    ],
)  # fmt: skip
def test_drift_that_a_rule_ignores_is_left_alone_and_counted(town: Town, rule: str) -> None:
    web(town)
    edit(town, "ConfigMap", {"data": {"color": "green"}})
    plan = town.diff(show=ShowOptions(ignore=(rule,)))
    assert plan_of(plan, "web").action.kind is ActionKind.KEEP
    assert town.diff(show=ShowOptions(ignore=("kind=Secret",))).writes
    town.sync(show=ShowOptions(ignore=(rule,)))
    live = town.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "green"


def test_a_state_file_has_rules_of_its_own(town: Town) -> None:
    web(town)
    edit(town, "ConfigMap", {"data": {"color": "green"}})
    path = town.folder / "helmflow.yaml"
    path.write_text(
        path.read_text() + "    ignoreDifferences:\n      - {kind: ConfigMap, path: data.color}\n"
    )
    assert not town.diff().writes


@pytest.mark.parametrize("rule", ["kin=x,path=y", "regex=(", "what=ever"])
def test_a_broken_rule_is_refused(town: Town, rule: str) -> None:
    web(town)
    with pytest.raises(ConfigError) as caught:
        town.diff(show=ShowOptions(ignore=(rule,)))
    assert caught.value.error_id == "cli.bad-ignore"


def test_a_new_order_is_shown_where_pods_restart_for_it(town: Town) -> None:
    town.chart(
        "web",
        deployment=charts.DEPLOYMENT.replace(
            "          image: web:1\n",
            "          image: web:1\n          env: {{ toYaml .Values.env | nindent 12 }}\n",
        ),
    )
    town.file(
        "helmflow.yaml",
        "releases: [{name: web, namespace: NS(apps), chart: ./charts/web, values: [values.yaml]}]\n",
    )
    town.file("values.yaml", "env: [{name: A, value: '1'}, {name: B, value: '2'}]\n")
    town.sync()
    town.file("values.yaml", "env: [{name: B, value: '2'}, {name: A, value: '1'}]\n")
    change = change_of(town, "Deployment")
    (field,) = plan_json.changed_fields(change)
    assert field.change == "moved"
    assert field.pointer() == "spec.template.spec.containers[name=main].env"
    assert changed_lines(change)


def test_an_item_put_in_front_is_one_added_field(town: Town) -> None:
    web(town)
    town.chart("web", deployment=charts.DEPLOYMENT.replace(
        "        - name: main\n", "        - {name: first, image: proxy:1}\n        - name: main\n"))  # fmt: skip
    (field,) = plan_json.changed_fields(change_of(town, "Deployment"))
    assert (field.change, field.pointer()) == ("added", "spec.template.spec.containers[name=first]")


def test_against_the_release_nothing_but_its_record_is_read(town: Town) -> None:
    web(town)
    edit(town, "ConfigMap", {"data": {"color": "green"}})
    assert not town.diff(show=ShowOptions(against="release")).writes
    town.file("values.yaml", "color: blue\n")
    change = change_of(town, "ConfigMap", against="release")
    assert changed_lines(change) == ['-   color: "red"', '+   color: "blue"']
    assert town.wire is not None
    assert not [r for r in town.wire.requests if r.method != "GET"]
    assert not [r for r in town.wire.requests if "/configmaps" in r.path or "/deployments" in r.path]


def test_a_failed_run_is_continued_with_what_is_left(town: Town) -> None:
    for name in ("one", "two"):
        town.chart(name, config=charts.CONFIG)
    town.chart("bad", config=charts.CONFIG.replace("\ndata:", "\ndata: [1]\nignored:"))
    town.file(
        "helmflow.yaml",
        """\
        releases:
          - {name: one, namespace: NS(apps), chart: ./charts/one}
          - {name: bad, namespace: NS(apps), chart: ./charts/bad}
          - {name: two, namespace: NS(apps), chart: ./charts/two, needs: [NS(apps)/bad]}
        """,
    )
    recorder = Recorder()
    report = town.sync()
    for event in town.events:
        recorder.handle(event)
    assert outcomes(report) == {"one": Outcome.DONE, "bad": Outcome.FAILED, "two": Outcome.SKIPPED}
    path = town.folder / "report.json"
    path.write_text(run_json.render(report, None, recorder))
    town.chart("bad", config=charts.CONFIG)
    town.chart("one", config=charts.CONFIG.replace("one\n", "changed\n"))
    again = town.sync(state=StateOptions(resume=str(path)))
    assert outcomes(again) == {"bad": Outcome.DONE, "two": Outcome.DONE}
    path.write_text(run_json.render(again, None, recorder))
    assert town.sync(state=StateOptions(resume=str(path))).releases == ()
    assert outcomes(town.sync())["one"] is Outcome.DONE


def outcomes(report: RunReport) -> dict[str, Outcome]:
    return {release.id.name: release.outcome for release in report.releases}


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        ("", "resume.unreadable"),
        ('{"document": "plan", "releases": []}', "resume.unreadable"),
        ('{"document": "run", "environment": "other", "releases": []}', "resume.other-environment"),
    ],
)
def test_only_a_report_of_the_same_environment_is_continued(tmp_path: Path, text: str, error_id: str) -> None:
    from helmflow.flows import resume

    path = tmp_path / "report.json"
    if text:
        path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        resume.left_over(path, "default")
    assert caught.value.error_id == error_id


def test_created_objects_have_no_causes_and_their_whole_text(town: Town) -> None:
    charts.small(town)
    change = change_of(town, "ConfigMap")
    assert change.kind is ChangeKind.CREATE
    assert change.causes == ()
    assert json.loads(plan_json.render(town.diff()))["releases"][0]["objects"][0]["fields"] == []
