"""helmflow rollback: make an earlier revision the current one again."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows import prepare
from helmflow.flows.options import Confirm, NeedsMode, RunOptions, accept
from helmflow.flows.planning import make_rollback
from helmflow.flows.prepare import Preparation
from helmflow.flows.running import carry_out
from helmflow.flows.session import Session, session_for


def rollback(
    options: RunOptions,
    emit: Emit,
    revision: int = 0,
    confirm: Confirm = accept,
    given: Session | None = None,
) -> RunReport:
    """Roll the selected releases back to `revision` (0: the one before the current one)."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "rollback")
        chosen = prepare.choose(session, desired, NeedsMode.SKIP)
        plan = make_rollback(session, chosen, revision)
        return carry_out(session, Preparation(chosen=chosen), plan, confirm)
