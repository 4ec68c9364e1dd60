"""Custom resources: pruning by a CRD's structural schema."""

from __future__ import annotations

from typing import Any

from helmflow.embedded.schema import Schema

Json = dict[str, Any]


def prune(value: Json, schema: Schema) -> list[str]:
    """Drop undeclared fields, in place; returns their paths in reading order."""
    unknown: list[str] = []
    _prune_map(value, schema, "", unknown)
    return unknown


def _prune_map(value: Json, schema: Schema, path: str, unknown: list[str]) -> None:
    for key in list(value):
        inside = f"{path}.{key}" if path else key
        child = schema.child(key)
        if child is None:
            del value[key]
            unknown.append(inside)
        elif child.kind != "x" or child.raw:
            _prune(value[key], child, inside, unknown)


def _prune(value: Any, schema: Schema, path: str, unknown: list[str]) -> None:
    if isinstance(value, dict):
        if schema.is_map and not (path == "metadata" and schema.name):
            _prune_map(value, schema, path, unknown)
    elif isinstance(value, list) and schema.item is not None:
        for index, item in enumerate(value):
            _prune(item, schema.item, f"{path}[{index}]", unknown)
