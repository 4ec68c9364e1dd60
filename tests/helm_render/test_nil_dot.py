"""Named templates that are given nothing: both back ends say of a field of nothing what Helm says."""

from __future__ import annotations

from pathlib import Path

import pytest

from helmflow.core.errors import TemplateError
from helmflow.helm.render import engine
from tests.charts import chart_of, write_chart

RENDERS = 3  # the first by the closures, later ones by compiled programs
BODIES = (
    '{{ .Files.Get "a" }}', "{{ .Files.Get .x }}", '{{ .a.b.c "x" }}', '{{ $.Files.Glob "x" }}', '{{ (.a).Get "b" }}',
    '{{ .Get "b" }}', "{{ len .m }}", "{{ len $.m.a }}", "{{ .m | len }}", "{{ len (.m) }}", "{{ len . }}",
    "{{ with $x := 1 }}{{ len $.m }}{{ end }}", "{{ .m.n }}", "{{ index . }}", "{{ range .m }}{{ end }}x", "{{ not .m }}",
)  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_says_what_helm_says(body: str, tmp_path: Path) -> None:
    helm = pytest.importorskip("helm_python")
    files = {
        "templates/_x.tpl": f'{{{{ define "x" }}}}{body}{{{{ end }}}}',
        "templates/a.txt": '{{ include "x" nil }}',
    }
    path = write_chart(tmp_path / "c", {"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.2.3\n", **files})
    try:
        expected = helm.Chart.load(str(path)).render({}, name="r", namespace="n")["c/templates/a.txt"]
    except helm.HelmError as error:
        expected = str(error)
    chart = chart_of(files)
    options = engine.RenderOptions(release_name="r", namespace="n", installable=False)
    for _ in range(RENDERS):
        prepared = engine.prepare(chart, {}, options)
        try:
            text = engine.render_files(prepared.chart, prepared.values, options)["c/templates/a.txt"]
        except TemplateError as error:
            text = error.message
        assert text == expected
