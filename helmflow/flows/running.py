"""Carry a plan out: wire the runner to the session's clusters, locks and hooks."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace

from helmflow.core.events import Emit
from helmflow.execute import run
from helmflow.execute.bench import FireLocalHooks, Tools
from helmflow.execute.lease import LeaseKeeper
from helmflow.execute.pool import FailurePolicy, skip_dependents
from helmflow.execute.report import RunReport
from helmflow.flows import local_hooks
from helmflow.flows.journal import Journal
from helmflow.flows.options import Confirm, OnFailure
from helmflow.flows.planning import replan, undo
from helmflow.flows.prepare import Preparation
from helmflow.flows.session import Cluster, Session
from helmflow.helm.release.store import ReleaseStore
from helmflow.kube.waiting import Waiter
from helmflow.plan.model import Plan, ReleasePlan


def carry_out(session: Session, preparation: Preparation, plan: Plan, confirm: Confirm) -> RunReport:
    """Run the plan once `confirm` accepts it; the files' own cleanup hooks run at the end, whatever happened."""
    desired = preparation.chosen.desired
    journal = Journal(session, desired, preparation)
    if plan.command == "apply":
        journal.planned(plan)
    if not confirm(plan):
        return run.declined(plan, session.requests)
    if plan.command == "apply" and plan.writes:
        for release in reversed(plan.releases):
            local_hooks.fire(session, desired, release.release, "preapply", "apply", None, session.emit)
    with ExitStack() as stack:

        def fire(release: ReleasePlan, event: str, error: str | None, emit: Emit) -> None:
            local_hooks.fire(session, desired, release.release, event, _hook_command(plan), error, emit)

        found: dict[int, Tools] = {}
        for release in plan.releases:
            cluster = session.cluster_of(desired, release.release)
            if id(cluster) not in found:
                found[id(cluster)] = _tools(session, cluster, fire, stack)

        def tools(release: ReleasePlan) -> Tools:
            return found[id(session.cluster_of(desired, release.release))]

        keeper = LeaseKeeper(session.clock, session.cancel, session.options.running.lease_duration_s)
        stack.callback(keeper.close)

        def lock(release: ReleasePlan, emit: Emit) -> AbstractContextManager[bool]:
            client = session.cluster_of(desired, release.release).client
            return keeper.hold(client, release.owner.namespace, release.id, emit)

        report = run.run(
            plan,
            run.Runner(
                tools=tools,
                clock=session.clock,
                cancel=session.cancel,
                emit=journal.watching(plan),
                lock=lock,
                undo=lambda release: undo(session, preparation.chosen, release),
                refresh=lambda release: replan(session, preparation, plan, release),
                writes=lambda: session.writes,
                requests=lambda: session.requests,
                concurrency=session.options.running.concurrency,
                policy=_policy(session.options.running.on_failure),
            ),
        )
    failed = next((release.failure for release in report.releases if release.failure), None)
    local_hooks.fire_global(session, desired, "cleanup", plan.command, failed.message if failed else None)
    return replace(report, requests=session.requests, writes=session.writes)


def _tools(session: Session, cluster: Cluster, fire: FireLocalHooks, stack: ExitStack) -> Tools:
    return Tools(
        client=cluster.client,
        waiter=stack.enter_context(Waiter(cluster.client)),
        store=lambda namespace: ReleaseStore(cluster.client, namespace, cluster.driver),
        clock=session.clock,
        cancel=session.cancel,
        fire=fire,
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
