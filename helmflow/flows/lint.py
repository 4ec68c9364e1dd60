"""helmflow lint: every mistake of charts and values at once, without a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from helmflow.core.errors import Mistake
from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.flows.options import RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What linting found in one release's chart."""

    id: ReleaseId
    chart: str
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[Mistake, ...] = ()


def lint(options: RunOptions, emit: Emit) -> tuple[LintReport, ...]:
    """Every selected release's chart, checked."""
    raise NotImplementedError
