"""helmflow rollback: make an earlier revision the current one again."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows.options import Confirm, RunOptions, accept


def rollback(options: RunOptions, emit: Emit, revision: int = 0, confirm: Confirm = accept) -> RunReport:
    """Roll the selected releases back to `revision` (0: the one before the current one)."""
    raise NotImplementedError
