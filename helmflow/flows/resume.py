"""--resume: go on where a run stopped, with the releases that its report, or the run history, does not call done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import ConfigError
from helmflow.core.ids import ReleaseId

if TYPE_CHECKING:
    from helmflow.flows.session import Session
    from helmflow.state.model import DesiredState

LAST = "last-run"  # what --resume means without a file
LEFT = frozenset({"failed", "skipped", "untouched"})


def left_in_history(session: Session, desired: DesiredState) -> frozenset[ReleaseId]:
    """What the newest run of these files, by the cluster's own records, did not bring to its end.

    A run leaves no record where it never came, so that is every release that it did not finish. Raises ConfigError
    `resume.nothing` where that run went well, or none is known.
    """
    from helmflow.flows.drafts import owner_of
    from helmflow.flows.runs import known_runs

    newest = next(iter(known_runs(session, desired)), None)
    if newest is None or newest.outcome == "done":
        raise ConfigError(
            f"the last run, {newest.id}, went well" if newest else "no run of these files is known",
            error_id="resume.nothing",
            hint="leave --resume out, or name the JSON report of a run",
        )
    done = {(one.id.namespace, one.id.name) for one in newest.releases if one.outcome == "done"}
    owners = {
        release.id: owner_of(session.cluster_of(desired, release), release) for release in desired.releases
    }
    return frozenset(key for key, owner in owners.items() if (owner.namespace, owner.name) not in done)


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
