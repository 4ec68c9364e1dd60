"""helmflow runs and rollback --run: who changed what when, and the way back to what was before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from helmflow.core.errors import HelmflowError, Refusal
from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, replace
from helmflow.execute.lease import leases
from helmflow.execute.report import RunReport
from helmflow.flows import inventory, prepare
from helmflow.flows.identity import mark_of
from helmflow.flows.options import Confirm, NeedsMode, RunOptions, accept
from helmflow.flows.planning import make_return
from helmflow.flows.prepare import Chosen, Preparation
from helmflow.flows.running import carry_out
from helmflow.flows.session import Cluster, Session, session_for
from helmflow.helm.release import marks
from helmflow.helm.release.marks import Mark
from helmflow.helm.release.record import ReleaseStatus, Revision
from helmflow.helm.release.storage import StoredRevision
from helmflow.state.model import DesiredState, Presence, Release

MAX_RUNS = 50  # the newest ones are shown; records end with each release's history

_OUTCOMES = {
    ReleaseStatus.DEPLOYED: "done",
    ReleaseStatus.SUPERSEDED: "done",
    ReleaseStatus.FAILED: "failed",
    ReleaseStatus.UNINSTALLED: "done",
    ReleaseStatus.UNINSTALLING: "interrupted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRelease:
    """What a run did with one release: the revision it wrote, and how that ended (done, failed, interrupted)."""

    id: ReleaseId
    revision: int
    action: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run that changed something. `outcome` is the worst of its releases'."""

    id: str
    started: str
    command: str
    by: str
    commit: str
    environment: str
    outcome: str
    releases: tuple[RunRelease, ...]


def runs(options: RunOptions, emit: Emit, given: Session | None = None) -> tuple[Run, ...]:
    """The runs of these files and environment that the cluster still knows of, newest first."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "runs")
        return tuple(known_runs(session, desired))


def roll_back_run(
    options: RunOptions, emit: Emit, run: str, confirm: Confirm = accept, given: Session | None = None
) -> RunReport:
    """Bring every release of a run back to what it was before it, in the order of their needs.

    Raises HelmflowError `run.unknown`, Refusal `run.no-way-back` where a release's records are gone.
    """
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "rollback")
        chosen = prepare.choose(session, desired, NeedsMode.SKIP)
        found = {one.id: one for one in known_runs(session, desired)}
        wanted = [one for key, one in found.items() if key == run or key.endswith(f"-{run}")]
        if len(wanted) != 1:
            known = ", ".join(list(found)[:5])
            raise HelmflowError(
                f"there is no run {run!r} of environment {desired.environment!r}",
                error_id="run.unknown",
                hint=f"helmflow runs lists them: {known}" if known else "helmflow runs lists them",
            )
        chosen = _with_others(session, chosen, wanted[0])
        goals = _goals(session, chosen, wanted[0])
        plan = make_return(session, chosen, goals)
        return carry_out(session, Preparation(chosen=chosen), plan, confirm)


def known_runs(session: Session, desired: DesiredState) -> Iterable[Run]:
    """The same for files that are loaded: newest first."""
    mark = mark_of(session, desired)
    if mark is None:
        return ()
    found: dict[str, dict[ReleaseId, RunRelease]] = {}
    heads: dict[str, Mapping[str, Any]] = {}
    for cluster, beside in _clusters(session, desired):
        namespaces = {release.namespace or cluster.namespace for release in desired.releases}
        for revision, said in _records(cluster, marks.selector(mark), namespaces):
            if said is None or not said.run:
                continue
            heads.setdefault(said.run, {"by": said.by, "commit": said.commit, "command": said.command})
            release = ReleaseId(beside.context, revision.namespace, revision.name)
            # Of two revisions in one run the second is the way back from the first: how it ended tells the first.
            found.setdefault(said.run, {}).setdefault(
                release,
                RunRelease(
                    id=release, revision=revision.number, action=said.command, outcome=_outcome(revision)
                ),
            )
        for run, told in inventory.read(leases(cluster.client), mark).runs.items():
            heads[run] = told
            for one in told.get("releases") or ():
                release = ReleaseId(beside.context, str(one.get("namespace")), str(one.get("name")))
                found.setdefault(run, {})[release] = RunRelease(
                    id=release,
                    revision=int(one.get("revision") or 0),
                    action=str(one.get("action")),
                    outcome=str(one.get("outcome")),
                    reason=str(one.get("reason") or ""),
                )
    newest = sorted(found, reverse=True)[:MAX_RUNS]
    return [_run(run, heads[run], found[run], desired.environment) for run in newest]


def _run(
    run: str, head: Mapping[str, Any], releases: Mapping[ReleaseId, RunRelease], environment: str
) -> Run:
    ends = {release.outcome for release in releases.values()}
    worst = next((word for word in ("failed", "interrupted", "done") if word in ends), "done")
    moment = run.partition("-")[0]
    started = f"{moment[:4]}-{moment[4:6]}-{moment[6:8]}T{moment[9:11]}:{moment[11:13]}:{moment[13:15]}Z"
    return Run(
        id=run,
        started=started,
        command=str(head.get("command") or ""),
        by=str(head.get("by") or ""),
        commit=str(head.get("commit") or ""),
        environment=environment,
        outcome=worst,
        releases=tuple(releases[key] for key in sorted(releases)),
    )


def _outcome(revision: StoredRevision) -> str:
    return _OUTCOMES.get(revision.status, "interrupted")


def _clusters(session: Session, desired: DesiredState) -> Iterable[tuple[Cluster, Release]]:
    found: dict[int, tuple[Cluster, Release]] = {}
    for release in desired.releases:
        cluster = session.cluster_of(desired, release)
        found.setdefault(id(cluster), (cluster, release))
    return found.values()


def _records(
    cluster: Cluster, selector: str, namespaces: Iterable[str]
) -> Iterable[tuple[StoredRevision, Mark | None]]:
    """Records with their marks in the whole cluster; where that is forbidden, in `namespaces`."""
    from helmflow.kube import errors

    store = cluster.store("")
    try:
        found = store.select(selector)
    except errors.Forbidden:
        found = tuple(r for namespace in sorted(set(namespaces)) for r in store.select(selector, namespace))
    return [(revision, marks.read(revision.labels, revision.number)) for revision in found]


def _with_others(session: Session, chosen: Chosen, run: Run) -> Chosen:
    """The choice with those releases of the run that the files no longer name."""
    by_owner = {_owner(session, chosen, release): release for release in chosen.releases}
    beside = next(iter(chosen.releases), None)
    others = tuple(
        Release(
            id=one.id,
            chart="",
            presence=Presence.ABSENT,
            installed=False,
            file=beside.file if beside else 0,
        )
        for one in run.releases
        if (one.id.namespace, one.id.name) not in by_owner
    )
    return replace(chosen, releases=(*chosen.releases, *others))


def _owner(session: Session, chosen: Chosen, release: Release) -> tuple[str, str]:
    cluster = session.cluster_of(chosen.desired, release)
    return release.namespace or cluster.namespace, release.name


def _goals(session: Session, chosen: Chosen, run: Run) -> dict[ReleaseId, Revision | None]:
    """What every release of the run was before it; None where it was not there."""
    releases = {_owner(session, chosen, release): release for release in chosen.releases}
    goals: dict[ReleaseId, Revision | None] = {}
    lost = []
    for one in run.releases:
        release = releases[one.id.namespace, one.id.name]
        cluster = session.cluster_of(chosen.desired, release)
        store = cluster.store(one.id.namespace)
        stored = store.history(one.id.name)
        if not stored or one.action == "uninstall":
            if one.action == "uninstall":
                lost.append(f"{one.id} was uninstalled")
            continue
        goal = before(stored, one.revision)
        if goal == 0:
            lost.append(f"the revision of {one.id} before {one.revision} is no longer stored")
            continue
        goals[release.id] = store.get(one.id.name, goal) if goal is not None else None
    if lost:
        where = f"check out commit {run.commit}~ and sync" if run.commit else "sync the files of that time"
        raise Refusal("there is no way back: " + "; ".join(lost), error_id="run.no-way-back", hint=where)
    return goals


def before(stored: Iterable[StoredRevision], number: int) -> int | None:
    """The good revision before `number`: None where there was none, 0 where it is no longer stored."""
    earlier = [revision for revision in stored if revision.number < number]
    good = (ReleaseStatus.DEPLOYED, ReleaseStatus.SUPERSEDED)
    found = max((r.number for r in earlier if r.status in good), default=None)
    if found is not None:
        return found
    complete = len(earlier) == number - 1
    return None if complete else 0
