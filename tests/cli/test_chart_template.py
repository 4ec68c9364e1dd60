"""chart template: flags in Helm's order, files and objects as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from helmflow.cli.chart_template import run


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart that prints its values."""
    (tmp_path / "c" / "templates").mkdir(parents=True)
    (tmp_path / "c" / "Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 1.0.0\n")
    (tmp_path / "c" / "values.yaml").write_text("a: default\nb: {c: 1}\n")
    (tmp_path / "c" / "templates" / "a.yaml").write_text("kind: K\nvalues: {{ .Values | toJson }}\n")
    (tmp_path / "v.yaml").write_text("a: file\n---\nb: {d: 2}\n")
    (tmp_path / "text").write_text("from a file")
    return tmp_path


@pytest.mark.parametrize(
    ("flags", "values"),
    [
        ([], '{"a":"default","b":{"c":1}}'),
        (["-f", "v.yaml"], '{"a":"file","b":{"c":1,"d":2}}'),
        (["--set", "a=x,b.c=null"], '{"a":"x","b":{}}'),
        (
            ["--set", "a=later", "--set-json", '{"a":"sooner","b":{"e":[1]}}'],
            '{"a":"later","b":{"c":1,"e":[1]}}',
        ),
        (["--set-json", 'b={"e":true}'], '{"a":"default","b":{"c":1,"e":true}}'),
        (["--set-file", "a=text"], '{"a":"from a file","b":{"c":1}}'),
        (["--set-string", "a=1", "--set-literal", "b.c=x,y"], '{"a":"1","b":{"c":"x,y"}}'),
    ],
)
def test_values_come_in_helms_order(
    chart: Path,
    flags: list[str],
    values: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(chart)
    assert run(["web", "./c", *flags]) == 0
    assert capsys.readouterr().out == f"---\n# Source: c/templates/a.yaml\nkind: K\nvalues: {values}\n"


def test_usage_mistakes_end_with_three(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["a", "b", "c"]) == 3
    assert run(["a", "--nope"]) == 3
    assert "unknown flag --nope" in capsys.readouterr().err
