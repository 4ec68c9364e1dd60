"""The decision table, row by row."""

from __future__ import annotations

import pytest

from helmflow.core.errors import Mistake
from helmflow.helm.release.record import ReleaseStatus as S
from helmflow.plan.decide import Content, Hold, Situation, decide

ROWS = [
    # present
    (Situation(wanted=True), "install", "not-installed"),
    (Situation(wanted=True, adopted=2), "adopt", "adopts"),
    (Situation(wanted=True, last=S.UNINSTALLED), "install", "was-uninstalled"),
    (Situation(wanted=True, last=S.UNINSTALLING), "recover", "uninstall-interrupted"),
    (Situation(wanted=True, last=S.PENDING_INSTALL, hold=Hold.STALE), "recover", "interrupted"),
    (Situation(wanted=True, last=S.PENDING_UPGRADE, hold=Hold.HELD), "recover", "interrupted"),
    (Situation(wanted=True, last=S.PENDING_ROLLBACK, hold=Hold.FREE), "recover", "interrupted"),
    (Situation(wanted=True, last=S.PENDING_UPGRADE, hold=Hold.FOREIGN), "refuse", "release.locked"),
    (Situation(wanted=True, last=S.FAILED), "upgrade", "last-failed"),
    (Situation(wanted=True, last=S.FAILED, content=Content.SAME, deployed=True), "upgrade", "last-failed"),
    (Situation(wanted=True, last=S.DEPLOYED), "keep", "unchanged"),
    (Situation(wanted=True, last=S.SUPERSEDED), "keep", "unchanged"),
    (Situation(wanted=True, last=S.DEPLOYED, content=Content.RANDOM), "keep", "random"),
    (Situation(wanted=True, last=S.DEPLOYED, content=Content.RANDOM, refresh_random=True), "upgrade", "refresh-random"),
    (Situation(wanted=True, last=S.DEPLOYED, refresh_random=True), "keep", "unchanged"),
    (Situation(wanted=True, last=S.DEPLOYED, content=Content.CHANGED), "upgrade", "changed"),
    (Situation(wanted=True, last=S.DEPLOYED, drifted=1), "upgrade", "drift"),
    (Situation(wanted=True, last=S.DEPLOYED, content=Content.RANDOM, missing=1), "upgrade", "drift"),
    (Situation(wanted=True, last=S.DEPLOYED, always_upgrade=True), "upgrade", "always"),
    # absent
    (Situation(wanted=False), "keep", "absent"),
    (Situation(wanted=False, last=S.UNINSTALLED), "keep", "absent"),
    (Situation(wanted=False, last=S.DEPLOYED), "uninstall", "unwanted"),
    (Situation(wanted=False, last=S.FAILED), "uninstall", "unwanted"),
    (Situation(wanted=False, last=S.PENDING_INSTALL, hold=Hold.STALE), "uninstall", "unwanted"),
    (Situation(wanted=False, last=S.PENDING_INSTALL, hold=Hold.FOREIGN), "refuse", "release.locked"),
    (Situation(wanted=False, last=S.UNINSTALLING), "uninstall", "resume-uninstall"),
    (Situation(wanted=False, last=S.DEPLOYED, prevent_destroy=True), "refuse", "release.prevent-destroy"),
    (Situation(wanted=False, prevent_destroy=True), "keep", "absent"),
    # refusals come first
    (Situation(wanted=True, refusal=Mistake("no", "release.owned")), "refuse", "release.owned"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("situation", "kind", "code"), ROWS, ids=[f"{n}-{row[2]}" for n, row in enumerate(ROWS)]
)
def test_the_first_matching_row_wins(situation: Situation, kind: str, code: str) -> None:
    action = decide(situation)
    assert (action.kind, action.code) == (kind, code)
    assert action.reason


@pytest.mark.parametrize(
    ("missing", "drifted", "text"),
    [
        (1, 0, "1 object is gone in the cluster"),
        (0, 2, "2 objects were changed in the cluster"),
        (2, 1, "2 objects are gone and 1 object was changed in the cluster"),
    ],
)
def test_drift_is_counted(missing: int, drifted: int, text: str) -> None:
    assert decide(Situation(wanted=True, last=S.DEPLOYED, missing=missing, drifted=drifted)).reason == text
