"""Values that nothing reads, and names that only Helm 2 had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helmflow.core.errors import ConfigError, TemplateError
from helmflow.helm.chart import create, load
from helmflow.helm.chart.model import Chart
from helmflow.helm.render.engine import RenderOptions, render
from helmflow.helm.render.unread import old_names
from tests.charts import chart_of

CHART = chart_of(
    {
        "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: s, version: 1.0.0, condition: s.on}]\n",
        "values.yaml": "image: {tag: a, name: b}\nport: 1\npodLabels: {}\n",
        "templates/t.yaml": "a: {{ .Values.image.tag }}{{ with .Values.image }}{{ .name }}{{ end }}\n"
        "b: {{ .Values.port }}\nc: {{ toYaml .Values.podLabels | nindent 2 }}\n",
        "charts/s/Chart.yaml": "apiVersion: v2\nname: s\nversion: 1.0.0\n",
        "charts/s/templates/t.yaml": "a: {{ .Values.size }}\n",
    }
)


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"image": {"tag": "x"}, "port": 1.0, "podLabels": {"any": "thing"}, "global": {"x": 1.0}}, []),
        (
            {"image": {"tga": "x"}},
            [("value image.tga is set, but no template of c reads it", "did you mean 'tag'?")],
        ),
        (
            {"imgae": {"tag": "x"}},
            [("value imgae is set, but no template of c reads it", "did you mean 'image'?")],
        ),
        ({"s": {"on": True, "size": 1.0}}, []),
        (
            {"s": {"sise": 1.0}},
            [("value s.sise is set, but no template of s reads it", "did you mean 'size'?")],
        ),
    ],
)
def test_unread_values(user: dict[str, Any], told: list[tuple[str, str]]) -> None:
    assert unread(CHART, user) == told


def unread(chart: Chart, user: dict[str, Any]) -> list[tuple[str, str]]:
    rendered = render(chart, user, RenderOptions(unread_values="warn"))
    return [(one.message, one.hint) for one in rendered.warnings if one.error_id == "values.unread"]


FOLLOWED = {
    "variable": "{{ $x := .Values.a }}{{ $x.b }}",
    "root": "{{ $.Values.a.b }}",
    "with": "{{ with .Values.a }}{{ .b }}{{ end }}",
    "else": "{{ if .Values.z }}{{ else }}{{ .Values.a.b }}{{ end }}",
    "parentheses": "{{ (.Values.a).b }}",
    "default": "{{ (.Values.a | default dict).b }}",
    "index": '{{ index .Values "a" "b" }}',
    "index by a word of a list": '{{ range list "a" }}{{ index $.Values . "b" }}{{ end }}',
    "get": '{{ get .Values.a "b" }}',
    "dig": '{{ dig "b" 1 .Values.a }}',
    "pick": '{{ toYaml (pick .Values.a "b") }}',
    "key that only the render knows": "{{ index .Values.a .Release.Name }}",
    "include": '{{ define "t" }}{{ .Values.a.b }}{{ end }}{{ include "t" . }}',
    "include of a part": '{{ define "t" }}{{ .b }}{{ end }}{{ include "t" .Values.a }}',
    "helper with a dict": '{{ define "t" }}{{ .it.b }}{{ end }}{{ include "t" (dict "it" .Values.a "root" $) }}',
    "helper with a list": '{{ define "t" }}{{ (index . 1).b }}{{ end }}{{ include "t" (list $ .Values.a) }}',
    "root in a dict": '{{ define "t" }}{{ .root.Values.a.b }}{{ end }}{{ include "t" (dict "root" $) }}',
    "merged root": '{{ define "t" }}{{ .Values.a.b }}{{ end }}{{ include "t" (merge (dict "x" 1) .) }}',
    "set into a table": '{{ $d := dict }}{{ $_ := set $d "k" .Values.a }}{{ $d.k.b }}',
    "name put together": '{{ define "c.t" }}{{ .b }}{{ end }}{{ include (printf "%s.t" .Chart.Name) .Values.a }}',
    "written whole": "{{ toYaml .Values.a }}",
    "ranged whole": "{{ range $k, $v := .Values.a }}{{ $k }}{{ end }}",
    "changed in a loop": "{{ $x := .Values.z }}{{ range .Values.l }}{{ $x.b }}{{ $x = $.Values.a }}{{ end }}",
    "tpl of a value": "{{ tpl .Values.text . }}",
}


@pytest.mark.parametrize("body", FOLLOWED.values(), ids=FOLLOWED)
def test_values_are_followed_to_where_they_are_read(body: str) -> None:
    values = "text: '{{ .Values.a.b }}'\n" if "tpl" in body else ""
    chart = chart_of({"values.yaml": values, "templates/NOTES.txt": body})
    assert unread(chart, {"a": {"b": "x"}}) == []
    if not any(word in body for word in ("toYaml .Values.a", ".Release", "$k", "tpl")):
        assert unread(chart, {"a": {"bb": "x"}}) == [
            ("value a.bb is set, but no template of c reads it", "did you mean 'b'?")
        ]


def test_items_of_lists_are_followed() -> None:
    chart = chart_of(
        {
            "templates/NOTES.txt": "{{ range .Values.hosts }}{{ .host }}{{ range .paths }}{{ .path }}{{ end }}{{ end }}"
        }
    )
    good = {"hosts": [{"host": "h", "paths": [{"path": "/"}]}]}
    assert unread(chart, good) == []
    assert unread(chart, {"hosts": [{"hots": "h", "paths": []}]}) == [
        ("value hosts.0.hots is set, but no template of c reads it", "did you mean 'host'?")
    ]


def test_helpers_that_call_themselves_come_to_an_end() -> None:
    deeper = '{{ define "t" }}{{ range $k, $v := . }}{{ include "t" (dict "a" $v "b" (merge (dict "c" $v) $)) }}{{ end }}{{ end }}'
    chart = chart_of(
        {"templates/NOTES.txt": deeper + '{{ if .Values.never }}{{ include "t" .Values }}{{ end }}'}
    )
    assert unread(chart, {"a": {"b": 1.0}}) == []


def test_values_of_subcharts_that_are_off_are_not_missed() -> None:
    assert unread(CHART, {"s": {"on": False, "anything": 1.0}}) == []


def test_unread_values_warn_or_fail() -> None:
    user = {"prot": 2.0}
    assert render(CHART, user, RenderOptions()).warnings == ()
    warned = render(CHART, user, RenderOptions(unread_values="warn")).warnings
    assert [warning.error_id for warning in warned] == ["values.unread"]
    with pytest.raises(ConfigError) as caught:
        render(CHART, user, RenderOptions(unread_values="error"))
    assert caught.value.error_id == "values.unread"


def test_old_names_warn_once_and_hint() -> None:
    chart = chart_of(
        {"templates/t.yaml": "a: {{ .Release.Time }}\n", "templates/u.yaml": "b: {{ .Release.Time }}\n"}
    )
    (warning,) = old_names(chart)
    assert (warning.message, warning.error_id) == (
        "c/templates/t.yaml uses .Release.Time, which only Helm 2 had",
        "chart.old-name",
    )
    assert render(chart, {}, RenderOptions()).manifest.count("a: \n") == 1
    with pytest.raises(TemplateError) as caught:
        render(chart_of({"templates/t.yaml": "a: {{ .Capabilities.TillerVersion }}"}), {}, RenderOptions())
    assert caught.value.hint == "use .Capabilities.HelmVersion"


def test_a_nil_value_is_named() -> None:
    with pytest.raises(TemplateError) as caught:
        render(chart_of({"templates/t.yaml": "a: {{ .Values.a.b.c }}"}), {"a": {}}, RenderOptions())
    assert caught.value.hint == ".Values.a.b has no value"


def test_unknown_hooks_and_deprecation_warn() -> None:
    hook = "kind: X\nmetadata: {name: thing, annotations: {helm.sh/hook: crd-install}}\n"
    chart = chart_of(
        {
            "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\ndeprecated: true\n",
            "templates/t.yaml": hook,
        }
    )
    rendered = render(chart, {}, RenderOptions())
    assert [warning.error_id for warning in rendered.warnings] == ["chart.unknown-hook", "chart.deprecated"]
    legacy = render(chart, {}, RenderOptions(legacy_hooks=True))
    assert [str(crd.ref) for crd in legacy.crds] == ["X thing"]


def test_every_value_of_a_new_chart_is_read_and_a_slip_is_told(tmp_path: Path) -> None:
    chart = load.load(create.create("web", tmp_path))
    assert unread(chart, chart.values) == []
    assert unread(chart, {"nodeSelecter": {"a": "b"}, "image": {"tga": "1"}}) == [
        ("value nodeSelecter is set, but no template of web reads it", "did you mean 'nodeSelector'?"),
        ("value image.tga is set, but no template of web reads it", "did you mean 'tag'?"),
    ]
