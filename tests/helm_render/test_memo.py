"""Includes whose text is known from earlier in the render: only where Helm would make the same again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helmflow.core import shared
from helmflow.core.errors import TemplateError
from helmflow.gotemplate.templates import TemplateSet
from helmflow.helm.chart.model import Chart
from helmflow.helm.render import engine, memo
from helmflow.helm.values import coalesce
from tests.charts import chart_of, write_chart

OFTEN = 12  # more includes than a render makes before it looks at what they are given
DEFINES = """\
{{- define "name" }}{{ .Release.Name }}-{{ .Values.part.x }}{{ end -}}
{{- define "early" }}{{ range until 12 }}{{ include "name" $ }}{{ end }}{{ end -}}
{{- define "of" }}{{ .a }}/{{ .context.Values.part.x }}{{ end -}}
{{- define "return" }}{{ $_ := set . "result" (printf "%v!" .in) }}{{ end -}}
{{- define "collect" }}{{ $_ := set .into .key "here" }}{{ end -}}
{{- define "count" }}{{ $_ := set .Values "n" (add1 (.Values.n | default 0)) }}{{ end -}}
{{- define "local" }}{{ $d := dict "a" 1 }}{{ $_ := set $d "b" .a }}{{ toJson (merge $d (dict "c" 2)) }}{{ end -}}
{{- define "where" }}{{ .Template.Name }}{{ end -}}
{{- define "aliased" }}{{ range $k, $v := .context }}{{ if eq $k "Template" }}{{ $v.BasePath | len }}{{ $v.Name }}{{ end }}{{ end }}{{ end -}}
{{- define "whole" }}{{ .Template | toJson }}{{ .Template | toYaml }}{{ end -}}
{{- define "copied" }}{{ (deepCopy .Template).Name }}{{ (merge (dict) .Template).Name }}{{ get .Template "Name" }}{{ end -}}
{{- define "merged" }}{{ (merge .Template (dict)).Name }}{{ end -}}
{{- define "same" }}{{ deepEqual .Template (dict "Name" "c/templates/a.txt" "BasePath" "c/templates") }}{{ end -}}
{{- define "kind" }}{{ kindOf .v }}{{ .v }}{{ end -}}
{{- define "inner" }}outer{{ end -}}
{{- define "uses" }}{{ include "inner" . }}{{ end -}}
"""
# Name -> what two templates hold. The second runs before the first: Helm takes them backwards.
HAZARDS = {
    "mutation of what hangs on the dot": '{{ include "early" . }}{{ $_ := set .Values.part "x" "new" }}{{ include "name" . }}',
    "values as data": '{{ include "early" . }}{{ range until 3 }}{{ include "of" (dict "a" $.Values.part.x "context" $) }}'
    '{{ $_ := set $.Values.part "x" (printf "%d" .) }}{{ end }}',
    "a result put into the data": '{{ include "early" . }}{{ range until 3 }}{{ $d := dict "in" "v" }}{{ include "return" $d }}{{ $d.result }}{{ end }}',
    "a result put into data of data": '{{ include "early" . }}{{ range until 3 }}{{ $d := dict }}'
    '{{ include "collect" (dict "into" $d "key" "k") }}{{ toJson $d }}{{ end }}',
    "a result put into an item": '{{ include "early" . }}{{ range until 3 }}{{ $d := dict }}{{ $l := list $d }}'
    '{{ include "collect" (dict "into" (first $l) "key" "k" "l" $l) }}{{ toJson $l }}{{ end }}',
    "counting in values": '{{ include "early" . }}{{ range until 5 }}{{ include "count" $ }}{{ $.Values.n }}{{ include "name" $ }}{{ end }}',
    "maps of the template's own": '{{ include "early" . }}{{ range until 5 }}{{ include "local" (dict "a" "x") }}{{ include "local" (dict "a" .) }}{{ end }}',
    "the file's name": '{{ include "early" . }}{{ include "where" . }}{{ include "where" . }}',
    "the file's name found by going through": '{{ include "early" . }}{{ include "aliased" (dict "context" .) }}{{ include "aliased" (dict "context" .) }}',
    "the file as JSON and YAML": '{{ include "early" . }}{{ include "whole" . }}{{ include "whole" . }}',
    "the file copied": '{{ include "early" . }}{{ include "copied" . }}{{ include "copied" . }}',
    "the file compared": '{{ include "early" . }}{{ include "same" . }}{{ include "same" . }}',
    "the file under its other type": '{{ include "early" . }}{{ include "merged" . }}{{ include "merged" . }}',
    "the dot under its other type": '{{ include "early" . }}{{ $d := set . "own" 1 }}{{ $d.Template.Name }}{{ include "where" $d }}{{ (merge . (dict)).Template.Name }}',
    "the file changed": '{{ include "early" . }}{{ include "where" . }}{{ $_ := set .Template "Name" "mine" }}{{ include "where" . }}',
    "the file replaced": '{{ include "early" . }}{{ $_ := set . "Template" (dict "Name" "mine") }}{{ include "where" . }}{{ include "where" . }}',
    "numbers and texts": '{{ include "early" . }}{{ range list 1 "1" 1.0 true "true" nil 0 -0.0 (int64 1) (list 1) (list "1") (dict) (list) }}'
    '{{ include "kind" (dict "v" .) }}{{ include "kind" (dict "v" .) }} {{ end }}',
    "lists and maps of one content": '{{ include "early" . }}{{ range list (list "a" "b") (dict "a" "b") (list (list "a" "b")) (list (dict "a" "b")) }}'
    '{{ include "kind" (dict "v" .) }} {{ end }}',
    "a name that a text defines anew": '{{ include "early" . }}{{ include "uses" . }}'
    '{{ tpl `{{ define "inner" }}text{{ end }}{{ include "uses" . }}` . }}{{ include "uses" . }}',
    "what was hung on later": '{{ include "early" . }}{{ $d := dict "x" 1 }}{{ $_ := set .Values "part" $d }}{{ include "name" . }}'
    '{{ $_ := set $d "x" 2 }}{{ include "name" . }}{{ $e := dict "x" 3 }}{{ $_ := set $d "deep" (list $e) }}'
    '{{ include "name" . }}{{ $_ := unset .Values.part "x" }}{{ include "name" . }}',
    "merged into values": '{{ include "early" . }}{{ $_ := mergeOverwrite .Values (dict "part" (dict "x" "merged")) }}{{ include "name" . }}',
    "a changed copy of the dot": '{{ include "early" . }}{{ $c := deepCopy . }}{{ $_ := set $c.Values.part "x" "copy" }}{{ include "name" $c }}{{ include "name" . }}'
    '{{ $_ := set $c.Values.part "x" "again" }}{{ include "name" $c }}',
    "a dot of another shape": '{{ include "early" . }}{{ range until 3 }}{{ include "name" (merge (dict "Values" (dict "part" (dict "x" .))) (omit $ "Values")) }}{{ end }}',
    "the dot of a subchart": '{{ include "early" . }}{{ include "name" .Subcharts.sub }}{{ include "name" . }}{{ include "name" .Subcharts.sub }}',
}  # fmt: skip


def files_of(hazard: str) -> dict[str, str]:
    return {
        "values.yaml": "part: {x: one, other: [1, {y: 2}]}\n",
        "templates/_defines.tpl": DEFINES,
        "templates/a.txt": HAZARDS[hazard],
        "templates/b.txt": HAZARDS[hazard],
        "charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
        "charts/sub/values.yaml": "part: {x: subs}\n",
        "charts/sub/templates/c.txt": '{{ include "early" . }}{{ include "name" . }}',
    }


def rendered(chart: Chart, values: dict[str, Any]) -> dict[str, str]:
    options = engine.RenderOptions(release_name="r", namespace="n", installable=False)
    prepared = engine.prepare(chart, values, options)
    return engine.render_files(prepared.chart, prepared.values, options)


@pytest.mark.parametrize("hazard", HAZARDS)
def test_gives_what_helm_gives(hazard: str, tmp_path: Path) -> None:
    helm = pytest.importorskip("helm_python")
    files = files_of(hazard)
    path = write_chart(tmp_path / "c", {"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.2.3\n", **files})
    real = helm.Chart.load(str(path))
    chart = chart_of(files)
    for values in ({}, {}, {"part": {"x": "two"}}, {"sub": {"part": {"x": "three"}}}, {}):
        expected = real.render(values, name="r", namespace="n")
        assert rendered(chart, values) == expected


def test_runs_an_include_once_for_the_same_data() -> None:
    """A name that takes long: seen in the time budget, which counts what loops do."""
    loop = '{{- define "long" }}{{ range until 100000 }}{{ end }}x{{ end -}}'
    chart = chart_of(
        {
            "templates/_l.tpl": loop,
            "templates/a.txt": "{{ range until 2000 }}{{ include `long` $ }}{{ end }}",
        }
    )
    assert rendered(chart, {})["c/templates/a.txt"] == "x" * 2000
    nested = "{{ range until 2000 }}{{ include `long` (dict `n` . `context` $) }}{{ end }}"
    each = chart_of({"templates/_l.tpl": loop, "templates/a.txt": nested})
    with pytest.raises(TemplateError, match=r"more than|longer than"):
        rendered(each, {})


def test_the_first_text_looked_for_may_change_values() -> None:
    count = '{{- define "count" }}{{ $_ := set .Values "n" (add1 (.Values.n | default 0)) }}{{ end -}}'
    all_the_time = '{{ range until 12 }}{{ include "count" $ }}{{ $.Values.n }} {{ end }}'
    chart = chart_of({"values.yaml": "{}", "templates/_c.tpl": count, "templates/a.txt": all_the_time})
    for _ in range(3):
        text = rendered(chart, {})["c/templates/a.txt"]
        assert text.split() == [str(number) for number in range(1, 13)]


def test_random_texts_are_made_again() -> None:
    chart = chart_of(
        {
            "templates/_r.tpl": '{{- define "r" }}{{ randAlphaNum 20 }}{{ end -}}',
            "templates/a.txt": f'{{{{ range until {OFTEN} }}}}{{{{ include "r" $ }}}} {{{{ end }}}}',
        }
    )
    words = rendered(chart, {})["c/templates/a.txt"].split()
    assert len(set(words)) == OFTEN


def test_what_the_cluster_answers_is_asked_again() -> None:
    class Counting:
        def __init__(self) -> None:
            self.asked = 0

        def lookup(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
            self.asked += 1
            return {"n": float(self.asked)}

    chart = chart_of(
        {
            "templates/_r.tpl": '{{- define "r" }}{{ (lookup "v1" "Secret" "n" "s").n }}{{ end -}}',
            "templates/a.txt": f'{{{{ range until {OFTEN} }}}}{{{{ include "r" $ }}}} {{{{ end }}}}',
        }
    )
    options = engine.RenderOptions(release_name="r", namespace="n", installable=False, lookup=Counting())
    prepared = engine.prepare(chart, {}, options)
    text = engine.render_files(prepared.chart, prepared.values, options)["c/templates/a.txt"]
    assert text.split() == [str(number) for number in range(1, OFTEN + 1)]


def test_nothing_listens_after_a_render() -> None:
    chart = chart_of(files_of("mutation of what hangs on the dot"))
    rendered(chart, {})
    failing = chart_of(
        {"templates/_d.tpl": DEFINES, "templates/a.txt": '{{ include "early" . }}{{ fail "x" }}'}
    )
    with pytest.raises(TemplateError):
        rendered(failing, {"part": {"x": 1}})
    assert not shared.LISTENERS


def test_a_chart_that_changes_its_values_all_the_time_is_rendered_without() -> None:
    chart = chart_of(files_of("counting in values"))
    first = rendered(chart, {})
    for _ in range(4):
        assert rendered(chart, {}) == first
    assert isinstance(coalesce.coalesce(chart, {}), dict)


def test_lists_that_hold_lists_twice_hang_on_a_dot_in_no_time() -> None:
    doubling = "{{ $l := list 1 }}" + "{{ $l = list $l $l }}" * 60
    text = '{{ include "early" . }}' + doubling + '{{ $_ := set . "l" $l }}{{ $_ := set . "m" 1 }}{{ .m }}'
    assert rendered(
        chart_of({"values.yaml": "part: {x: 1}", "templates/_d.tpl": DEFINES, "templates/a.txt": text}), {}
    )


def test_what_is_kept_of_one_render_is_bounded() -> None:
    templates = TemplateSet({})
    kept = memo.Memo(templates, {}, {})
    for number in range(1000):
        kept.keep(("name", number), "x" * 60_000)
    assert sum(map(len, kept.texts.values())) < 20_000_000
    for _ in range(OFTEN):
        kept.key("first", "text")
    try:
        assert kept.key("name", "short") is not None
        for data in ("x" * 5000, {"a": "x" * 5000}, {"x" * 5000: 1}, ["x" * 5000]):
            assert kept.key("other", data) is None
    finally:
        kept.close(0)
