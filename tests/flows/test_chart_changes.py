"""lint --since: what would be packed changed since a commit, and the version says so or does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from helmflow.core.errors import ConfigError
from helmflow.flows.chart_changes import version_problem
from tests.charts import write_chart

porcelain = pytest.importorskip("dulwich.porcelain", reason="dulwich is not installed")
CHART = "apiVersion: v2\nname: web\nversion: {}\n"


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart in a git repository, committed as version 1.0.0."""
    folder = write_chart(
        tmp_path / "charts" / "web",
        {
            "Chart.yaml": CHART.format("1.0.0"),
            "values.yaml": "a: 1\n",
            ".helmignore": "notes/\n",
            "notes/a": "x",
        },
    )
    porcelain.init(tmp_path)
    commit(tmp_path)
    return folder


def commit(top: Path) -> None:
    files = [
        path.relative_to(top).as_posix()
        for path in top.rglob("*")
        if path.is_file() and ".git/" not in str(path)
    ]
    porcelain.add(top, paths=[str(top / name) for name in files])
    porcelain.commit(top, message=b"m", author=b"a <a@b>", committer=b"a <a@b>")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, ""),
        ({"notes/a": "y"}, ""),
        ({"Chart.yaml": CHART.format("1.0.1")}, ""),
        ({"values.yaml": "a: 2\n"}, "its version is still 1.0.0: raise it"),
        ({"templates/new.yaml": "a: 1\n"}, "its version is still 1.0.0: raise it"),
        ({"values.yaml": "a: 2\n", "Chart.yaml": CHART.format("1.0.1")}, ""),
        (
            {"values.yaml": "a: 2\n", "Chart.yaml": CHART.format("0.9.0")},
            "went from 1.0.0 to 0.9.0: raise it",
        ),
        (
            {"Chart.yaml": CHART.format("1.0.0") + "description: new\n"},
            "its version is still 1.0.0: raise it",
        ),
        ({"Chart.yaml": "# a comment\n" + CHART.format("1.0.0")}, ""),
    ],
)
def test_changed_content_needs_a_new_version(chart: Path, files: dict[str, str], problem: str) -> None:
    write_chart(chart, files)
    found = version_problem(chart, "HEAD")
    assert problem in found
    assert bool(found) == bool(problem)


def test_a_new_chart_needs_nothing(chart: Path) -> None:
    new = write_chart(chart.parent / "new", {"Chart.yaml": CHART.format("0.1.0")})
    assert version_problem(new, "HEAD") == ""


def test_an_unknown_commit_is_said(chart: Path) -> None:
    with pytest.raises(ConfigError) as failure:
        version_problem(chart, "nowhere")
    assert failure.value.error_id == "git.unknown-ref"


def test_the_command_fails(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from helmflow.cli.main import run_cli

    (chart / "values.yaml").write_text("a: 2\n")
    assert run_cli(["chart", "lint", str(chart), "--since", "HEAD"]) == 1
    assert (
        "[ERROR] Chart.yaml: the chart changed since HEAD, but its version is still 1.0.0"
        in capsys.readouterr().out
    )
    (chart / "Chart.yaml").write_text(CHART.format("1.1.0"))
    assert run_cli(["chart", "lint", str(chart), "--since", "HEAD"]) == 0
