"""values.schema.json: values of a chart and its subcharts against their schemas, with Helm's error texts."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.errors import ChartError
from helmflow.core.go_json import JsonError
from helmflow.core.go_json_scan import scan
from helmflow.helm.values.schema_checks import Schema
from helmflow.helm.values.schema_compile import SchemaError, compile_schema
from helmflow.helm.values.schema_errors import Number, lines

if TYPE_CHECKING:
    from helmflow.helm.chart.model import Chart

_INTRODUCTION: Final = "values don't meet the specifications of the schema(s) in the following chart(s):\n"


def validate(chart: Chart, values: Mapping[str, Any]) -> None:
    """Check coalesced values against the chart's schema and each subchart's against its own.

    A schema cannot reach files or URLs. Raises ChartError `chart.values-schema` with Helm's text.
    """
    told = _chart(chart, values)
    if told:
        hint = "correct the values, or skip the check with --skip-schema-validation"
        if "failing loading" in told:
            hint = "schemas outside the chart are neither read nor fetched: put them into values.schema.json"
        raise ChartError(_INTRODUCTION + told, error_id="chart.values-schema", hint=hint)


def _chart(chart: Chart, values: Mapping[str, Any]) -> str:
    """What is wrong in a chart and the charts in it, "" when nothing is."""
    told = ""
    if chart.schema is not None:
        wrong = check(chart.schema, values)
        if wrong:
            told = f"{chart.name}:\n{wrong}"
    for sub in chart.dependencies:
        inner = values.get(sub.name)
        if inner is None:
            continue
        if isinstance(inner, Mapping):
            told += _chart(sub, inner)
        else:
            told += f"{sub.name}:\ninvalid type for values: expected object (map), got {_go_type(inner)}\n"
    return told


def check(schema: bytes, values: Mapping[str, Any]) -> str:
    """What is wrong with values by one schema, "" when nothing is."""
    try:
        problem = compiled(schema).check(values, None, None)
    except SchemaError as error:
        return str(error)
    except RecursionError:
        return "the schema or the values nest too deeply, or a $ref leads back to itself"
    return "" if problem is None else lines(problem) + "\n"


@functools.lru_cache(maxsize=256)
def compiled(schema: bytes) -> Schema:
    """The compiled form of a schema's text, kept by content. Raises SchemaError."""
    return compile_schema(_read(schema.decode("utf-8", "surrogateescape")))


def _read(text: str) -> Any:
    """The schema as data; its numbers remember how they were written."""
    try:
        return json.loads(text, parse_float=Number, parse_int=Number)
    except (ValueError, RecursionError):
        pass
    try:
        return scan(text)
    except JsonError as error:
        told = str(error)
        if told == "unexpected end of JSON input":
            told = "unexpected EOF" if text.strip() else "EOF"
        elif told.endswith("after top-level value"):
            told = "invalid character after top-level value"
        raise SchemaError(told) from None


def _go_type(value: Any) -> str:
    """Go's %T of a value where a table was expected."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "[]interface {}"
    return str(getattr(value, "go_type", "float64"))
