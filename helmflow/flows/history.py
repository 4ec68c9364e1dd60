"""helmflow history: what is stored of a release, revision by revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass
from helmflow.flows import prepare
from helmflow.flows.options import NeedsMode, RunOptions
from helmflow.flows.session import Session, session_for

if TYPE_CHECKING:
    from helmflow.helm.release.record import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One stored revision, as `helm history` prints it."""

    id: ReleaseId
    revision: int
    updated: str
    status: str
    chart: str
    app_version: str
    description: str


def history(options: RunOptions, emit: Emit, given: Session | None = None) -> tuple[HistoryRow, ...]:
    """Every stored revision of the selected releases, oldest first."""
    from helmflow.flows.drafts import owner_of

    rows: list[HistoryRow] = []
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "history")
        for release in prepare.choose(session, desired, NeedsMode.SKIP).releases:
            cluster = session.cluster_of(desired, release)
            owner = owner_of(cluster, release)
            store = cluster.store(owner.namespace)
            stored = store.history(owner.name)
            found = store.get_many(stored)
            rows += [
                _row(release.id, revision)
                for revision in sorted(found.values(), key=lambda revision: revision.number)
            ]
    return tuple(rows)


def _row(release: ReleaseId, revision: Revision) -> HistoryRow:
    return HistoryRow(
        id=release,
        revision=revision.number,
        updated=revision.last_deployed,
        status=revision.status,
        chart=f"{revision.chart_name}-{revision.chart_version}",
        app_version=revision.app_version,
        description=revision.description,
    )
