"""helmflow history and get: what is stored of a release."""

from __future__ import annotations

from dataclasses import dataclass

from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.flows.options import RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One stored revision, as `helm history` prints it."""

    id: ReleaseId
    revision: int
    updated: str
    status: str
    chart: str
    app_version: str
    description: str


def history(options: RunOptions, emit: Emit) -> tuple[HistoryRow, ...]:
    """Every stored revision of the selected releases, oldest first."""
    raise NotImplementedError
