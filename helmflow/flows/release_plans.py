"""What was read of one release -> its plan: the action, the steps, the revision to store; reads and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import HelmflowError, Mistake
from helmflow.core.records import replace
from helmflow.flows.drafts import Draft
from helmflow.flows.options import TestOptions
from helmflow.helm.release import codec
from helmflow.helm.release.record import Revision
from helmflow.helm.release.storage import key_of, not_found, too_large
from helmflow.helm.render import manifests
from helmflow.plan import comparison, diff, noise, revisions
from helmflow.plan.decide import Content, Hold, Situation, decide
from helmflow.plan.model import Action, ActionKind, Change, HookRun, ReleasePlan, RunChartHooks
from helmflow.plan.objects import hook_target
from helmflow.plan.redact import Redactor
from helmflow.plan.steps import Parts, installs_again, steps

if TYPE_CHECKING:
    from helmflow.flows.options import ShowOptions
    from helmflow.helm.render.manifests import Manifest


def release_plan(draft: Draft, redactor: Redactor) -> ReleasePlan:
    """The plan of one release, from what was read of it."""
    compared = draft.compared
    newest = revisions.newest(draft.revisions)
    action = _decide(draft)
    revision = _revision(draft, action, draft.number)
    if draft.wanted and revision is not None and _too_large(revision, draft.max_record_bytes):
        error = too_large(revision, draft.max_record_bytes)
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
    return ReleasePlan(
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


def unreadable(draft: Draft) -> Mistake | None:
    """A record that the plan would start from and that cannot be read: what it installed is not known."""
    for stored in draft.revisions:
        if stored.damaged:
            return Mistake(
                f"revision {stored.number} of release {stored.name} ({stored.status}): {stored.damaged}",
                "release.unreadable",
                hint=f"bring its {key_of(stored.name, stored.number)} back, or delete it: then the release counts as what is left of its history",
            )
    return None


def untyped(draft: Draft) -> Mistake | None:
    """The first object that says not what it is: no server can take it, so nothing of its release is written."""
    for target in draft.targets if draft.wanted else ():
        said = {"apiVersion": target.ref.api_version, "kind": target.ref.kind}
        missing = [key for key, value in said.items() if not value]
        if missing:
            where = target.source or "a manifest"
            return Mistake(
                f"{where} renders an object without {' and '.join(missing)}",
                "chart.untyped-object",
                hint="write apiVersion and kind; a text that is no object belongs into NOTES.txt or a _file",
            )
    return None


def plan_of_tests(draft: Draft, wanted: TestOptions) -> ReleasePlan:
    """The plan that runs a release's stored test hooks. Raises `release.not-found` for one that is not installed."""
    newest = revisions.newest(draft.revisions)
    if newest is None:
        raise not_found(draft.owner.name)
    if (damaged := unreadable(draft)) is not None:
        raise HelmflowError(damaged.message, error_id="release.unreadable", hint=damaged.hint)
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


def subject(draft: Draft, show: ShowOptions) -> comparison.Subject:
    """What comparing a release with the cluster needs to know of it."""
    return comparison.Subject(
        owner=draft.owner,
        wanted=draft.wanted,
        content=draft.content,
        stored=draft.stored,
        targets=draft.targets,
        live=draft.live,
        settings=draft.settings,
        adopt=draft.release.adopt,
        rules=_rules(draft, show),
        show_ignored=show.show_ignored,
    )


def _rules(draft: Draft, show: ShowOptions) -> tuple[noise.Rule, ...]:
    """What diffs of this release leave out: its own rules, then the command line's."""
    own = draft.release.spec.get("ignoreDifferences") or ()
    return (
        *(noise.from_map(rule) for rule in own),
        *(noise.parse(rule) for rule in show.ignore),
    )


def _because(draft: Draft) -> tuple[str, ...]:
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


def _versions(draft: Draft) -> tuple[str, str, str]:
    """The chart's version, its appVersion and its archive's digest."""
    if draft.rendered is None:
        newest = draft.goal or revisions.newest(draft.revisions)
        return (newest.chart_version, newest.app_version, "") if newest else ("", "", "")
    chart = draft.rendered.chart
    return chart.metadata.version, chart.metadata.app_version, chart.digest


def _warnings(draft: Draft) -> tuple[Mistake, ...]:
    moved = (
        Mistake(
            f"{moved.ref}: {moved.ref.api_version} is no longer served, {moved.api_version} is used",
            "release.unserved-api",
            hint="take a chart that knows the newer version",
        )
        for moved in draft.moved
    )
    return (*draft.definitions.warnings, *moved, *(draft.rendered.warnings if draft.rendered else ()))


def _too_large(revision: Revision, limit: int) -> bool:
    """Whether the record would not fit; only what might not is encoded to know."""
    parts = revision.chart.get("templates") or (), revision.chart.get("files") or ()
    content = sum(len(str(file.get("data") or "")) for part in parts for file in part)
    if content + len(revision.manifest) < limit // 2:
        return False
    return len(codec.encode(revision)) > limit


def _decide(draft: Draft) -> Action:
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


def _parts(draft: Draft, changes: tuple[Change, ...]) -> Parts:
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


def _hook_runs(draft: Draft) -> tuple[tuple[tuple[str, ...], HookRun], ...]:
    if draft.rendered is not None:
        return tuple((hook.events, _hook_run(hook.manifest, hook, draft)) for hook in draft.rendered.hooks)
    newest = draft.goal or revisions.newest(draft.revisions)
    return tuple(
        (record.events, _hook_run(manifest, record, draft))
        for record in (newest.hooks if newest else ())
        for manifest in manifests.parse(record.manifest)[:1]
    )


def _hook_run(manifest: Manifest, hook: Any, draft: Draft) -> HookRun:
    """`hook` is a rendered ChartHook or a stored HookRecord: both name the same things alike."""
    target = hook_target(manifest, draft.owner, draft.namespaced)
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


def _revision(draft: Draft, action: Action, number: int) -> Revision | None:
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


def _chart_name(draft: Draft, newest: Revision | None) -> str:
    if draft.rendered is not None:
        metadata = draft.rendered.chart.metadata
        return f"{metadata.name}-{metadata.version}"
    newest = draft.goal or newest
    return f"{newest.chart_name}-{newest.chart_version}" if newest else draft.release.chart


def _selected(name: str, filters: Sequence[str]) -> bool:
    """Helm's --filter: name=a,name=b are wanted, !name=c is not."""
    terms = [term.strip() for given in filters for term in given.split(",")]
    wanted = {term.partition("=")[2] for term in terms if term.startswith("name=")}
    unwanted = {term.partition("=")[2] for term in terms if term.startswith("!name=")}
    return name not in unwanted and (not wanted or name in wanted)
