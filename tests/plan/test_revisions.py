"""Which revision is compared with, and how it was rendered."""

from __future__ import annotations

import pytest

from helmflow.helm.release.record import ReleaseStatus as S
from helmflow.helm.release.record import Revision
from helmflow.plan import revisions


def revision(number: int, status: S, description: str = "", rollback: int = 0) -> Revision:
    return Revision(
        name="web",
        namespace="shop",
        number=number,
        status=status,
        chart={},
        description=description,
        rollback_revision=rollback,
    )


def test_the_base_is_the_newest_deployed_one() -> None:
    stored = [revision(1, S.DEPLOYED), revision(2, S.DEPLOYED), revision(3, S.FAILED)]
    found = revisions.base(stored)
    assert found is not None
    assert found.number == 2


def test_objects_may_come_from_everything_since() -> None:
    stored = [
        revision(1, S.FAILED),
        revision(2, S.DEPLOYED),
        revision(3, S.FAILED),
        revision(4, S.PENDING_UPGRADE),
    ]
    assert [r.number for r in revisions.applied(stored)] == [4, 3, 2]
    assert [r.number for r in revisions.applied([revision(1, S.FAILED)])] == [1]
    assert revisions.applied([revision(1, S.UNINSTALLED)]) == ()


@pytest.mark.parametrize(
    ("stored", "number", "upgrade"),
    [
        (revision(1, S.DEPLOYED, "Install complete"), 1, False),
        (revision(1, S.DEPLOYED, "my own words"), 1, False),
        (revision(2, S.DEPLOYED, "Upgrade complete"), 2, True),
        (revision(5, S.DEPLOYED, "Install complete"), 5, False),
        (revision(4, S.DEPLOYED, "Rollback to 2"), 2, True),
        (revision(4, S.DEPLOYED, "Rollback to 1"), 1, False),
        (revision(4, S.DEPLOYED, "mine", rollback=3), 3, True),
    ],
)
def test_a_stored_revision_knows_how_its_templates_saw_it(
    stored: Revision, number: int, upgrade: object
) -> None:
    assert revisions.rendered_as(stored) == (number, upgrade)


def test_going_back_stores_the_old_content_under_a_new_number() -> None:
    goal = revision(1, S.SUPERSEDED, "Install complete")
    found = revisions.back_to(goal, 4, revision(3, S.FAILED))
    assert (found.number, found.rollback_revision, found.apply_method) == (4, 0, "ssa")
