"""Recorded behaviours of the reference tools: where they are, and the counts that a run prints."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(
    os.environ.get("HELMFLOW_CONFORMANCE") or Path(__file__).parents[1] / ".." / "shared" / "conformance"
)
COUNTS: dict[str, dict[str, int]] = {}


def path(relative: str) -> Path:
    """A file or folder of the recorded data; skips the test, visibly, where the data is absent."""
    found = ROOT / relative
    if not found.exists():
        pytest.skip(f"no conformance data at {found} (set HELMFLOW_CONFORMANCE)")
    return found


def data(relative: str) -> Any:
    """A recorded JSON file."""
    return json.loads(path(relative).read_text(encoding="utf-8"))


def report(suite: str, *, passed: int, failed: int = 0, skipped: int = 0) -> None:
    """Count a suite's rows; the session's end prints every suite and fails where one counted zero."""
    counts = COUNTS.setdefault(suite, {"passed": 0, "failed": 0, "skipped": 0})
    counts["passed"] += passed
    counts["failed"] += failed
    counts["skipped"] += skipped


def _main() -> int:
    """After a run: fail where the data is here and a suite of tests/conformance_suites.txt counted no row."""
    wanted = (Path(__file__).parent / "conformance_suites.txt").read_text(encoding="utf-8").splitlines()
    folder = Path(os.environ["HELMFLOW_CONFORMANCE_COUNTS"])
    counted: dict[str, int] = {}
    for file in folder.glob("*.json"):
        for suite, numbers in json.loads(file.read_text(encoding="utf-8")).items():
            counted[suite] = counted.get(suite, 0) + numbers["passed"] + numbers["failed"]
    empty = [suite for suite in wanted if not counted.get(suite)]
    if ROOT.exists() and empty:
        print("no row was counted in: " + ", ".join(empty))
        return 1
    if not ROOT.exists():
        print(f"no conformance data at {ROOT}: its rows were not run")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
