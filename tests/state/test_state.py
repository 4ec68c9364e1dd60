"""Graph, selection, hooks, values, merging and loading: behaviours that recordings do not reach."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.core.ids import ReleaseId
from helmflow.providers.state_ports import state_ports
from helmflow.state import hooks, merging, selection, values
from helmflow.state.context import Trust
from helmflow.state.graph import ReleaseGraph
from helmflow.state.load import LoadRequest, load_desired
from helmflow.state.model import DesiredState, NeedUntil, Presence
from helmflow.state.selection import Files, Needs


def _load(root: Path, files: dict[str, str], **given: Any) -> DesiredState:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    given.setdefault("env", {})
    return load_desired(LoadRequest(cwd=root, ports=state_ports(), **given), lambda event: None)


def _ids(*names: str) -> list[ReleaseId]:
    return [ReleaseId("", "", name) for name in names]


A, B, C, D = _ids("a", "b", "c", "d")


def test_groups_are_levels_in_definition_order() -> None:
    graph = ReleaseGraph({D: (), C: (B,), B: (A,), A: ()})
    assert graph.groups() == ((D, A), (B,), (C,))
    assert graph.order() == (D, A, B, C)
    assert graph.closure([C]) == {A, B, C}
    assert graph.dependents(A) == {B, C}
    assert graph.why(C, A) == (C, B, A)
    assert graph.why(A, C) == ()
    assert graph.among([C, A]) == {C: {A}, A: set()}


def test_a_graph_without_needs_loads_no_library(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "helmfile.yaml").write_text("releases:\n- {name: a, chart: ./c}\n", encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from tests.state import drive; "
        f"assert drive.run(['show-dag'], Path({str(tmp_path)!r}), {{}}).code == 0; "
        "print([name for name in ('networkx', 'kubernetes', 'rich', 'jsonschema', 'hcl2', 'pyrage') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@given(
    st.integers(2, 8).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
    )
)
def test_order_puts_needs_first_or_names_a_real_cycle(drawn: tuple[int, set[tuple[int, int]]]) -> None:
    count, edges = drawn
    ids = _ids(*(f"r{i}" for i in range(count)))
    needs = {ids[i]: tuple(ids[j] for a, j in sorted(edges) if a == i) for i in range(count)}
    graph = ReleaseGraph(needs)
    try:
        graph.check()
    except ConfigError as error:
        names = error.message.removeprefix("cycle detected: ").split(" -> ")
        assert names[0] == names[-1]
        for dependent, needed in itertools.pairwise(names):
            assert ReleaseId("", "", needed) in needs[ReleaseId("", "", dependent)]
        return
    order = graph.order()
    assert sorted(order) == sorted(ids)
    for one in ids:
        assert all(order.index(needed) < order.index(one) for needed in needs[one])


NEEDS = {
    "helmfile.yaml": "releases:\n- {name: db, chart: ./c, labels: {t: d}}\n- {name: cache, chart: ./c, needs: [db], condition: x.enabled}\n"
    "- {name: app, chart: ./c, needs: [cache], labels: {t: a}}\nvalues: [{x: {enabled: false}}]\n"
}


def test_needs_that_are_not_selected(tmp_path: Path) -> None:
    desired = _load(tmp_path, NEEDS, selectors=("t=a",))
    skip = selection.choose(desired)
    assert [one.name for one in skip.releases] == ["app"]
    included = selection.choose(desired, Needs.INCLUDE)
    assert [(one.name, one.presence) for one in included.releases] == [
        ("db", Presence.PRESENT), ("cache", Presence.PRESENT), ("app", Presence.PRESENT),
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        selection.choose(desired, Needs.REQUIRE)
    assert caught.value.message == (
        'release "app" depends on "cache" which does not match the selectors. Please add a selector like "--selector '
        'name=cache", or indicate whether to skip (--skip-needs) or include (--include-needs) these dependencies'
    )
    everything = _load(tmp_path, NEEDS)
    assert [one.name for one in selection.choose(everything).releases] == ["db", "app"]
    assert selection.choose(everything).graph.among([one.id for one in everything.releases if one.name != "cache"]) == {
        ReleaseId("", "", "db"): set(), ReleaseId("", "", "app"): {ReleaseId("", "", "db")},
    }  # fmt: skip


def test_needs_cross_files_and_contexts_and_say_how_far(tmp_path: Path) -> None:
    desired = _load(
        tmp_path,
        {
            "helmfile.yaml": "helmfiles: [crds.yaml, app.yaml]\n",
            "app.yaml": "releases:\n- name: app\n  namespace: x\n  kubeContext: one\n  chart: ./c\n"
            "  needs: [{release: two/ops/crds, until: crd-established}]\n",
            "crds.yaml": "releases:\n- {name: crds, namespace: ops, kubeContext: two, chart: ./c}\n",
        },
    )
    chosen = selection.choose(desired)
    crds, app = ReleaseId("two", "ops", "crds"), ReleaseId("one", "x", "app")
    assert chosen.graph.order() == (crds, app)
    assert chosen.graph.until == {(app, crds): NeedUntil.CRD_ESTABLISHED}


def test_files_keep_their_order_where_needs_say_nothing(tmp_path: Path) -> None:
    files = {
        "helmfile.yaml": "helmfiles: [one.yaml, two.yaml]\n---\nreleases:\n- {name: last, chart: ./c}\n",
        "one.yaml": "releases:\n- {name: b, chart: ./c, needs: [a]}\n- {name: a, chart: ./c}\n",
        "two.yaml": "releases:\n- {name: c, chart: ./c}\n",
    }
    desired = _load(tmp_path, files)
    chosen = selection.choose(desired)
    assert [one.name for one in chosen.graph.order()] == ["a", "b", "c", "last"]
    assert chosen.graph.closure([ReleaseId("", "", "last")]) == {ReleaseId("", "", "last")}
    backwards = {
        **files,
        "one.yaml": "releases:\n- {name: b, chart: ./c, needs: [last]}\n- {name: a, chart: ./c}\n",
    }
    order = [one.name for one in selection.choose(_load(tmp_path, backwards)).graph.order()]
    assert order.index("last") < order.index("b")
    assert order.index("a") < order.index("c")


def test_files_of_a_directory_are_independent_unless_asked(tmp_path: Path) -> None:
    desired = _load(
        tmp_path,
        {f"helmfile.d/{n}.yaml": f"releases:\n- {{name: {n}, chart: ./c}}\n" for n in ("one", "two")},
    )
    assert len(selection.choose(desired).graph.groups()) == 1
    assert len(selection.choose(desired, files=Files.SEQUENTIAL).graph.groups()) == 2


def test_one_release_in_two_files(tmp_path: Path) -> None:
    shared = "releases:\n- {name: shared, chart: ./c}\n"
    desired = _load(
        tmp_path,
        {
            "helmfile.yaml": "helmfiles: [a/s.yaml, b.yaml]\n",
            "b.yaml": "helmfiles: [a/s.yaml]\n",
            "a/s.yaml": shared,
        },
    )
    assert len(desired.releases) == 2
    assert [one.name for one in selection.choose(desired).releases] == ["shared"]
    desired = _load(
        tmp_path, {"helmfile.yaml": f"helmfiles: [a/s.yaml]\n---\n{shared.replace('./c', './other')}"}
    )
    with pytest.raises(ConfigError) as caught:
        selection.choose(desired)
    assert caught.value.message == 'found 2 duplicate releases with ID "shared"'


HOOKS = {
    "helmfile.yaml": "values: [{v: 1}]\nhooks:\n- {events: [prepare], command: echo, args: ['{{ .HelmfileCommand }}']}\n"
    "releases:\n- name: a\n  namespace: n\n  chart: ./c\n  hooks:\n  - events: [presync, postsync]\n    showlogs: true\n"
    "    command: '{{ .Environment.Name }}.sh'\n    args: ['{{ .Event.Name }}', '{{ .Event.Error }}', '{{ .Release.Name }}', "
    "'{{ if .Event.Error }}bad{{ else }}good{{ end }}', '{{ .Values.v }}']\n"
}


def test_hooks_are_rendered_when_they_fire(tmp_path: Path) -> None:
    desired = _load(tmp_path, HOOKS)
    release = desired.releases[0]
    hook = hooks.hooks_for(release.local_hooks, "presync")[0]
    ready = hooks.render(desired, 0, release, hook, hooks.Firing(event="presync", command="sync"))
    assert (ready.command, ready.args, ready.cwd) == (
        "default.sh",
        ("presync", "<nil>", "a", "good", "1"),
        tmp_path,
    )
    failed = hooks.render(
        desired, 0, release, hook, hooks.Firing(event="postsync", command="sync", error="boom")
    )
    assert failed.args == ("postsync", "boom", "a", "bad", "1")
    shared = desired.files[0].local_hooks[0]
    assert hooks.render(desired, 0, None, shared, hooks.Firing(event="prepare", command="apply")).args == (
        "apply",
    )


def test_hooks_are_switched_off_where_files_are_not_trusted(tmp_path: Path) -> None:
    firing = hooks.Firing(event="presync", command="sync")
    for given_, error_id in (
        ({"trust": Trust.UNTRUSTED}, "state.untrusted"),
        ({"env": {"HELMFILE_DISABLE_HOOKS": "true"}}, "hooks.disabled"),
    ):
        desired = _load(tmp_path, HOOKS, **given_)
        with pytest.raises(ConfigError) as caught:
            hooks.render(desired, 0, desired.releases[0], desired.releases[0].local_hooks[0], firing)
        assert caught.value.error_id == error_id


def test_values_are_what_helm_would_read(tmp_path: Path) -> None:
    desired = _load(
        tmp_path,
        {
            "helmfile.yaml": "releases:\n- name: a\n  namespace: n\n  chart: r/c\n  valuesPathPrefix: v/\n  labels: {tier: web}\n"
            "  values: [plain.yaml, t.yaml.gotmpl, {inline: yes, n: 017, when: 2001-01-01}]\n"
            "  setTemplate: [{name: '{{ .Release.Name }}.t', value: '{{ .Release.Namespace }}'}]\n"
            "  set: [{name: s.x, value: '5'}, {name: 'k{', value: 'a,b'}, {name: list, values: [1, {m: x}]}, {name: none}, {name: f, file: f.txt}]\n"
            "  setString: [{name: s.y, value: '5'}]\n  env: [{name: e, value: VARIABLE}]\n",
            "v/plain.yaml": "old: yes\nkeep: null\n",
            "v/t.yaml.gotmpl": "rel: {{ .Release.Labels.name }}-{{ .Release.Labels.chart }}-{{ .Release.Labels.tier }}\nold: 2\n",
            "f.txt": "from file",
        },
        env={"VARIABLE": "from env"},
    )
    found = values.layer(desired, desired.releases[0])
    assert found.values == {
        "old": 2.0, "keep": None, "rel": "a-c-web", "inline": "yes", "n": 15.0, "when": "2001-01-01T00:00:00Z",
        "a": {"t": "n"}, "s": {"x": 5, "y": "5"}, "k{": "a,b", "list": [1, '{"m":"x"}'],
        "f": "from file", "e": "from env",
    }  # fmt: skip


def test_missing_and_globbed_values_files(tmp_path: Path) -> None:
    text = "releases:\n- name: a\n  chart: ./c\n  values: [{0}]\n  missingFileHandler: {1}\n"
    for name, handler, error_id in (
        ("no.yaml", "Error", "file.missing"),
        ("v*.yaml", "Error", "values.glob"),
    ):
        desired = _load(tmp_path, {"helmfile.yaml": text.format(name, handler), "v1.yaml": "", "v2.yaml": ""})
        with pytest.raises(ConfigError) as caught:
            values.layer(desired, desired.releases[0])
        assert caught.value.error_id == error_id
    desired = _load(tmp_path, {"helmfile.yaml": text.format("no.yaml", "Warn")})
    assert values.layer(desired, desired.releases[0]).values == {}
    assert [one.error_id for one in desired.context.warnings] == ["file.skipped"]


def test_patches_see_the_releases_values(tmp_path: Path) -> None:
    desired = _load(
        tmp_path,
        {
            "helmfile.yaml": "values: [{s: state}]\nreleases:\n- name: a\n  chart: ./c\n  values: [{k: v}]\n  forceNamespace: fn\n"
            "  jsonPatches:\n  - {target: {kind: Service, name: x}, patch: [{op: remove, path: /a}]}\n"
            "  strategicMergePatches: [p.yaml.gotmpl]\n  dependencies: [{chart: ./d, alias: d}]\n",
            "p.yaml.gotmpl": "kind: ConfigMap\ndata: {a: {{ .Values.k }}-{{ .Values.s }}-{{ .Release.Name }}}\n",
        },
    )
    release = desired.releases[0]
    found = values.patches(desired, release, values.layer(desired, release).values)
    assert found.strategic_merge_patches == ({"kind": "ConfigMap", "data": {"a": "v-state-a"}},)
    assert found.json_patches[0]["target"]["kind"] == "Service"
    assert found.force_namespace == "fn"
    assert bool(release.patches)


def test_own_names_come_first_and_variables_have_twins(tmp_path: Path) -> None:
    files = {
        "helmflow.yaml": "releases:\n- {name: own, chart: ./c}\n",
        "helmfile.yaml": "releases:\n- {name: theirs, chart: ./c}\n",
        "other.yaml": "environments: {stage: {}}\n---\nreleases:\n- {name: other, chart: ./c}\n",
    }
    assert _load(tmp_path, files).releases[0].name == "own"
    env = {"HELMFILE_FILE_PATH": "helmfile.yaml", "HELMFLOW_FILE_PATH": "other.yaml", "HELMFLOW_ENVIRONMENT": "stage",
           "HELMFILE_NAMESPACE": "ns"}  # fmt: skip
    found = _load(tmp_path, {}, env=env)
    assert (found.releases[0].name, found.environment, found.releases[0].namespace) == (
        "other",
        "stage",
        "ns",
    )


def test_standard_input_is_a_template(tmp_path: Path) -> None:
    found = _load(tmp_path, {}, file="-", stdin="releases:\n- {name: {{ .Environment.Name }}, chart: ./c}\n")
    assert found.releases[0].name == "default"


def test_contexts_by_precedence(tmp_path: Path) -> None:
    text = (
        "environments:\n  default: {kubeContext: env}\n---\n%sreleases:\n- {name: a, chart: ./c}\n"
        "- {name: b, chart: ./c, kubeContext: own, needs: [own//c]}\n- {name: c, chart: ./c, kubeContext: own}\n"
    )
    found = _load(tmp_path, {"helmfile.yaml": text % ""})
    assert [one.id.context for one in found.releases] == ["env", "own", "own"]
    found = _load(tmp_path, {"helmfile.yaml": text % "helmDefaults: {kubeContext: defaults}\n"})
    assert [one.id.context for one in found.releases] == ["defaults", "own", "own"]
    found = _load(tmp_path, {"helmfile.yaml": text % "kubeContext: embedded\n"})
    assert [one.id.context for one in found.releases] == ["embedded"] * 3


_leaf = st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2)
_tree = st.dictionaries(st.sampled_from("abc"), st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6,
))  # fmt: skip


@given(_tree, _tree)
def test_merges_keep_what_is_above(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    assert merging.overridden(lower, {}) == lower
    assert merging.overridden({}, upper) == upper
    assert merging.overridden(upper, upper) == upper
    merged = merging.overridden(lower, upper)
    for key, value in upper.items():
        if not isinstance(value, dict):
            assert merged[key] == value
    layered = merging.layered(lower, upper)
    assert set(layered) == set(lower) | set(upper)
    for key, value in lower.items():
        if upper.get(key) is None:
            assert layered[key] == value


@given(_tree, _tree, _tree)
def test_overriding_is_associative(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    left = merging.overridden(merging.overridden(a, b), c)
    right = merging.overridden(a, merging.overridden(b, c))
    assert left == right or any(isinstance(v, dict) for v in (*a.values(), *c.values()))


def test_reading_anything_never_breaks(tmp_path: Path) -> None:
    @given(
        st.text(max_size=80)
        | st.binary(max_size=80).map(lambda data: data.decode("utf-8", "surrogateescape"))
    )
    def check(text: str) -> None:
        body = "releases:\n- name: a\n  chart: " + text
        (tmp_path / "helmfile.yaml").write_bytes(body.encode("utf-8", "surrogateescape"))
        with contextlib.suppress(HelmflowError):
            load_desired(LoadRequest(cwd=tmp_path, env={}), lambda event: None)

    check()
