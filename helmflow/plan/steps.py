"""ReleaseAction and Changes -> ordered Steps, in Helm's own order; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from helmflow.core.records import dataclass
from helmflow.helm.release.record import HookPhase, ReleaseStatus, Revision
from helmflow.kube.ownership import client_side_entries
from helmflow.plan import removal
from helmflow.plan.model import (
    Action,
    ActionKind,
    ApplyCrds,
    ApplyObjects,
    Change,
    ChangeKind,
    DeleteObjects,
    DeleteRevisions,
    DropLease,
    EnsureNamespace,
    HookEvent,
    HookRun,
    PruneRevisions,
    RepairRevision,
    RunChartHooks,
    RunLocalHooks,
    SaveRevision,
    Step,
    WaitUntilReady,
)
from helmflow.plan.settings import Settings

APPLIED = (ChangeKind.CREATE, ChangeKind.UPDATE, ChangeKind.REPLACE, ChangeKind.ADOPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the steps of one release are made of.

    `changes` in apply order, deletions in uninstall order after them; `hooks` every chart hook with its events;
    `revisions` what is stored, without the superseded ones.
    """

    namespace: str
    namespace_exists: bool
    changes: tuple[Change, ...]
    crds: tuple[Change, ...] = ()
    hooks: tuple[tuple[tuple[str, ...], HookRun], ...] = ()
    revisions: tuple[Revision, ...] = ()
    settings: Settings
    fresh: bool = False
    abandoned_lease: str = ""


def steps(action: Action, parts: Parts) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps of an action, and those that run after them whatever happened."""
    match action.kind:
        case ActionKind.KEEP:
            left = (DropLease(holder=parts.abandoned_lease),) if parts.abandoned_lease else ()
            return (), (*left, RunLocalHooks(event="cleanup"))
        case ActionKind.REFUSE:
            return (), ()
        case ActionKind.UNINSTALL:
            return _uninstall(parts), (RunLocalHooks(event="postuninstall"), RunLocalHooks(event="cleanup"))
        case ActionKind.INSTALL | ActionKind.ADOPT | ActionKind.UPGRADE | ActionKind.RECOVER:
            return _release(parts), (RunLocalHooks(event="postsync"), RunLocalHooks(event="cleanup"))
        case ActionKind.ROLLBACK:
            return _rollback(parts), ()
        case ActionKind.TEST:
            return tuple(_hooks(parts, HookEvent.TEST)), ()
        case _:
            assert_never(action.kind)


def installs_again(revisions: Sequence[Revision]) -> bool:
    """Whether a release with these revisions is installed rather than upgraded.

    True where nothing is stored and where the newest was uninstalled. Also where the first install was interrupted
    or failed in its pre-install hooks: Helm would go on with an upgrade and never run them.
    """
    if not revisions:
        return True
    newest = max(revisions, key=lambda revision: revision.number)
    if newest.status in (ReleaseStatus.UNINSTALLED, ReleaseStatus.UNINSTALLING):
        return True
    # Superseded revisions are not among these: a gap in the numbers says that something was deployed once.
    if newest.number != len(revisions) or any(r.status is ReleaseStatus.DEPLOYED for r in revisions):
        return False
    unfinished = any(
        HookEvent.PRE_INSTALL in hook.events and hook.last_run.phase != HookPhase.SUCCEEDED
        for hook in newest.hooks
    )
    return newest.status is ReleaseStatus.PENDING_INSTALL or unfinished


def _release(parts: Parts) -> tuple[Step, ...]:
    settings = parts.settings
    install = parts.fresh
    pre, post = (
        (HookEvent.PRE_INSTALL, HookEvent.POST_INSTALL)
        if install
        else (HookEvent.PRE_UPGRADE, HookEvent.POST_UPGRADE)
    )
    pending = ReleaseStatus.PENDING_INSTALL if install else ReleaseStatus.PENDING_UPGRADE
    preparing = "Initial install underway" if install else "Preparing upgrade"
    done = settings.description or ("Install complete" if install else "Upgrade complete")
    found: list[Step] = [RunLocalHooks(event="presync")]
    if settings.create_namespace and not parts.namespace_exists:
        found.append(EnsureNamespace(namespace=parts.namespace))
    if parts.crds and not settings.skip_crds:
        found.append(ApplyCrds(crds=parts.crds))
    found += _repairs(parts)
    if settings.history_max and not install:
        found.append(PruneRevisions(keep=settings.history_max))
    found.append(SaveRevision(status=pending, description=preparing, create=True))
    found += _hooks(parts, pre)
    found += _objects(parts)
    found += _wait(parts)
    found += _hooks(parts, post)
    found.append(
        SaveRevision(status=ReleaseStatus.DEPLOYED, description=done, superseded=_superseded(parts.revisions))
    )
    return tuple(found)


def _rollback(parts: Parts) -> tuple[Step, ...]:
    settings = parts.settings
    found: list[Step] = _repairs(parts)
    if settings.history_max:
        found.append(PruneRevisions(keep=settings.history_max))
    found.append(
        SaveRevision(status=ReleaseStatus.PENDING_ROLLBACK, description=settings.description, create=True)
    )
    found += _hooks(parts, HookEvent.PRE_ROLLBACK)
    found += _objects(parts)
    found += _wait(parts)
    found += _hooks(parts, HookEvent.POST_ROLLBACK)
    found.append(
        SaveRevision(
            status=ReleaseStatus.DEPLOYED,
            description=settings.description,
            superseded=_superseded(parts.revisions),
        )
    )
    return tuple(found)


def _uninstall(parts: Parts) -> tuple[Step, ...]:
    settings = parts.settings
    found: list[Step] = [RunLocalHooks(event="presync"), RunLocalHooks(event="preuninstall")]
    found.append(
        SaveRevision(
            status=ReleaseStatus.UNINSTALLING, description="Deletion in progress (or silently failed)"
        )
    )
    found += _hooks(parts, HookEvent.PRE_DELETE)
    gone = [change for change in parts.changes if change.kind is ChangeKind.DELETE]
    kept = tuple(change.ref for change in parts.changes if change.kind is ChangeKind.KEEP)
    customs, rest = removal.custom_first(gone)
    if customs:
        found.append(
            DeleteObjects(
                changes=customs,
                propagation=settings.propagation,
                wait=settings.delete_wait or removal.held(customs),
                timeout_s=settings.delete_timeout_s,
            )
        )
    if rest or kept:
        found.append(
            DeleteObjects(
                changes=rest,
                kept=kept,
                propagation=settings.propagation,
                wait=settings.delete_wait,
                timeout_s=settings.delete_timeout_s,
            )
        )
    found += _hooks(parts, HookEvent.POST_DELETE)
    if settings.keep_history:
        found.append(
            SaveRevision(
                status=ReleaseStatus.UNINSTALLED,
                description=settings.description or "Uninstallation complete",
                superseded=_superseded(parts.revisions),
            )
        )
    else:
        found.append(DeleteRevisions())
    return tuple(found)


def _repairs(parts: Parts) -> list[Step]:
    """Final states for what dead runs left behind: pending becomes failed, a second deployed superseded."""
    found: list[Step] = []
    ordered = sorted(parts.revisions, key=lambda revision: revision.number)
    deployed = [revision.number for revision in ordered if revision.status is ReleaseStatus.DEPLOYED]
    for revision in ordered:
        if revision.status.pending:
            text = f"unlocked from stale '{revision.status}'"
            found.append(
                RepairRevision(number=revision.number, status=ReleaseStatus.FAILED, description=text)
            )
        elif revision.status is ReleaseStatus.UNINSTALLING:
            text = "the uninstall was interrupted"
            found.append(
                RepairRevision(number=revision.number, status=ReleaseStatus.FAILED, description=text)
            )
        elif revision.number in deployed[:-1]:
            found.append(
                RepairRevision(
                    number=revision.number,
                    status=ReleaseStatus.SUPERSEDED,
                    description=revision.description,
                )
            )
    return found


def _hooks(parts: Parts, event: HookEvent) -> list[Step]:
    if parts.settings.no_hooks:
        return []
    due = [hook for events, hook in parts.hooks if event in events]
    if not due:
        return []
    ordered = tuple(sorted(due, key=lambda hook: (hook.weight, hook.name)))
    return [RunChartHooks(event=event, hooks=ordered, timeout_s=parts.settings.timeout_s)]


def _objects(parts: Parts) -> list[Step]:
    found: list[Step] = []
    applied = tuple(change for change in parts.changes if change.kind in APPLIED)
    migrated = tuple(
        change
        for change in parts.changes
        if change.kind is ChangeKind.UNCHANGED and change.live and client_side_entries(change.live)
    )
    if applied or migrated:
        found.append(ApplyObjects(changes=applied, migrated=migrated))
    gone = [change for change in parts.changes if change.kind is ChangeKind.DELETE]
    kept = tuple(change.ref for change in parts.changes if change.kind is ChangeKind.KEEP)
    customs, rest = removal.custom_first(gone)
    if customs:
        wait = removal.held(customs) and bool(rest)
        found.append(DeleteObjects(changes=customs, wait=wait, timeout_s=parts.settings.timeout_s))
    if rest or kept:
        found.append(DeleteObjects(changes=rest, kept=kept, timeout_s=parts.settings.timeout_s))
    return found


def _wait(parts: Parts) -> list[Step]:
    settings = parts.settings
    if not (settings.wait or settings.wait_for_jobs or settings.atomic):
        return []
    there = (*APPLIED, ChangeKind.UNCHANGED)
    refs = tuple(change.ref for change in parts.changes if change.kind in there and not change.hook)
    if not refs:
        return []
    return [WaitUntilReady(refs=refs, timeout_s=settings.timeout_s, jobs=settings.wait_for_jobs)]


def _superseded(revisions: Sequence[Revision]) -> tuple[int, ...]:
    return tuple(revision.number for revision in revisions if revision.status is ReleaseStatus.DEPLOYED)
