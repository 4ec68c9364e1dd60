"""What every test run needs: hypothesis profiles and the table of conformance counts at the end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import conformance

pytest_plugins = ["tests.postgres", "tests.providers.fixtures", "tests.scenarios.shop"]

settings.register_profile("normal", deadline=None, derandomize=True)
settings.register_profile("nightly", deadline=None, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "normal"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under xdist each worker hands its counts to the controller through a file in the shared base directory."""
    folder = os.environ.get("HELMFLOW_CONFORMANCE_COUNTS")
    if folder and conformance.COUNTS:
        name = os.environ.get("PYTEST_XDIST_WORKER", "main")
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}-{os.getpid()}.json").write_text(
            json.dumps(conformance.COUNTS), encoding="utf-8"
        )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line per conformance suite."""
    folder = os.environ.get("HELMFLOW_CONFORMANCE_COUNTS")
    _show_runs(terminalreporter)
    totals: dict[str, dict[str, int]] = {}
    sources = (
        [json.loads(f.read_text(encoding="utf-8")) for f in sorted(Path(folder).glob("*.json"))]
        if folder
        else []
    )
    for counts in sources or [conformance.COUNTS]:
        for suite, numbers in counts.items():
            total = totals.setdefault(suite, {"passed": 0, "failed": 0, "skipped": 0})
            for key, number in numbers.items():
                total[key] += number
    if totals:
        terminalreporter.section("conformance rows")
    for suite, numbers in sorted(totals.items()):
        rows = ", ".join(f"{number} {key}" for key, number in numbers.items())
        terminalreporter.line(f"{suite}: {rows}")


def _show_runs(terminalreporter: Any) -> None:
    """The seed and count that a long run recorded as its property "run", whether it passed or not."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, ())]
    runs = [(report.nodeid, dict(getattr(report, "user_properties", ())).get("run")) for report in reports]
    if any(run for _, run in runs):
        terminalreporter.section("random runs")
    for name, run in runs:
        if run:
            terminalreporter.line(f"{name}: {run}")
