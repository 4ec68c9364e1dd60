"""helmflow apply: plan, show, ask, and write only what changed."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows.options import Confirm, RunOptions, accept


def apply(options: RunOptions, emit: Emit, confirm: Confirm = accept) -> RunReport:
    """Plan, hand the plan to `confirm` (which shows it), and carry it out where that answers yes."""
    raise NotImplementedError
