"""Sets of fields in the JSON form of managedFields (fieldsV1), and their algebra.

A set is a tree of dicts: a key is a path element ("f:name", 'k:{"name":"a"}', 'v:"x"', "i:0"); {} is a member without
children; "." beside children says that the element itself is a member too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

FieldSet = dict[str, Any]


def is_member(node: FieldSet) -> bool:
    """Whether the element of this node is itself in the set."""
    return not node or "." in node


def node(children: FieldSet, *, member: bool) -> FieldSet | None:
    """A node with these children; None for an empty set."""
    if not children:
        return {} if member else None
    if member:
        children["."] = {}
    return children


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    """What is in either."""
    out = dict(a)
    for key, theirs in b.items():
        if key == ".":
            continue
        mine = a.get(key)
        if mine is None:
            out[key] = theirs
        elif mine is not theirs:
            member = is_member(mine) or is_member(theirs)
            merged = union(_kids(mine), _kids(theirs))
            out[key] = node(merged, member=member) or {}
    return out


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """What is in `a` but not in `b`, element by element."""
    out: FieldSet = {}
    for key, mine in a.items():
        if key == ".":
            continue
        theirs = b.get(key)
        if theirs is None:
            out[key] = mine
            continue
        rest = node(difference(_kids(mine), _kids(theirs)), member=is_member(mine) and not is_member(theirs))
        if rest is not None:
            out[key] = rest
    return out


def recursive_difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """`a` without the elements of `b` and everything below them."""
    out: FieldSet = {}
    for key, mine in a.items():
        if key == ".":
            continue
        theirs = b.get(key)
        if theirs is None:
            out[key] = mine
        elif not is_member(theirs):
            rest = node(recursive_difference(_kids(mine), _kids(theirs)), member=is_member(mine))
            if rest is not None:
                out[key] = rest
    return out


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    """What is in both."""
    out: FieldSet = {}
    for key, mine in a.items():
        theirs = b.get(key)
        if key == "." or theirs is None:
            continue
        common = node(intersection(_kids(mine), _kids(theirs)), member=is_member(mine) and is_member(theirs))
        if common is not None:
            out[key] = common
    return out


def paths(fields: FieldSet, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every member, each level's own members before those below it, in order."""
    keys = sorted(k for k in fields if k != ".")
    for key in keys:
        if is_member(fields[key]):
            yield (*prefix, key)
    for key in keys:
        if fields[key]:
            yield from paths(_kids(fields[key]), (*prefix, key))


def has(fields: FieldSet, path: tuple[str, ...]) -> bool:
    """Whether the element at `path` is a member."""
    here: FieldSet | None = fields
    for key in path:
        here = here.get(key) if here is not None else None
        if here is None:
            return False
    return here is not None and is_member(here)


def path_text(path: tuple[str, ...]) -> str:
    """A path as conflicts print it: .spec.containers[name="a"].image."""
    return "".join(element_text(key) for key in path)


def element_text(key: str) -> str:
    """One path element as errors print it."""
    kind, rest = key[:2], key[2:]
    if kind == "f:":
        return "." + rest
    if kind == "k:":
        return (
            "["
            + ",".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in json.loads(rest).items())
            + "]"
        )
    if kind == "v:":
        return f"[={rest}]"
    return f"[{rest}]"


def valid(fields: Any) -> bool:
    """Whether a client's fieldsV1 can be read."""
    if not isinstance(fields, dict):
        return False
    return all(
        isinstance(k, str) and (k == "." or (len(k) > 1 and k[:2] in ("f:", "k:", "v:", "i:"))) and valid(v)
        for k, v in fields.items()
    )


def _kids(fields: FieldSet) -> FieldSet:
    if "." in fields:
        return {k: v for k, v in fields.items() if k != "."}
    return fields
