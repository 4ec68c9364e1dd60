"""The --set grammars: recorded rows, upstream's tables, the SDK on random expressions."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from helmflow.core.errors import ConfigError
from helmflow.gotemplate.gotypes import Int64
from helmflow.helm.values.strvals import Kind, parse
from tests import conformance

KINDS: dict[str, Kind] = {
    "parse_set_string": "set",
    "parse_set_string_values": "set-string",
    "parse_set_literal": "set-literal",
    "parse_set_json": "set-json",
    "parse_set_file": "set-file",
}


def outcome(expression: str, kind: Kind) -> dict[str, Any]:
    """What a recorded row would say of the expression."""
    try:
        return {"out": json.loads(json.dumps(parse(expression, kind=kind)))}
    except ConfigError as error:
        return {"error": str(error)}


def test_recorded_rows() -> None:
    rows = conformance.data("helm/oracle/strvals.json")
    wrong = []
    for row in rows:
        wanted = {key: row[key] for key in ("out", "error") if key in row}
        got = outcome(row["input"], KINDS[row["fn"]])
        if got != wanted:
            wrong.append(f"{row['id']} {row['fn']} {row['input']!r}\n  want {wanted}\n  got  {got}")
    conformance.report("oracle/strvals", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong, "\n".join(wrong)


def upstream_kind(table: dict[str, Any]) -> Kind | None:
    """Which flag a table of upstream's tests is about, None for the ones about other functions."""
    name = table["func"]
    if "Literal" in name:
        return "set-literal"
    if name == "TestParseJSON":
        return "set-json"
    if name in ("TestParseInto", "TestParseSetNestedLevels"):
        return "set"
    if name == "TestParseSet":
        # The short table before the long one is about --set-string.
        return "set-string" if table["n"] < 10 else "set"
    return None


def test_upstream_tables() -> None:
    passed = skipped = 0
    for table in conformance.data("helm/tables/strvals.json"):
        kind = upstream_kind(table)
        for row in table["rows"] if kind else ():
            first = row.get("str", row.get("input"))
            if kind is None or not isinstance(first, str) or "$expr" in json.dumps(row):
                skipped += 1
                continue
            into: dict[str, Any] = row.get("got") or {}
            try:
                for expression in (first, row.get("input2")):
                    if expression is not None:
                        into = parse(expression, kind=kind, into=into)
            except ConfigError:
                assert row["err"], row
            else:
                assert not row.get("err"), row
                assert into == row["expect"], row
            passed += 1
    conformance.report("tables/strvals", passed=passed, skipped=skipped)


def test_typing() -> None:
    values = parse("a=1,b=01,c=true,d=NULL,e=1.5,f={1,x},g=-7,h=9223372036854775808")
    assert values == {
        "a": 1, "b": "01", "c": True, "d": None, "e": "1.5", "f": [1, "x"], "g": -7, "h": "9223372036854775808",
    }  # fmt: skip
    assert type(values["a"]) is Int64


def test_into_leaves_its_argument_alone() -> None:
    given = {"a": {"b": ["x"]}, "c": 1.0}
    assert parse("a.b[1]=y", into=given) == {"a": {"b": ["x", "y"]}, "c": 1.0}
    assert given == {"a": {"b": ["x"]}, "c": 1.0}


def test_file_values_are_read() -> None:
    assert parse("a=one,b.c=two", kind="set-file", read_file=str.upper) == {"a": "ONE", "b": {"c": "TWO"}}


def test_index_is_bounded() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("a[99999999]=1")
    assert caught.value.error_id == "values.set-syntax"


_PIECES = (
    "a", "b", "=", ",", ".", "[", "0", "1", "]", "{", "}", "\\", '"', "x y", "true", "null", "-1", "01", " ", "é", "[0]",
    "a.b", "=1", "={a,b}", '"s"', '{"k":1}', "[1]", "65537", "'", "+5", "9223372036854775808",
)  # fmt: skip


def test_random_expressions_are_the_sdks() -> None:
    _same_as_sdk(random.Random(3), 1500)


@pytest.mark.nightly
def test_fresh_expressions_are_the_sdks() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    _same_as_sdk(random.Random(seed), 20_000)


def _same_as_sdk(rng: random.Random, count: int) -> None:
    helm = pytest.importorskip("helm_python")
    for _ in range(count):
        text = "".join(rng.choice(_PIECES) for _ in range(rng.randrange(1, 11)))
        name = rng.choice(
            ("parse_set_string", "parse_set_string_values", "parse_set_literal", "parse_set_json")
        )
        call: Callable[[str], Any] = getattr(helm, name)
        try:
            wanted = {"out": call(text)}
        except helm.HelmError as error:
            wanted = {"error": str(error)}
        assert _floats(outcome(text, KINDS[name])) == _floats(wanted), (name, text)


def _floats(value: Any) -> Any:
    """The value with float64 numbers: the SDK hands its own out as JSON, large ones without an exponent."""
    return json.loads(json.dumps(value), parse_int=float)


@pytest.mark.nightly
def test_survives_noise() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        text = "".join(rng.choice((*_PIECES, chr(rng.randrange(0x250)))) for _ in range(rng.randrange(1, 80)))
        for kind in KINDS.values():
            outcome(text, kind)


def test_numbers_may_have_any_length() -> None:
    long = "9" * 5000
    assert parse(f"a={long}") == {"a": long}
    with pytest.raises(ConfigError, match="out of range"):
        parse(f"a[{long}]=1")
