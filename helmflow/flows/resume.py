"""--resume: go on where a run stopped, with the releases that its report does not call done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.core.ids import ReleaseId

LEFT = frozenset({"failed", "skipped", "untouched"})


def left_over(path: Path, environment: str) -> frozenset[ReleaseId]:
    """The releases that failed, were skipped or not started in the run of a JSON report.

    Raises ConfigError where the file is no such report, or is about another environment.
    """
    document = _read(path)
    if document.get("environment") != environment:
        raise ConfigError(
            f"{path} is about the environment {document.get('environment')!r}, this run about {environment!r}",
            error_id="resume.other-environment",
            hint="choose the environment with --environment",
        )
    return frozenset(
        ReleaseId(str(one.get("context") or ""), str(one.get("namespace") or ""), str(one["name"]))
        for one in document["releases"]
        if one.get("outcome") in LEFT
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["document"] != "run" or not all("name" in one for one in document["releases"]):
            raise ValueError("no run")
    except OSError as cause:
        raise ConfigError(f"cannot read {path}: {cause.strerror}", error_id="resume.unreadable") from cause
    except (ValueError, KeyError, TypeError) as cause:
        raise ConfigError(
            f"{path} is no report of a run",
            error_id="resume.unreadable",
            hint="write one with helmflow sync --report FILE.json",
        ) from cause
    found: Mapping[str, Any] = document
    return found
