"""Recorded behaviours of the reference tools: where they are, and the counts that a run prints."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(os.environ.get("HELMFLOW_CONFORMANCE") or Path(__file__).parents[1] / ".." / "shared" / "conformance")
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
