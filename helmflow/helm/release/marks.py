"""Labels of helmflow's own on release records: which files a release belongs to, and which run wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from helmflow.core.records import dataclass

PREFIX: Final = "helmflow.dev/"
MAX_LABEL: Final = 63  # characters, Kubernetes's own bound

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the labels of one record say.

    `project` and `environment` name the inventory; `level` is how many releases a chain of needs below this one
    has, so that what left the files still goes in order; `prevent_destroy` outlives the files too; `run`, `by`, `commit` and `command` say who wrote it.
    """

    project: str
    environment: str
    level: int = 0
    prevent_destroy: bool = False
    run: str = ""
    by: str = ""
    commit: str = ""
    command: str = ""


def labels(mark: Mark, number: int) -> dict[str, str]:
    """The labels of revision `number`; Helm keeps them, and copies them to the revisions that it makes later."""
    said = {
        "project": mark.project,
        "environment": mark.environment,
        "level": str(mark.level),
        "prevent-destroy": "true" if mark.prevent_destroy else "",
        "run": mark.run,
        "by": mark.by,
        "commit": mark.commit,
        "command": mark.command,
        "revision": str(number),
    }
    return {PREFIX + key: label_text(value) for key, value in said.items() if label_text(value)}


def read(found: Mapping[str, str], number: int) -> Mark | None:
    """The mark of revision `number`. What Helm copied from an older revision names no run: Helm made this one."""
    said = {key.removeprefix(PREFIX): value for key, value in found.items() if key.startswith(PREFIX)}
    if not said.get("project") or not said.get("environment"):
        return None
    level = said.get("level", "")
    own = said.get("revision") == str(number)
    return Mark(
        project=said["project"],
        environment=said["environment"],
        level=int(level) if level.isdecimal() else 0,
        prevent_destroy=said.get("prevent-destroy") == "true",
        run=said.get("run", "") if own else "",
        by=said.get("by", "") if own else "",
        commit=said.get("commit", "") if own else "",
        command=said.get("command", "") if own else "",
    )


def without(found: Mapping[str, str]) -> dict[str, str]:
    """The labels that are the user's own."""
    return {key: value for key, value in found.items() if not key.startswith(PREFIX)}


def selector(mark: Mark) -> str:
    """The label selector of everything in a mark's inventory."""
    return f"owner=helm,{PREFIX}project={mark.project},{PREFIX}environment={mark.environment}"


def label_text(text: str) -> str:
    """`text` as a label's value: other characters become `-`, at most 63, an alphanumeric at either end."""
    return _FOREIGN.sub("-", text)[:MAX_LABEL].strip("_.-")
