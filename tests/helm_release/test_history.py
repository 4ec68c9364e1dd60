"""Rules over revisions: what is current, pending, pruned, and where a rollback goes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.helm.release import history
from helmflow.helm.release.record import ReleaseStatus, go_time, parse_time


@dataclass(frozen=True)
class Made:
    """A revision as the rules see it."""

    number: int
    status: ReleaseStatus


def made(*statuses: str) -> list[Made]:
    """Revisions 1, 2, ... with these statuses."""
    return [Made(n, ReleaseStatus(word)) for n, word in enumerate(statuses, 1)]


def number(found: Made | None) -> int | None:
    """The number of what was found."""
    return found.number if found else None


@pytest.mark.parametrize(
    ("statuses", "current", "pending", "recovery"),
    [
        ([], None, None, None),
        (["deployed"], 1, None, 1),
        (["superseded", "deployed"], 2, None, 2),
        (["superseded", "deployed", "failed"], 2, None, 2),
        (["failed"], 1, None, None),
        (["superseded", "superseded"], 2, None, 2),
        (["uninstalled"], None, None, None),
        (["deployed", "pending-upgrade"], 1, 2, 1),
        (["pending-install"], None, 1, None),
        (["deployed", "deployed"], 2, None, 2),
        (["superseded", "uninstalling"], None, 2, 1),
        (["superseded", "failed", "pending-rollback"], None, 3, 1),
    ],
)
def test_current_pending_and_recovery(
    statuses: list[str], current: int | None, pending: int | None, recovery: int | None
) -> None:
    revisions = made(*statuses)
    assert number(history.current(revisions)) == current
    assert number(history.pending(revisions)) == pending
    assert number(history.recovery_target(revisions)) == recovery


def test_a_rollback_goes_one_back_or_where_it_is_told() -> None:
    revisions = made("superseded", "superseded", "deployed")
    assert number(history.rollback_target(revisions)) == 2
    assert number(history.rollback_target(revisions, 1)) == 1
    assert history.rollback_target(revisions, 9) is None
    assert history.rollback_target(revisions[:1]) is None
    assert history.rollback_target([]) is None


@pytest.mark.parametrize(
    ("statuses", "keep", "adding", "gone"),
    [
        (["superseded"] * 9 + ["deployed"], 10, 0, []),
        (["superseded"] * 9 + ["deployed"], 10, 1, [1]),
        (["deployed"] + ["failed"] * 9, 10, 1, [2]),
        (["deployed"] + ["failed"] * 4, 2, 1, [2, 3, 4, 5]),
        (["superseded", "superseded", "deployed"], 1, 1, [1, 2]),
        (["superseded", "superseded", "deployed"], 0, 1, []),
        (["failed", "failed"], 1, 1, [1, 2]),
    ],
)
def test_the_oldest_beyond_the_limit_go_but_never_the_deployed_one(
    statuses: list[str], keep: int, adding: int, gone: list[int]
) -> None:
    assert [r.number for r in history.pruned(made(*statuses), keep=keep, adding=adding)] == gone


@given(st.lists(st.sampled_from(list(ReleaseStatus)), max_size=15), st.integers(0, 12))
def test_pruning_keeps_the_deployed_one_and_no_more_than_needed(
    statuses: list[ReleaseStatus], keep: int
) -> None:
    revisions = [Made(n, status) for n, status in enumerate(statuses, 1)]
    gone = history.pruned(revisions, keep=keep)
    assert history.deployed(revisions) not in gone
    if keep:
        left = len(revisions) - len(gone)
        assert left <= max(keep, 1)
        assert left == len(revisions) or left >= min(keep, len(revisions))


def test_superseded_are_all_other_deployed_ones() -> None:
    assert [r.number for r in history.superseded(made("deployed", "failed", "deployed", "deployed"), 4)] == [
        1,
        3,
    ]


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("2026-11-21T00:04:14.655924102Z", "2026-11-21T00:04:14.655924Z"),
        ("2026-11-21T00:04:14Z", "2026-11-21T00:04:14Z"),
        ("2026-11-21T02:04:14.5+02:00", "2026-11-21T00:04:14.5Z"),
    ],
)
def test_times_are_gos(text: str, again: str) -> None:
    read = parse_time(text)
    assert read is not None
    assert go_time(read) == again


@pytest.mark.parametrize("text", ["", "0001-01-01T00:00:00Z", "yesterday"])
def test_no_time_is_none(text: str) -> None:
    assert parse_time(text) is None
