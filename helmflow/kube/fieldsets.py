"""Sets of fields as managedFields write them (FieldsV1): union, intersection, and the part that a manifest names; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

Fields = Mapping[str, Any]
"""A FieldsV1 tree: "f:name", 'k:{"name":"x"}' and "v:1" lead on; "." or nothing below means the field itself."""

SELF: Final = "."


def union(one: Fields, other: Fields) -> dict[str, Any]:
    """The fields of either."""
    merged: dict[str, Any] = {}
    for key in {**one, **other}:
        if key == SELF:
            merged[SELF] = {}
        elif key not in other:
            merged[key] = one[key]
        elif key not in one:
            merged[key] = other[key]
        else:
            merged[key] = _joined(one[key], other[key])
    return merged


def _joined(one: Fields, other: Fields) -> dict[str, Any]:
    below = union(one, other)
    itself = not one or not other or SELF in below
    return {SELF: {}, **below} if itself and below else below


def named_by(fields: Fields, config: Any) -> dict[str, Any]:
    """Those of `fields` that a manifest sets: what its author owns of what a client-side writer was given.

    The server gives a client-side writer its defaults too; a manifest does not name them.
    """
    if not isinstance(config, Mapping):
        return {}
    found: dict[str, Any] = {}
    for key, below in fields.items():
        if key.startswith("f:") and key[2:] in config:
            found[key] = _named_below(below, config[key[2:]])
    if SELF in fields:
        found[SELF] = {}
    return found


def _named_below(fields: Fields, config: Any) -> dict[str, Any]:
    children = [key for key in fields if key != SELF]
    if not children:
        return {}
    if isinstance(config, Mapping):
        return named_by(fields, config)
    found: dict[str, Any] = {SELF: {}} if SELF in fields else {}
    for key in children if isinstance(config, list) else ():
        item = item_of(config, key)
        if item is not None:
            found[key] = named_by(fields[key], item) if isinstance(item, Mapping) else {}
    return found


def item_of(items: list[Any], key: str) -> Any:
    """The item of a list that a "k:" or "v:" key means; None where there is none."""
    try:
        wanted = json.loads(key[2:])
    except ValueError:
        return None
    if key.startswith("v:"):
        return wanted if wanted in items else None
    if not isinstance(wanted, Mapping):
        return None
    for item in items:
        if isinstance(item, Mapping) and all(
            item.get(name, "TCP" if name == "protocol" else None) == value for name, value in wanted.items()
        ):
            return item
    return None


def paths(fields: Fields, prefix: str = "") -> Iterator[str]:
    """Every field of a set, as conflicts name it (.spec.replicas, .data.a)."""
    for key, below in fields.items():
        if key == SELF:
            if prefix:
                yield prefix
            continue
        kind, name = key[:2], key[2:]
        here = f"{prefix}.{name}" if kind == "f:" else f"{prefix}[{_shown(kind, name)}]"
        if below:
            yield from paths(below, here)
        else:
            yield here


def _shown(kind: str, name: str) -> str:
    try:
        parsed = json.loads(name)
    except ValueError:
        return name
    if kind == "k:" and isinstance(parsed, Mapping):
        return ",".join(f"{key}={json.dumps(value)}" for key, value in parsed.items())
    return f"={name}"
