"""The schedule: order, cascades of skips, cycles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.execute.schedule import Schedule


@st.composite
def dags(draw: st.DrawFn) -> dict[int, list[int]]:
    size = draw(st.integers(0, 12))
    return {
        node: draw(st.lists(st.integers(0, node - 1), unique=True, max_size=3)) if node else []
        for node in range(size)
    }


def test_what_needs_nothing_is_ready_first_in_the_given_order() -> None:
    schedule = Schedule({"b": ["a"], "c": [], "a": []})
    assert schedule.ready() == ("c", "a")


def test_a_dependent_becomes_ready_when_its_last_need_is_done() -> None:
    schedule = Schedule({"a": [], "b": [], "c": ["a", "b"]})
    schedule.start("a")
    schedule.start("b")
    schedule.finish("a")
    assert schedule.ready() == ()
    schedule.finish("b")
    assert schedule.ready() == ("c",)


def test_a_failure_skips_its_dependents_and_names_the_direct_cause() -> None:
    schedule = Schedule({"a": [], "b": ["a"], "c": ["b"], "d": []})
    schedule.start("a")
    assert schedule.fail("a") == (("b", "a"), ("c", "b"))
    assert schedule.ready() == ("d",)


def test_starting_what_still_waits_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="still needs"):
        Schedule({"a": [], "b": ["a"]}).start("b")


def test_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="cycle"):
        Schedule({"a": ["b"], "b": ["a"]})


def test_needs_outside_the_schedule_are_ignored() -> None:
    assert Schedule({"a": ["elsewhere"]}).ready() == ("a",)


@given(dags(), st.sets(st.integers(0, 12)))
def test_every_node_runs_after_its_needs_or_is_skipped_because_of_one(
    needs: dict[int, list[int]], failing: set[int]
) -> None:
    schedule = Schedule(needs)
    finished: set[int] = set()
    lost: dict[int, int] = {}
    failed: set[int] = set()
    while not schedule.done:
        node = schedule.ready()[-1]
        assert set(needs[node]) <= finished
        schedule.start(node)
        if node in failing:
            failed.add(node)
            lost.update(schedule.fail(node))
        else:
            schedule.finish(node)
            finished.add(node)
    assert finished | failed | set(lost) == set(needs)
    assert all(because in needs[node] and because in failed | set(lost) for node, because in lost.items())


def test_what_is_reached_frees_early_dependents_only() -> None:
    schedule = Schedule(
        {"operator": (), "thing": ("operator",), "app": ("operator",)}, {"thing": {"operator"}}
    )
    schedule.start("operator")
    assert schedule.ready() == ()
    schedule.reached("operator")
    assert schedule.ready() == ("thing",)
    schedule.start("thing")
    assert schedule.fail("operator") == (("app", "operator"),)
    schedule.finish("thing")
    assert schedule.done


def test_an_early_dependent_is_skipped_where_its_need_failed_before() -> None:
    schedule = Schedule({"operator": (), "thing": ("operator",)}, {"thing": {"operator"}})
    schedule.start("operator")
    assert schedule.fail("operator") == (("thing", "operator"),)
    assert schedule.done
