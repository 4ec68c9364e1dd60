"""Rendering charts: what dot is, which template wins, dependencies, failures, and what a render gives."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from helmflow.core.errors import ChartError, HelmflowError, TemplateError
from helmflow.helm.chart.capabilities import Capabilities
from helmflow.helm.chart.model import Chart
from helmflow.helm.render.engine import RenderOptions, prepare, render, render_files
from tests import conformance
from tests.charts import Content, chart_of

OPTIONS = RenderOptions(release_name="rel", namespace="ns", installable=False)


def files(
    chart: Chart, values: dict[str, Any] | None = None, options: RenderOptions = OPTIONS
) -> dict[str, str]:
    prepared = prepare(chart, values or {}, options)
    return render_files(prepared.chart, prepared.values, options)


def text(template: str, values: dict[str, Any] | None = None, extra: dict[str, Content] | None = None) -> str:
    """One template's output, or its error."""
    try:
        return files(chart_of({"templates/t.txt": template, **(extra or {})}), values)["c/templates/t.txt"]
    except HelmflowError as error:
        return f"ERR {error}"


def decoded(content: Any) -> Content:
    return base64.b64decode(content["b64"]) if isinstance(content, dict) else content


def test_recorded_context_objects() -> None:
    recorded = conformance.data("helm/oracle/context_objects.json")
    chart_files = {name: decoded(content) for name, content in recorded["chart_files"].items()}
    wrong = []
    for case in recorded["cases"]:
        chart = chart_of({**chart_files, recorded["template_path"]: case["template"]})
        try:
            got = files(chart)["c/templates/t.txt"]
        except HelmflowError as error:
            got = f"ERR {error}"
        got = got.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if got != case["result"]:
            wrong.append((case["template"], got, case["result"]))
    conformance.report(
        "oracle/context_objects", passed=len(recorded["cases"]) - len(wrong), failed=len(wrong)
    )
    assert not wrong


def test_recorded_dependencies() -> None:
    rows = conformance.data("helm/oracle/dependencies.json")
    wrong = []
    for row in rows:
        try:
            got: dict[str, Any] = {"out": files(chart_of(row["files"]), floats(row["user"]))}
        except HelmflowError as error:
            got = {"error": str(error)}
        if any(row.get(key) != value for key, value in got.items()):
            wrong.append((row["id"], got, row.get("out", row.get("error"))))
    conformance.report("oracle/dependencies", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong


def floats(value: Any) -> Any:
    return json.loads(json.dumps(value), parse_int=float)


def test_recorded_kube_versions() -> None:
    rows = [row for row in conformance.data("helm/oracle/manifests.json") if row["group"] == "kubeVersion"]
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
    wrong = []
    for row in rows:
        yaml = f"apiVersion: v2\nname: c\nversion: 1.2.3\nkubeVersion: {json.dumps(row['kubeVersion'])}\n"
        chart = chart_of({"Chart.yaml": yaml, "templates/a.yaml": template})
        try:
            got = {"manifest": render(chart, {}, OPTIONS).manifest}
        except ChartError as error:
            got = {"error": str(error)}
        if any(row.get(key) != value for key, value in got.items()):
            wrong.append((row["id"], got))
    conformance.report("oracle/manifests", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong


def test_the_last_parsed_definition_wins() -> None:
    chart = chart_of(
        {
            "templates/t.txt": '{{ include "x" . }}{{ include "y" . }}{{ include "z" . }}',
            "templates/_a.tpl": '{{ define "x" }}parent{{ end }}{{ define "y" }}a{{ end }}{{ define "z" }} {{ end }}',
            "templates/_b.tpl": '{{ define "y" }}b{{ end }}{{ define "z" }}full{{ end }}',
            "charts/s/Chart.yaml": "apiVersion: v2\nname: s\nversion: 1.0.0\n",
            "charts/s/templates/_a.tpl": '{{ define "x" }}sub{{ end }}',
        }
    )
    assert files(chart)["c/templates/t.txt"] == "parentafull"


def test_a_subchart_changes_what_its_parent_sees() -> None:
    chart = chart_of(
        {
            "templates/t.txt": "{{ .Values.s.x }}{{ .Subcharts.s.Values.x }}",
            "charts/s/Chart.yaml": "apiVersion: v2\nname: s\nversion: 1.0.0\n",
            "charts/s/templates/t.txt": '{{ $_ := set .Values "x" "set" }}',
        }
    )
    assert files(chart)["c/templates/t.txt"] == "setset"


def test_a_library_chart_gives_only_its_definitions() -> None:
    chart = chart_of(
        {
            "templates/t.txt": '{{ include "lib" . }}',
            "charts/l/Chart.yaml": "apiVersion: v2\nname: l\nversion: 1.0.0\ntype: library\n",
            "charts/l/templates/_l.tpl": '{{ define "lib" }}from the library{{ end }}',
            "charts/l/templates/other.yaml": "{{ this is not even parsed",
        }
    )
    assert files(chart) == {"c/templates/t.txt": "from the library"}


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ('{{ tpl "{{ .Template.Name }}" . }}', "c/templates/t.txt"),
        ('{{ tpl "{{ .x }}" (dict "x" 1) }}', "1"),
        ('{{ tpl "{{ .x }}" (dict) }}|', "|"),
        ('{{ tpl "<no value>" . }}|', "|"),
        ('{{ tpl "{{ define \\"q\\" }}in{{ end }}{{ include \\"q\\" . }}" . }}', "in"),
        (
            '{{ tpl "{{ define \\"q\\" }}in{{ end }}" . }}{{ include "q" . }}',
            ('ERR c/templates/t.txt:1:46\n  executing "c/templates/t.txt" at <include "q" .>:\n    error calling include:\n'
            'template: no template "q" associated with template "gotpl"'),
        ),
        (
            '{{ tpl "{{" . }}',
            ('ERR template: c/templates/t.txt:1:3: executing "c/templates/t.txt" at <tpl "{{" .>: error calling tpl: cannot '
            'parse template "{{": template: gotpl:1: unclosed action'),
        ),
        (
            '{{ tpl "{{ .a.b.c }}" . }}',
            ('ERR template: c/templates/t.txt:1:3: executing "c/templates/t.txt" at <tpl "{{ .a.b.c }}" .>: error calling tpl: '
            'error during tpl function execution for "{{ .a.b.c }}": template: gotpl:1:5: executing "gotpl" at <.a.b.c>: nil '
            "pointer evaluating interface {}.b"),
        ),
        ('{{ tpl "{{ fail \\"x\\" }}" . }}', "ERR execution error at (c/templates/t.txt:1:3): x"),
        ('{{ fail "a: b\\nc" }}', "ERR execution error at (c/templates/t.txt:1:3): a: b\nc"),
        ('{{ required "r" "" }}', "ERR execution error at (c/templates/t.txt:1:3): r"),
        ('{{ required "r" false }}{{ required "r" 0 }}', "false0"),
        ('{{ lookup "v1" "Pod" "" "" }}', "map[]"),
        ('{{ getHostByName "localhost" }}|', "|"),
        ("{{ typeOf .Values }} {{ typeOf .Template }} {{ typeOf .Release }}", "common.Values common.Values map[string]interface {}"),
        ('{{ .Values.Table "none" }}', ('ERR template: c/templates/t.txt:1:10: executing "c/templates/t.txt" at <.Values.Table>: '
         'error calling Table: "none" is not a table')),
        ("{{ .Capabilities.KubeVersion }} {{ print .Capabilities.KubeVersion }}", "v1.36.0 {v1.36.0 v1.36.0 1 36}"),
        ("{{ .Capabilities.HelmVersion }}", "{v4.2   go1.26.6 v1.36}"),
        ("{{ nope }}", 'ERR parse error at (c/templates/t.txt:1): function "nope" not defined'),
    ],
)  # fmt: skip
def test_helms_functions_and_objects(template: str, result: str) -> None:
    assert text(template) == result


def test_a_failure_shows_every_frame() -> None:
    extra: dict[str, Content] = {
        "templates/_h.tpl": '{{ define "a" }}\n  {{ include "b" . }}{{ end }}{{ define "b" }}{{ .Values.x.y }}{{ end }}'
    }
    chart = chart_of({"templates/t.txt": 'x\n{{ include "a" . }}', **extra})
    with pytest.raises(TemplateError) as caught:
        files(chart)
    assert str(caught.value) == (
        'c/templates/t.txt:2:3\n  executing "c/templates/t.txt" at <include "a" .>:\n    error calling include:\n'
        'c/templates/_h.tpl:2:5\n  executing "a" at <include "b" .>:\n    error calling include:\n'
        'c/templates/_h.tpl:2:56\n  executing "b" at <.Values.x.y>:\n    nil pointer evaluating interface {}.y'
    )
    assert [str(frame) for frame in caught.value.frames] == [
        "c/templates/t.txt:2:4",
        "c/templates/_h.tpl:2:6",
        "c/templates/_h.tpl:2:57",
    ]
    assert "^" in caught.value.frames[-1].excerpt()


def test_helm_3_differs_where_it_should() -> None:
    options = RenderOptions(helm_version=3, installable=False)
    chart = chart_of({"templates/t.txt": "{{ typeOf .Values }}"})
    assert files(chart, options=options)["c/templates/t.txt"] == "chartutil.Values"
    chart = chart_of({"templates/t.txt": "{{ .Values.a.b }}"})
    with pytest.raises(TemplateError) as caught:
        files(chart, options=options)
    assert str(caught.value).startswith("template: c/templates/t.txt:1:10: executing")
    with pytest.raises(TemplateError):
        files(chart_of({"templates/t.txt": "{{ mustToYaml 1 }}"}), options=options)


def test_a_render_tells_what_is_random() -> None:
    chart = chart_of(
        {
            "templates/a.yaml": "a: {{ randAlphaNum 5 }}",
            "templates/b.yaml": "b: {{ keys (dict) | len }}",
            "templates/c.yaml": '{{ if .Values.off }}{{ now }}{{ end }}{{ include "r" . }}',
            "templates/_r.tpl": '{{ define "r" }}c: {{ uuidv4 }}{{ end }}',
        }
    )
    rendered = render(chart, {}, OPTIONS)
    assert rendered.random_calls == {"randAlphaNum", "uuidv4"}
    assert rendered.random_paths == {"c/templates/a.yaml", "c/templates/c.yaml"}


def test_a_library_chart_and_missing_dependencies_are_refused() -> None:
    head = "apiVersion: v2\nname: c\nversion: 1.0.0\n"
    with pytest.raises(ChartError) as caught:
        render(chart_of({"Chart.yaml": head + "type: library\n"}), {}, RenderOptions())
    assert str(caught.value) == "library charts are not installable"
    declared = head + "dependencies: [{name: a, version: 1.x}, {name: b, version: 1.x}]\n"
    with pytest.raises(ChartError) as caught:
        render(chart_of({"Chart.yaml": declared}), {}, RenderOptions())
    assert str(caught.value) == "found in Chart.yaml, but missing in charts/ directory: a, b"


def test_capabilities_can_be_chosen() -> None:
    capabilities = (
        Capabilities().with_kube_version("1.28.3-gke.1").with_api_versions(("x.io/v1", "x.io/v1/Thing"))
    )
    template = (
        "{{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.KubeVersion.String }} {{ .Capabilities.KubeVersion.Minor }}"
        ' {{ .Capabilities.APIVersions.Has "x.io/v1/Thing" }}'
    )
    options = RenderOptions(capabilities=capabilities, installable=False)
    assert files(chart_of({"templates/t.txt": template}), options=options) == {
        "c/templates/t.txt": "v1.28.3-gke.1 v1.28.3 28 true"
    }


def test_strict_mode_fails_on_a_missing_key() -> None:
    options = RenderOptions(strict=True, installable=False)
    with pytest.raises(TemplateError) as caught:
        files(chart_of({"templates/t.txt": "{{ .Values.none }}"}), options=options)
    assert 'map has no entry for key "none"' in str(caught.value)
