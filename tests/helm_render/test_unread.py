"""Values that nothing reads, and names that only Helm 2 had."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.core.errors import ConfigError, TemplateError
from helmflow.helm.render.engine import RenderOptions, render
from helmflow.helm.render.unread import old_names, unread
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
    assert [(mistake.message, mistake.hint) for mistake in unread(CHART, user)] == told


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
