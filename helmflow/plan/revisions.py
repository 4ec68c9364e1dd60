"""The revision that a run will store, and which of the stored ones it starts from; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helmflow.core.ids import ReleaseId
from helmflow.core.records import replace
from helmflow.helm.release import codec
from helmflow.helm.release.record import ApplyMethod, HookRecord, ReleaseStatus, Revision
from helmflow.helm.render.engine import Rendered


def newest(revisions: Sequence[Revision]) -> Revision | None:
    """The revision with the highest number."""
    return max(revisions, key=lambda revision: revision.number, default=None)


def base(revisions: Sequence[Revision]) -> Revision | None:
    """What would be compared with: the newest deployed revision, None where nothing is deployed."""
    return newest([revision for revision in revisions if revision.status is ReleaseStatus.DEPLOYED])


def applied(revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """Every revision whose objects may be in the cluster, newest first: the deployed one and what failed after it.

    What only a failed or interrupted run created is found through these, so that nothing is orphaned.
    """
    start = base(revisions)
    since = start.number if start else 0
    gone = (ReleaseStatus.UNINSTALLED, ReleaseStatus.SUPERSEDED)
    found = [r for r in revisions if r.number >= since and r.status not in gone]
    return tuple(sorted(found, key=lambda r: r.number, reverse=True))


def rendered_as(revision: Revision) -> tuple[int, bool]:
    """The revision number and whether it was an upgrade, as the templates of a stored revision saw them."""
    number = revision.rollback_revision or _rolled_back_to(revision.description) or revision.number
    installed = number == 1 or revision.description == "Install complete"
    return number, not installed


def new(
    owner: ReleaseId,
    number: int,
    rendered: Rendered,
    config: Mapping[str, Any],
    previous: Revision | None,
) -> Revision:
    """The revision to store; its status and times come with the steps that store it."""
    return Revision(
        name=owner.name,
        namespace=owner.namespace,
        number=number,
        status=ReleaseStatus.UNKNOWN,
        chart=codec.chart_record(rendered.chart),
        config=config,
        manifest=rendered.manifest,
        hooks=tuple(
            HookRecord(
                name=hook.name,
                kind=hook.manifest.ref.kind,
                path=hook.path,
                manifest=hook.manifest.text,
                events=hook.events,
                weight=hook.weight,
                delete_policies=hook.delete_policies,
                output_log_policies=hook.output_log_policies,
            )
            for hook in rendered.hooks
        ),
        first_deployed=previous.first_deployed if previous else "",
        notes=rendered.notes,
        labels=previous.labels if previous else {},
        apply_method=ApplyMethod.SERVER_SIDE,
    )


def back_to(goal: Revision, number: int, newest: Revision | None) -> Revision:
    """The revision that a rollback to `goal` stores: its content under a new number.

    Like Helm's, its hooks remember their runs, and only its description says what it goes back to.
    """
    return replace(
        goal,
        number=number,
        status=ReleaseStatus.UNKNOWN,
        first_deployed=newest.first_deployed if newest else goal.first_deployed,
        deleted="",
        rollback_revision=0,
        apply_method=ApplyMethod.SERVER_SIDE,
    )


def _rolled_back_to(description: str) -> int:
    prefix, _, number = description.rpartition(" ")
    return int(number) if prefix == "Rollback to" and number.isdecimal() else 0
