"""Targets against live objects: proofs first, dry-runs for the rest, then one Change per object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helmflow.core.errors import ClusterError, Mistake
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass
from helmflow.helm.render.kinds import in_install_order
from helmflow.kube import errors, ownership
from helmflow.kube.client import KubeClient
from helmflow.plan import causes, conflicts, diff, noise, observe, shapes
from helmflow.plan.decide import Content
from helmflow.plan.model import Cause, Change, ChangeKind
from helmflow.plan.objects import Target, owned_by
from helmflow.plan.proof import proven
from helmflow.plan.settings import Settings

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One release to compare: what is stored (uninstall order), what is wanted (install order), what is live."""

    owner: ReleaseId
    wanted: bool
    content: Content
    stored: tuple[Target, ...]
    targets: tuple[Target, ...]
    live: Mapping[ObjectRef, Json]
    settings: Settings
    adopt: tuple[str, ...] = ()
    rules: tuple[noise.Rule, ...] = ()
    show_ignored: bool = False


@dataclass(slots=True)
class Compared:
    """What comparing found. `changes` in apply order, deletions after them."""

    changes: tuple[Change, ...] = ()
    missing: int = 0
    drifted: int = 0
    adopted: int = 0
    refusal: Mistake | None = None


@dataclass(slots=True)
class _Pending:
    """One object that could not be decided without the server."""

    target: Target
    live: Json
    known: bool
    body: dict[str, Json]
    force: bool = False
    taken: tuple[str, ...] = ()
    answer: Json | ClusterError = None


def compare(client: KubeClient, subjects: Sequence[tuple[Compared, Subject]]) -> None:
    """Fill in every Compared. One round of dry-runs for all, a second one for those that had conflicts."""
    work = [(compared, subject, _pending(compared, subject)) for compared, subject in subjects]
    asked = [(subject, item) for _, subject, items in work for item in items]
    _ask(client, [item for _, item in asked])
    again = [item for subject, item in asked if _settles(subject, item)]
    _ask(client, again)
    for compared, subject, items in work:
        _finish(compared, subject, {item.target.ref: item for item in items})


def against_stored(compared: Compared, subject: Subject) -> None:
    """Fill in a Compared from the stored revision alone: the classic diff, which asks the cluster for nothing else."""
    stored = {target.ref: target for target in subject.stored}
    wanted = {target.ref: target for target in _compared_targets(subject)}
    changes = []
    for ref, target in wanted.items():
        before = stored.get(ref)
        same = before is not None and _same_document(before, target)
        kind = ChangeKind.UNCHANGED if same else ChangeKind.CREATE if before is None else ChangeKind.UPDATE
        changes.append(
            Change(
                ref=ref,
                kind=kind,
                before="" if same or before is None else before.text,
                after="" if same else target.text,
                source=target.source,
                causes=(Cause(path=(), planned=True, drift=False),) if kind is ChangeKind.UPDATE else (),
            )
        )
    gone = [
        Change(ref=ref, kind=ChangeKind.DELETE, before=target.text, source=target.source)
        for ref, target in stored.items()
        if ref not in wanted
    ]
    compared.changes = (*changes, *gone)


def restores(content: Content, settings: Settings) -> bool:
    """Whether drift is undone with what was deployed: new random content would change what nobody asked to change."""
    return content is Content.RANDOM and not (settings.refresh_random or settings.always_upgrade)


def _ask(client: KubeClient, items: Sequence[_Pending]) -> None:
    for force in (False, True):
        group = [item for item in items if item.force is force]
        answers = observe.dry_runs(client, [item.body for item in group], force=force)
        for item, answer in zip(group, answers, strict=True):
            item.answer = answer


def _pending(compared: Compared, subject: Subject) -> list[_Pending]:
    """What needs a dry-run. A release that is compared for drift alone is compared as it was stored."""
    stored = {target.ref: target for target in subject.stored}
    found = []
    for target in _compared_targets(subject):
        live = subject.live.get(target.ref)
        known = target.ref in stored
        if live is None:
            continue
        if not known and not _may_take(compared, subject, target, live):
            continue
        if proven(target.body, live):
            continue
        found.append(_Pending(target, live, known, target.body, force=subject.settings.force_conflicts))
    return found


def _compared_targets(subject: Subject) -> tuple[Target, ...]:
    if not subject.wanted:
        return ()
    if restores(subject.content, subject.settings):
        return tuple(in_install_order(list(subject.stored), lambda target: target.ref.kind))
    return subject.targets


def _may_take(compared: Compared, subject: Subject, target: Target, live: Mapping[str, Json]) -> bool:
    """Whether an object that no revision of this release knows may become part of it: Helm's ownership rule."""
    label, name, namespace = owned_by(live)
    if label == "Helm" and (name, namespace) == (subject.owner.name, subject.owner.namespace):
        return True
    if subject.settings.take_ownership or _named(target.ref, subject.adopt):
        compared.adopted += 1
        return True
    missing = []
    if label != "Helm":
        missing.append(_ownership("label", "app.kubernetes.io/managed-by", label, "Helm"))
    if name != subject.owner.name:
        missing.append(_ownership("annotation", "meta.helm.sh/release-name", name, subject.owner.name))
    if namespace != subject.owner.namespace:
        missing.append(
            _ownership("annotation", "meta.helm.sh/release-namespace", namespace, subject.owner.namespace)
        )
    where = f' in namespace "{target.ref.namespace}"' if target.ref.namespace else ""
    compared.refusal = compared.refusal or Mistake(
        f'{target.ref.kind} "{target.ref.name}"{where} exists and cannot be imported into the current release: '
        f"invalid ownership metadata; {'; '.join(missing)}",
        "release.not-owned",
        hint=f"it belongs to release {namespace}/{name}"
        if name
        else "set takeOwnership: true on the release to adopt it, or delete it",
    )
    return False


def _ownership(what: str, key: str, found: str, wanted: str) -> str:
    if not found:
        return f'{what} validation error: missing key "{key}": must be set to "{wanted}"'
    return f'{what} validation error: key "{key}" must equal "{wanted}": current value is "{found}"'


def _named(ref: ObjectRef, adopt: Sequence[str]) -> bool:
    kind = ref.kind.lower()
    return any(entry.lower() in (f"{kind}/{ref.name}", f"{kind}s/{ref.name}") for entry in adopt)


def _settles(subject: Subject, item: _Pending) -> bool:
    """Whether a conflict is settled by taking or yielding fields, so that the server is asked once more."""
    if not isinstance(item.answer, errors.FieldConflict):
        return False
    verdict = conflicts.settle(item.answer.fields, item.body, item.live)
    if verdict is None:
        return False
    item.body, item.force = verdict.body, verdict.force
    item.taken = conflicts.named(item.answer.fields)
    return True


def _finish(compared: Compared, subject: Subject, asked: Mapping[ObjectRef, _Pending]) -> None:
    stored = {target.ref: target for target in subject.stored}
    changes = [
        _change(compared, subject, target, stored.get(target.ref), asked.get(target.ref))
        for target in _compared_targets(subject)
    ]
    kept = frozenset(target.ref for target in subject.targets) if subject.wanted else frozenset()
    gone = diff.deletions(subject.stored, kept, subject.live, delete_data=subject.settings.delete_data)
    compared.changes = (*changes, *gone)


def _change(
    compared: Compared, subject: Subject, target: Target, before: Target | None, asked: _Pending | None
) -> Change:
    live = subject.live.get(target.ref)
    unchanged = Change(
        ref=target.ref,
        kind=ChangeKind.UNCHANGED,
        source=target.source,
        live=live,
        last=before.document if before else None,
    )
    if live is None:
        if before is not None and _same_document(before, target):
            compared.missing += 1
        return Change(
            ref=target.ref,
            kind=ChangeKind.CREATE,
            after=target.text,
            body=target.body,
            source=target.source,
            reason="it is gone from the cluster" if before is not None else "",
        )
    if asked is None:
        return unchanged
    if isinstance(asked.answer, ClusterError):
        return _refused(compared, subject, asked, before)
    changed = before is not None and not _same_document(before, target)
    # A dry-run does not show that a field which a client-side writer owns will go: ownership is migrated first.
    removes = changed and bool(ownership.client_side_entries(live))
    if diff.same_state(live, asked.answer) and not removes:
        return unchanged
    return _update(compared, subject, asked, before, live, removes=removes)


def _same_document(before: Target, after: Target) -> bool:
    return before.text.strip() == after.text.strip() or before.body == after.body


def _update(
    compared: Compared,
    subject: Subject,
    asked: _Pending,
    before: Target | None,
    live: Mapping[str, Json],
    *,
    removes: bool,
) -> Change:
    """What is live beside what the server would store, as far as the chart speaks about it, and why each field differs."""
    target = asked.target
    changed = before is not None and not _same_document(before, target)
    shown = _shown(subject, asked, before, live, removes=removes)
    common: dict[str, Any] = {
        "ref": target.ref,
        "body": asked.body,
        "source": target.source,
        "force": asked.force,
        "taken": asked.taken,
        "live": live,
        "last": before.document if before else None,
        "uid": str(live.get("metadata", {}).get("uid", "")),
        "causes": shown.causes,
        "ignored": shown.ignored,
    }
    if asked.known and not changed and not shown.causes:
        # What differs is ignored by rules, or is nobody's of us: a controller wrote it since the object was read.
        ignored = shown.ignored if _by_rules(shown.ignored) else ()
        return Change(ref=target.ref, kind=ChangeKind.UNCHANGED, source=target.source, ignored=ignored)
    drift = asked.known and not changed
    compared.drifted += drift
    return Change(
        kind=ChangeKind.UPDATE if asked.known else ChangeKind.ADOPT,
        before=_text(shown.before),
        after=_text(shown.after),
        drift=drift,
        reason="changed in the cluster" if drift else "" if asked.known else "exists already",
        **common,
    )


def _shown(
    subject: Subject, asked: _Pending, before: Target | None, live: Mapping[str, Json], *, removes: bool
) -> noise.Sifted:
    wanted = shapes.keyed(asked.target.body)
    last = shapes.keyed(before.body) if before is not None else None
    assert not isinstance(asked.answer, ClusterError)
    now, then = shapes.keyed(dict(live)), shapes.keyed(dict(asked.answer))
    if removes and last is not None:
        stays = {path for path, _ in shapes.leaves(wanted)}
        for path, _ in shapes.leaves(last):
            if path not in stays:
                then = shapes.without(then, path)
    if not subject.show_ignored:
        # What we own from before and no longer name goes away: it is shown like what the last revision named.
        dropped = shapes.tree(
            path
            for path in noise.differing(live, asked.answer)
            if not noise.bookkeeping(path) and causes.ours(live, path)
        )
        outlines = (wanted, dropped) if last is None else (wanted, last, dropped)
        now, then = shapes.restricted(now, *outlines), shapes.restricted(then, *outlines)
    now = shapes.ordered_like(now, then)
    found = causes.of_update(now, then, last=last, wanted=wanted, live=live)
    unseen = noise.unseen(live, asked.answer, [cause.path for cause in found])
    rules = () if subject.show_ignored else subject.rules
    return noise.sift(asked.target.ref, now, then, found, rules, unseen)


def _by_rules(ignored: Sequence[tuple[str, int]]) -> bool:
    return any(rule not in (noise.SERVER, noise.OTHERS) for rule, _ in ignored)


def _text(keyed: Json) -> str:
    from helmflow.core import yaml_dialect

    return yaml_dialect.dump(shapes.plain(keyed))


def _refused(compared: Compared, subject: Subject, asked: _Pending, before: Target | None) -> Change:
    answer, target = asked.answer, asked.target
    common: dict[str, Any] = {
        "ref": target.ref,
        "before": before.text if before else "",
        "after": target.text,
        "body": asked.body,
        "source": target.source,
        "live": asked.live,
        "last": before.document if before else None,
        "uid": str(asked.live.get("metadata", {}).get("uid", "")),
    }
    if ownership.immutable(answer):
        if ownership.replaceable_alone(asked.body, asked.live):
            why = "a field that may not change does; its pods and claims stay"
            return Change(kind=ChangeKind.REPLACE, reason=why, orphans=True, **common)
        if subject.settings.force or subject.settings.reinstall:
            return Change(kind=ChangeKind.REPLACE, reason="a field that may not change does", **common)
        hint = "set force: true on the release to delete and create it again"
        compared.refusal = compared.refusal or Mistake(answer.message, "release.immutable-field", hint=hint)
    elif isinstance(answer, errors.FieldConflict):
        owners = ", ".join(sorted({f"{owned.field} by {owned.manager}" for owned in answer.fields}))
        compared.refusal = compared.refusal or Mistake(
            f"{target.ref}: fields are owned by others: {owners}",
            "release.field-conflict",
            hint="--force-conflicts takes them over; or leave them out of the chart",
        )
    elif isinstance(answer, errors.NotFound | errors.ServerFailure) or errors.no_dry_run(answer):
        return Change(kind=ChangeKind.UPDATE, reason="not verified by the cluster", **common)
    else:
        compared.refusal = compared.refusal or Mistake(answer.message, answer.error_id, hint=answer.hint)
    return Change(kind=ChangeKind.UPDATE, reason="refused by the cluster", **common)
