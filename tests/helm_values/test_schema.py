"""values.schema.json: recorded rows, verdicts of the jsonschema package, wording of the SDK, hostile schemas."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from typing import Any

import pytest

from helmflow.core.errors import ChartError
from helmflow.helm.chart.model import Chart, Metadata
from helmflow.helm.values import schema
from tests import conformance
from tests.core import sdk

INTRODUCTION = "values don't meet the specifications of the schema(s) in the following chart(s):\n"


def floats(value: Any) -> Any:
    """The value as values files give it: every number a float."""
    if isinstance(value, dict):
        return {key: floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def chart(name: str, document: Any = None, *subcharts: Chart) -> Chart:
    """A chart with a schema."""
    text = None if document is None else json.dumps(document).encode()
    return Chart(metadata=Metadata(name=name, version="0.1.0"), schema=text, dependencies=subcharts)


def problem(document: Any, values: Any) -> str:
    """What is said of values by a schema."""
    text = document if isinstance(document, str) else json.dumps(document)
    return schema.check(text.encode(), floats(values))


def test_recorded_rows() -> None:
    rows = conformance.data("helm/oracle/schema.json")
    wrong = []
    for row in rows:
        values = floats(row["values"])
        if row["subchart"]:
            parent = chart("c", None, chart("k", row["schema"]))
            values["k"].setdefault("global", {})
        else:
            parent = chart("c", row["schema"])
        try:
            schema.validate(parent, values)
            told = None
        except ChartError as error:
            told = error.message
        if told != row.get("error"):
            wrong.append(f"{row['id']}\n  want {row.get('error')!r}\n  got  {told!r}")
    conformance.report("oracle/schema", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong, "\n".join(wrong)


def test_subcharts_are_checked_each_against_its_own() -> None:
    parent = chart("p", {"required": ["a"]}, chart("s", {"required": ["b"]}), chart("t", {"required": ["c"]}))
    with pytest.raises(ChartError) as caught:
        schema.validate(parent, {"s": {}, "t": "text"})
    assert caught.value.error_id == "chart.values-schema"
    assert caught.value.message == (
        f"{INTRODUCTION}p:\n- at '': missing property 'a'\ns:\n- at '': missing property 'b'\n"
        "t:\ninvalid type for values: expected object (map), got string\n"
    )
    schema.validate(replace(parent, schema=None), {"s": {"b": 1.0}})


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("file:///etc/passwd", 'failing loading "file:///etc/passwd": open /etc/passwd: no such file or directory'),
        ("other.json", 'failing loading "file:///other.json": open /other.json: no such file or directory'),
        ("http://example.com/s.json", 'failing loading "http://example.com/s.json": schemas outside the chart are not fetched'),
        ("#/nope", 'json-pointer in "file:///values.schema.json#/nope" not found'),
    ],
)  # fmt: skip
def test_nothing_outside_the_chart_is_read(reference: str, message: str) -> None:
    assert problem({"$ref": reference}, {}) == message


@pytest.mark.parametrize(
    "document", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, "[" * 5000, '{"not":' * 3000]
)
def test_endless_schemas_end(document: Any) -> None:
    started = time.monotonic()
    assert problem(document, {})
    assert time.monotonic() - started < 5


WORDED: list[tuple[Any, Any]] = [
    ({"properties": {"a": {"minLength": 2, "pattern": "^y"}}}, {"a": "x"}),
    ({"properties": {"b": {"type": "null"}}}, {"b": 1}),
    ({"$defs": {"m": {"minLength": 2, "pattern": "^y"}}, "properties": {"a": {"$ref": "#/$defs/m"}}}, {"a": "x"}),
    ({"properties": {"a": {"anyOf": [{"type": "string"}, {"required": ["q", "r"]}]}}}, {"a": {}}),
    ({"properties": {"a": {"minimum": 1234567, "multipleOf": 0.1}}}, {"a": 1000.05}),
    ({"properties": {"a": {"enum": [1.50, None, "it's"]}, "b": {"const": {"x": 1}}}}, {"a": 2}),
    ({"properties": {"a": {"type": "strin"}}}, {"a": "x"}),
    ({"properties": {"a": {"pattern": "("}}}, {"a": "x"}),
    ({"unevaluatedProperties": False, "anyOf": [{"properties": {"b": {}}}, {"properties": {"c": {"type": "null"}}}]}, {"b": 1, "c": 1}),
    ({"$dynamicAnchor": "n", "properties": {"a": {"$dynamicRef": "#n"}, "b": {"type": "string"}}}, {"a": {"b": 1}}),
    ({"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"format": "date-time"}}}, {"a": "2020-13-01T00:00:00Z"}),
    ({"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"format": "ipv6"}}}, {"a": "1::2::3"}),
    ({"$schema": "http://json-schema.org/draft-04/schema#", "properties": {"a": {"maximum": 3, "exclusiveMaximum": True}}}, {"a": 3}),
    ({"properties": {"a": {"contains": {"type": "string"}, "minContains": 2}}}, {"a": ["x", 1]}),
    ({"properties": {"a": {"propertyNames": {"maxLength": 1}}}}, {"a": {"xx": 1}}),
    ('{"type":', {}),
]  # fmt: skip


@pytest.mark.parametrize(("document", "values"), WORDED)
def test_wording_is_the_sdks(document: Any, values: Any) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    assert problem(document, values) == sdk.schema_problem(text, values)


def test_random_schemas_have_the_verdict_of_jsonschema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    rng = random.Random(11)
    for _ in range(1500):
        document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema(rng, 0)}
        values = _object(rng, 0)
        wanted = jsonschema.Draft202012Validator(document).is_valid(values)
        assert (problem(document, values) == "") == wanted, (document, values)


@pytest.mark.nightly
def test_fresh_schemas_are_worded_as_the_sdk_does() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(5000):
        document, values = _schema(rng, 0), _object(rng, 0)
        ours, theirs = problem(document, values), sdk.schema_problem(json.dumps(document), values)
        assert sorted(ours.split()) == sorted(theirs.split()), (document, values)


def _object(rng: random.Random, depth: int) -> dict[str, Any]:
    return {rng.choice("abc"): _value(rng, depth + 1) for _ in range(rng.randrange(4))}


def _value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(3))]
    if kind == 6:
        return _object(rng, depth)
    return (rng.choice(("x", "yy", "")), rng.randrange(4), 1.5, rng.choice((True, False)), None)[kind]


def _schema(rng: random.Random, depth: int) -> dict[str, Any]:
    def inner() -> dict[str, Any]:
        return _schema(rng, depth + 1)

    simple: list[dict[str, Any]] = [
        {"type": rng.choice(("string", "integer", "number", "object", "array", "null", "boolean"))},
        {"type": ["string", "object"]}, {"enum": ["x", 1, None]}, {"const": 1}, {"minimum": 1}, {"exclusiveMaximum": 2},
        {"multipleOf": 2}, {"minLength": 1}, {"pattern": "^x"}, {"required": [rng.choice("abc")]}, {"maxProperties": 2},
        {"minItems": 1}, {"uniqueItems": True}, {"dependentRequired": {"a": ["b"]}},
    ]  # fmt: skip
    if depth >= 3 or rng.random() < 0.35:
        return rng.choice(simple)
    nested: list[dict[str, Any]] = [
        {"properties": {name: inner() for name in "abc"[: rng.randrange(1, 4)]}}, {"items": inner()}, {"not": inner()},
        {"allOf": [inner(), inner()]}, {"anyOf": [inner(), inner()]}, {"oneOf": [inner(), inner()]}, {"contains": inner()},
        {"if": inner(), "then": inner(), "else": inner()}, {"patternProperties": {"^[ab]": inner()}, "additionalProperties": inner()},
        {"prefixItems": [inner()], "items": inner()}, {"propertyNames": {"pattern": "[ab]"}}, {"dependentSchemas": {"a": inner()}},
        {"properties": {"a": inner()}, "anyOf": [{"properties": {"b": inner()}}, inner()], "unevaluatedProperties": False},
        {"prefixItems": [inner()], "contains": inner(), "unevaluatedItems": False},
    ]  # fmt: skip
    made = rng.choice(nested)
    return {**rng.choice(simple), **made} if rng.random() < 0.3 else made
