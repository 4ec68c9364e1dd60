"""Why fields change: the chart and values want it, somebody changed it in the cluster, or both; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from helmflow.kube.ownership import MANAGER
from helmflow.plan import shapes
from helmflow.plan.model import Cause
from helmflow.plan.proof import same_value
from helmflow.plan.shapes import Path

Json = Any
_MISSING: Final = object()


def of_update(
    before: Json, after: Json, *, last: Json, wanted: Json, live: Mapping[str, Json]
) -> tuple[Cause, ...]:
    """One Cause per field that differs between `before` and `after`.

    `before` is the shown part of what is live, `after` of what the server would store, `last` what was applied
    before (None where nothing was), `wanted` what is applied now: all keyed trees. `live` is the whole object.
    """
    old, new = dict(shapes.leaves(before)), dict(shapes.leaves(after))
    stored, asked = dict(shapes.leaves(last)) if last is not None else {}, dict(shapes.leaves(wanted))
    paths = [
        path
        for path in (*old, *(p for p in new if p not in old))
        if old.get(path, _MISSING) != new.get(path, _MISSING)
    ]
    paths += [path for path, _, _ in shapes.moved(before, after)]
    return tuple(_cause(path, old.get(path, _MISSING), stored, asked, last, live) for path in paths)


def writer(live: Mapping[str, Json], path: Path) -> tuple[str, str]:
    """Who else owns the field (the latest of them) and since when; for one that is gone nobody can say."""
    found = ("", "")
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply":
            continue
        since = str(entry.get("time") or "")
        if _owns(entry.get("fieldsV1") or {}, path) and since >= found[1]:
            scale = "/scale" if entry.get("subresource") == "scale" else ""
            found = (f"{entry.get('manager')}{scale}", since)
    return found


def ours(live: Mapping[str, Json], path: Path) -> bool:
    """Whether the field is ours by an earlier apply, so that leaving it out removes it."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    return any(
        entry.get("manager") == MANAGER
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
        and _owns(entry.get("fieldsV1") or {}, path)
        for entry in entries
    )


def _cause(
    path: Path,
    now: Json,
    stored: Mapping[Path, Json],
    asked: Mapping[Path, Json],
    last: Json,
    live: Mapping[str, Json],
) -> Cause:
    was, wants = stored.get(path, _MISSING), asked.get(path, _MISSING)
    planned = last is None or not _same(was, wants, path)
    drift = last is not None and not _same(was, now, path)
    if not planned and not drift:
        drift = True  # what was applied and what is applied agree, and still something changes
    manager, since = writer(live, path) if drift else ("", "")
    if planned and drift and not manager:
        # Nobody else wrote it: the server keeps it in another form than the chart (defaults, quantities).
        drift = False
    return Cause(path=path, planned=planned, drift=drift, manager=manager, since=since)


def _same(one: Json, other: Json, path: Path) -> bool:
    if one is _MISSING or other is _MISSING:
        return one is other
    return one == other or same_value(one, other, tuple(str(step) for step in path))


def _owns(fields: Json, path: Sequence[str | int]) -> bool:
    for step in path:
        if not isinstance(fields, Mapping):
            return False
        children = {key: value for key, value in fields.items() if key != "."}
        if not children:
            return True  # owned as a whole
        inner = children.get(f"f:{step}") if isinstance(step, str) else None
        if inner is None and isinstance(step, str) and step.startswith("["):
            inner = next((value for key, value in children.items() if _is_item(key, step)), None)
        if inner is None:
            return False
        fields = inner
    return True


def _is_item(key: str, step: str) -> bool:
    """Whether `k:{"name":"main"}` is the item that `[name=main]` names."""
    if not key.startswith("k:"):
        return False
    try:
        named = json.loads(key[2:])
    except ValueError:
        return False
    pairs = dict(part.partition("=")[::2] for part in step[1:-1].split(","))
    return all(str(named.get(name)) == value for name, value in pairs.items() if name in named) and any(
        name in named for name in pairs
    )
