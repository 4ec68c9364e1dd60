"""helmflow release list: the releases of a namespace, or of the whole cluster, as Helm lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from helmflow.core.errors import ConfigError
from helmflow.core.events import Emit
from helmflow.core.records import dataclass
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.helm.release.record import ReleaseStatus, Revision
from helmflow.helm.release.storage import StoredRevision

USUAL = (ReleaseStatus.DEPLOYED, ReleaseStatus.FAILED)
PENDING = (ReleaseStatus.PENDING_INSTALL, ReleaseStatus.PENDING_UPGRADE, ReleaseStatus.PENDING_ROLLBACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which releases: `namespace` "" is the context's own, `everywhere` all; `pattern` is searched in names."""

    namespace: str = ""
    everywhere: bool = False
    statuses: tuple[ReleaseStatus, ...] = ()
    pattern: str = ""
    selector: str = ""
    by_date: bool = False
    reverse: bool = False
    maximum: int = 256
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRelease:
    """One line."""

    name: str
    namespace: str
    revision: int
    updated: str
    status: str
    chart: str
    app_version: str


def listing(
    options: RunOptions, emit: Emit, wanted: Wanted, given: Session | None = None
) -> tuple[ListedRelease, ...]:
    """The newest revision of every release that fits: one LIST of labels, one of the payloads that are shown.

    Raises ConfigError `cli.bad-filter` for a pattern that is none.
    """
    try:
        pattern = re.compile(wanted.pattern)
    except re.error as cause:
        raise ConfigError(f"--filter {wanted.pattern!r}: {cause}", error_id="cli.bad-filter") from cause
    with session_for(options, emit, given) as session:
        cluster = session.cluster("")
        namespace = "" if wanted.everywhere else wanted.namespace or cluster.namespace
        store = cluster.store(namespace)
        selector = f"owner=helm,{wanted.selector}" if wanted.selector else "owner=helm"
        newest: dict[tuple[str, str], StoredRevision] = {}
        for revision in store.select(selector, namespace):
            newest[revision.namespace, revision.name] = revision  # by number: the last one stays
        statuses = wanted.statuses or USUAL
        shown = [r for r in newest.values() if r.status in statuses and pattern.search(r.name)]
        payloads = store.get_many(shown)
    rows = [_row(payload) for payload in payloads.values()]
    return _ordered(rows, wanted)


def _ordered(rows: Iterable[ListedRelease], wanted: Wanted) -> tuple[ListedRelease, ...]:
    found: Sequence[ListedRelease] = sorted(rows, key=lambda row: (row.name, row.namespace))
    if wanted.by_date:
        found = sorted(found, key=lambda row: row.updated)
    if wanted.reverse:
        found = found[::-1]
    found = found[wanted.offset :]
    return tuple(found[: wanted.maximum] if wanted.maximum else found)


def _row(revision: Revision) -> ListedRelease:
    return ListedRelease(
        name=revision.name,
        namespace=revision.namespace,
        revision=revision.number,
        updated=revision.last_deployed,
        status=str(revision.status),
        chart=f"{revision.chart_name}-{revision.chart_version}",
        app_version=revision.app_version,
    )
