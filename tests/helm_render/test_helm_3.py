"""Helm 3 where it renders otherwise than Helm 4: each difference that a render can show, asked both ways."""

from __future__ import annotations

import pytest

from helmflow.core.errors import TemplateError
from helmflow.helm.render.engine import RenderOptions, render
from tests.charts import chart_of

THREE = RenderOptions(helm_version=3)
FOUR = RenderOptions()
META = (
    "apiVersion: v2\nname: c\nversion: 1.2.3\nmaintainers: [{name: a, email: a@b.c}]\nsources: [http://x]\n"
)


def both(template: str, **files: str) -> tuple[str, str]:
    """What Helm 3 and Helm 4 make of a template, errors included."""
    chart = chart_of({"Chart.yaml": META, "templates/NOTES.txt": template, **files})
    made = []
    for options in (THREE, FOUR):
        try:
            made.append(render(chart, {}, options).notes)
        except TemplateError as error:
            made.append(f"error {error}")
    return made[0], made[1]


@pytest.mark.parametrize(
    ("template", "three", "four"),
    [
        ("{{ typeOf .Values }}", "chartutil.Values", "common.Values"),
        ("{{ typeOf .Capabilities }}", "*chartutil.Capabilities", "*common.Capabilities"),
        ("{{ typeOf .Capabilities.KubeVersion }}", "chartutil.KubeVersion", "common.KubeVersion"),
        ("{{ typeOf .Capabilities.APIVersions }}", "chartutil.VersionSet", "common.VersionSet"),
        ('{{ .Capabilities.APIVersions.Has "v1" }}{{ .Capabilities.KubeVersion }}', "truev1.36.0", "truev1.36.0"),
        ("{{ typeOf .Chart }}", "struct { chart.Metadata; IsRoot bool }", "map[string]interface {}"),
        ("{{ .Chart.Name }} {{ .Chart.IsRoot }} {{ (first .Chart.Maintainers).Name }}", "c true a", "c true a"),
        ("{{ first .Chart.Maintainers | typeOf }}", "*chart.Maintainer", "map[string]interface {}"),
        ("{{ .Chart.Nothing }}",
         ('error template: c/templates/NOTES.txt:1:9: executing "c/templates/NOTES.txt" at <.Chart.Nothing>: '
         "can't evaluate field Nothing in type interface {}"), ""),
        ("{{ dict \"m\" .Chart.Maintainers | toYaml }}", "m:\n- email: a@b.c\n  name: a",
         'm:\n- Email: a@b.c\n  Name: a\n  URL: ""'),
        ("{{ .Chart | toJson }}",
         ('{"IsRoot":true,"apiVersion":"v2","maintainers":[{"email":"a@b.c","name":"a"}],"name":"c",'
         '"sources":["http://x"],"version":"1.2.3"}'), None),
    ],
)  # fmt: skip
def test_objects(template: str, three: str, four: str | None) -> None:
    found = both(template)
    assert found[0] == three
    assert four is None or found[1] == four


def test_errors_are_one_line() -> None:
    three, four = both("{{ .Values.a.b }}")
    assert three == (
        'error template: c/templates/NOTES.txt:1:10: executing "c/templates/NOTES.txt" at <.Values.a.b>: nil pointer '
        "evaluating interface {}.b"
    )
    assert four.count("\n") == 2


@pytest.mark.parametrize("name", ["mustToYaml", "mustToToml"])
def test_functions(name: str) -> None:
    three, four = both(f"{{{{ {name} (dict) }}}}")
    assert three == f'error parse error at (c/templates/NOTES.txt:1): function "{name}" not defined'
    assert not four.startswith("error")


def test_values_file_of_several_documents() -> None:
    sub = {
        "charts/s/Chart.yaml": "apiVersion: v2\nname: s\nversion: 1.0.0\n",
        "charts/s/values.yaml": "a: 1\n---\na: 2\n",
    }
    found = both(
        "{{ .Values.a }}{{ .Values.b }}{{ .Values.s.a }}", **{"values.yaml": "a: 1\n---\na: 2\nb: 3\n", **sub}
    )
    assert found == ("11", "232")


def test_nulls_of_defaults() -> None:
    assert both("{{ hasKey .Values \"a\" }}{{ .Values.b | toJson }}", **{"values.yaml": "a: null\nb: {c: null}\n"}) == (
        'true{"c":null}', "false{}",
    )  # fmt: skip


def test_a_parents_null_deletes_a_subcharts_default() -> None:
    files = {
        "values.yaml": "s: {a: null}\n",
        "charts/s/Chart.yaml": "apiVersion: v2\nname: s\nversion: 1.0.0\n",
        "charts/s/values.yaml": "a: 1\n",
    }
    assert both('{{ hasKey .Values.s "a" }}', **files) == ("false", "true")


def test_order_and_ends_of_documents() -> None:
    hook = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: v}\n"
    thing = "apiVersion: x.io/v1\nkind: Thing\nmetadata: {name: t}\n\n\n"
    chart = chart_of({"templates/a.yaml": f"{thing}---\n{hook}"})
    three, four = (render(chart, {}, options) for options in (THREE, FOUR))
    assert [manifest.ref.kind for manifest in three.manifests] == ["Thing", "ValidatingWebhookConfiguration"]
    assert [manifest.ref.kind for manifest in four.manifests] == ["ValidatingWebhookConfiguration", "Thing"]
    assert three.manifests[0].text == thing.strip()
    assert four.manifests[0].text.endswith("{name: v}\n")
