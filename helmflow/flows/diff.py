"""helmflow diff: what sync would change, as a Plan."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.flows import local_hooks, prepare
from helmflow.flows.journal import Journal
from helmflow.flows.options import RunOptions
from helmflow.flows.planning import make_plan
from helmflow.flows.session import Session, session_for
from helmflow.plan.model import Plan


def diff(options: RunOptions, emit: Emit, given: Session | None = None) -> Plan:
    """The plan of every selected release. Writes nothing."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "diff")
        chosen = prepare.choose(session, desired, counting=prepare.RENDERED)
        preparation = prepare.prepare(session, chosen, "diff")
        plan = make_plan(session, preparation, command="diff")
        Journal(session, desired, preparation).planned(plan)
        for release in plan.releases:
            local_hooks.fire(session, desired, release.release, "cleanup", "diff", None, emit)
        local_hooks.fire_global(session, desired, "cleanup", "diff")
        return plan
