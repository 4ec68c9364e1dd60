"""Values over defaults: the recorded rows, and that nothing given is changed."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helmflow.core.errors import ChartError
from helmflow.helm.chart.behaviour import HELM_3, HELM_4
from helmflow.helm.chart.model import Chart, Metadata
from helmflow.helm.values.coalesce import Coalescing, coalesce, merge, merge_tables, read_only
from tests import conformance


def chart(name: str, values: dict[str, Any], *dependencies: Chart) -> Chart:
    return Chart(Metadata(name=name, version="1.0.0"), values=values, dependencies=dependencies)


def family(row: dict[str, Any]) -> Chart:
    return chart("p", row["parent"], chart("c", row["child"], chart("g", row["grand"])))


def outcome(row: dict[str, Any]) -> dict[str, Any]:
    try:
        merged = coalesce(family(row), row["user"])
    except ChartError as error:
        return {"error": str(error)}
    return {"merged": merged, "p": merged, "c": merged["c"], "g": merged["c"]["g"]}


def test_recorded_rows() -> None:
    rows = conformance.data("helm/oracle/coalesce.json")
    wrong = []
    for row in rows:
        got = outcome(row)
        if any(row.get(key) != value for key, value in got.items()):
            wrong.append(row["id"])
    conformance.report("oracle/coalesce", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong


def test_inputs_stay_as_they_are() -> None:
    parent = family(
        {"parent": {"a": {"b": 1.0}, "c": {"x": None}}, "child": {"x": 1.0}, "grand": {"l": [1.0]}}
    )
    user = {"a": {"c": 2.0}, "c": {"g": {"l": None}}}
    before = json.dumps([user, parent.values, parent.dependencies[0].values])
    merged = coalesce(parent, user)
    merged["a"]["new"] = True
    merged["c"]["g"]["l"] = "changed"
    assert json.dumps([user, parent.values, parent.dependencies[0].values]) == before


def test_a_subcharts_values_are_the_parents_table() -> None:
    merged = coalesce(chart("p", {}, chart("c", {"x": 1.0})), {})
    merged["c"]["x"] = 2.0
    assert merged == {"c": {"x": 2.0, "global": {}}}


def test_import_values_see_nulls() -> None:
    assert merge(chart("p", {"a": None, "b": {"c": None}}), {"d": None}) == {
        "a": None,
        "b": {"c": None},
        "d": None,
    }


def test_helm_3_keeps_null_defaults() -> None:
    assert coalesce(chart("p", {"a": None, "b": {"c": None}}), {}, behaviour=HELM_3) == {
        "a": None,
        "b": {"c": None},
    }
    assert coalesce(chart("p", {"a": None, "b": {"c": None}}), {}) == {"b": {}}


def test_warnings_name_the_path() -> None:
    heard: list[str] = []
    coalesce(chart("p", {"a": {"b": {"c": 1.0}}, "d": "text"}), {"a": {"b": "x"}, "d": {}}, warn=heard.append)
    assert heard == [
        "cannot overwrite table with non table for p.a.b",
        "skipped value for p.d: Not a table.",
    ]


def test_a_subchart_needs_a_table() -> None:
    with pytest.raises(ChartError) as caught:
        coalesce(chart("p", {}, chart("c", {})), {"c": 1.0})
    assert (caught.value.error_id, str(caught.value)) == (
        "values.not-a-table",
        "type mismatch on c: %!t(float64=1)",
    )


TREES = st.recursive(
    st.none() | st.sampled_from([1.0, "x", True]) | st.lists(st.just(1.0), max_size=1),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c", "g", "global"]), inner, max_size=3),
    max_leaves=12,
)
TABLES = st.dictionaries(st.sampled_from(["a", "b", "c", "g", "global"]), TREES, max_size=4)


@given(TABLES, TABLES, TABLES, TABLES)
@settings(max_examples=300)
def test_the_short_way_gives_what_the_long_way_gives(parent: Any, child: Any, grand: Any, user: Any) -> None:
    whole = chart("p", parent, chart("c", child, chart("g", grand)))

    def outcome(way: Any) -> Any:
        try:
            return way(whole, user)
        except ChartError as error:
            return str(error)

    run = Coalescing(lambda _: None, keep_nulls=False, behaviour=HELM_4)
    long = outcome(run.top)
    assert outcome(run.over_known_defaults) == long
    assert outcome(coalesce) == long


def defaults(source: Random, depth: int = 3) -> Any:
    if depth == 0 or source.random() < 0.35:
        return source.choice([None, 1.0, "x", True, [{"k": 1.0}]])
    return {source.choice(NAMES): defaults(source, depth - 1) for _ in range(source.randint(0, 4))}


def tables(source: Random, *, odd: float) -> dict[str, Any]:
    """Values in which subcharts and globals have tables, but for some."""
    made = {source.choice(NAMES): defaults(source) for _ in range(source.randint(0, 5))}
    for outer in (made, *(value for value in made.values() if isinstance(value, dict))):
        for name in ("c", "d", "g", "global"):
            if name in outer and not isinstance(outer[name], dict) and source.random() > odd:
                outer[name] = {source.choice(NAMES): defaults(source, 2)}
    return made


def same_maps(value: Any) -> list[tuple[Any, Any]]:
    """Pairs of places with one and the same map or list."""
    first: dict[int, Any] = {}
    found = []

    def look(part: Any, at: tuple[Any, ...]) -> None:
        if id(part) in first:
            found.append((first[id(part)], at))
            return
        first[id(part)] = at
        for key, item in sorted(part.items()) if isinstance(part, dict) else enumerate(part):
            if isinstance(item, dict | list):
                look(item, (*at, key))

    look(value, ())
    return found


def types_in(value: Any) -> Any:
    if not isinstance(value, dict):
        return type(value)
    return type(value), {key: types_in(item) for key, item in value.items()}


NAMES = ("a", "b", "c", "d", "g", "global")


@pytest.mark.parametrize("number", range(60))
def test_shared_values_are_those_of_the_long_way(number: int) -> None:
    """Also in what is the same map where, and in Helm's types; what users gave stays, and so does what is shared."""
    source = Random(number)
    sub = chart("c", tables(source, odd=0.05), chart("g", tables(source, odd=0.05)))
    other = chart("d", tables(source, odd=0.05), *([sub.dependencies[0]] if source.random() < 0.3 else ()))
    whole = chart("p", tables(source, odd=0.05), sub, *([other] if source.random() < 0.5 else ()))
    for behaviour in (HELM_4, HELM_3):
        for _ in range(6):
            user = tables(source, odd=0.2)
            before = json.dumps(user)
            try:
                long = Coalescing(print, keep_nulls=False, behaviour=behaviour).top(whole, user)
            except ChartError:
                with pytest.raises(ChartError):
                    read_only(whole, user, behaviour=behaviour) or coalesce(whole, user, behaviour=behaviour)
                continue
            shared = read_only(whole, user, behaviour=behaviour)
            if shared is None:
                continue
            assert shared == long
            assert same_maps(shared) == same_maps(long)
            assert types_in(shared) == types_in(long)
            assert json.dumps(user) == before


def test_merging_leaves_nulls_below_where_helm_does() -> None:
    under: dict[str, Any] = {"a": 1.0, "t": {"x": 1.0}}
    assert merge_tables({"a": None, "n": None, "t": {"y": None}}, under) == {
        "a": None,
        "n": None,
        "t": {"y": None, "x": 1.0},
    }
    assert under == {"a": None, "n": None, "t": {"x": 1.0, "y": None}}
