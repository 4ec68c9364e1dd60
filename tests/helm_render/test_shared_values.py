"""Renders of one chart share its values: none sees what another did to them."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from helmflow.core import shared
from helmflow.core.errors import HelmflowError
from helmflow.core.records import replace
from helmflow.core.shared import NOTES
from helmflow.helm.chart.load import load, load_values, merge_maps
from helmflow.helm.chart.model import Chart
from helmflow.helm.render.engine import RenderOptions, prepare, render, render_files
from helmflow.helm.values import coalesce
from helmflow.sprig import dicts
from tests.charts import chart_of
from tests.charts_cases import cases

OPTIONS = RenderOptions(release_name="rel", namespace="ns", installable=False)
MANY = "many: [{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}]\n"  # more than are set apart one by one
DEFAULTS = MANY + "a:\n  b:\n    c: 1\n  n: null\nl: [{k: v}]\ns: text\nt: {}\n"


def rendered(chart: Chart, user: dict[str, Any]) -> dict[str, str]:
    prepared = prepare(chart, user, OPTIONS)
    return render_files(prepared.chart, prepared.values, OPTIONS)


@pytest.mark.parametrize(
    "template",
    [
        "{{ set .Values.a.b `x` 1 | toYaml }}{{ toYaml .Values }}",
        "{{ unset .Values.a `b` | toYaml }}{{ toYaml .Values }}",
        "{{ unset .Values.a `none` | toYaml }}",
        "{{ merge .Values.a (dict `b` (dict `d` 2)) | toYaml }}{{ .Values.a | toJson }}",
        "{{ mergeOverwrite (dict) .Values.a (dict `b` (dict `c` 3)) | toJson }}{{ .Values.a | toJson }}",
        "{{ set (first .Values.l) `k` 2 | toJson }}{{ toYaml .Values.l }}",
        "{{ set .Chart `Name` `other` | len }}{{ .Chart.Name }}",
        "{{ set .Template `Name` `other` | len }}{{ .Template.Name }}",
        "{{ set .Release `Name` `other` | len }}{{ .Release.Name }}",
        "{{ set .Values `s` `other` | len }}{{ .Values.s }}",
        "{{ $_ := set .Values.t `y` .Values.a }}{{ $_ := set .Values.t.y.b `z` 2 }}{{ toYaml .Values }}",
        "{{ range .Values.many }}{{ set . `x` 1 | len }}{{ end }}{{ toYaml .Values.many }}{{ toYaml .Values.u }}",
        "{{ unset .Values.u `on` | len }}{{ set .Values.a.b `x` 1 | len }}{{ toYaml .Values.u }}",
    ],
)
def test_changes_stay_in_their_render(template: str) -> None:
    """A fresh chart says what each render must give; values that `user` gave may have been changed before the shared ones
    are."""
    files = {"templates/t.txt": template, "values.yaml": DEFAULTS}
    used = chart_of(files)
    for user in (
        {},
        {},
        {"u": {"on": True}},
        {"a": {"b": {"e": 1.0}}, "u": {"on": True}},
        {"a": {"b": None}},
        {},
    ):
        try:
            wanted: object = rendered(chart_of(files), user)
        except HelmflowError as error:
            wanted = str(error)
        try:
            found: object = rendered(used, user)
        except HelmflowError as error:
            found = str(error)
        assert found == wanted


def test_what_templates_change_is_set_apart_alone() -> None:
    """Also where parent and subchart see the same map; what is in globals is theirs together."""
    files = {
        "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
        "values.yaml": DEFAULTS + "red: {own: {x: 1}}\nglobal: {g: {h: {i: 1}}}\n",
        "templates/a.txt": "{{ toYaml .Values }}",
        "charts/red/Chart.yaml": "apiVersion: v2\nname: red\nversion: 1.0.0\n",
        "charts/red/values.yaml": "global: {g: {h: {j: 2}}}\nother: {k: {}}\n",
    }
    for change, stays in (
        ("{{ $_ := set .Values.own `y` 2 }}", True),
        ("{{ $_ := set .Values `y` 2 }}", True),
        ("{{ $_ := set .Values.global `y` 2 }}{{ $_ := set .Values.global.g `y` 2 }}", True),
        ("{{ $_ := set .Values.global.g.h `y` 2 }}", False),
        ("{{ $_ := set .Chart `y` 2 }}", False),
    ):
        files["charts/red/templates/b.txt"] = change + "{{ toYaml .Values }}"
        used = chart_of(files)
        for user in (
            {},
            {},
            {"red": {"own": {"z": 1.0}}},
            {"global": {"g": {"h": {"z": 1.0}}}},
            {"a": {}},
            {},
        ):
            assert rendered(used, user) == rendered(chart_of(files), user)
        values = prepare(used, {}, OPTIONS).values
        assert (id(values["a"]) in NOTES) == stays
        assert id(values["red"]["own"]) not in NOTES or ".own" not in change


def test_schemas_are_checked_where_values_are_shared() -> None:
    schema = '{"properties": {"a": {"properties": {"b": {"properties": {"c": {"maximum": 1}}}}}}}'
    chart = chart_of({"templates/t.txt": "x", "values.yaml": DEFAULTS, "values.schema.json": schema})
    for _ in range(3):
        rendered(chart, {})
        with pytest.raises(HelmflowError, match="/a/b/c"):
            rendered(chart, {"a": {"b": {"c": 2.0}}})


def test_real_charts_render_again_as_they_did_first() -> None:
    wrong = []
    for case in cases()[::30]:
        recorded = case.recorded
        base = case.root / "charts" / case.chart_id
        try:
            values: dict[str, Any] = {}
            for name in recorded["values"]:
                values = merge_maps(values, load_values((base / name).read_bytes()))
            chart, other = load(base / "chart"), load(base / "chart")
            first = dict(render(chart, values, OPTIONS).files)
            again = [dict(render(chart, values, OPTIONS).files) for _ in range(2)]
        except HelmflowError:
            continue
        if first == dict(render(other, values, OPTIONS).files) and again != [first, first]:
            wrong.append(str(case))
    assert wrong == []


def test_what_other_renders_use_stays_shared_when_one_gets_everything_for_itself() -> None:
    chart = chart_of({"values.yaml": "global: {a: {b: {c: 1}}}", "templates/t.txt": "x"})
    prepare(chart, {}, OPTIONS)
    (used, first), (_, second) = [
        (made.chart, made.values) for made in (prepare(chart, {}, OPTIONS) for _ in range(2))
    ]
    coalesce.apart(used, first, first["global"]["a"]["b"])
    del first
    with pytest.raises(shared.Changed):
        dicts.set_key.call(second["global"]["a"]["b"], "c", 2)


def test_a_refused_change_reaches_neither_type_of_a_map() -> None:
    tree = shared.SharedTree(coalesce.Values(a=1))
    plain = dicts.merge.call(tree.value, {})
    for change in (lambda: dicts.set_key.call(plain, "b", 2), lambda: dicts.unset.call(plain, "a")):
        with pytest.raises(shared.Changed):
            change()
    assert plain == tree.value == {"a": 1}


@pytest.mark.parametrize(
    "part", [".Values.global.a.b", ".Values.a.b", "(merge .Values.sub (dict))", "(first .Values.l)"]
)
def test_threads_that_render_one_chart_see_their_own_changes_only(part: str) -> None:
    text = f"{{{{ $_ := set {part} `r` .Release.Name }}}}{{{{ range until 30 }}}}{{{{ end }}}}{{{{ toYaml .Values }}}}"
    files = {
        "values.yaml": f"global: {{a: {{b: {{c: 1}}}}}}\n{DEFAULTS}sub: {{k: v}}\n",
        "templates/a.txt": text,
        "charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
        "charts/sub/templates/c.txt": "{{ toYaml .Values }}{{ $_ := set .Values `s` .Release.Name }}",
    }

    def made(chart: Chart, name: str) -> dict[str, str]:
        options = replace(OPTIONS, release_name=name)
        prepared = prepare(chart, {"u": name}, options)
        return render_files(prepared.chart, prepared.values, options)

    names = [str(number) for number in range(8)]
    wanted = [made(chart_of(files), name) for name in names]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for known in range(6):
            chart = chart_of(files)
            for _ in range(known % 3):
                made(chart, "before")
            with ThreadPoolExecutor(len(names)) as pool:
                assert list(pool.map(lambda name, chart=chart: made(chart, name), names * 2)) == wanted * 2  # type: ignore[misc]
    finally:
        sys.setswitchinterval(interval)
