"""What a command imports decides how long it takes: asserted by module, measured by benchmarks/startup.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"typer", "pydantic", "rich", "networkx", "kubernetes", "deepdiff", "requests", "httpx", "urllib3"}
SCRIPT = """\
import json, sys
sys.argv = ["helmflow", *{argv!r}]
from helmflow.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
sys.stdout.flush()
print("\\n" + json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def imported(folder: Path, *argv: str) -> set[str]:
    """The top-level modules that a command line leaves behind in its process."""
    environ = {**os.environ, "HELMFLOW_CACHE_HOME": str(folder / "cache"), "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(argv=argv)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A chart and a state file with one release that needs nothing."""
    (tmp_path / "web" / "templates").mkdir(parents=True)
    (tmp_path / "web" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (tmp_path / "web" / "values.yaml").write_text("port: 80\n")
    (tmp_path / "web" / "templates" / "a.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {port: {{ .Values.port | quote }}}\n"
    )
    (tmp_path / "helmflow.yaml").write_text("releases:\n  - {name: web, chart: ./web}\n")
    return tmp_path


def test_version_imports_nothing(folder: Path) -> None:
    assert not imported(folder, "--version") & (HEAVY | {"yaml", "re2", "dataclasses"})


def test_chart_template_imports_only_what_rendering_needs(folder: Path) -> None:
    assert not imported(folder, "chart", "template", "web", "./web") & HEAVY


def test_offline_template_reaches_for_no_cluster_library(folder: Path) -> None:
    heavy = imported(folder, "template") & (HEAVY - {"typer"})
    assert not heavy - {"rich"}  # typer's own


@pytest.mark.parametrize("words", [("list", "--help"), ("template", "--concurrency", "2", "-e", "default")])
def test_flags_need_no_validation_library(folder: Path, words: tuple[str, ...]) -> None:
    assert "pydantic" not in imported(folder, *words)
