"""helmflow destroy: the same path as sync with nothing desired, in reverse order."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows import prepare
from helmflow.flows.options import Confirm, NeedsMode, RunOptions, accept
from helmflow.flows.planning import make_plan
from helmflow.flows.prepare import Preparation
from helmflow.flows.running import carry_out
from helmflow.flows.session import Session, session_for


def destroy(
    options: RunOptions, emit: Emit, confirm: Confirm = accept, given: Session | None = None
) -> RunReport:
    """Uninstall every selected release, dependents first. A release that is already gone is unchanged."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "destroy")
        # Nothing is prepared: every chosen release is wanted gone.
        preparation = Preparation(chosen=prepare.choose(session, desired, NeedsMode.SKIP))
        plan = make_plan(session, preparation, command="destroy")
        return carry_out(session, preparation, plan, confirm)
