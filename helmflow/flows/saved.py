"""helmflow plan --out and apply PLAN: freeze a plan, and later do exactly that or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from helmflow.core.errors import ClusterError, ConfigError, Mistake, Refusal
from helmflow.core.events import Emit, Warned
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.sensitive import SecretTexts
from helmflow.execute import local_hooks as own_hooks
from helmflow.execute import run
from helmflow.execute.report import RunReport
from helmflow.flows import prepare
from helmflow.flows.options import Confirm, RunOptions, accept
from helmflow.flows.planning import make_plan
from helmflow.flows.running import Wiring, walk
from helmflow.flows.session import Cluster, Session, session_for
from helmflow.plan import causes, diff, observe, planfile, revisions, shapes
from helmflow.plan.model import ActionKind, ApplyObjects, Change, DeleteObjects, Plan, ReleasePlan
from helmflow.plan.planfile import Expected, Precondition, SavedPlan
from helmflow.state import hooks as state_hooks
from helmflow.state.hooks import Firing, RenderedHook
from helmflow.state.model import DesiredState

MAX_FIELDS = 10  # of one object, in the refusal of a stale plan
EVENTS = ("presync", "preuninstall", "postuninstall", "postsync", "cleanup")


def save(options: RunOptions, emit: Emit, path: Path, given: Session | None = None) -> Plan:
    """Plan every selected release and freeze the plan in `path`. Writes nothing to the cluster.

    Raises Refusal where a release is refused, or where the plan holds secrets and HELMFLOW_PLAN_KEY is not set.
    """
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "apply")
        preparation = prepare.prepare(session, prepare.choose(session, desired), "apply")
        plan = make_plan(session, preparation, command="apply")
        for release in plan.releases:
            if release.action.error is not None:
                error = release.action.error
                raise Refusal(f"{release.id}: {error.message}", error_id=error.error_id, hint=error.hint)
        contexts = {release.owner.context for release in plan.releases}
        saved = SavedPlan(
            plan=plan,
            clusters={context: _identity(session.cluster(context)) for context in sorted(contexts)},
            preconditions=tuple(
                Precondition(
                    context=release.owner.context,
                    ref=change.ref,
                    fingerprint=planfile.fingerprint(change.live),
                    fields=planfile.field_prints(change.live),
                )
                for release in plan.changed
                for change in _touched(release)
            ),
            expected=tuple(_expected(release) for release in plan.releases),
            hooks=tuple(_hooks(desired, plan.releases)),
            secrets=desired.secrets.texts(),
        )
        secret = _holds_secrets(plan, desired)
        planfile.write(saved, path, key=session.environ.get("HELMFLOW_PLAN_KEY", ""), secret=secret)
        return plan


def apply_saved(
    options: RunOptions, emit: Emit, path: Path, confirm: Confirm = accept, given: Session | None = None
) -> RunReport:
    """Carry out a frozen plan, if everything that it was made from still holds.

    Raises Refusal `plan.stale` with what has moved, `plan.other-cluster` where this is another cluster.
    """
    with session_for(options, emit, given) as session:
        saved = planfile.read(path, key=session.environ.get("HELMFLOW_PLAN_KEY", ""))
        SecretTexts().add(saved.secrets)  # what is shown from here on is masked
        clusters = {context: session.cluster(context) for context in saved.clusters}
        for context, identity in saved.clusters.items():
            if _identity(clusters[context]) != identity:
                raise Refusal(
                    f"the plan was made for another cluster than {clusters[context].name}",
                    error_id="plan.other-cluster",
                    hint="apply it with the kube context that it was made with",
                )
        moved = list(_moved(saved, clusters))
        if moved:
            raise Refusal(
                "the cluster is not what the plan was made for: " + "; ".join(moved),
                error_id="plan.stale",
                hint="make the plan anew",
            )
        if not confirm(saved.plan):
            return run.declined(saved.plan, session.requests)
        hooks = {(release, event): rendered for release, event, rendered in saved.hooks}

        def fire(release: ReleasePlan, event: str, error: str | None, emit: Emit) -> None:
            for hook in hooks.get((release.id, event), ()):
                own_hooks.run(hook, release.id, emit)

        wiring = Wiring(
            cluster=lambda release: clusters[release.owner.context],
            fire=fire,
            emit=session.emit,
            undo=lambda release: _no_way_back(release, session.emit),
            refresh=_nothing_else,
        )
        return walk(session, saved.plan, wiring, options.running.on_failure)


def _touched(release: ReleasePlan) -> Iterable[Change]:
    for step in release.steps:
        if isinstance(step, ApplyObjects | DeleteObjects):
            yield from step.changes


def _expected(release: ReleasePlan) -> Expected:
    newest = release.previous
    return Expected(
        owner=release.owner,
        number=newest.number if newest else 0,
        status=str(newest.status) if newest else "",
    )


def _identity(cluster: Cluster) -> str:
    """kube-system's uid: the same for as long as a cluster lives. "" where it may not be read."""
    with suppress(ClusterError):
        namespace = cluster.client.find(ObjectRef("v1", "Namespace", "", "kube-system"))
        if namespace is not None:
            return str(namespace["metadata"].get("uid", ""))
    return ""


def _moved(saved: SavedPlan, clusters: dict[str, Cluster]) -> Iterable[str]:
    """What is no longer as it was when the plan was made."""
    for context, cluster in clusters.items():
        owners = [expected for expected in saved.expected if expected.owner.context == context]
        stored = observe.stored_revisions(
            cluster.store(""), [(e.owner.namespace, e.owner.name) for e in owners]
        )
        for expected in owners:
            newest = revisions.newest(stored.get((expected.owner.namespace, expected.owner.name), ()))
            now = (newest.number, str(newest.status)) if newest else (0, "")
            if now != (expected.number, expected.status):
                was = (
                    f"revision {expected.number} ({expected.status})" if expected.number else "not installed"
                )
                yield f"release {expected.owner.namespace}/{expected.owner.name} was {was}, is {_said(*now)}"
        mine = [condition for condition in saved.preconditions if condition.context == context]
        live, _ = observe.live_objects(
            cluster.client,
            observe.Wanted(
                known=frozenset(c.ref for c in mine if c.fingerprint),
                new=frozenset(c.ref for c in mine if not c.fingerprint),
            ),
        )
        for condition in mine:
            if planfile.fingerprint(live[condition.ref]) != condition.fingerprint:
                yield f"{condition.ref} {_change_words(condition, live[condition.ref])}"


def _said(number: int, status: str) -> str:
    return f"revision {number} ({status})" if number else "not installed"


def _change_words(condition: Precondition, live: Mapping[str, Any] | None) -> str:
    if not condition.fingerprint:
        return "exists now"
    if live is None:
        return "is gone"
    now = planfile.field_prints(live)
    paths = {shapes.pointer(path): path for path, _ in shapes.leaves(shapes.keyed(diff.stable(live)))}
    moved = sorted(
        where for where in {*now, *condition.fields} if now.get(where) != condition.fields.get(where)
    )
    if not moved:
        return "was replaced by another of that name"
    said = [_moved_field(where, paths.get(where), live) for where in moved[:MAX_FIELDS]]
    more = f" and {len(moved) - MAX_FIELDS} more" if len(moved) > MAX_FIELDS else ""
    return f"was changed: {', '.join(said)}{more}"


def _moved_field(where: str, path: shapes.Path | None, live: Mapping[str, Any]) -> str:
    if path is None:
        return f"{where} (gone)"
    manager, since = causes.writer(live, path)
    return f"{where} (by {manager} at {since})" if manager else where


def _hooks(
    desired: DesiredState, releases: Iterable[ReleasePlan]
) -> Iterable[tuple[ReleaseId, str, tuple[RenderedHook, ...]]]:
    for release in releases:
        for event in EVENTS:
            due = state_hooks.hooks_for(release.release.local_hooks, event)
            if not due:
                continue
            firing = Firing(event=event, command="sync", error=None)
            rendered = tuple(
                state_hooks.render(desired, release.release.file, release.release, hook, firing)
                for hook in due
            )
            if any(hook.kubectl_apply is not None for hook in rendered):
                raise ConfigError(
                    f"release {release.id}: a kubectlApply hook cannot be part of a saved plan",
                    error_id="plan.hook",
                    hint="apply without a saved plan, or put its manifests into a chart",
                )
            yield release.id, event, rendered


def _holds_secrets(plan: Plan, desired: DesiredState) -> bool:
    for release in plan.changed:
        if any(change.ref.kind == "Secret" for change in _touched(release)):
            return True
        revision = release.revision
        if revision is not None and desired.secrets.mask(revision.manifest) != revision.manifest:
            return True
    return bool(desired.secrets)


def _no_way_back(release: ReleasePlan, emit: Emit) -> None:
    """A frozen plan does nothing that it does not hold: going back is planned by a person."""
    if release.action.kind is not ActionKind.UNINSTALL:
        emit(
            Warned(
                warning=Mistake(
                    f"{release.id} is not rolled back: a saved plan holds no way back",
                    "plan.no-rollback",
                    hint=f"run helmflow rollback -l name={release.id.name}",
                ),
                release=release.id,
            )
        )


def _nothing_else(release: ReleasePlan) -> ReleasePlan:
    """Somebody else was at work since the check: the plan no longer holds."""
    raise Refusal(
        f"release {release.id} was changed while the saved plan waited for it",
        error_id="plan.stale",
        hint="make the plan anew",
    )
