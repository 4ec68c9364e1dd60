"""helmflow status: what the cluster has of every release of the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import HelmflowError
from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass
from helmflow.flows import prepare
from helmflow.flows.journal import Journal
from helmflow.flows.options import NeedsMode, RunOptions
from helmflow.flows.session import Session, session_for

if TYPE_CHECKING:
    from helmflow.helm.release.record import Revision
    from helmflow.state.model import DesiredState, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseState:
    """One release as the cluster has it: `status` is Helm's word, "" where it was never installed."""

    id: ReleaseId
    status: str = ""
    revision: int = 0
    chart: str = ""
    app_version: str = ""
    last_deployed: str = ""
    description: str = ""
    notes: str = ""
    resources: tuple[Mapping[str, Any], ...] = ()


HIDDEN = "*** (this release has secrets that cannot be read here, so its notes are not shown)"


def _notes(desired: DesiredState, release: Release, stored: Revision) -> str:
    """The notes without secrets: those of the files, and what stood at their places when this revision was made."""
    if not stored.notes:
        return ""
    from helmflow.state.values import layer

    try:
        paths = layer(desired, release).secret_paths  # reading them makes them known
    except HelmflowError:
        return HIDDEN
    for path in paths:
        value: Any = stored.config
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        desired.secrets.add(value)
    return desired.secrets.mask(stored.notes)


def status(options: RunOptions, emit: Emit, given: Session | None = None) -> tuple[ReleaseState, ...]:
    """The selected releases as the cluster has them, one LIST per namespace."""
    from helmflow.flows.drafts import owner_of
    from helmflow.plan import observe, revisions

    rows = []
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "status")
        chosen = prepare.choose(session, desired, NeedsMode.SKIP)
        clusters = {release.id: session.cluster_of(desired, release) for release in chosen.releases}
        stored = {}
        for cluster in {id(cluster): cluster for cluster in clusters.values()}.values():
            names = [
                (owner_of(cluster, release).namespace, release.name)
                for release in chosen.releases
                if clusters[release.id] is cluster
            ]
            stored[id(cluster)] = observe.stored_revisions(cluster.store(""), names)
        journal = Journal(session, desired)
        for release in chosen.releases:
            journal.record("status", release)
            cluster = clusters[release.id]
            owner = owner_of(cluster, release)
            newest = revisions.newest(stored[id(cluster)].get((owner.namespace, owner.name), ()))
            if newest is None:
                rows.append(ReleaseState(id=release.id))
                continue
            rows.append(
                ReleaseState(
                    id=release.id,
                    status=newest.status,
                    revision=newest.number,
                    chart="" if newest.damaged else f"{newest.chart_name}-{newest.chart_version}",
                    app_version=newest.app_version,
                    last_deployed=newest.last_deployed,
                    description=newest.description,
                    notes=_notes(desired, release, newest),
                )
            )
    return tuple(rows)
