"""One function per Step type: each does what its data says and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, assert_never

from helmflow.core.clock import Deadline
from helmflow.core.errors import ClusterError
from helmflow.core.events import ObjectApplied, StepFinished, StepStarted
from helmflow.core.ids import ObjectRef
from helmflow.core.records import replace
from helmflow.execute import chart_hooks, lease
from helmflow.execute.bench import Bench, StepFailed
from helmflow.helm.release import history, marks
from helmflow.helm.release.record import ReleaseStatus, Revision, go_time
from helmflow.kube import applying, errors
from helmflow.kube.client import JSON_PATCH, Applied, KubeClient
from helmflow.kube.objects import KubeObject
from helmflow.kube.waiting import ObjectFailure, Target, Until, WaitReport
from helmflow.plan import conflicts, removal
from helmflow.plan.model import (
    ApplyCrds,
    ApplyObjects,
    Change,
    ChangeKind,
    DeleteObjects,
    DeleteRevisions,
    DropLease,
    EnsureNamespace,
    PruneRevisions,
    RepairRevision,
    RunChartHooks,
    RunLocalHooks,
    SaveRevision,
    Step,
    WaitForNeed,
    WaitUntilReady,
)

CRD_TIMEOUT_S = 60.0  # Helm's own
UNKNOWN_KIND_TIMEOUT_S = 15.0  # until a CRD that was just created is served
GONE_TIMEOUT_S = 120.0

_OPERATIONS = {
    ChangeKind.CREATE: "created",
    ChangeKind.UPDATE: "configured",
    ChangeKind.REPLACE: "replaced",
    ChangeKind.ADOPT: "configured",
}


def run_step(step: Step, bench: Bench, error: str | None = None) -> None:
    """Carry out one step, between its events. `error` is what failed before, for hooks that run all the same."""
    if isinstance(step, RunLocalHooks) and not _has_hooks(step, bench):
        return
    clock = bench.tools.clock
    started = clock.monotonic()
    name = type(step).__name__
    bench.emit(StepStarted(release=bench.id, step=name, detail=_detail(step)))
    _run(step, bench, error)
    bench.emit(StepFinished(release=bench.id, step=name, seconds=clock.monotonic() - started))


def _run(step: Step, bench: Bench, error: str | None) -> None:
    match step:
        case EnsureNamespace():
            _ensure_namespace(step, bench)
        case ApplyCrds():
            _apply_crds(step, bench)
        case WaitForNeed():
            _wait_for_need(step, bench)
        case RunLocalHooks():
            bench.tools.fire(bench.plan, step.event, error, bench.emit)
        case RunChartHooks():
            chart_hooks.run(step, bench)
        case ApplyObjects():
            _apply_objects(step, bench)
        case DeleteObjects():
            _delete_objects(step, bench)
        case WaitUntilReady():
            _wait_until_ready(step, bench)
        case SaveRevision():
            _save_revision(step, bench)
        case RepairRevision():
            _repair_revision(step, bench)
        case PruneRevisions():
            _prune_revisions(step, bench)
        case DeleteRevisions():
            _delete_revisions(bench)
        case DropLease():
            lease.drop(bench.tools.client, bench.plan.owner, step.holder)
        case _:
            assert_never(step)


def _has_hooks(step: RunLocalHooks, bench: Bench) -> bool:
    return any(step.event in hook.events for hook in bench.plan.release.local_hooks)


def _detail(step: Step) -> str:
    match step:
        case EnsureNamespace():
            return step.namespace
        case RunLocalHooks() | RunChartHooks():
            return step.event
        case SaveRevision() | RepairRevision():
            return step.status
        case WaitForNeed():
            return str(step.release)
        case _:
            return ""


def _ensure_namespace(step: EnsureNamespace, bench: Bench) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": step.namespace, "labels": {"name": step.namespace}},
    }

    def create() -> None:
        try:
            bench.tools.client.create(body)
        except errors.AlreadyExists:
            return
        ref = ObjectRef("v1", "Namespace", "", step.namespace)
        bench.emit(ObjectApplied(release=bench.id, ref=ref, operation="created"))

    bench.tools.namespaces.do(step.namespace, create)


def _apply_crds(step: ApplyCrds, bench: Bench) -> None:
    client = bench.tools.client
    waiting = []
    for crd in step.crds:
        if crd.kind is ChangeKind.UPDATE:
            applied = applying.apply(client, crd.body, live=crd.live, force=True)
            waiting.append((crd.ref, crd.body, applied.object))
            bench.emit(ObjectApplied(release=bench.id, ref=crd.ref, operation="configured"))
            continue
        try:
            seed = client.create(crd.body)
        except errors.AlreadyExists:
            continue
        waiting.append((crd.ref, crd.body, seed))
        bench.emit(ObjectApplied(release=bench.id, ref=crd.ref, operation="created"))
    bench.ran_crds = True
    if waiting:
        _until_served(bench, waiting)
    _one_less(bench)


def _apply_objects(step: ApplyObjects, bench: Bench) -> None:
    """In Helm's order: kind by kind, side by side inside a run of one kind."""
    _raise_first(bench.tools.client.each([_migrating(change, bench) for change in step.migrated]))
    for kind, group in groupby(step.changes, key=lambda change: change.ref.kind):
        bench.tools.cancel.check()
        changes = list(group)
        answers = bench.tools.client.each([_applier(change, bench) for change in changes])
        _raise_first(answers)
        if kind == "CustomResourceDefinition":
            bench.ran_crds = True
            _until_served(bench, [(change.ref, change.body, bench.applied[change.ref]) for change in changes])
            _one_less(bench)


def definition_steps(steps: Iterable[Step]) -> int:
    """How many of the steps bring definitions that others may wait for."""
    return sum(
        isinstance(step, ApplyCrds)
        or (isinstance(step, ApplyObjects) and any(c.ref.kind == removal.CRD for c in step.changes))
        for step in steps
    )


def _one_less(bench: Bench) -> None:
    bench.definitions -= 1
    if bench.definitions == 0:
        bench.established()


def _until_served(bench: Bench, crds: Sequence[tuple[ObjectRef, Any, KubeObject]]) -> None:
    """Wait until CRDs are established and discovery has their kinds: what follows needs them."""
    targets = [Target(ref=ref, seed=seed) for ref, _, seed in crds]
    _wait(bench, targets, CRD_TIMEOUT_S, "custom resource definitions were not established")
    kinds = [kind for _, body, _ in crds for kind in _served_kinds(body)]
    deadline = Deadline(bench.tools.clock, UNKNOWN_KIND_TIMEOUT_S)
    while True:
        served = bench.tools.client.discovery(refresh=True)
        if all(served.find(*kind) is not None for kind in kinds) or deadline.passed():
            return
        bench.tools.cancel.check()
        bench.tools.clock.sleep(0.05)


def _served_kinds(crd: Any) -> Iterator[tuple[str, str]]:
    spec = crd.get("spec") or {}
    for version in spec.get("versions") or ():
        if version.get("served"):
            yield f"{spec.get('group')}/{version.get('name')}", str((spec.get("names") or {}).get("kind"))


def _migrating(change: Change, bench: Bench) -> Callable[[], None]:
    def migrate() -> None:
        client = bench.tools.client
        live = change.live or client.find(change.ref)
        if live is not None:
            bench.applied[change.ref] = applying.migrate(client, live, last=change.last)

    return migrate


def _applier(change: Change, bench: Bench) -> Callable[[], None]:
    def apply() -> None:
        seed, created = _apply(change, bench)
        bench.applied[change.ref] = seed
        if created:
            bench.created.append(change.ref)
        operation = "created" if created else _OPERATIONS[change.kind]
        bench.emit(ObjectApplied(release=bench.id, ref=change.ref, operation=operation))

    return apply


def _apply(change: Change, bench: Bench) -> tuple[KubeObject, bool]:
    client = bench.tools.client
    if change.kind is ChangeKind.REPLACE:
        _delete(change.ref, change.uid, "Orphan" if change.orphans else "Background", bench)
        _wait_gone(bench, [change.ref], GONE_TIMEOUT_S)
        return applying.create(client, change.body), False
    body = change.body
    if change.uid and change.kind is ChangeKind.UPDATE:
        # The plan was made for this very object: one that took its place meanwhile is somebody else's.
        body = {**body, "metadata": {**body["metadata"], "uid": change.uid}}
    # Only a CRD of this very release is worth waiting for; otherwise what is served is asked for once more.
    patience_s = UNKNOWN_KIND_TIMEOUT_S if bench.ran_crds else 0.0
    deadline = Deadline(bench.tools.clock, patience_s)
    refreshed = False
    live = _taken_over(change, bench)
    while True:
        try:
            applied = _applied(change, body, live, client)
            return applied.object, applied.created
        except ClusterError as failure:
            unserved = failure.error_id == "cluster.unknown-kind"
            if not unserved or (refreshed and deadline.passed()):
                raise
        bench.tools.cancel.check()
        if refreshed:
            bench.tools.clock.sleep(0.2)
        client.discovery(refresh=True)
        refreshed = True


def _applied(change: Change, body: Any, live: KubeObject | None, client: KubeClient) -> Applied:
    """Fields are taken by force only from those from whom the plan takes them."""
    if not change.taken:
        return applying.apply(client, body, live=live, last=change.last, force=change.force)
    try:
        return applying.apply(client, body, live=live, last=change.last)
    except errors.FieldConflict as conflict:
        if not set(conflicts.named(conflict.fields)) <= set(change.taken):
            raise
    return applying.apply(client, body, live=live, last=change.last, force=True)


def _taken_over(change: Change, bench: Bench) -> KubeObject | None:
    """The live object, once what another Helm applied of this release is ours."""
    patch = conflicts.taken_over(change.live) if change.live else None
    if patch is None:
        return change.live  # type: ignore[no-any-return]  # Json
    try:
        return bench.tools.client.patch(change.ref, JSON_PATCH, patch, manager="")
    except (errors.Conflict, errors.Invalid):
        return change.live  # type: ignore[no-any-return]  # somebody was faster: applying tells


def _delete_objects(step: DeleteObjects, bench: Bench) -> None:
    for ref in step.kept:
        bench.kept.append(ref)
        bench.emit(ObjectApplied(release=bench.id, ref=ref, operation="kept"))
    for _, group in groupby(step.changes, key=lambda change: change.ref.kind):
        bench.tools.cancel.check()
        changes = list(group)
        _raise_first(
            bench.tools.client.each(
                [
                    lambda c=change: _delete(c.ref, (c.body or {}).get("uid", ""), step.propagation, bench)  # type: ignore[misc]
                    for change in changes
                ]
            )
        )
    if step.wait and step.changes:
        _wait_gone(bench, [change.ref for change in step.changes], step.timeout_s)


def _delete(ref: ObjectRef, uid: str, propagation: str, bench: Bench) -> None:
    try:
        bench.tools.client.delete(ref, propagation=propagation, uid=uid)
    except (errors.NotFound, errors.Conflict):
        return  # gone already, or another object under the same name: not ours to delete
    bench.emit(ObjectApplied(release=bench.id, ref=ref, operation="deleted"))


def _wait_until_ready(step: WaitUntilReady, bench: Bench) -> None:
    """Without asking for anything again: objects that were not applied are as the plan saw them, or newer events say so."""
    seen = {change.ref: change.live for change in bench.plan.changes if change.live}
    targets = [
        Target(
            ref=ref,
            until=Until.DONE if step.jobs and ref.kind == "Job" else Until.READY,
            seed=bench.applied.get(ref) or seen.get(ref),
        )
        for ref in step.refs
    ]
    complete = all(target.seed is not None for target in targets)
    _wait(bench, targets, step.timeout_s, "", since=bench.plan.seen if complete else "")


def _wait_for_need(step: WaitForNeed, bench: Bench) -> None:
    targets = [Target(ref=ref) for ref in step.refs]
    _wait(bench, targets, step.timeout_s, f"{step.release}, which is needed, is not ready")


def _wait(
    bench: Bench, targets: Sequence[Target], timeout_s: float, what: str, *, since: str = ""
) -> WaitReport:
    report = bench.tools.waiter.wait(
        targets,
        deadline=Deadline(bench.tools.clock, timeout_s),
        release=bench.id,
        emit=bench.emit,
        cancelled=lambda: bench.tools.cancel.cancelled,
        resource_version=since,
    )
    if report.cancelled:
        bench.tools.cancel.check()
    if report.failures:
        prefix = f"{what}: " if what else ""
        raise StepFailed(prefix + "; ".join(explained(report.failures)), error_id="release.not-ready")
    return report


def _wait_gone(bench: Bench, refs: Iterable[ObjectRef], timeout_s: float) -> None:
    targets = [Target(ref=ref, until=Until.GONE) for ref in refs]
    _wait(bench, targets, timeout_s, "still being deleted")


def explained(failures: Iterable[ObjectFailure]) -> Iterator[str]:
    """Each failure as a person reads it: the object, why, and the container that is to blame with its last words."""
    for failure in failures:
        parts = [f"{failure.ref}: {failure.why}"]
        for container in failure.containers:
            place = f"{container.owner}: Pod/{container.pod}" if container.owner else f"Pod/{container.pod}"
            parts.append(
                f"\n  {place}, container {container.container}: {container.reason} {container.message}".rstrip()
            )
            parts += [f"\n    | {line}" for line in container.log]
        parts += [f"\n  event: {event}" for event in failure.events]
        yield "".join(parts)


def _save_revision(step: SaveRevision, bench: Bench) -> None:
    now = go_time(bench.tools.clock.now())
    current = bench.revision or bench.plan.revision
    if current is None:
        return
    status = ReleaseStatus(step.status)
    changed = replace(current, status=status, description=step.description)
    if step.create:
        changed = replace(
            changed,
            first_deployed=current.first_deployed or now,
            last_deployed=now,
            deleted="",
            labels=_labels(current, bench),
        )
        bench.store.create(changed)
        bench.stored = True
    else:
        if status in (ReleaseStatus.UNINSTALLING, ReleaseStatus.UNINSTALLED):
            changed = replace(changed, deleted=current.deleted or now)
        _supersede(step.superseded, changed.number, bench)
        bench.store.update(changed)
        bench.stored = True
    bench.revision = changed


def _labels(revision: Revision, bench: Bench) -> Mapping[str, str]:
    mark = bench.tools.mark(bench.plan)
    if mark is None:
        return revision.labels
    return {**marks.without(revision.labels), **marks.labels(mark, revision.number)}


def _supersede(numbers: Sequence[int], new: int, bench: Bench) -> None:
    for revision in bench.plan.stored:
        if revision.number in numbers and revision.number != new:
            bench.store.update(replace(revision, status=ReleaseStatus.SUPERSEDED))


def _repair_revision(step: RepairRevision, bench: Bench) -> None:
    for revision in bench.plan.stored:
        if revision.number == step.number:
            bench.store.update(
                replace(revision, status=ReleaseStatus(step.status), description=step.description)
            )


def _prune_revisions(step: PruneRevisions, bench: Bench) -> None:
    previous = bench.plan.previous
    if previous is None or previous.number < step.keep:
        return  # numbers only grow: there cannot be that many yet
    oldest = previous.number + 1 - step.keep
    deployed = {
        revision.number for revision in bench.plan.stored if revision.status is ReleaseStatus.DEPLOYED
    }
    # Where every revision was stored and pruned in turn exactly one has to go. Each `keep`-th time, and where that
    # one is not there, the whole history is looked at: what an interrupted run or a larger limit left goes as well.
    in_turn = oldest % step.keep != 0 and oldest not in deployed
    if in_turn and bench.store.delete(bench.plan.owner.name, oldest):
        return
    for revision in history.pruned(bench.store.history(bench.plan.owner.name), keep=step.keep, adding=1):
        bench.store.delete(bench.plan.owner.name, revision.number)


def _delete_revisions(bench: Bench) -> None:
    """The newest last: whoever dies in between leaves a record that says what is going on."""
    name = bench.plan.owner.name
    for revision in bench.store.history(name):
        bench.store.delete(name, revision.number)
    if bench.revision is not None:
        description = "Uninstallation complete"
        bench.revision = replace(bench.revision, status=ReleaseStatus.UNINSTALLED, description=description)


def _raise_first(answers: Iterable[object]) -> None:
    for answer in answers:
        if isinstance(answer, ClusterError):
            raise answer


def failed_revision(revision: Revision, description: str) -> Revision:
    """The revision of a run that failed."""
    return replace(revision, status=ReleaseStatus.FAILED, description=description)
