"""Helmfile's three ways to merge: environment values, layers of state values, and blocks of the file itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from helmflow.state.schema import Block, ListOf, MapOf, OneOf, Type

Values = dict[str, Any]


class Lists(Enum):
    """What happens where both sides are lists."""

    SPARSE = "replace, unless the upper list has a null: then item by item"
    BY_INDEX = "item by item"
    REPLACE = "replace"


class Mode(Enum):
    """How blocks of the file merge. APPEND joins lists (bases, documents, inherit); REPLACE does not (parts)."""

    APPEND = "append"
    REPLACE = "replace"


def layered(lower: Mapping[str, Any], upper: Mapping[str, Any], lists: Lists = Lists.SPARSE) -> Values:
    """`upper` over `lower`, as Helmfile layers state values: a null never erases, it only adds a missing key.

    Source: Helmfile 1.7.4 pkg/maputil MergeMaps. Neither input changes; unmerged subtrees are shared.
    """
    out = dict(lower)
    for key, value in upper.items():
        if value is None:
            out.setdefault(key, None)
            continue
        below = out.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            out[key] = layered(below, value, lists)
        elif isinstance(value, list) and isinstance(below, list):
            out[key] = _layered_list(below, value, lists)
        else:
            out[key] = value
    return out


def _layered_list(lower: list[Any], upper: list[Any], lists: Lists) -> list[Any]:
    if lists is Lists.REPLACE or (lists is Lists.SPARSE and not any(item is None for item in upper)):
        return upper
    out = lower + [None] * (len(upper) - len(lower))
    for index, value in enumerate(upper):
        if value is None:
            continue
        below = lower[index] if index < len(lower) else None
        both = isinstance(value, dict) and isinstance(below, dict)
        out[index] = layered(below, value, lists) if both else value  # type: ignore[arg-type]
    return out


def overridden(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Values:
    """`upper` over `lower`, as files of one list merge: maps key by key, anything else replaces, null included.

    Source: mergo with override on maps. Neither input changes.
    """
    out = dict(lower)
    for key, value in upper.items():
        below = out.get(key)
        out[key] = overridden(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return out


def blocks(block: Block, lower: Mapping[str, Any], upper: Mapping[str, Any], mode: Mode) -> Values:
    """Two readings of one block. What is empty in `upper` (false, 0, "", []) never undoes what `lower` says.

    Source: mergo with override (and append) on Helmfile's structs.
    """
    out = dict(lower)
    for key, value in upper.items():
        if key not in out:
            out[key] = value
            continue
        described = block.keys.get(key)
        out[key] = _merged(described.type if described else None, out[key], value, mode)
    return out


def _merged(kind: Type | None, below: Any, value: Any, mode: Mode) -> Any:
    match kind:
        case Block() if isinstance(value, dict) and isinstance(below, dict):
            return blocks(kind, below, value, mode)
        case MapOf() if isinstance(value, dict) and isinstance(below, dict):
            return overridden(below, value) if kind.deep else {**below, **value}
        case ListOf() | OneOf() if (
            isinstance(value, list) and isinstance(below, list) and mode is Mode.APPEND
        ):
            return below + value
        case _:
            return value if not is_empty(value) or is_empty(below) else below


def is_empty(value: Any) -> bool:
    """Go's zero values and empty collections."""
    return value is None or value is False or value == 0 or value in ("", [], {})


def environments(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Values:
    """`environments` of a base below those of the file that names it: values and secrets join, the rest overrides."""
    out = dict(lower)
    for name, above in upper.items():
        below = out.get(name)
        if name not in out:
            out[name] = above
            continue
        out[name] = _joined_environment(below or {}, above or {})
    return out


def _joined_environment(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    joined: Values = {**below, **{key: value for key, value in above.items() if not is_empty(value)}}
    secrets = [*below.get("secrets", ()), *above.get("secrets", ())]
    order = (above, below) if joined.get("mergeStrategy") == "fallback" else (below, above)
    values = [entry for side in order for entry in side.get("values", ())]
    for key, entries in (("secrets", secrets), ("values", values)):
        if entries:
            joined[key] = entries
    return joined


def first_seen(items: Iterable[str]) -> list[str]:
    """Without repetitions, first ones kept."""
    return list(dict.fromkeys(items))
