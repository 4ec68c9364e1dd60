"""Objects as trees of paths: lists of named items are addressed by their keys, so that inserting one moves no other; pure.

A path's steps are mapping keys, positions in plain lists, and `[name=main]` for an item of a keyed list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

Json = Any
Path = tuple[str | int, ...]

# What identifies the items of the API's map lists, by the list's name; the first that every item has, distinctly.
_KEYS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "ports": (("containerPort", "protocol"), ("containerPort",), ("port", "protocol"), ("port",), ("name",)),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "hostAliases": (("ip",),),
    "conditions": (("type",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "ownerReferences": (("uid",),),
    "tolerations": (),  # a list as a whole, although its items may look named
}
_ORDER_MATTERS: Final = frozenset({"template", "jobTemplate", "containers", "initContainers"})
_BY_NAME: Final = (("name",),)


class Keyed(dict[str, Any]):
    """A list of items with keys, as a mapping from `[name=main]` to the item, in the list's order."""


def keyed(value: Json, name: str = "") -> Json:
    """A copy in which every list whose items have keys is a Keyed."""
    if isinstance(value, Mapping):
        return {key: keyed(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        keys = keys_of(value, name)
        if keys is None:
            return [keyed(item) for item in value]
        return Keyed((step(item, keys), keyed(item)) for item in value)
    return value


def plain(value: Json) -> Json:
    """What `keyed` was made from."""
    if isinstance(value, Keyed):
        return [plain(item) for item in value.values()]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def keys_of(items: Sequence[Json], name: str) -> tuple[str, ...] | None:
    """The keys that tell the items apart, None where the list is a plain one."""
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    for keys in _KEYS.get(name, _BY_NAME):
        if all(keys[0] in item for item in items):
            steps = [step(item, keys) for item in items]
            if len(set(steps)) == len(steps):
                return keys
    return None


def step(item: Mapping[str, Json], keys: Sequence[str]) -> str:
    """The step of a path that leads to an item of a keyed list."""
    return f"[{','.join(f'{key}={item[key]}' for key in keys if key in item)}]"


def leaves(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every value of a keyed tree that holds no others, with its path; empty maps and lists are values."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value and any(isinstance(item, Mapping | list) for item in value):
        for position, item in enumerate(value):
            yield from leaves(item, (*path, position))
    else:
        yield path, value


def tree(paths: Iterable[Path]) -> dict[str, Json]:
    """A shape that speaks about these paths and nothing else; for `restricted`."""
    root: dict[str, Json] = {}
    for path in paths:
        node = root
        for one in path:
            if isinstance(one, int):
                break  # a plain list is shown as a whole
            node = node.setdefault(one, {})
    return root


def moved(before: Json, after: Json, path: Path = ()) -> Iterator[tuple[Path, list[str], list[str]]]:
    """The keyed lists (of keyed trees) that have the same items in another order: path, order before, order after."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        if isinstance(before, Keyed) and isinstance(after, Keyed):
            was = [key for key in before if key in after]
            now = [key for key in after if key in before]
            if was != now:
                yield path, was, now
        for key in before:
            if key in after:
                yield from moved(before[key], after[key], (*path, key))
    elif isinstance(before, list) and isinstance(after, list):
        for position, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from moved(one, other, (*path, position))


def restricted(value: Json, *shapes: Json) -> Json:
    """The part of `value` that any of `shapes` speaks about; all are keyed trees."""
    if isinstance(value, Mapping):
        maps = [shape for shape in shapes if isinstance(shape, Mapping)]
        if not maps:
            return value
        kept = {
            key: restricted(item, *(shape[key] for shape in maps if key in shape))
            for key, item in value.items()
            # Items of a keyed list that nobody named are shown: they may be somebody's addition.
            if isinstance(value, Keyed) or any(key in shape for shape in maps)
        }
        return Keyed(kept) if isinstance(value, Keyed) else kept
    if isinstance(value, list):
        lists = [shape for shape in shapes if isinstance(shape, list) and len(shape) == len(value)]
        if lists:
            return [
                restricted(item, *(shape[position] for shape in lists)) for position, item in enumerate(value)
            ]
    return value


def ordered_like(value: Json, other: Json) -> Json:
    """`value` with the items of its keyed lists in `other`'s order, outside of pod templates: there a new order is a
    new template, and pods are replaced for it."""
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        found = {
            key: item if key in _ORDER_MATTERS else ordered_like(item, other.get(key))
            for key, item in value.items()
        }
        if not isinstance(value, Keyed):
            return found
        known = [key for key in other if key in found]
        return Keyed((key, found[key]) for key in (*known, *(key for key in found if key not in other)))
    if isinstance(value, list) and isinstance(other, list):
        return [
            ordered_like(item, other[position]) if position < len(other) else item
            for position, item in enumerate(value)
        ]
    return value


def without(value: Json, path: Path) -> Json:
    """A copy of a keyed tree without what is at `path`."""
    if not path or not isinstance(value, Mapping | list):
        return value
    first, *rest = path
    if isinstance(value, list):
        if not isinstance(first, int) or first >= len(value):
            return value
        if not rest:
            return [item for position, item in enumerate(value) if position != first]
        return [
            without(item, tuple(rest)) if position == first else item for position, item in enumerate(value)
        ]
    if first not in value:
        return value
    kept = {
        key: without(item, tuple(rest)) if key == first else item
        for key, item in value.items()
        if rest or key != first
    }
    return Keyed(kept) if isinstance(value, Keyed) else kept


def pointer(path: Sequence[str | int]) -> str:
    """A path as people write it: spec.containers[name=main].args[0], metadata.labels["a.b/c"]."""
    words = ""
    for one in path:
        if isinstance(one, int):
            words += f"[{one}]"
        elif one.startswith("[") and one.endswith("]"):
            words += one
        elif one.replace("_", "a").replace("-", "a").isalnum():
            words += f".{one}" if words else one
        else:
            words += f"[{json.dumps(one, ensure_ascii=False)}]"
    return words
