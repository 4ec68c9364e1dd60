"""Desired releases and observed clusters -> a Plan. Reads the cluster, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from helmflow.core.clock import templates_at
from helmflow.core.errors import Mistake
from helmflow.core.events import ReleasePlanned
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.execute.lease import Leases, holder_of, is_stale, leases
from helmflow.flows import definitions, guard, identity, inventory, rendering, reusing
from helmflow.flows.definitions import Definitions
from helmflow.flows.options import RunOptions, TestOptions
from helmflow.flows.prepare import Chosen, Preparation, Prepared
from helmflow.flows.session import Cluster, Session
from helmflow.helm.chart.deprecated_apis import successor
from helmflow.helm.release import codec, history
from helmflow.helm.release.record import Revision, parse_time
from helmflow.helm.release.store import HELM_LABELS, MAX_RECORD_BYTES, ReleaseStore, not_found, too_large
from helmflow.helm.render import manifests
from helmflow.helm.render.kinds import in_uninstall_order
from helmflow.plan import comparison, crds, diff, documents, noise, observe, revisions, verification, versions
from helmflow.plan.comparison import Compared
from helmflow.plan.decide import Content, Hold, Situation, decide
from helmflow.plan.model import (
    Action,
    ActionKind,
    Change,
    ChangeKind,
    HookRun,
    Plan,
    ReleasePlan,
    RunChartHooks,
    WaitForNeed,
)
from helmflow.plan.objects import Namespaced, Target, hook_target, known_scopes, targets
from helmflow.plan.redact import Redactor
from helmflow.plan.settings import Overrides, Settings, settle
from helmflow.plan.steps import Parts, installs_again, steps
from helmflow.state.model import NeedUntil

if TYPE_CHECKING:
    from helmflow.helm.chart.capabilities import Capabilities
    from helmflow.helm.render.engine import Rendered
    from helmflow.helm.render.manifests import Manifest
    from helmflow.kube.discovery import Discovery
    from helmflow.state.model import Release

Json = Any
CRD = "CustomResourceDefinition"
# When random content is looked for, templates are told a time whose every part differs from now's: the day of a
# month, too, so that a date printed yesterday is no change today.
FAR_AWAY = timedelta(days=400, hours=13, minutes=17, seconds=23)
SHOWN_FIRST = frozenset(
    {"diff", "plan", "apply"}
)  # their plans are looked at: new objects are tried out, too
FOREIGN_GRACE_S = 600.0  # a pending revision without a lease is another tool's for this long


@dataclass(slots=True)
class _Draft:
    """One release while its plan is being made."""

    release: Release
    owner: ReleaseId
    cluster: Cluster
    settings: Settings
    prepared: Prepared | None
    goal: Revision | None = None
    revisions: tuple[Revision, ...] = ()
    rendered: Rendered | None = None
    content: Content = Content.CHANGED
    difference: str = ""
    stored: tuple[Target, ...] = ()
    targets: tuple[Target, ...] = ()
    hook_changes: tuple[Change, ...] = ()
    namespace_exists: bool = True
    moved: tuple[versions.Moved, ...] = ()
    definitions: Definitions = field(default_factory=Definitions)
    live: Mapping[ObjectRef, Json] = field(default_factory=dict)
    seen: str = ""
    compared: Compared = field(default_factory=Compared)
    hold: Hold = Hold.FREE
    holder: str = ""
    looked_up: bool = False

    @property
    def wanted(self) -> bool:
        """Whether the release is to be there: from its chart, or from a stored revision it goes back to."""
        return self.prepared is not None or self.goal is not None

    @property
    def base(self) -> Revision | None:
        return revisions.base(self.revisions)

    @property
    def number(self) -> int:
        newest = revisions.newest(self.revisions)
        return newest.number + 1 if newest else 1


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
    drafts = [_draft(session, chosen, by_id[release], preparation) for release in chosen.order]
    for cluster in _clusters(drafts):
        mine = [draft for draft in drafts if draft.cluster is cluster]
        _plan_cluster(session, cluster, mine, listed.get(id(cluster)))
        if command in SHOWN_FIRST and session.options.show.against != "release":
            _verify(cluster, mine)
    _remember_old_secrets(chosen, drafts)
    redactor = Redactor(chosen.desired.secrets.mask, show=session.options.show.show_secrets)
    known = {draft.release.id: draft for draft in drafts}
    plans = [_with_waits(_release_plan(session, draft, redactor), known) for draft in drafts]
    names = ", ".join(cluster.name for cluster in _clusters(drafts))
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


def _needs_until(draft: _Draft, until: NeedUntil) -> Iterable[ReleaseId]:
    return (need.id for need in draft.release.needs if need.until is until and draft.prepared is not None)


def _with_waits(plan: ReleasePlan, known: Mapping[ReleaseId, _Draft]) -> ReleasePlan:
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
    drafts = [_draft(session, chosen, release, nothing) for release in chosen.releases]
    for draft in drafts:
        store = ReleaseStore(draft.cluster.client, draft.owner.namespace, draft.cluster.driver)
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
    drafts = [_draft(session, wanted, release, nothing) for release in wanted.releases]
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
    drafts = [_draft(session, chosen, release, nothing) for release in chosen.releases]
    plans = []
    for cluster in _clusters(drafts):
        mine = [draft for draft in drafts if draft.cluster is cluster]
        names = [(draft.owner.namespace, draft.owner.name) for draft in mine]
        stored = observe.revisions(cluster.client, cluster.driver, names)
        for draft in mine:
            draft.revisions = stored.get((draft.owner.namespace, draft.owner.name), ())
            plans.append(_test_plan(draft, wanted))
    return Plan(
        command="test",
        environment=chosen.desired.environment,
        cluster=", ".join(cluster.name for cluster in _clusters(drafts)),
        releases=tuple(plans),
        needs=dict.fromkeys((draft.release.id for draft in drafts), frozenset()),
    )


def _test_plan(draft: _Draft, wanted: TestOptions) -> ReleasePlan:
    newest = revisions.newest(draft.revisions)
    if newest is None:
        raise not_found(draft.owner.name)
    draft.settings = replace(draft.settings, timeout_s=wanted.timeout_s, no_hooks=False)
    hooks = tuple(
        (events, hook) for events, hook in _hook_runs(draft) if _selected(hook.name, wanted.filters)
    )
    action = Action(kind=ActionKind.TEST, code="test", reason="runs its test hooks")
    doing, after = steps(action, replace(_parts(draft, ()), hooks=hooks))
    return ReleasePlan(
        id=draft.release.id,
        owner=draft.owner,
        release=draft.release,
        action=action,
        settings=draft.settings,
        chart=_chart_name(draft, newest),
        steps=tuple(
            replace(step, logs=wanted.logs, clean_up=wanted.cleanup)
            if isinstance(step, RunChartHooks)
            else step
            for step in doing
        ),
        finally_steps=after,
        revision=newest,
        previous=newest,
        stored=draft.revisions,
    )


def _selected(name: str, filters: Sequence[str]) -> bool:
    """Helm's --filter: name=a,name=b are wanted, !name=c is not."""
    terms = [term.strip() for given in filters for term in given.split(",")]
    wanted = {term.partition("=")[2] for term in terms if term.startswith("name=")}
    unwanted = {term.partition("=")[2] for term in terms if term.startswith("!name=")}
    return name not in unwanted and (not wanted or name in wanted)


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
    draft = _draft(session, alone, failed.release, Preparation(chosen=alone))
    store = ReleaseStore(draft.cluster.client, draft.owner.namespace, draft.cluster.driver)
    found = history.recovery_target(store.history(draft.owner.name))
    if found is None:
        alone = replace(chosen, releases=(_removable(failed.release),))
        return _plan(session, Preparation(chosen=alone), {}, command="uninstall").releases[0]
    draft.goal = store.get(draft.owner.name, found.number)
    return _rollback_plan(session, alone, [draft], "rollback").releases[0]


def _removable(release: Release) -> Release:
    """A release that was not there before goes again, whatever it says: nothing of before is lost."""
    return replace(release, options=replace(release.options, prevent_destroy=None))


def _rollback_plan(session: Session, chosen: Chosen, drafts: list[_Draft], command: str) -> Plan:
    for draft in drafts:
        if draft.goal is not None:
            draft.settings = replace(draft.settings, description=f"Rollback to {draft.goal.number}")
    for cluster in _clusters(drafts):
        _plan_cluster(session, cluster, [draft for draft in drafts if draft.cluster is cluster])
    _remember_old_secrets(chosen, drafts)
    redactor = Redactor(chosen.desired.secrets.mask, show=session.options.show.show_secrets)
    return Plan(
        command=command,
        environment=chosen.desired.environment,
        cluster=", ".join(cluster.name for cluster in _clusters(drafts)),
        releases=tuple(_release_plan(session, draft, redactor) for draft in drafts),
        needs=chosen.needs,
    )


def overrides(options: RunOptions) -> Overrides:
    """What the command line says for all releases."""
    running, wait = options.running, options.wait
    return Overrides(
        wait=wait.wait,
        wait_for_jobs=wait.wait_for_jobs,
        timeout_s=wait.timeout_s,
        atomic=running.atomic,
        cleanup_on_fail=running.cleanup_on_fail,
        history_max=running.history_max,
        skip_crds=options.render.skip_crds,
        no_hooks=options.render.no_hooks,
        take_ownership=running.take_ownership,
        force_conflicts=running.force_conflicts,
        keep_history=running.keep_history,
        cascade=running.cascade,
        delete_wait=running.delete_wait,
        delete_timeout_s=running.delete_timeout_s,
        delete_data=running.delete_data,
        description=running.description,
        always_upgrade=running.always_upgrade,
        refresh_random=running.refresh_random,
    )


def owner_of(cluster: Cluster, release: Release) -> ReleaseId:
    """The release with the namespace it really goes to."""
    return ReleaseId(cluster.context, release.namespace or cluster.namespace, release.name)


def _draft(session: Session, chosen: Chosen, release: Release, preparation: Preparation) -> _Draft:
    cluster = session.cluster_of(chosen.desired, release)
    return _Draft(
        release=release,
        owner=owner_of(cluster, release),
        cluster=cluster,
        settings=replace(_settings(session, chosen, release), labels=_stored_labels(session, release)),
        prepared=preparation.prepared.get(release.id),
    )


def _stored_labels(session: Session, release: Release) -> dict[str, str] | None:
    """What a command line or `syncReleaseLabels` puts on the release's record; Helm's own names are left out."""
    if session.options.running.labels:
        return dict(session.options.running.labels)
    own = release.options.sync_release_labels
    if not (session.options.running.sync_release_labels if own is None else own):
        return None
    return {key: value for key, value in release.labels.items() if key not in HELM_LABELS}


def _settings(session: Session, chosen: Chosen, release: Release) -> Settings:
    over = overrides(session.options)
    match guard.rollback_mode(session, chosen.desired):
        case "none":
            over = replace(over, atomic=False)
        case "group":  # all go back as one, so no release does so by itself
            over = replace(over, atomic=False, wait=True if over.wait is None else over.wait)
        case "release":
            over = replace(over, atomic=True if over.atomic is None else over.atomic)
    return settle(release.options, over)


def _clusters(drafts: Iterable[_Draft]) -> list[Cluster]:
    return list({id(draft.cluster): draft.cluster for draft in drafts}.values())


def _plan_cluster(
    session: Session, cluster: Cluster, drafts: list[_Draft], held: Leases | None = None
) -> None:
    client = cluster.client
    stored = observe.revisions(
        client, cluster.driver, [(draft.owner.namespace, draft.owner.name) for draft in drafts]
    )
    for draft in drafts:
        draft.revisions = stored.get((draft.owner.namespace, draft.owner.name), ())
    stored_only = session.options.show.against == "release"
    if not stored_only:
        _check_leases(session, leases(cluster.client) if held is None else held, drafts)
    wanted = [draft for draft in drafts if draft.prepared is not None]
    for draft in wanted:
        _reuse_values(session, draft)
    if wanted:
        _render_all(session, cluster, wanted)
    _find_targets(cluster, drafts)
    if stored_only:
        for draft in drafts:
            comparison.against_stored(draft.compared, _subject(session, draft))
        return
    _check_namespaces(cluster, drafts)
    _check_crds(cluster, drafts)
    _read_live(cluster, drafts)
    comparison.compare(client, [(draft.compared, _subject(session, draft)) for draft in drafts])


def _subject(session: Session, draft: _Draft) -> comparison.Subject:
    return comparison.Subject(
        owner=draft.owner,
        wanted=draft.wanted,
        content=draft.content,
        stored=draft.stored,
        targets=draft.targets,
        live=draft.live,
        settings=draft.settings,
        adopt=draft.release.adopt,
        rules=_rules(session, draft),
        show_ignored=session.options.show.show_ignored,
    )


def _rules(session: Session, draft: _Draft) -> tuple[noise.Rule, ...]:
    """What diffs of this release leave out: its own rules, then the command line's."""
    own = draft.release.spec.get("ignoreDifferences") or ()
    return (
        *(noise.from_map(rule) for rule in own),
        *(noise.parse(rule) for rule in session.options.show.ignore),
    )


def _verify(cluster: Cluster, drafts: list[_Draft]) -> None:
    """Let the server say what it thinks of the objects that do not exist yet."""
    definitions = [body for draft in drafts for body in _definitions(draft)]
    new = [
        (
            draft,
            verification.Newcomer(
                target=target, homeless=not draft.namespace_exists and _at_home(draft, target)
            ),
        )
        for draft in drafts
        for target in (draft.targets if draft.wanted and draft.compared.refusal is None else ())
        if draft.live.get(target.ref) is None
    ]
    mistakes = verification.refusals(cluster.client, [newcomer for _, newcomer in new], definitions)
    for (draft, _), mistake in zip(new, mistakes, strict=True):
        draft.compared.refusal = draft.compared.refusal or mistake


def _at_home(draft: _Draft, target: Target) -> bool:
    return target.ref.namespace == draft.owner.namespace


def _definitions(draft: _Draft) -> Iterable[Mapping[str, Json]]:
    if draft.rendered is None:
        return ()
    templated = (manifest.body for manifest in draft.rendered.manifests if manifest.ref.kind == CRD)
    return (*(crd.body for crd in draft.rendered.crds), *templated)


def _check_leases(session: Session, held: Leases, drafts: list[_Draft]) -> None:
    """Who is behind a revision that is still pending: a run at work, a dead one, or a tool without our leases."""
    for draft in drafts:
        lease = held.releases.get((draft.owner.namespace, draft.owner.name))
        if lease is not None:
            draft.hold = Hold.STALE if is_stale(lease, session.clock) else Hold.HELD
            draft.holder = holder_of(lease)
            continue
        newest = revisions.newest(draft.revisions)
        if newest is None or not newest.status.pending:
            continue
        began = parse_time(newest.last_deployed)
        young = began is not None and (session.clock.now() - began).total_seconds() < FOREIGN_GRACE_S
        draft.hold = Hold.FOREIGN if young else Hold.STALE
        draft.holder = f"since {newest.last_deployed}"


def _reuse_values(session: Session, draft: _Draft) -> None:
    """Start from what the deployed revision was given, where flags or the release ask for it."""
    if draft.base is None or draft.prepared is None:
        return
    mode = reusing.mode_of(session.options.running, own=draft.settings.reuse_values)
    prepared = draft.prepared
    chart, values = reusing.reused(mode, prepared.chart, prepared.values.values, draft.base)
    draft.prepared = replace(prepared, chart=chart, values=replace(prepared.values, values=dict(values)))


def _render_all(session: Session, cluster: Cluster, drafts: list[_Draft]) -> None:
    """Render as the deployed revision saw itself; only what differs is rendered as the next revision.

    What uses random or time functions is rendered twice: places that differ between the two do not count.
    """
    render = _Renderer(
        session, rendering.cluster_capabilities(cluster.client), rendering.ClusterLookup(cluster.client)
    )
    unsure: list[_Draft] = []
    for draft in drafts:
        session.cancel.check()
        base = draft.base
        if base is None:
            draft.rendered = render(draft, draft.number, upgrade=not installs_again(draft.revisions))
            continue
        draft.rendered = _as_deployed(render, draft, base)
        if diff.same_documents(documents.stored(base), documents.rendered(draft.rendered)):
            metadata = draft.rendered.chart.metadata
            same_chart = (base.chart_name, base.chart_version) == (metadata.name, metadata.version)
            draft.content = Content.SAME if same_chart else Content.CHANGED
        elif draft.rendered.uses_random:
            unsure.append(draft)
    later = replace(render, ahead=FAR_AWAY)
    for draft in unsure:
        assert draft.base is not None
        assert draft.rendered is not None
        again = _as_deployed(later, draft, draft.base)
        stored = documents.stored(draft.base)
        if diff.differs_only_at(stored, documents.rendered(draft.rendered), documents.rendered(again)):
            draft.content = Content.RANDOM
    for draft in drafts:
        _render_next(render, draft)


def _as_deployed(render: _Renderer, draft: _Draft, base: Revision) -> Rendered:
    number, upgrade = revisions.rendered_as(base)
    return render(draft, number, upgrade=upgrade)


def _render_next(render: _Renderer, draft: _Draft) -> None:
    base = draft.base
    if base is None or (draft.content is Content.SAME and not draft.settings.always_upgrade):
        return
    draft.rendered = render(draft, draft.number, upgrade=True)
    if draft.content is Content.CHANGED:
        before, after = documents.stored(base), documents.rendered(draft.rendered)
        draft.hook_changes = diff.hook_changes(before, after)
        draft.difference = diff.described_difference(base, draft.rendered, diff.changed_count(before, after))


@dataclass(frozen=True, slots=True)
class _Renderer:
    """Renders drafts for one cluster."""

    session: Session
    capabilities: Capabilities
    lookup: rendering.ClusterLookup
    ahead: timedelta = timedelta()

    def __call__(self, draft: _Draft, number: int, *, upgrade: bool) -> Rendered:
        assert draft.prepared is not None
        before = self.lookup.asked
        with templates_at(self.session.clock, ahead=self.ahead):
            rendered = rendering.render(
                self.session,
                draft.prepared,
                draft.owner,
                self.capabilities,
                lookup=self.lookup,
                number=number,
                upgrade=upgrade,
            )
        draft.looked_up = draft.looked_up or self.lookup.asked > before
        return rendered


def _find_targets(cluster: Cluster, drafts: list[_Draft]) -> None:
    coming = [body for draft in drafts for body in _definitions(draft)]
    namespaced = _scopes(cluster, coming)
    served = _Served(cluster.client.discovery(), crds.kinds(coming))
    for draft in drafts:
        seen: dict[ObjectRef, Target] = {}
        for revision in revisions.applied(draft.revisions):
            for target in targets(manifests.parse(revision.manifest), draft.owner, namespaced):
                seen.setdefault(target.ref, target)
        if draft.rendered is not None:
            draft.targets = targets(draft.rendered.manifests, draft.owner, namespaced)
        elif draft.goal is not None:
            draft.targets = targets(manifests.parse(draft.goal.manifest), draft.owner, namespaced)
        draft.targets, draft.moved = versions.readable(draft.targets, served)
        stored, _ = versions.readable(seen.values(), served)
        stored = versions.aligned(stored, draft.targets)
        draft.stored = tuple(in_uninstall_order(list(stored), lambda target: target.ref.kind))


@dataclass(frozen=True, slots=True)
class _Served:
    """What a cluster serves, and what definitions of this run will bring."""

    now: Discovery
    coming: frozenset[tuple[str, str]]

    def serves(self, api_version: str, kind: str) -> bool:
        return self.now.find(api_version, kind) is not None or (api_version, kind) in self.coming

    def instead(self, api_version: str, kind: str) -> str:
        other = successor(api_version, kind)
        if other and self.now.find(other, kind) is not None:
            return other
        found = self.now.preferred(api_version.rpartition("/")[0], kind)
        return found.api_version if found is not None else ""


def _scopes(cluster: Cluster, crds: Sequence[Mapping[str, Json]]) -> Namespaced:
    served = cluster.client.discovery()

    def lives_in_namespace(api_version: str, kind: str) -> bool | None:
        found = served.find(api_version, kind)
        return None if found is None else found.namespaced

    return known_scopes(crds, lives_in_namespace)


def _check_namespaces(cluster: Cluster, drafts: list[_Draft]) -> None:
    unsure = {draft.owner.namespace for draft in drafts if draft.wanted and not draft.revisions}
    exists = observe.namespaces(cluster.client, unsure)
    for draft in drafts:
        draft.namespace_exists = exists.get(draft.owner.namespace, True)


def _check_crds(cluster: Cluster, drafts: list[_Draft]) -> None:
    wanted = [
        definitions.Wanted(
            release=draft.owner,
            crds=draft.rendered.crds if draft.rendered else (),
            settings=draft.settings,
            result=draft.definitions,
        )
        for draft in drafts
    ]
    definitions.compare(cluster.client, wanted)
    for draft in drafts:
        draft.compared.refusal = draft.compared.refusal or draft.definitions.refusal


def _read_live(cluster: Cluster, drafts: list[_Draft]) -> None:
    known: set[ObjectRef] = set()
    new: set[ObjectRef] = set()
    missing = {draft.owner.namespace for draft in drafts if not draft.namespace_exists}
    for draft in drafts:
        stored = {target.ref for target in draft.stored}
        known |= stored
        new |= {t.ref for t in draft.targets if t.ref not in stored and t.ref.namespace not in missing}
    live, seen = observe.live_objects(
        cluster.client, observe.Wanted(known=frozenset(known), new=frozenset(new - known))
    )
    for draft in drafts:
        draft.live, draft.seen = live, seen


def _remember_old_secrets(chosen: Chosen, drafts: list[_Draft]) -> None:
    """What earlier revisions have where secrets are today was a secret too, and a diff would show it."""
    for draft in drafts:
        paths = draft.prepared.values.secret_paths if draft.prepared is not None else ()
        for revision in draft.revisions if paths else ():
            for path in paths:
                value: Json = revision.config
                for key in path:
                    value = value.get(key) if isinstance(value, Mapping) else None
                chosen.desired.secrets.add(value)


def _release_plan(session: Session, draft: _Draft, redactor: Redactor) -> ReleasePlan:
    compared = draft.compared
    newest = revisions.newest(draft.revisions)
    action = _decide(draft)
    revision = _revision(draft, action, draft.number)
    if draft.wanted and revision is not None and _too_large(revision):
        error = too_large(revision)
        action = Action(
            kind=ActionKind.REFUSE,
            code=error.error_id,
            reason=error.message,
            error=Mistake(error.message, error.error_id, hint=error.hint),
        )
    changes = compared.changes if action.writes else ()
    shown = (*draft.definitions.changes, *changes, *draft.hook_changes) if action.writes else ()
    doing, after = steps(action, _parts(draft, changes))
    version, app_version, digest = _versions(draft)
    plan = ReleasePlan(
        id=draft.release.id,
        owner=draft.owner,
        release=draft.release,
        action=action,
        chart=_chart_name(draft, newest),
        changes=tuple(redactor.change(change) for change in shown),
        steps=doing,
        finally_steps=after,
        revision=revision,
        previous=newest,
        stored=draft.revisions,
        notes=draft.rendered.notes if draft.rendered else "",
        settings=draft.settings,
        warnings=_warnings(draft),
        looked_up=draft.looked_up,
        seen=draft.seen,
        because=_because(draft),
        chart_version=version,
        app_version=app_version,
        chart_digest=digest,
    )
    session.emit(
        ReleasePlanned(
            release=plan.id,
            action=action.kind,
            reason=action.reason,
            created=plan.count(ChangeKind.CREATE),
            changed=plan.count(ChangeKind.UPDATE, ChangeKind.REPLACE, ChangeKind.ADOPT),
            deleted=plan.count(ChangeKind.DELETE),
        )
    )
    return plan


def _because(draft: _Draft) -> tuple[str, ...]:
    """What differs from the deployed revision, in the words of a diff's hunks."""
    base = draft.base
    if draft.goal is not None:
        return (f"back to revision {draft.goal.number}",)
    if (
        base is None
        or draft.rendered is None
        or draft.prepared is None
        or draft.content is not Content.CHANGED
    ):
        return ()
    return diff.differing_inputs(base, draft.rendered.chart, draft.prepared.values.values)


def _versions(draft: _Draft) -> tuple[str, str, str]:
    """The chart's version, its appVersion and its archive's digest."""
    if draft.rendered is None:
        newest = draft.goal or revisions.newest(draft.revisions)
        return (newest.chart_version, newest.app_version, "") if newest else ("", "", "")
    chart = draft.rendered.chart
    return chart.metadata.version, chart.metadata.app_version, chart.digest


def _warnings(draft: _Draft) -> tuple[Mistake, ...]:
    moved = (
        Mistake(
            f"{moved.ref}: {moved.ref.api_version} is no longer served, {moved.api_version} is used",
            "release.unserved-api",
            hint="take a chart that knows the newer version",
        )
        for moved in draft.moved
    )
    return (*draft.definitions.warnings, *moved, *(draft.rendered.warnings if draft.rendered else ()))


def _too_large(revision: Revision) -> bool:
    """Whether the record would not fit; only what might not is encoded to know."""
    parts = revision.chart.get("templates") or (), revision.chart.get("files") or ()
    content = sum(len(str(file.get("data") or "")) for part in parts for file in part)
    if content + len(revision.manifest) < MAX_RECORD_BYTES // 2:
        return False
    return len(codec.encode(revision)) > MAX_RECORD_BYTES


def _decide(draft: _Draft) -> Action:
    compared = draft.compared
    if draft.goal is not None and compared.refusal is None:
        reason = f"back to revision {draft.goal.number}"
        return Action(kind=ActionKind.ROLLBACK, code="rollback", reason=reason)
    newest = revisions.newest(draft.revisions)
    return decide(
        Situation(
            wanted=draft.wanted,
            last=newest.status if newest else None,
            deployed=draft.base is not None,
            content=draft.content,
            difference=draft.difference,
            missing=compared.missing,
            drifted=compared.drifted,
            definitions=draft.definitions.upgraded,
            adopted=compared.adopted,
            hold=draft.hold,
            holder=draft.holder,
            refusal=compared.refusal,
            prevent_destroy=bool(draft.release.options.prevent_destroy),
            always_upgrade=draft.settings.always_upgrade,
            refresh_random=draft.settings.refresh_random,
        )
    )


def _parts(draft: _Draft, changes: tuple[Change, ...]) -> Parts:
    return Parts(
        namespace=draft.owner.namespace,
        namespace_exists=draft.namespace_exists,
        changes=tuple(replace(change, before="", after="") for change in changes),
        crds=tuple(replace(change, before="", after="") for change in draft.definitions.changes),
        hooks=_hook_runs(draft),
        revisions=draft.revisions,
        settings=draft.settings,
        fresh=installs_again(draft.revisions),
        abandoned_lease=draft.holder if draft.hold is Hold.STALE else "",
    )


def _hook_runs(draft: _Draft) -> tuple[tuple[tuple[str, ...], HookRun], ...]:
    namespaced = _scopes(draft.cluster, ())
    if draft.rendered is not None:
        return tuple(
            (hook.events, _hook_run(hook.manifest, hook, draft.owner, namespaced))
            for hook in draft.rendered.hooks
        )
    newest = draft.goal or revisions.newest(draft.revisions)
    return tuple(
        (record.events, _hook_run(manifest, record, draft.owner, namespaced))
        for record in (newest.hooks if newest else ())
        for manifest in manifests.parse(record.manifest)[:1]
    )


def _hook_run(manifest: Manifest, hook: Any, owner: ReleaseId, namespaced: Namespaced) -> HookRun:
    """`hook` is a rendered ChartHook or a stored HookRecord: both name the same things alike."""
    target = hook_target(manifest, owner, namespaced)
    return HookRun(
        ref=target.ref,
        name=hook.name,
        path=hook.path,
        text=manifest.text,
        body=target.body,
        weight=hook.weight,
        delete_policies=tuple(hook.delete_policies),
        output_log_policies=tuple(hook.output_log_policies),
    )


def _revision(draft: _Draft, action: Action, number: int) -> Revision | None:
    if draft.goal is not None:
        newest = revisions.newest(draft.revisions)
        return revisions.back_to(draft.goal, number, newest)
    if draft.prepared is None or draft.rendered is None:
        return revisions.newest(draft.revisions)
    if not action.writes:
        return None
    found = revisions.new(
        draft.owner, number, draft.rendered, draft.prepared.values.values, revisions.newest(draft.revisions)
    )
    if draft.settings.labels is not None:
        labels = {**found.labels, **draft.settings.labels}
        if draft.revisions:  # Helm's word for taking one away
            labels = {key: value for key, value in labels.items() if value != "null"}
        found = replace(found, labels=labels)
    base = draft.base
    if base is not None and comparison.restores(draft.content, draft.settings):
        return replace(found, manifest=base.manifest, hooks=base.hooks, notes=base.notes)
    return found


def _chart_name(draft: _Draft, newest: Revision | None) -> str:
    if draft.rendered is not None:
        metadata = draft.rendered.chart.metadata
        return f"{metadata.name}-{metadata.version}"
    newest = draft.goal or newest
    return f"{newest.chart_name}-{newest.chart_version}" if newest else draft.release.chart
