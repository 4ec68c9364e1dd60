"""Recorded typed values as the Python values that stand for them."""

from __future__ import annotations

import base64
from typing import Any

from helmflow.gotemplate import gotypes

NAMED: dict[str, type] = {
    "int8": gotypes.Int8,
    "int16": gotypes.Int16,
    "int32": gotypes.Int32,
    "int64": gotypes.Int64,
    "uint": gotypes.Uint,
    "uint8": gotypes.Uint8,
    "uint16": gotypes.Uint16,
    "uint32": gotypes.Uint32,
    "uint64": gotypes.Uint64,
    "int": int,
}


class NoCounterpart(Exception):
    """A Go value that no Python value stands for."""


def value(cell: dict[str, Any]) -> Any:
    """The Python value of one typed cell. Raises NoCounterpart for nil slices and maps and Go-only types."""
    kind, content = cell["t"], cell.get("v")
    if kind == "nil":
        return None
    if kind == "string":
        return content if "v" in cell else base64.b64decode(cell["b64"]).decode("utf-8", "surrogateescape")
    if kind == "bool":
        return content
    if kind == "float64":
        return float(content)
    if kind in NAMED:
        return NAMED[kind](content)
    if content is None:
        raise NoCounterpart(kind)
    if kind == "[]uint8":
        return bytes(element["v"] for element in content)
    sequences = {"[]interface {}": list, "[]string": gotypes.StringSlice, "[]int": gotypes.IntSlice}
    if kind in sequences:
        return sequences[kind](value(element) for element in content)
    maps = {"map[string]interface {}": dict, "map[string]string": gotypes.StringMap}
    if kind in maps:
        return maps[kind]((value(key), value(item)) for key, item in content)
    raise NoCounterpart(kind)
