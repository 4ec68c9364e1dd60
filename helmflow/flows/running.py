"""Carry a plan out: wire the runner to the session's clusters, locks and hooks."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from helmflow.core.events import Emit, Event, RunFinished, RunStarted
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, replace
from helmflow.execute import run
from helmflow.execute.bench import FireLocalHooks, Tools
from helmflow.execute.lease import Held, LeaseKeeper
from helmflow.execute.pool import FailurePolicy, skip_dependents
from helmflow.execute.report import Outcome, ReleaseReport, RunReport
from helmflow.flows import guard, identity, inventory, local_hooks
from helmflow.flows.journal import Journal
from helmflow.flows.options import Confirm, OnFailure
from helmflow.flows.planning import make_return, replan, undo
from helmflow.flows.prepare import Preparation
from helmflow.flows.session import Cluster, Session
from helmflow.helm.release.marks import Mark
from helmflow.kube.waiting import Waiter
from helmflow.plan import revisions
from helmflow.plan.model import ActionKind, Plan, ReleasePlan


def carry_out(session: Session, preparation: Preparation, plan: Plan, confirm: Confirm) -> RunReport:
    """Run the plan once `confirm` accepts it; the files' own cleanup hooks run at the end, whatever happened."""
    desired = preparation.chosen.desired
    journal = Journal(session, desired, preparation)
    if plan.command == "apply":
        journal.planned(plan)
    guard.check_confirmed(session, desired, plan)
    if not confirm(plan):
        return run.declined(plan, session.requests)
    if plan.command == "apply" and plan.writes:
        for release in reversed(plan.releases):
            local_hooks.fire(session, desired, release.release, "preapply", "apply", None, session.emit)

    def fire(release: ReleasePlan, event: str, error: str | None, emit: Emit) -> None:
        local_hooks.fire(session, desired, release.release, event, _hook_command(plan), error, emit)

    wiring = Wiring(
        cluster=lambda release: session.cluster_of(desired, release.release),
        fire=fire,
        emit=journal.watching(plan),
        undo=lambda release: undo(session, preparation.chosen, release),
        refresh=lambda release: replan(session, preparation, plan, release),
    )
    group = guard.rollback_mode(session, desired) == "group" and plan.command != "rollback"
    report = walk(session, plan, wiring, OnFailure.STOP if group else session.options.running.on_failure)
    if group and report.having(Outcome.FAILED) and not report.cancelled:
        report = _back_together(session, preparation, plan, report, wiring)
    failed = next((release.failure for release in report.releases if release.failure), None)
    local_hooks.fire_global(session, desired, "cleanup", plan.command, failed.message if failed else None)
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a walk through a plan needs besides the session: where each release goes and what its hooks are."""

    cluster: Callable[[ReleasePlan], Cluster]
    fire: FireLocalHooks
    emit: Emit
    undo: Callable[[ReleasePlan], ReleasePlan | None]
    refresh: Callable[[ReleasePlan], ReleasePlan]


def _back_together(
    session: Session, preparation: Preparation, plan: Plan, report: RunReport, wiring: Wiring
) -> RunReport:
    """Bring every release that the run has changed back to what it was before, and say so in the report."""
    ended = {release.id: release for release in report.releases}
    goals = {
        release.id: revisions.base(release.stored)
        for release in plan.releases
        if _was_changed(release, ended[release.id])
    }
    if not goals:
        return report
    releases = tuple(release.release for release in plan.releases)
    chosen = replace(preparation.chosen, releases=releases, needs=plan.needs)
    back = walk(
        session,
        make_return(session, chosen, goals),
        replace(wiring, emit=_without_frame(wiring.emit), fire=_fires_nothing),
        OnFailure.CONTINUE,
    )
    undone = {release.id for release in back.releases if release.outcome is not Outcome.FAILED}
    return replace(
        report,
        releases=tuple(_after(release, undone) for release in report.releases)
        + tuple(release for release in back.releases if release.outcome is Outcome.FAILED),
        seconds=report.seconds + back.seconds,
        writes=back.writes,
        requests=back.requests,
    )


def _after(release: ReleaseReport, undone: Container[ReleaseId]) -> ReleaseReport:
    if release.id not in undone or release.outcome is not Outcome.DONE:
        return release
    return replace(release, outcome=Outcome.ROLLED_BACK, reason="rolled back with its group")


def _was_changed(release: ReleasePlan, report: ReleaseReport) -> bool:
    before = release.previous.number if release.previous else 0
    stored = report.revision != before or release.action.kind is ActionKind.UNINSTALL
    return report.outcome in (Outcome.DONE, Outcome.FAILED) and release.action.writes and stored


def _without_frame(emit: Emit) -> Emit:
    """Going back is a part of the run that failed: it begins and ends with that."""

    def inside(event: Event) -> None:
        if not isinstance(event, RunStarted | RunFinished):
            emit(event)

    return inside


def _fires_nothing(release: ReleasePlan, event: str, error: str | None, emit: Emit) -> None:
    """A rollback runs no commands of the user's, as an atomic release's does not."""


def walk(session: Session, plan: Plan, wiring: Wiring, on_failure: OnFailure) -> RunReport:
    """Run the plan under leases. The report counts every request of the session."""
    here = Path(session.options.state.cwd or Path.cwd())
    began = session.clock.now()
    this = replace(
        plan.mark or Mark(project="", environment=""),
        run=f"{began:%Y%m%dT%H%M%S}{began.microsecond // 1000:03d}Z-{secrets.token_hex(2)}",
        by=identity.who(session.environ),
        commit=identity.commit_of(here),
        command=plan.command,
    )

    def mark(release: ReleasePlan) -> Mark | None:
        if release.mark is None:
            return None
        return replace(this, level=release.mark.level, prevent_destroy=release.mark.prevent_destroy)

    enlisted = inventory.enlist(session, plan, wiring.cluster)
    with ExitStack() as stack:
        found: dict[int, Tools] = {}
        for release in plan.releases:
            cluster = wiring.cluster(release)
            if id(cluster) not in found:
                found[id(cluster)] = _tools(session, cluster, wiring.fire, mark, stack)
        keeper = LeaseKeeper(session.clock, session.cancel, session.options.running.lease_duration_s)
        stack.callback(keeper.close)

        def lock(release: ReleasePlan, emit: Emit) -> AbstractContextManager[Held]:
            return keeper.hold(wiring.cluster(release).client, release.owner.namespace, release.id, emit)

        report = run.run(
            plan,
            run.Runner(
                tools=lambda release: found[id(wiring.cluster(release))],
                clock=session.clock,
                cancel=session.cancel,
                emit=wiring.emit,
                lock=lock,
                undo=wiring.undo,
                refresh=wiring.refresh,
                writes=lambda: session.writes,
                requests=lambda: session.requests,
                concurrency=session.options.running.concurrency,
                policy=_policy(on_failure),
            ),
        )
    inventory.conclude(session, plan, report, this, wiring.cluster, enlisted)
    return replace(report, requests=session.requests, writes=session.writes)


def _tools(
    session: Session,
    cluster: Cluster,
    fire: FireLocalHooks,
    mark: Callable[[ReleasePlan], Mark | None],
    stack: ExitStack,
) -> Tools:
    return Tools(
        client=cluster.client,
        waiter=stack.enter_context(Waiter(cluster.client)),
        store=cluster.store,
        clock=session.clock,
        cancel=session.cancel,
        fire=fire,
        mark=mark,
    )


def _hook_command(plan: Plan) -> str:
    """Helmfile's word for the command: apply's releases report sync, destroy's report delete."""
    return {"apply": "sync", "destroy": "delete"}.get(plan.command, plan.command)


def _policy(on_failure: OnFailure) -> FailurePolicy:
    match on_failure:
        case OnFailure.STOP:
            return lambda succeeded: "finish" if succeeded else "stop"
        case OnFailure.CONTINUE:
            return lambda succeeded: "finish"
        case OnFailure.SKIP_DEPENDENTS:
            return skip_dependents
