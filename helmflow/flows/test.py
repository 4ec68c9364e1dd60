"""helmflow test: run the charts' test hooks and report what they said."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows import prepare
from helmflow.flows.options import NeedsMode, RunOptions, accept
from helmflow.flows.planning import make_tests
from helmflow.flows.prepare import Preparation
from helmflow.flows.running import carry_out
from helmflow.flows.session import Session, session_for


def test(options: RunOptions, emit: Emit, given: Session | None = None) -> RunReport:  # noqa: PT028 - no test
    """Run the test hooks of every selected release; each release's `tests` has one row per hook."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "test")
        chosen = prepare.choose(session, desired, NeedsMode.SKIP)
        plan = make_tests(session, chosen, options.test)
        return carry_out(session, Preparation(chosen=chosen), plan, accept)


test.__test__ = False  # type: ignore[attr-defined]  # pytest takes every `test*` for one of its own
