"""Every recorded planner case, run for real and compared through the journal, suite by suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import conformance
from tests.state import planner


@pytest.mark.parametrize("suite", planner.suites())
def test_planner_cases(suite: str, tmp_path: Path) -> None:
    """Order, options, values and exit codes; what cannot run is listed by name with its reason."""
    failed: list[str] = []
    passed = skipped = 0
    for number, folder in enumerate(planner.planner_cases(suite)):
        name = f"{suite}/{folder.name}"
        if name in planner.CANNOT_RUN:
            skipped += 1
            continue
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        result = planner.run_case(case, folder, tmp_path / str(number))
        if result.why:
            failed.append(f"{name}: {result.why}\n{result.error[-500:]}")
        else:
            passed += 1
    conformance.report(f"helmfile planner {suite}", passed=passed, failed=len(failed), skipped=skipped)
    assert not failed, "\n".join(failed)
