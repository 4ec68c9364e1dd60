"""helmflow sync: make the cluster what the files say, without showing a diff first."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows import prepare
from helmflow.flows.options import Confirm, RunOptions, accept
from helmflow.flows.planning import make_plan
from helmflow.flows.running import carry_out
from helmflow.flows.session import Session, session_for


def sync(
    options: RunOptions, emit: Emit, confirm: Confirm = accept, given: Session | None = None
) -> RunReport:
    """Plan every selected release and carry the plan out.

    Raises HelmflowError where planning fails; failures of releases are in the report.
    """
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "sync")
        preparation = prepare.prepare(session, prepare.choose(session, desired), "sync")
        plan = make_plan(session, preparation, command="sync")
        return carry_out(session, preparation, plan, confirm)
