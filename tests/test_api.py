"""The public API: small, typed, exactly Helm."""

from __future__ import annotations

from pathlib import Path

import pytest

from helmflow import api
from helmflow.core.errors import ChartError, ConfigError, TemplateError
from tests import conformance
from tests.charts import write_chart

FILES = {
    "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
    "values.yaml": "a: 1\nb: null\n",
    "templates/a.yaml": "kind: A\nmetadata: {name: {{ .Release.Name }}}\na: {{ .Values.a }}\n",
    "templates/job.yaml": "kind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: test}}\n",
    "templates/NOTES.txt": "{{ .Capabilities.KubeVersion }} {{ .Release.IsUpgrade }} {{ .Release.Revision }}\n",
}


def test_render_text() -> None:
    assert api.render_text("{{ .a }} {{ .missing }} {{ typeOf .n }}", {"a": "x", "n": 3}) == "x  float64"
    with pytest.raises(TemplateError) as caught:
        api.render_text("{{ fail .a }}", {"a": "no"}, "c/t.yaml")
    assert str(caught.value) == "execution error at (c/t.yaml:1:3): no"


def test_recorded_flow_rows() -> None:
    rows = conformance.data("helm/oracle/flow.json")
    wrong = []
    for row in rows:
        try:
            got = {"out": api.render_text(row["template"], row["data"], "c/templates/_case.tpl")}
        except TemplateError as error:
            got = {"error": str(error)}
        if any(row.get(key) != value for key, value in got.items()):
            wrong.append(row["id"])
    conformance.report("oracle/flow", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong


def test_charts(tmp_path: Path) -> None:
    chart = api.load_chart(write_chart(tmp_path / "c", FILES))
    assert api.coalesce_values(chart, {"c": 2}) == {"a": 1.0, "c": 2.0}
    rendered = api.render_chart(
        chart, {"a": 5}, release_name="r", kube_version="1.30", is_upgrade=True, revision=4
    )
    assert rendered.files["c/templates/NOTES.txt"] == rendered.notes == "v1.30 true 4\n"
    assert rendered.manifest == (
        "---\n# Source: c/templates/a.yaml\nkind: A\nmetadata: {name: r}\na: 5\n"
        "---\n# Source: c/templates/job.yaml\nkind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: test}}\n\n"
    )
    with pytest.raises(ChartError):
        api.load_chart(tmp_path / "none")


def test_parse_set() -> None:
    assert api.parse_set("a.b=1,c={x,y}") == {"a": {"b": 1}, "c": ["x", "y"]}
    assert api.parse_set("a=1", kind="set-string") == {"a": "1"}
    with pytest.raises(ConfigError) as caught:
        api.parse_set("a=1", kind="nonsense")
    assert caught.value.error_id == "api.set-kind"
