"""Recorded planner cases run for real and compared through the journal; a sample here, every case at night."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import conformance
from tests.state import planner

SAMPLE = 12  # every twelfth case in the normal suite: about twenty


def _run(folders: list[Path], tmp_path: Path) -> list[str]:
    failed: list[str] = []
    for number, folder in enumerate(folders):
        name = f"{folder.parent.name}/{folder.name}"
        if name in planner.CANNOT_RUN:
            conformance.report(f"helmfile planner {folder.parent.name}", passed=0, skipped=1)
            continue
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        result = planner.run_case(case, folder, tmp_path / str(number))
        if result.why:
            failed.append(f"{name}: {result.why}\n{result.error[-500:]}")
        wrong = int(bool(result.why))
        conformance.report(f"helmfile planner {folder.parent.name}", passed=1 - wrong, failed=wrong)
    return failed


def test_a_sample_of_planner_cases(tmp_path: Path) -> None:
    folders = planner.planner_cases()
    failed = _run(folders[::SAMPLE], tmp_path)
    assert not failed, "\n".join(failed)


@pytest.mark.nightly
def test_planner_cases(tmp_path: Path) -> None:
    folders = planner.planner_cases()
    failed = _run(folders, tmp_path)
    runnable = len(folders) - len(planner.CANNOT_RUN)
    assert len(failed) <= runnable * 0.05, "\n".join(failed)
