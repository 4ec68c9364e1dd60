"""The inventory: which releases in a cluster belong to these files and environment, and which of them left the files.

It is a Lease per environment, because every plan lists helmflow's leases anyway: reading it costs no request, and it
is written only when a release comes or goes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, Final

from helmflow.core.errors import ClusterError, Mistake
from helmflow.core.events import Warned
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass, replace
from helmflow.execute.lease import API, ENVIRONMENT_PREFIX, MANAGED_BY, Leases
from helmflow.execute.report import Outcome, ReleaseReport, RunReport
from helmflow.execute.schedule import levels
from helmflow.flows.identity import mark_of
from helmflow.flows.prepare import Chosen
from helmflow.flows.session import Cluster, Session
from helmflow.helm.release import marks
from helmflow.helm.release.marks import Mark
from helmflow.helm.release.record import ReleaseStatus, Revision
from helmflow.helm.release.storage import StoredRevision
from helmflow.kube import errors, objects
from helmflow.kube.client import MERGE_PATCH
from helmflow.kube.objects import KubeObject
from helmflow.plan.model import ActionKind, Orphan, Plan, ReleasePlan
from helmflow.state.model import DesiredState, Presence, Release, ReleaseOptions

ENTRY: Final = "release.helmflow.dev/"  # an annotation per release: writers never touch each other's
RUN: Final = (
    "run.helmflow.dev/"  # an annotation per run that removed releases: they leave no record of their own
)
MAX_RUNS: Final = 20

ClusterOf = Callable[[ReleasePlan], Cluster]

_ARRIVALS: Final = (ActionKind.INSTALL, ActionKind.ADOPT, ActionKind.RECOVER, ActionKind.UPGRADE)
_STAYS: Final = (*_ARRIVALS, ActionKind.KEEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One release of an inventory. `first_deployed`: which one it is, where its own record does not say whose it is."""

    namespace: str
    name: str
    level: int = 0
    prevent_destroy: bool = False
    first_deployed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What one cluster holds of an environment; `namespace` is where that is written, "" where nothing is yet."""

    namespace: str
    entries: Mapping[tuple[str, str], Entry]
    runs: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A release that left the files, as a release that is to be absent, and how far up it was in the order."""

    orphan: Orphan
    release: Release
    level: int


def release_marks(session: Session, desired: DesiredState) -> dict[ReleaseId, Mark]:
    """What the records of every release of the files are marked with; nothing where the files have no name."""
    mark = mark_of(session, desired)
    if mark is None:
        return {}
    level = levels({release.id: [need.id for need in release.needs] for release in desired.releases})
    return {
        release.id: replace(
            mark, level=level[release.id], prevent_destroy=bool(release.options.prevent_destroy)
        )
        for release in desired.releases
    }


def read(found: Leases, mark: Mark) -> Inventory:
    """The inventory of a mark among a cluster's leases."""
    entries: dict[tuple[str, str], Entry] = {}
    runs: dict[str, Mapping[str, Any]] = {}
    namespace = ""
    for lease in found.environments:
        if objects.ref(lease).name != lease_name(mark):
            continue
        namespace = objects.ref(lease).namespace
        for key, text in (objects.meta(lease).get("annotations") or {}).items():
            if key.startswith(RUN):
                runs[key.removeprefix(RUN)] = _parsed(text)
            elif key.startswith(ENTRY):
                entry = _entry(_parsed(text))
                entries[entry.namespace, entry.name] = entry
    return Inventory(namespace=namespace, entries=entries, runs=runs)


def orphans(session: Session, chosen: Chosen, listed: Mapping[int, Leases]) -> tuple[Found, ...]:
    """What these files installed in this environment and no longer name; dependents before what they needed.

    `listed` are the leases by cluster. Where selectors or a namespace on the command line leave a part of the files
    out, nothing is looked for.
    """
    state = session.options.state
    mark = mark_of(session, chosen.desired)
    if mark is None or state.selectors or state.namespace:
        return ()
    some: dict[int, tuple[Cluster, Release]] = {}
    for release in chosen.releases:
        cluster = session.cluster_of(chosen.desired, release)
        some.setdefault(id(cluster), (cluster, release))
    found = [
        one
        for key, (cluster, release) in some.items()
        if key in listed
        for one in _orphans_in(cluster, read(listed[key], mark), mark, release, chosen.desired.releases)
    ]
    return tuple(sorted(found, key=lambda one: (-one.level, one.release.id)))


def warn(session: Session, found: Iterable[Found]) -> None:
    """Say what left the files and stays."""
    for one in found:
        orphan = one.orphan
        text = (
            f"{orphan.id} left the files and is still installed ({orphan.status}, revision {orphan.revision})"
        )
        hint = "--prune uninstalls what left the files"
        session.emit(Warned(warning=Mistake(text, "plan.orphan", hint=hint)))


def pruned(chosen: Chosen, found: Iterable[Found]) -> Chosen:
    """The same choice with what left the files as releases to be absent, in the order of their old needs."""
    gone = list(found)
    needs = {
        one.release.id: frozenset(other.release.id for other in gone if other.level < one.level)
        for one in gone
    }
    return replace(
        chosen,
        releases=(*chosen.releases, *(one.release for one in gone)),
        needs={**chosen.needs, **needs},
    )


def place(known: Mapping[int, Inventory], cluster: Cluster, release: ReleasePlan) -> ReleasePlan:
    """The plan of a release with where its inventory is written, and whether it is in there as it should be."""
    found = known.get(id(cluster))
    if found is None or release.mark is None:
        return release
    entry = found.entries.get((release.owner.namespace, release.owner.name))
    return replace(release, inventory=found.namespace, enlisted=entry == _entry_of(release))


def enlist(session: Session, plan: Plan, cluster_of: ClusterOf) -> frozenset[int]:
    """Before a run: write down what it will install, so that also a dead run's releases are known.

    Returns the ids of the clusters where something was written.
    """
    written = set()
    for cluster, mine in _by_cluster(plan, cluster_of):
        if any(release.action.kind in _ARRIVALS and not release.enlisted for release in mine):
            there = [r for r in mine if r.action.kind in _STAYS and r.action.code != "absent"]
            annotations = {_key(r): _text(_entry_of(r)) for r in there if not r.enlisted}
            _write(session, cluster, mine[0], annotations, exists=bool(mine[0].inventory))
            written.add(id(cluster))
    return frozenset(written)


def conclude(
    session: Session,
    plan: Plan,
    report: RunReport,
    run: Mark,
    cluster_of: ClusterOf,
    written: Container[int] = (),
) -> None:
    """After a run: forget what is gone, and write down what has no record that could tell.

    `written` is what `enlist` returned.
    """
    ended = {release.id: release for release in report.releases}
    for cluster, mine in _by_cluster(plan, cluster_of):
        gone = [
            release
            for release in mine
            if release.action.kind is ActionKind.UNINSTALL and ended[release.id].outcome is Outcome.DONE
        ]
        untold = [release for release in mine if release in gone or _untold(release, ended[release.id])]
        if not untold or not report.writes:
            continue
        annotations: dict[str, str | None] = {_key(release): None for release in gone}
        annotations[RUN + run.run] = json.dumps(
            {
                "by": run.by,
                "commit": run.commit,
                "command": run.command,
                "releases": [_told(release, ended[release.id]) for release in untold],
            }
        )
        exists = id(cluster) in written or bool(mine[0].inventory)
        _write(session, cluster, mine[0], annotations, exists=exists)


def lease_name(mark: Mark) -> str:
    """The name of an environment's lease."""
    return f"{ENVIRONMENT_PREFIX}{mark.project}.{mark.environment}".lower().replace("_", "-")


def _by_cluster(plan: Plan, cluster_of: ClusterOf) -> Iterable[tuple[Cluster, list[ReleasePlan]]]:
    found: dict[int, tuple[Cluster, list[ReleasePlan]]] = {}
    for release in plan.releases:
        if release.mark is not None:
            cluster = cluster_of(release)
            found.setdefault(id(cluster), (cluster, []))[1].append(release)
    return found.values()


def _write(
    session: Session,
    cluster: Cluster,
    release: ReleasePlan,
    annotations: Mapping[str, str | None],
    *,
    exists: bool,
) -> None:
    """Set and remove annotations of the environment's lease, in one request where it exists.

    What is not allowed to be written is said and stops nothing.
    """
    assert release.mark is not None
    namespace = release.inventory or cluster.namespace
    ref = ObjectRef(API, "Lease", namespace, lease_name(release.mark))
    try:
        live = _patched(cluster, ref, annotations) if exists else None
        if live is None:
            try:
                live = cluster.client.create(_lease(ref, release.mark, annotations))
            except errors.AlreadyExists:
                live = _patched(cluster, ref, annotations)
        runs = sorted(key for key in objects.meta(live or {}).get("annotations") or {} if key.startswith(RUN))
        if len(runs) > MAX_RUNS:
            _patched(cluster, ref, dict.fromkeys(runs[:-MAX_RUNS]))
    except ClusterError as failure:
        hint = f"allow create and patch of leases in the namespace {namespace}"
        warning = Mistake(f"the inventory is not kept: {failure.message}", "run.no-inventory", hint=hint)
        session.emit(Warned(warning=warning))


def _patched(cluster: Cluster, ref: ObjectRef, annotations: Mapping[str, str | None]) -> KubeObject | None:
    try:
        return cluster.client.patch(ref, MERGE_PATCH, {"metadata": {"annotations": dict(annotations)}})
    except errors.NotFound:
        return None


def _untold(release: ReleasePlan, report: ReleaseReport) -> bool:
    """Whether a failure left no revision of its own."""
    if report.outcome is not Outcome.FAILED:
        return False
    before = release.previous.number if release.previous else 0
    return release.action.kind is ActionKind.UNINSTALL or report.revision == before


def _told(release: ReleasePlan, report: ReleaseReport) -> dict[str, Any]:
    return {
        "namespace": release.owner.namespace,
        "name": release.owner.name,
        "action": release.action.kind.value,
        "outcome": report.outcome.value,
        "revision": release.previous.number if release.previous else 0,
        "reason": report.reason[:200],
    }


def _entry_of(release: ReleasePlan) -> Entry:
    mark, stored = release.mark, release.previous
    kept = stored is not None and release.action.kind is ActionKind.KEEP
    return Entry(
        namespace=release.owner.namespace,
        name=release.owner.name,
        level=mark.level if mark else 0,
        prevent_destroy=bool(mark and mark.prevent_destroy),
        first_deployed=stored.first_deployed if kept and stored and not _marked(stored) else "",
    )


def _marked(stored: Revision) -> bool:
    return marks.read(stored.labels, stored.number) is not None


def _key(release: ReleasePlan) -> str:
    """The annotation's name; a namespace and a name may be longer together than a key."""
    owner = f"{release.owner.namespace}/{release.owner.name}"
    return ENTRY + hashlib.sha256(owner.encode()).hexdigest()[:20]


def _text(entry: Entry) -> str:
    said: dict[str, Any] = {"namespace": entry.namespace, "name": entry.name, "level": entry.level}
    if entry.prevent_destroy:
        said["preventDestroy"] = True
    if entry.first_deployed:
        said["firstDeployed"] = entry.first_deployed
    return json.dumps(said)


def _lease(ref: ObjectRef, mark: Mark, annotations: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": "Lease",
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            "labels": {
                MANAGED_BY: "helmflow",
                marks.PREFIX + "project": mark.project,
                marks.PREFIX + "environment": mark.environment,
            },
            "annotations": {key: text for key, text in annotations.items() if text is not None},
        },
        "spec": {},
    }


def _orphans_in(
    cluster: Cluster, known: Inventory, mark: Mark, beside: Release, wanted: Iterable[Release]
) -> Iterable[Found]:
    """`beside` is a release of the same cluster, whose context and file an orphan takes over."""
    named = {(release.namespace or cluster.namespace, release.name) for release in wanted}
    left = {key: entry for key, entry in known.entries.items() if key not in named}
    newest: dict[tuple[str, str], StoredRevision] = {}
    for namespace in sorted({namespace for namespace, _ in left}):
        names = sorted(name for place, name in left if place == namespace)
        for revision in cluster.store(namespace).list(names=names):
            newest[namespace, revision.name] = revision  # sorted by number: the last one stays
    for key, revision in sorted(newest.items()):
        if key not in left or revision.status is ReleaseStatus.UNINSTALLED:
            continue
        if _is_ours(cluster, revision, left[key], mark):
            yield _found(revision, left[key], beside)


def _is_ours(cluster: Cluster, revision: StoredRevision, entry: Entry, mark: Mark) -> bool:
    """Whether a release is still the one of the inventory.

    It is not where another project or environment has taken it over, nor where somebody uninstalled it and installed
    another one of that name: Helm copies our labels when it upgrades or rolls back, and begins without them. A
    release that Helm installed and the files named without changing it never had any: it is known by its first day,
    and is nobody's where its record cannot be read.
    """
    said = marks.read(revision.labels, revision.number)
    if said is not None:
        return (said.project, said.environment) == (mark.project, mark.environment)
    if not entry.first_deployed:
        return False
    found = cluster.store(revision.namespace).get_many([revision])
    return any(one.first_deployed == entry.first_deployed for one in found.values())


def _found(revision: StoredRevision, entry: Entry, beside: Release) -> Found:
    release = ReleaseId(beside.context, revision.namespace, revision.name)
    options = ReleaseOptions(prevent_destroy=entry.prevent_destroy or None)
    return Found(
        orphan=Orphan(id=release, revision=revision.number, status=str(revision.status)),
        release=Release(
            id=release,
            chart="",
            presence=Presence.ABSENT,
            installed=False,
            file=beside.file,
            options=options,
            own_options=options,
        ),
        level=entry.level,
    )


def _entry(said: Mapping[str, Any]) -> Entry:
    level = said.get("level")
    return Entry(
        namespace=str(said.get("namespace") or ""),
        name=str(said.get("name") or ""),
        level=level if isinstance(level, int) else 0,
        prevent_destroy=said.get("preventDestroy") is True,
        first_deployed=str(said.get("firstDeployed") or ""),
    )


def _parsed(text: object) -> Mapping[str, Any]:
    """What an annotation says; {} for what somebody else made of it."""
    try:
        found = json.loads(str(text))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
