"""What the drafts of a plan render to, and whether that is what is deployed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from helmflow.core.clock import templates_at
from helmflow.core.records import dataclass, replace
from helmflow.flows import rendering, reusing
from helmflow.flows.drafts import Draft
from helmflow.flows.session import Cluster, Session
from helmflow.helm.release.record import Revision
from helmflow.plan import diff, documents, revisions
from helmflow.plan.decide import Content
from helmflow.plan.steps import installs_again

if TYPE_CHECKING:
    from helmflow.helm.chart.capabilities import Capabilities
    from helmflow.helm.render.engine import Rendered

# When random content is looked for, templates are told a time whose every part differs from now's: the day of a
# month, too, so that a date printed yesterday is no change today.
FAR_AWAY = timedelta(days=400, hours=13, minutes=17, seconds=23)


def reuse_values(session: Session, draft: Draft) -> None:
    """Start from what the deployed revision was given, where flags or the release ask for it."""
    if draft.base is None or draft.prepared is None:
        return
    mode = reusing.mode_of(session.options.running, own=draft.settings.reuse_values)
    prepared = draft.prepared
    chart, values = reusing.reused(mode, prepared.chart, prepared.values.values, draft.base)
    draft.prepared = replace(prepared, chart=chart, values=replace(prepared.values, values=dict(values)))


def render_all(session: Session, cluster: Cluster, drafts: list[Draft]) -> None:
    """Render as the deployed revision saw itself; only what differs is rendered as the next revision.

    What uses random or time functions is rendered twice: places that differ between the two do not count.
    """
    render = _Renderer(
        session, rendering.cluster_capabilities(cluster.client), rendering.ClusterLookup(cluster.client)
    )
    unsure: list[Draft] = []
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


def _as_deployed(render: _Renderer, draft: Draft, base: Revision) -> Rendered:
    number, upgrade = revisions.rendered_as(base)
    return render(draft, number, upgrade=upgrade)


def _render_next(render: _Renderer, draft: Draft) -> None:
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

    def __call__(self, draft: Draft, number: int, *, upgrade: bool) -> Rendered:
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
