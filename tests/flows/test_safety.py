"""Environments that guard themselves, the inventory, run history, and the way back for a group of releases."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from helmflow.core.errors import HelmflowError, Refusal
from helmflow.core.events import Warned
from helmflow.core.ids import ObjectRef
from helmflow.execute import lease
from helmflow.execute.report import Outcome, RunReport
from helmflow.flows import release, runs, saved
from helmflow.flows.options import RunningOptions, StateOptions, accept
from helmflow.helm.release import marks
from helmflow.helm.release.marks import Mark
from helmflow.kube import objects
from helmflow.kube.client import MERGE_PATCH
from helmflow.ui import markdown, plan_json, plan_view
from helmflow.ui.theme import Theme
from tests.flows import charts
from tests.flows.town import Town, plan_of, report_of

PROD = StateOptions(environment="prod")
RUNNING = RunningOptions(lease_duration_s=1.0)


def environment(town: Town, *lines: str, releases: str = "") -> None:
    """A file with the environment prod, which says `lines`."""
    said = "\n".join(f"    {line}" for line in lines or ("values: []",))
    listed = releases or "  - {name: web, namespace: NS(apps), chart: ./charts/web, values: [values.yaml]}\n"
    town.chart("web", config=charts.CONFIG)
    if not (town.folder / "values.yaml").exists():
        town.file("values.yaml", "color: red\n")
    (town.folder / "helmflow.yaml").write_text(
        f"environments:\n  prod:\n{said}\n---\nproject: shop-{town.number}\nreleases:\n{listed}".replace(
            "NS(apps)", town.ns("apps")
        ).replace("NS(data)", town.ns("data")),
        encoding="utf-8",
    )


def three(town: Town, *names: str) -> None:
    """Releases that need each other in a row."""
    listed = ""
    for index, name in enumerate(names):
        needs = f", needs: [{names[index - 1]}]" if index else ""
        listed += (
            f"  - {{name: {name}, namespace: NS(apps), chart: ./charts/web, values: [values.yaml]{needs}}}\n"
        )
    environment(town, releases=listed)


def run_of(town: Town, **more: object) -> tuple[runs.Run, ...]:
    session = town.session(state=PROD, **more)
    return runs.runs(session.options, session.emit, session)


def back(town: Town, run: str) -> RunReport:
    session = town.session(state=PROD)
    return runs.roll_back_run(session.options, session.emit, run, accept, session)


def test_a_protected_environment_is_written_only_by_its_name_or_a_saved_plan(town: Town) -> None:
    environment(town, "protected: true")
    for given in ("", "staging"):
        with pytest.raises(Refusal, match="protected") as refused:
            town.sync(state=PROD, running=replace(RUNNING, confirm=given))
        assert refused.value.error_id == "env.protected"
        assert town.wire is not None
        assert not town.wire.writes
    assert town.sync(state=PROD, running=replace(RUNNING, confirm="prod")).ok
    assert town.sync(state=PROD).ok  # nothing to write: nothing to confirm
    with pytest.raises(Refusal):
        town.destroy(state=PROD)
    town.file("values.yaml", "color: green\n")
    session = town.session(state=PROD)
    saved.save(session.options, session.emit, town.folder / "plan.json", session)
    session = town.session(state=PROD)
    assert saved.apply_saved(session.options, session.emit, town.folder / "plan.json", accept, session).ok
    assert town.destroy(state=PROD, running=replace(RUNNING, confirm="prod")).ok


def test_a_pinned_environment_asks_another_cluster_nothing(town: Town) -> None:
    environment(town, "cluster: {context: 'prod-*'}")
    with pytest.raises(Refusal) as refused:
        town.sync(state=PROD)
    assert refused.value.error_id == "env.other-cluster"
    assert town.wire is not None
    assert not town.wire.requests
    environment(town, "cluster: {context: 'tow?', uid: somebody-else}")
    with pytest.raises(Refusal, match="somebody-else"):
        town.sync(state=PROD)
    assert town.wire is not None
    assert [request.path for request in town.wire.requests][-1].endswith("/namespaces/kube-system")
    assert not town.wire.writes
    kube_system = town.client.get(ObjectRef("v1", "Namespace", "", "kube-system"))
    environment(town, f"cluster: {{context: town, uid: {kube_system['metadata']['uid']}}}")
    assert town.sync(state=PROD).ok


@pytest.mark.parametrize("where", ["values", "release", "before", "base"])
def test_a_pin_is_checked_before_a_template_reads_the_cluster(town: Town, where: str) -> None:
    reference = "ref+k8s://v1/ConfigMap/default/kube-root-ca.crt/ca.crt"
    read = '{{ "' + reference + '" | fetchSecretValue | len }}'
    town.chart("app", config=charts.CONFIG)
    values = f"values: [{{x: '{reference}'}}]" if where == "values" else ""
    block = f"environments:\n  prod:\n    cluster: {{context: town, uid: somebody-else}}\n    {values}\n"
    town.file("base.yaml", block)
    town.file(
        "helmflow.yaml.gotmpl",
        (f"# {read}\n" if where in ("before", "base") else "")
        + ("bases: [base.yaml]" if where == "base" else block)
        + "\n---\n"
        "releases:\n- {name: web, namespace: NS(apps), chart: ./charts/app}\n"
        + (f"# {read}\n" if where == "release" else "")
        + ("# {{ .Values.x | fetchSecretValue }}\n" if where == "values" else ""),
    )
    while town.client.find(ObjectRef("v1", "ConfigMap", "default", "kube-root-ca.crt")) is None:
        time.sleep(0.05)  # controllers write it in their own time
    before = len(town.wire.requests) if town.wire else 0
    with pytest.raises(HelmflowError, match="somebody-else"):
        town.diff(state=PROD)
    assert town.wire is not None
    read_paths = [one.path for one in town.wire.requests[before:] if "kube-root-ca" in one.path]
    assert read_paths == []


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ('  prod: {cluster: {uid: \'{{ env "UID" | default "x" }}\'}}', "before it is known which one"),
        (
            "  prod:\n{{- if true }}\n    cluster: {uid: somebody-else}\n{{- end }}",
            "before it is known which one",
        ),
        (
            "  prod: {cluster: {uid: somebody-else}, values: ['{{ print \"v.yaml\" }}']}",
            "is for the cluster somebody-else",
        ),
        ("  prod: {cluster: {uid: KUBE-SYSTEM}}", ""),
        ("  other: {cluster: {uid: somebody-else}}\n  prod: {}", ""),
        ("  prod: {values: [{x: '{{ 1 }}'}]}", ""),
    ],
)
def test_a_pin_that_only_rendering_tells_lets_no_template_read(town: Town, block: str, why: str) -> None:
    uid = town.client.get(ObjectRef("v1", "Namespace", "", "kube-system"))["metadata"]["uid"]
    town.client.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"read-{town.number}", "namespace": "default"},
            "data": {"x": "y"},
        }
    )
    reference = f"ref+k8s://v1/ConfigMap/default/read-{town.number}/x"
    town.chart("app", config=charts.CONFIG)
    town.file("v.yaml", "{}\n")
    town.file(
        "helmflow.yaml.gotmpl",
        f'# {{{{ "{reference}" | fetchSecretValue }}}}\nenvironments:\n{block.replace("KUBE-SYSTEM", uid)}\n---\n'
        "releases:\n- {name: web, namespace: NS(apps), chart: ./charts/app}\n",
    )
    if why:
        with pytest.raises(HelmflowError, match=why):
            town.diff(state=PROD)
    else:
        assert town.diff(state=PROD).releases
    assert town.wire is not None
    asked = [one.path for one in town.wire.requests if f"read-{town.number}" in one.path]
    assert len(asked) == (0 if why else 1)
    town.client.delete(ObjectRef("v1", "ConfigMap", "default", f"read-{town.number}"))


def test_what_left_the_file_is_shown_and_pruned_dependents_first(town: Town) -> None:
    three(town, "one", "two", "three")
    assert town.sync(state=PROD).ok
    three(town, "one")
    plan = town.diff(state=PROD)
    assert [orphan.id.name for orphan in plan.orphans] == ["three", "two"]
    assert [one["name"] for one in plan_json.document(plan)["orphans"]] == ["three", "two"]
    text = plan_view.render(plan, Theme(colored=False))
    section = text.partition("Left the files, still installed:\n")[2].splitlines()[:2]
    assert [line.split() for line in section] == [
        [
            f"{town.ns('apps')}/{name}",
            *["deployed,", "revision", "1", "stays;", "--prune", "uninstalls", "it"],
        ]
        for name in ("three", "two")
    ]
    assert "**Left the files, still installed:**\n\n- " in markdown.render(plan)
    said = [event.warning for event in town.events if isinstance(event, Warned)]
    assert [warning.error_id for warning in said] == ["plan.orphan", "plan.orphan"]
    assert town.sync(state=PROD).writes == 0
    assert town.names("ConfigMap") == ["one", "three", "two"]
    plan = town.diff(state=PROD, running=replace(RUNNING, prune=True))
    assert plan_of(plan, "two").action.reason == "left the files"
    report = town.sync(state=PROD, running=replace(RUNNING, prune=True))
    assert report.ok
    assert town.names("ConfigMap") == ["one"]
    assert town.wire is not None
    deleted = [
        w.path.rpartition("/")[2] for w in town.wire.writes if w.method == "DELETE" and "configmaps" in w.path
    ]
    assert deleted == ["three", "two"]
    assert town.diff(state=PROD).orphans == ()


def test_what_left_the_file_and_cannot_be_read_stops_no_plan(town: Town) -> None:
    """A release of Helm's that the file only named is known by its record: a damaged one is nobody's to prune."""
    three(town, "two")
    assert town.sync(state=PROD).ok
    secret = ObjectRef("v1", "Secret", town.ns("apps"), "sh.helm.release.v1.two.v1")
    ours = [key for key in town.client.get(secret)["metadata"]["labels"] if key.startswith("helmflow.dev/")]
    assert ours
    town.client.patch(secret, MERGE_PATCH, {"metadata": {"labels": dict.fromkeys(ours)}})
    inventories = map(objects.ref, lease.leases(town.client).environments)
    (inventory,) = (ref for ref in inventories if f"shop-{town.number}." in ref.name)
    town.client.delete(inventory)
    three(town, "two", "one")
    assert report_of(town.sync(state=PROD), "two").action == "keep"
    three(town, "one")
    assert [orphan.id.name for orphan in town.diff(state=PROD).orphans] == ["two"]
    town.client.patch(secret, MERGE_PATCH, {"data": {"release": "Z2FyYmFnZQ=="}})
    assert town.diff(state=PROD, running=replace(RUNNING, prune=True)).orphans == ()
    assert town.names("ConfigMap") == ["one", "two"]


def test_a_selection_looks_for_nothing_that_left(town: Town) -> None:
    three(town, "one", "two")
    town.sync(state=PROD)
    three(town, "one")
    assert town.diff(state=replace(PROD, selectors=("name=one",))).orphans == ()
    assert town.diff(state=replace(PROD, namespace=town.ns("data"))).orphans == ()


def test_another_project_and_environment_are_left_alone(town: Town) -> None:
    three(town, "one", "two")
    town.sync(state=PROD)
    three(town, "one")
    path = town.folder / "helmflow.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("project: shop", "project: other"), encoding="utf-8")
    assert town.diff(state=PROD).orphans == ()
    path.write_text(text.replace("  prod:", "  prod: {}\n  staging:"), encoding="utf-8")
    assert town.diff(state=StateOptions(environment="staging")).orphans == ()
    assert [orphan.id.name for orphan in town.diff(state=PROD).orphans] == ["two"]


def test_prevent_destroy_outlives_the_file(town: Town) -> None:
    kept = "  - {name: kept, namespace: NS(apps), chart: ./charts/web, preventDestroy: true}\n"
    one = "  - {name: one, namespace: NS(apps), chart: ./charts/web}\n"
    environment(town, releases=kept + one)
    assert town.sync(state=PROD).ok
    report = town.destroy(state=PROD)
    assert report_of(report, "kept").failure.error_id == "release.prevent-destroy"  # type: ignore[union-attr]
    environment(town, releases=one)
    report = town.sync(state=PROD, running=replace(RUNNING, prune=True))
    failure = report_of(report, "kept").failure
    assert failure is not None
    assert "bring it back" in failure.hint
    assert "kept" in town.names("ConfigMap")


def test_prevent_destroy_holds_for_helms_own_operation_too(town: Town) -> None:
    """`helmflow release uninstall` reads no state file, but the record says what its file said."""
    kept = "  - {name: kept, namespace: NS(apps), chart: ./charts/web, preventDestroy: true}\n"
    environment(town, releases=kept)
    assert town.sync(state=PROD).ok
    session = town.session()
    named = release.Named(name="kept", namespace=town.ns("apps"))
    with pytest.raises(Refusal) as refused:
        release.uninstall(named, session.options, session.emit, given=session)
    assert refused.value.error_id == "release.prevent-destroy"
    assert town.wire is not None
    assert town.wire.writes == []
    assert town.names("ConfigMap") == ["kept"]


def test_runs_say_who_did_what_and_when(town: Town) -> None:
    three(town, "one", "two")
    town.sync(state=PROD)
    town.file("values.yaml", "color: green\n")
    town.sync(state=PROD)
    town.sync(state=PROD)  # changes nothing and leaves no trace
    newest, first = run_of(town)
    assert [(r.id.name, r.revision, r.outcome) for r in newest.releases] == [
        ("one", 2, "done"),
        ("two", 2, "done"),
    ]
    assert [r.revision for r in first.releases] == [1, 1]
    assert first.command == "sync"
    assert first.by
    assert first.started.startswith("20")
    assert town.history("one")[1].labels[f"{marks.PREFIX}run"] == newest.id


def test_a_run_that_uninstalled_is_remembered(town: Town) -> None:
    three(town, "one", "two")
    town.sync(state=PROD)
    town.destroy(state=PROD)
    (gone,) = run_of(town)
    assert gone.command == "destroy"
    assert [(r.id.name, r.action, r.outcome) for r in gone.releases] == [
        ("one", "uninstall", "done"),
        ("two", "uninstall", "done"),
    ]
    with pytest.raises(Refusal) as refused:
        back(town, gone.id)
    assert refused.value.error_id == "run.no-way-back"


def test_a_run_is_taken_back_as_a_whole(town: Town) -> None:
    three(town, "one", "two")
    town.sync(state=PROD)
    three(town, "one", "two", "three")
    town.file("values.yaml", "color: green\n")
    town.sync(state=PROD)
    newest = run_of(town)[0]
    report = back(town, newest.id)
    assert report.ok
    assert {r.id.name: r.action for r in report.releases} == {
        "one": "rollback",
        "two": "rollback",
        "three": "uninstall",
    }
    assert [town.find("ConfigMap", name)["data"]["color"] for name in ("one", "two")] == ["red", "red"]  # type: ignore[index]
    assert town.find("ConfigMap", "three") is None
    assert run_of(town)[0].command == "rollback"


def test_an_unknown_run_is_named(town: Town) -> None:
    three(town, "one")
    town.sync(state=PROD)
    with pytest.raises(HelmflowError) as unknown:
        back(town, "20200101T000000Z-beef")
    assert unknown.value.error_id == "run.unknown"


BROKEN = "{{- if .Values.broken }}\napiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: []}\n{{- end }}\n"


@pytest.mark.parametrize("by_file", [True, False])
def test_a_group_goes_back_together(town: Town, *, by_file: bool) -> None:
    three(town, "one", "two")
    town.sync(state=PROD)
    town.chart("bad", bad=BROKEN.replace(".Values.broken", "true"))
    said = ("rollback: group",) if by_file else ()
    environment(
        town,
        *said,
        releases=(
            "  - {name: one, namespace: NS(apps), chart: ./charts/web, values: [values.yaml]}\n"
            "  - {name: two, namespace: NS(apps), chart: ./charts/web, values: [values.yaml], needs: [one]}\n"
            "  - {name: new, namespace: NS(apps), chart: ./charts/web, needs: [two]}\n"
            "  - {name: bad, namespace: NS(apps), chart: ./charts/bad, needs: [new]}\n"
        ),
    )
    town.file("values.yaml", "color: green\n")
    running = RUNNING if by_file else replace(RUNNING, rollback="group")
    report = town.sync(state=PROD, running=running)
    outcomes = {release.id.name: release.outcome for release in report.releases}
    assert outcomes == {
        "one": Outcome.ROLLED_BACK,
        "two": Outcome.ROLLED_BACK,
        "new": Outcome.ROLLED_BACK,
        "bad": Outcome.FAILED,
    }
    assert town.find("ConfigMap", "one")["data"]["color"] == "red"  # type: ignore[index]
    assert town.names("ConfigMap") == ["one", "two"]
    assert town.statuses("one")[-1] == "deployed"
    assert town.history("bad") == []


@pytest.mark.parametrize(
    ("labels", "number", "run"),
    [
        ({"helmflow.dev/run": "r", "helmflow.dev/revision": "2"}, 2, "r"),
        ({"helmflow.dev/run": "r", "helmflow.dev/revision": "2"}, 3, ""),  # Helm copied them
        ({}, 1, ""),
    ],
)
def test_labels_that_helm_copied_name_no_run(labels: Mapping[str, str], number: int, run: str) -> None:
    named = {"helmflow.dev/project": "p", "helmflow.dev/environment": "e"}
    assert marks.read({**named, **labels}, number) == Mark(project="p", environment="e", run=run)
    assert marks.read(labels, number) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("alice@example.org", "alice-example.org"),
        ("a" * 80, "a" * 63),
        ("--x--", "x"),
        ("Zoë", "Zo"),
        ("", ""),
    ],
)
def test_any_text_becomes_a_label(text: str, label: str) -> None:
    assert marks.label_text(text) == label
