"""helmflow apply: plan, show, ask, and write only what changed."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows import prepare
from helmflow.flows.options import Confirm, RunOptions, accept
from helmflow.flows.planning import make_plan
from helmflow.flows.running import carry_out
from helmflow.flows.session import Session, session_for


def apply(
    options: RunOptions, emit: Emit, confirm: Confirm = accept, given: Session | None = None
) -> RunReport:
    """Plan, hand the plan to `confirm` (which shows it), and carry it out where that answers yes."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "apply")
        preparation = prepare.prepare(session, prepare.choose(session, desired), "apply")
        plan = make_plan(session, preparation, command="apply")
        return carry_out(session, preparation, plan, confirm)
