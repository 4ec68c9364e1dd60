"""Desired releases and observed clusters -> a Plan. Reads the cluster, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from helmflow.core.events import ReleasePlanned
from helmflow.core.ids import ReleaseId
from helmflow.core.records import replace
from helmflow.execute.lease import Leases, leases
from helmflow.flows import contents, identity, inventory, observing, release_plans
from helmflow.flows.drafts import Draft, clusters_of, draft_of
from helmflow.flows.options import TestOptions
from helmflow.flows.prepare import Chosen, Preparation
from helmflow.flows.session import Cluster, Session
from helmflow.helm.release import history
from helmflow.helm.release.record import Revision
from helmflow.helm.release.storage import not_found
from helmflow.plan import comparison
from helmflow.plan.model import ActionKind, ChangeKind, Plan, ReleasePlan, WaitForNeed
from helmflow.plan.redact import Redactor
from helmflow.state.model import NeedUntil

if TYPE_CHECKING:
    from helmflow.state.model import Release

Json = Any
# Their plans are looked at: new objects are tried out, too.
SHOWN_FIRST = frozenset({"diff", "plan", "apply"})


def make_plan(session: Session, preparation: Preparation, *, command: str) -> Plan:
    """The plan for every chosen release, with what left the files; a release that was not prepared is wanted gone.

    Raises TemplateError, ChartError or ClusterError where a release cannot be planned.
    """
    chosen = preparation.chosen
    mark = identity.mark_of(session, chosen.desired)
    clusters = [session.cluster_of(chosen.desired, release) for release in chosen.releases]
    stored_only = session.options.show.against == "release"
    listed = (
        {} if stored_only else {id(one): leases(one.client) for one in {id(c): c for c in clusters}.values()}
    )
    left = inventory.orphans(session, chosen, listed)
    if session.options.running.prune:
        chosen = inventory.pruned(chosen, left)
    else:
        inventory.warn(session, left)
    plan = _plan(session, replace(preparation, chosen=chosen), listed, command=command)
    marks = inventory.release_marks(session, chosen.desired)
    gone = {one.release.id for one in left}
    known = {key: inventory.read(found, mark) for key, found in listed.items()} if mark else {}
    releases = [
        _left(replace(one, mark=mark)) if one.id in gone else replace(one, mark=marks.get(one.id))
        for one in plan.releases
    ]
    return replace(
        plan,
        releases=tuple(
            inventory.place(known, session.cluster_of(chosen.desired, one.release), one) for one in releases
        ),
        orphans=tuple(one.orphan for one in left),
        mark=mark,
    )


def _left(plan: ReleasePlan) -> ReleasePlan:
    """The plan of a release that left the files, said in those words."""
    action = plan.action
    if action.kind is ActionKind.UNINSTALL:
        return replace(plan, action=replace(action, code="orphan", reason="left the files"))
    if action.error is not None and action.error.error_id == "release.prevent-destroy":
        hint = "bring it back without preventDestroy and sync, then prune"
        return replace(plan, action=replace(action, error=replace(action.error, hint=hint)))
    return plan


def _plan(session: Session, preparation: Preparation, listed: Mapping[int, Leases], *, command: str) -> Plan:
    chosen = preparation.chosen
    by_id = {release.id: release for release in chosen.releases}
    drafts = [draft_of(session, chosen, by_id[release], preparation) for release in chosen.order]
    for cluster in clusters_of(drafts):
        mine = [draft for draft in drafts if draft.cluster is cluster]
        _plan_cluster(session, cluster, mine, listed.get(id(cluster)))
        if command in SHOWN_FIRST and session.options.show.against != "release":
            observing.verify(cluster, mine)
    _remember_old_secrets(chosen, drafts)
    redactor = Redactor(chosen.desired.secrets.mask, show=session.options.show.show_secrets)
    known = {draft.release.id: draft for draft in drafts}
    plans = [_with_waits(_release_plan(session, draft, redactor), known) for draft in drafts]
    names = ", ".join(cluster.name for cluster in clusters_of(drafts))
    return Plan(
        command=command,
        environment=chosen.desired.environment,
        cluster=names,
        releases=tuple(plans),
        needs=chosen.needs,
        early={
            draft.release.id: early
            for draft in drafts
            if (early := frozenset(_needs_until(draft, NeedUntil.CRD_ESTABLISHED)))
        },
    )


def _needs_until(draft: Draft, until: NeedUntil) -> Iterable[ReleaseId]:
    return (need.id for need in draft.release.needs if need.until is until and draft.prepared is not None)


def _with_waits(plan: ReleasePlan, known: Mapping[ReleaseId, Draft]) -> ReleasePlan:
    """The plan with a first step for every release that it needs ready, and that is part of this run."""
    if not plan.action.writes:
        return plan
    waits = tuple(
        WaitForNeed(
            release=need,
            refs=tuple(target.ref for target in known[need].targets),
            timeout_s=known[need].settings.timeout_s,
        )
        for need in _needs_until(known[plan.id], NeedUntil.READY)
        if need in known and known[need].wanted
    )
    return replace(plan, steps=(*waits, *plan.steps))


def make_rollback(session: Session, chosen: Chosen, number: int) -> Plan:
    """The plan that makes revision `number` (0: the one before the current) the current one again.

    Raises HelmflowError `release.not-found` where a release has no such revision.
    """
    nothing = Preparation(chosen=chosen)
    drafts = [draft_of(session, chosen, release, nothing) for release in chosen.releases]
    for draft in drafts:
        store = draft.cluster.store(draft.owner.namespace)
        found = history.rollback_target(store.history(draft.owner.name), number)
        if found is None:
            raise not_found(draft.owner.name, number)
        draft.goal = store.get(draft.owner.name, found.number)
    return _rollback_plan(session, chosen, drafts, "rollback")


def make_return(session: Session, chosen: Chosen, goals: Mapping[ReleaseId, Revision | None]) -> Plan:
    """The plan that brings every release of `goals` back to a stored revision; None: it is to be gone again."""
    wanted = replace(
        chosen,
        releases=tuple(_removable(release) for release in chosen.releases if release.id in goals),
        needs={key: needs & goals.keys() for key, needs in chosen.needs.items() if key in goals},
    )
    nothing = Preparation(chosen=wanted)
    drafts = [draft_of(session, wanted, release, nothing) for release in wanted.releases]
    for draft in drafts:
        draft.goal = goals[draft.release.id]
    marks = inventory.release_marks(session, chosen.desired)
    mark = identity.mark_of(session, chosen.desired)
    plan = _rollback_plan(session, wanted, drafts, "rollback")
    marked = (replace(release, mark=marks.get(release.id, mark)) for release in plan.releases)
    return replace(plan, releases=tuple(marked), mark=mark)


def make_tests(session: Session, chosen: Chosen, wanted: TestOptions) -> Plan:
    """The plan that runs the stored test hooks of every release. Raises `release.not-found` for one not installed."""
    nothing = Preparation(chosen=chosen)
    drafts = [draft_of(session, chosen, release, nothing) for release in chosen.releases]
    plans = []
    for cluster in clusters_of(drafts):
        mine = [draft for draft in drafts if draft.cluster is cluster]
        observing.read_revisions(cluster, mine)
        observing.read_scopes(cluster, mine)
        plans += [release_plans.plan_of_tests(draft, wanted) for draft in mine]
    return Plan(
        command="test",
        environment=chosen.desired.environment,
        cluster=", ".join(cluster.name for cluster in clusters_of(drafts)),
        releases=tuple(plans),
        needs=dict.fromkeys((draft.release.id for draft in drafts), frozenset()),
    )


def replan(session: Session, preparation: Preparation, plan: Plan, release: ReleasePlan) -> ReleasePlan:
    """One release's plan made anew from what the cluster is now."""
    alone = replace(preparation.chosen, releases=(release.release,))
    if release.action.kind in (ActionKind.ROLLBACK, ActionKind.TEST):
        return release
    session.cluster_of(alone.desired, release.release).client.discovery(refresh=True)
    prepared = {key: value for key, value in preparation.prepared.items() if key == release.id}
    made = _plan(session, Preparation(chosen=alone, prepared=prepared), {}, command=plan.command).releases[0]
    waits = tuple(step for step in release.steps if isinstance(step, WaitForNeed))
    return replace(
        made,
        steps=(*waits, *made.steps) if made.action.writes else made.steps,
        mark=release.mark,
        inventory=release.inventory,
        enlisted=release.enlisted,
    )


def undo(session: Session, chosen: Chosen, failed: ReleasePlan) -> ReleasePlan | None:
    """What an atomic release does after a failure: back to the newest good revision, or away where there is none."""
    alone = replace(chosen, releases=(failed.release,))
    draft = draft_of(session, alone, failed.release, Preparation(chosen=alone))
    store = draft.cluster.store(draft.owner.namespace)
    found = history.recovery_target(store.history(draft.owner.name))
    if found is None:
        alone = replace(chosen, releases=(_removable(failed.release),))
        return _plan(session, Preparation(chosen=alone), {}, command="uninstall").releases[0]
    draft.goal = store.get(draft.owner.name, found.number)
    return _rollback_plan(session, alone, [draft], "rollback").releases[0]


def _removable(release: Release) -> Release:
    """A release that was not there before goes again, whatever it says: nothing of before is lost."""
    return replace(release, options=replace(release.options, prevent_destroy=None))


def _rollback_plan(session: Session, chosen: Chosen, drafts: list[Draft], command: str) -> Plan:
    for draft in drafts:
        if draft.goal is not None:
            draft.settings = replace(draft.settings, description=f"Rollback to {draft.goal.number}")
    for cluster in clusters_of(drafts):
        _plan_cluster(session, cluster, [draft for draft in drafts if draft.cluster is cluster])
    _remember_old_secrets(chosen, drafts)
    redactor = Redactor(chosen.desired.secrets.mask, show=session.options.show.show_secrets)
    return Plan(
        command=command,
        environment=chosen.desired.environment,
        cluster=", ".join(cluster.name for cluster in clusters_of(drafts)),
        releases=tuple(_release_plan(session, draft, redactor) for draft in drafts),
        needs=chosen.needs,
    )


def _plan_cluster(
    session: Session, cluster: Cluster, drafts: list[Draft], held: Leases | None = None
) -> None:
    """Fill the drafts of one cluster, each step from what those before it found."""
    show = session.options.show
    stored_only = show.against == "release"
    observing.read_revisions(cluster, drafts)
    if not stored_only:
        observing.check_leases(session, leases(cluster.client) if held is None else held, drafts)
    wanted = [draft for draft in drafts if draft.prepared is not None]
    for draft in wanted:
        contents.reuse_values(session, draft)
    if wanted:
        contents.render_all(session, cluster, wanted)
    observing.find_targets(cluster, drafts)
    for draft in drafts:
        draft.compared.refusal = release_plans.unreadable(draft) or release_plans.untyped(draft)
    if stored_only:
        for draft in drafts:
            comparison.against_stored(draft.compared, release_plans.subject(draft, show))
        return
    observing.check_namespaces(cluster, drafts)
    observing.check_crds(cluster, drafts)
    observing.read_live(cluster, drafts)
    comparison.compare(
        cluster.client, [(draft.compared, release_plans.subject(draft, show)) for draft in drafts]
    )


def _release_plan(session: Session, draft: Draft, redactor: Redactor) -> ReleasePlan:
    plan = release_plans.release_plan(draft, redactor)
    session.emit(
        ReleasePlanned(
            release=plan.id,
            action=plan.action.kind,
            reason=plan.action.reason,
            created=plan.count(ChangeKind.CREATE),
            changed=plan.count(ChangeKind.UPDATE, ChangeKind.REPLACE, ChangeKind.ADOPT),
            deleted=plan.count(ChangeKind.DELETE),
        )
    )
    return plan


def _remember_old_secrets(chosen: Chosen, drafts: list[Draft]) -> None:
    """What earlier revisions have where secrets are today was a secret too, and a diff would show it."""
    for draft in drafts:
        paths = draft.prepared.values.secret_paths if draft.prepared is not None else ()
        for revision in draft.revisions if paths else ():
            for path in paths:
                value: Json = revision.config
                for key in path:
                    value = value.get(key) if isinstance(value, Mapping) else None
                chosen.desired.secrets.add(value)
