"""Pure rules over a release's revisions: last, last deployed, what is superseded, what is pruned, what is pending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from helmflow.helm.release.record import ReleaseStatus


class Numbered(Protocol):
    """What the rules need to know of a revision."""

    @property
    def number(self) -> int:
        """The revision's number."""

    @property
    def status(self) -> ReleaseStatus:
        """Its status."""


R = TypeVar("R", bound=Numbered)


def last(revisions: Sequence[R]) -> R | None:
    """The revision with the highest number."""
    return max(revisions, key=lambda r: r.number, default=None)


def deployed(revisions: Sequence[R]) -> R | None:
    """The deployed revision; the highest of several, which only a crash leaves behind."""
    return last([r for r in revisions if r.status is ReleaseStatus.DEPLOYED])


def current(revisions: Sequence[R]) -> R | None:
    """What an upgrade starts from: the deployed revision, else the last one if it failed or was superseded."""
    found = deployed(revisions)
    if found is not None:
        return found
    newest = last(revisions)
    return newest if newest and newest.status in (ReleaseStatus.FAILED, ReleaseStatus.SUPERSEDED) else None


def pending(revisions: Sequence[R]) -> R | None:
    """The last revision if an operation on it has begun and not ended."""
    newest = last(revisions)
    return (
        newest if newest and (newest.status.pending or newest.status is ReleaseStatus.UNINSTALLING) else None
    )


def rollback_target(revisions: Sequence[R], number: int = 0) -> R | None:
    """What `rollback` goes to: the revision asked for, or with 0 the one before the last.

    None where it does not exist.
    """
    newest = last(revisions)
    if newest is None:
        return None
    wanted = number or newest.number - 1
    return next((r for r in revisions if r.number == wanted), None)


def recovery_target(revisions: Sequence[R]) -> R | None:
    """What a failed upgrade goes back to by itself: the newest revision that once was deployed."""
    good = (ReleaseStatus.DEPLOYED, ReleaseStatus.SUPERSEDED)
    return last([r for r in revisions if r.status in good])


def superseded(revisions: Sequence[R], new: int) -> tuple[R, ...]:
    """The deployed revisions that `new` takes the place of, oldest first."""
    return tuple(
        sorted((r for r in revisions if r.status is ReleaseStatus.DEPLOYED and r.number != new), key=_number)
    )


def pruned(revisions: Sequence[R], *, keep: int, adding: int = 0) -> tuple[R, ...]:
    """The oldest revisions to delete so that at most `keep` remain once `adding` more are stored.

    0 keeps all. The last deployed revision always stays.
    """
    if keep <= 0:
        return ()
    surplus = len(revisions) + adding - keep
    if surplus <= 0:
        return ()
    spared = deployed(revisions)
    candidates = [r for r in sorted(revisions, key=_number) if r is not spared]
    return tuple(candidates[:surplus])


def _number(revision: Numbered) -> int:
    return revision.number
