"""template and lint: offline, light, in the order of needs; the journal beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from helmflow.flows import lint, template
from helmflow.flows.options import RunningOptions
from tests.flows import charts
from tests.flows.town import Town

HEAVY = ("kubernetes", "deepdiff", "requests", "httpx", "networkx", "urllib3", "typer", "rich")


def _project(folder: Path, needs: str = "") -> None:
    chart = folder / "charts/web/templates"
    chart.mkdir(parents=True)
    (folder / "charts/web/Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (chart / "config.yaml").write_text(charts.CONFIG)
    (folder / "helmflow.yaml").write_text(
        f"releases:\n  - {{name: b, chart: ./charts/web{needs}}}\n  - {{name: a, chart: ./charts/web}}\n"
    )


def test_template_loads_nothing_heavy(tmp_path: Path) -> None:
    _project(tmp_path)
    code = (
        "import sys; from pathlib import Path\n"
        "from helmflow.flows.options import RunOptions, StateOptions\n"
        "from helmflow.flows.template import template\n"
        "options = RunOptions(state=StateOptions(cwd=Path(sys.argv[1])))\n"
        "print(len(list(template(options, lambda event: None))))\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines() == ["2", "[]"], done.stderr


def test_releases_are_rendered_after_what_they_need(town: Town) -> None:
    _project(town.folder, ", needs: [a]")
    session = town.session()
    found = [release.name for release, _ in template.template(session.options, session.emit, session)]
    assert found == ["a", "b"]


def test_lint_reports_every_release(town: Town) -> None:
    _project(town.folder)
    (town.folder / "charts/web/templates/bad.yaml").write_text(
        "{{ required `no color` .Values.nothing.there }}"
    )
    session = town.session()
    reports = lint.lint(session.options, session.emit, session)
    assert [report.id.name for report in reports] == ["b", "a"]
    assert all(report.mistakes for report in reports)


def test_the_journal_says_what_was_done_and_masks_nothing_else(town: Town) -> None:
    charts.small(town)
    journal = town.folder / "journal.jsonl"
    running = RunningOptions(journal=str(journal), lease_duration_s=1.0)
    town.sync(running=running)
    town.sync(running=running)
    town.destroy(running=running)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [(line["operation"], line["release"], line["outcome"]) for line in lines] == [
        ("upgrade", "web", "done"),
        ("delete", "web", "done"),
    ]
    assert lines[0]["values"] == {"color": "red"}
    assert lines[0]["options"]["history_max"] == 10
