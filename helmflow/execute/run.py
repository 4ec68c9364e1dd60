"""Plan -> RunReport: releases by the graph of their needs, steps in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from helmflow.core.clock import Clock
from helmflow.core.errors import ClusterError, HelmflowError, Mistake
from helmflow.core.events import Emit, ReleaseFinished, ReleaseStarted, RunFinished, RunStarted, Warned
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, field, replace
from helmflow.execute.bench import Bench, Tools
from helmflow.execute.cancel import Cancelled, CancelToken
from helmflow.execute.lease import Held
from helmflow.execute.pool import FailurePolicy, Reached, Skipped, Work, run_all, skip_dependents
from helmflow.execute.report import Outcome, ReleaseReport, RunReport
from helmflow.execute.schedule import Schedule, levels
from helmflow.execute.steps import definition_steps, failed_revision, run_step
from helmflow.helm.release.record import ReleaseStatus
from helmflow.plan import removal
from helmflow.plan.model import (
    Action,
    ActionKind,
    Change,
    ChangeKind,
    DeleteObjects,
    EnsureNamespace,
    Plan,
    ReleasePlan,
    RunLocalHooks,
    SaveRevision,
    Step,
    WaitForNeed,
)

MAX_WORKERS = 16  # releases at once where nothing else is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """How a plan is carried out.

    `tools` gives the tools of a release's cluster; `lock` holds a release while it is written; `undo` plans what
    an atomic release goes back to; `refresh` makes a release's plan anew.
    """

    tools: Callable[[ReleasePlan], Tools]
    clock: Clock
    cancel: CancelToken
    emit: Emit
    lock: Callable[[ReleasePlan, Emit], AbstractContextManager[Held]]
    undo: Callable[[ReleasePlan], ReleasePlan | None]
    refresh: Callable[[ReleasePlan], ReleasePlan]
    writes: Callable[[], int]
    requests: Callable[[], int]
    concurrency: int = 0
    policy: FailurePolicy = skip_dependents


@dataclass(slots=True)
class _Tally:
    """Reports as they come in; the pool calls back in one thread."""

    plan: Plan
    emit: Emit
    reports: dict[ReleaseId, ReleaseReport] = field(default_factory=dict)

    def wrote(self, release: ReleaseId) -> bool:
        report = self.reports.get(release)
        return report is not None and report.outcome is Outcome.DONE

    def ended(self, release: ReleaseId, report: ReleaseReport) -> None:
        self.reports[release] = report
        self.emit(
            ReleaseFinished(
                release=release,
                outcome=report.outcome,
                action=report.action,
                reason=report.reason,
                seconds=report.seconds,
                revision=report.revision,
                notes=report.notes,
                failure=report.failure,
            )
        )

    def skipped(self, skipped: Skipped[ReleaseId]) -> None:
        plan = self.plan.by_id(skipped.node)
        because = skipped.because_of
        report = ReleaseReport(
            id=skipped.node,
            action=plan.action.kind,
            outcome=Outcome.SKIPPED if because else Outcome.UNTOUCHED,
            reason=f"needs {because}" if because else "the run stopped before it was its turn",
            because_of=because,
            chart=plan.chart,
        )
        self.reports[skipped.node] = report
        self.emit(
            ReleaseFinished(
                release=report.id,
                outcome=report.outcome,
                action=report.action,
                reason=report.reason,
                because_of=because,
            )
        )


def run(plan: Plan, runner: Runner) -> RunReport:
    """Carry the plan out. A failed release stops what needs it (or more, by `policy`); nothing is raised for it."""
    started = runner.clock.monotonic()
    writes, requests = runner.writes(), runner.requests()
    needs = walked(plan)
    runner.emit(
        RunStarted(
            command=plan.command,
            environment=plan.environment,
            cluster=plan.cluster,
            releases=tuple(release.id for release in plan.releases),
            needs={release: tuple(sorted(wanted)) for release, wanted in needs.items()},
        )
    )
    tally = _Tally(plan, runner.emit)
    run_all(
        Schedule(needs, plan.early),
        Work(
            lambda release, emit: _run_release(_current(plan, release, tally, runner), runner, emit),
            lambda report: report.outcome is not Outcome.FAILED,
            tally.ended,
            tally.skipped,
        ),
        runner.emit,
        workers=runner.concurrency or min(MAX_WORKERS, max(1, len(plan.releases))),
        cancel=runner.cancel,
        policy=runner.policy,
    )
    report = RunReport(
        command=plan.command,
        environment=plan.environment,
        cluster=plan.cluster,
        releases=tuple(tally.reports[release.id] for release in plan.releases),
        seconds=runner.clock.monotonic() - started,
        writes=runner.writes() - writes,
        requests=runner.requests() - requests,
        cancelled=runner.cancel.cancelled,
        signal=runner.cancel.signal,
    )
    runner.emit(
        RunFinished(
            command=plan.command,
            seconds=report.seconds,
            done=len(report.having(Outcome.DONE)),
            unchanged=len(report.having(Outcome.UNCHANGED)),
            failed=len(report.having(Outcome.FAILED)),
            skipped=len(report.having(Outcome.SKIPPED)) + len(report.having(Outcome.UNTOUCHED)),
            writes=report.writes,
        )
    )
    return report


def declined(plan: Plan, requests: int) -> RunReport:
    """The report of a plan that was not accepted: nothing was touched."""
    return RunReport(
        command=plan.command,
        environment=plan.environment,
        cluster=plan.cluster,
        releases=tuple(
            ReleaseReport(
                id=release.id,
                action=release.action.kind,
                outcome=Outcome.UNTOUCHED if release.action.writes else Outcome.UNCHANGED,
                reason="the plan was not accepted" if release.action.writes else release.action.reason,
                chart=release.chart,
            )
            for release in plan.releases
        ),
        requests=requests,
    )


def walked(plan: Plan) -> Mapping[ReleaseId, frozenset[ReleaseId]]:
    """Who waits for whom: an uninstall waits for everything that needs it, everything else for what it needs."""
    gone = {release.id for release in plan.releases if _uninstalls(plan, release)}
    found: dict[ReleaseId, set[ReleaseId]] = {release.id: set() for release in plan.releases}
    for release, needs in plan.needs.items():
        for need in needs:
            if release not in found or need not in found:
                continue
            if release in gone and need in gone:
                found[need].add(release)
            elif release in gone:
                continue  # it goes whatever becomes of what it needed
            elif need in gone:
                continue  # a release that stays cannot wait for one that goes
            else:
                found[release].add(need)
    for definer, users in removal.users_first(plan.by_id(release) for release in gone).items():
        for user in users:
            if not _reaches(found, user, definer):
                found[definer].add(user)
    # Among what may start, Helmfile's order: what goes first, dependents before what they need; then level by level.
    # A destroy turns the whole order round, equal levels too.
    level = levels({release.id: plan.needs.get(release.id, frozenset()) for release in plan.releases})
    names = list(found)
    if plan.command in _DESTROYING:
        names.reverse()
    order = sorted(
        names, key=lambda release: (0, -level[release]) if release in gone else (1, level[release])
    )
    return {release: frozenset(found[release]) for release in order}


def _reaches(edges: Mapping[ReleaseId, set[ReleaseId]], start: ReleaseId, goal: ReleaseId) -> bool:
    """Whether `start` waits for `goal`, directly or not: the other way round would be a circle."""
    pending, seen = [start], {start}
    while pending:
        for other in edges[pending.pop()]:
            if other == goal:
                return True
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return False


def _uninstalls(plan: Plan, release: ReleasePlan) -> bool:
    return release.action.kind is ActionKind.UNINSTALL or (
        plan.command in _DESTROYING or release.action.code == "absent"
    )


def _current(plan: Plan, release: ReleaseId, tally: _Tally, runner: Runner) -> ReleasePlan:
    """The release's plan, made anew where what it was made from has changed meanwhile.

    That is so where a release that it needs brought new kinds, or where it looked into a cluster that a release it
    needs has written to.
    """
    mine = plan.by_id(release)
    if mine.action.kind is ActionKind.UNINSTALL:
        return mine
    early = plan.early.get(release, frozenset())
    done = [plan.by_id(need) for need in _all_needs(plan, release) if tally.wrote(need) or need in early]
    if any(other.brings_kinds for other in done) or (mine.looked_up and done):
        try:
            return runner.refresh(mine)
        except HelmflowError as error:
            action = Action(
                kind=ActionKind.REFUSE, code=error.error_id, reason=error.message, error=_mistake(error)
            )
            return replace(mine, action=action)
    return mine


def _all_needs(plan: Plan, release: ReleaseId) -> set[ReleaseId]:
    found: set[ReleaseId] = set()
    pending = [release]
    while pending:
        for need in plan.needs.get(pending.pop(), ()):
            if need not in found:
                found.add(need)
                pending.append(need)
    return found


def _run_release(plan: ReleasePlan, runner: Runner, emit: Emit) -> ReleaseReport:
    started = runner.clock.monotonic()
    if plan.action.kind is ActionKind.REFUSE:
        return _report(plan, Outcome.FAILED, failure=plan.action.error, reason=plan.action.reason)
    for warning in plan.warnings:
        emit(Warned(warning=warning, release=plan.id))
    bench = _bench(plan, runner, emit)
    failure: Mistake | None = None
    if plan.action.writes:
        emit(ReleaseStarted(release=plan.id, action=plan.action.kind, chart=plan.chart))
        try:
            bench, failure = _write(bench, runner, emit)
        except HelmflowError as error:
            failure = _mistake(error)
    late = _finally(bench, failure)
    failure = failure or late
    seconds = runner.clock.monotonic() - started
    done = Outcome.DONE if bench.plan.action.writes else Outcome.UNCHANGED
    outcome = Outcome.FAILED if failure else done
    reason = failure.message if failure else bench.plan.action.reason
    return _report(bench.plan, outcome, failure=failure, seconds=seconds, reason=reason, bench=bench)


def _bench(plan: ReleasePlan, runner: Runner, emit: Emit) -> Bench:
    testing = plan.action.kind is ActionKind.TEST
    return Bench(
        plan=plan,
        tools=runner.tools(plan),
        emit=emit,
        revision=plan.revision if testing else None,
        definitions=definition_steps(plan.steps),
        established=lambda: emit(Reached(plan.id)),  # type: ignore[arg-type]  # the pool takes it for itself
    )


def _write(bench: Bench, runner: Runner, emit: Emit) -> tuple[Bench, Mistake | None]:
    """Run the steps under the release's lock. What somebody else did meanwhile is planned for once more."""
    for step in bench.plan.steps:
        if isinstance(step, _BEFORE_THE_LOCK):
            run_step(step, bench)
    with runner.lock(bench.plan, emit) as held:
        if held.waited:
            bench = _bench(runner.refresh(bench.plan), runner, emit)
        failure = _run_steps(bench, runner)
        if failure is not None and failure.error_id == "release.exists" and not bench.stored:
            bench = _bench(runner.refresh(bench.plan), runner, emit)
            failure = _run_steps(bench, runner)
        held.keep = bench.unsettled
    return bench, failure


def _run_steps(bench: Bench, runner: Runner) -> Mistake | None:
    step: Step | None = None
    try:
        if bench.plan.action.error is not None:
            return bench.plan.action.error
        if not bench.definitions:
            bench.established()
        for step in bench.plan.steps:
            if isinstance(step, _BEFORE_THE_LOCK):
                continue
            bench.tools.cancel.check()
            run_step(step, bench)
    except HelmflowError as error:
        bench.failed_step = type(step).__name__
        _store_failure(bench, error)
        if isinstance(step, SaveRevision) and _unknown(error):
            bench.unsettled = True
        if isinstance(error, Cancelled) or runner.cancel.cancelled:
            return _mistake(error)
        _clean_up(bench, runner)
        return _mistake(error)
    return None


def _store_failure(bench: Bench, error: HelmflowError) -> None:
    """The record says that this revision failed, so that the next run and Helm can read what happened."""
    if not bench.stored or bench.revision is None:
        return
    if bench.revision.status is ReleaseStatus.UNINSTALLING:
        return  # Helm leaves it so; the next run goes on from here
    what = "Release" if bench.revision.status is ReleaseStatus.PENDING_INSTALL else "Upgrade"
    text = f'{what} "{bench.plan.owner.name}" failed: {error.message}'
    bench.revision = failed_revision(bench.revision, text)
    try:
        bench.store.update(bench.revision)
    except HelmflowError as second:
        bench.unsettled = True
        bench.emit(Warned(warning=_mistake(second), release=bench.id))


def _unknown(error: HelmflowError) -> bool:
    """Whether nobody answered, so that what was to be written may be there or not."""
    return error.error_id == "release.sql-unavailable" or (
        isinstance(error, ClusterError) and error.status == 0
    )


def _clean_up(bench: Bench, runner: Runner) -> None:
    """What the release asked for in case of failure: delete what this run created, or go back to what was."""
    try:
        if bench.plan.settings.cleanup_on_fail and bench.created and not bench.plan.settings.atomic:
            gone = tuple(Change(ref=ref, kind=ChangeKind.DELETE) for ref in reversed(bench.created))
            run_step(DeleteObjects(changes=gone), bench)
        if bench.plan.settings.atomic:
            undo = runner.undo(bench.plan)
            if undo is not None:
                undo = replace(undo, mark=bench.plan.mark)
                inner = Bench(plan=undo, tools=bench.tools, emit=bench.emit)
                for step in undo.steps:
                    if not isinstance(step, RunLocalHooks):
                        run_step(step, inner)
    except HelmflowError as error:
        bench.emit(Warned(warning=_mistake(error), release=bench.id))


def _finally(bench: Bench, failure: Mistake | None) -> Mistake | None:
    """The steps that run whatever happened; the first that fails fails the release, the others still run."""
    found: Mistake | None = None
    for step in bench.plan.finally_steps:
        try:
            run_step(step, bench, (failure or found or _NOTHING).message or None)
        except HelmflowError as error:
            found = found or _mistake(error)
    return found


# The lock lives in the release's namespace, and nobody waits for a need while holding it.
_BEFORE_THE_LOCK = (EnsureNamespace, WaitForNeed)
_NOTHING = Mistake("", "")
_DESTROYING = frozenset({"destroy", "delete"})


def _mistake(error: HelmflowError) -> Mistake:
    return Mistake(str(error.message), error.error_id, error.span, error.hint)


def _report(
    plan: ReleasePlan,
    outcome: Outcome,
    *,
    reason: str,
    failure: Mistake | None = None,
    seconds: float = 0.0,
    bench: Bench | None = None,
) -> ReleaseReport:
    revision = (bench.revision if bench else None) or plan.previous
    deployed = revision is not None and revision.status is ReleaseStatus.DEPLOYED
    return ReleaseReport(
        id=plan.id,
        action=plan.action.kind,
        outcome=outcome,
        reason=reason,
        chart=plan.chart,
        seconds=seconds,
        revision=revision.number if revision else 0,
        status=str(revision.status) if revision else "",
        notes=revision.notes if revision is not None and deployed else "",
        failure=failure,
        failed_step=bench.failed_step if bench else "",
        kept=tuple(bench.kept) if bench else (),
        tests=tuple(bench.tests) if bench else (),
        last_deployed=revision.last_deployed if revision else "",
        description=revision.description if revision else "",
        namespace=plan.owner.namespace,
    )
