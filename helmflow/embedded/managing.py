"""metadata.managedFields: who owns which field after an update or a server-side apply."""

from __future__ import annotations

import json
from typing import Any, Final

from helmflow.core.records import dataclass, replace
from helmflow.embedded import fieldsets, merging
from helmflow.embedded.fieldsets import FieldSet
from helmflow.embedded.schema import Schema
from helmflow.embedded.status import ApiError

Json = dict[str, Any]

MAX_UPDATE_MANAGERS: Final = 10
MAX_MANAGER_LENGTH: Final = 128
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_STRIPPED: Final[FieldSet] = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        **{
            f"f:{name}": {}
            for name in ("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
                         "managedFields", "resourceVersion")
        },
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manager:
    """An identity that owns fields. `version` is empty for appliers, whose identity has none."""

    name: str
    operation: str
    version: str
    subresource: str

    def text(self) -> str:
        """As conflicts name it."""
        shown = json.dumps(self.name)
        if self.subresource:
            shown += f" with subresource {json.dumps(self.subresource)}"
        return f"{shown} using {self.version}" if self.operation == "Update" else shown


@dataclass(frozen=True, slots=True)
class Owned:
    """What one manager owns, in which version's terms, since when."""

    fields: FieldSet
    version: str
    time: str


Managers = dict[Manager, Owned]


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: field manager, API version, subresource, the time, and the fields this endpoint ignores."""

    manager: str
    version: str
    subresource: str
    now: str
    ignored: FieldSet

    def updater(self) -> Manager:
        """The writer's identity in an update."""
        return Manager(self.manager, "Update", self.version, self.subresource)

    def applier(self) -> Manager:
        """The writer's identity in an apply."""
        return Manager(self.manager, "Apply", "", self.subresource)


def track_update(live: Json, new: Json, schema: Schema, writer: Writer) -> None:
    """Set `new`'s managedFields after a write other than an apply. `live` is the empty object on create."""
    managers = _sent_or_live(live, new, writer)
    new["metadata"].pop("managedFields", None)
    old = _without_managed(live)
    if not managers and old["metadata"].get("uid"):
        return
    try:
        comparison = merging.compare(old, new, schema).without(writer.ignored)
    except merging.TypedError:
        return  # an object that breaks its own list keys is written untracked
    changed = fieldsets.union(comparison.modified, comparison.added)
    for manager, owned in list(managers.items()):
        left = fieldsets.difference(fieldsets.difference(owned.fields, changed), comparison.removed)
        if left:
            managers[manager] = replace(owned, fields=left) if left != owned.fields else owned
        else:
            del managers[manager]
    taken = fieldsets.difference(changed, _STRIPPED)
    if taken:
        before = managers.get(writer.updater())
        fields = fieldsets.union(taken, before.fields) if before else taken
        managers[writer.updater()] = Owned(fields, writer.version, writer.now)
    _encode(new, _capped(managers))


def apply(live: Json, config: Json, schema: Schema, writer: Writer, *, force: bool, exists: bool) -> Json:
    """Server-side apply: the merged object with its managedFields. Raises ApiError on conflicts and mistyped values."""
    if config.get("metadata", {}).get("managedFields"):
        raise ApiError(400, "metadata.managedFields must be nil")
    named = _name_of(config)
    try:
        merging.validate(config, schema)
    except merging.TypedError as error:
        raise ApiError(500, f"failed to create typed patch object ({named}): {error}", reason="") from None
    managers = _decode(live.get("metadata", {}).get("managedFields")) or {}
    old = _without_managed(live)
    try:
        merged, managers = _apply_allowing(old, config, schema, managers, writer, force=force, exists=exists)
    except merging.TypedError:
        raise _mistyped_live(old, schema, tracked=bool(managers)) from None
    if merged != old or not exists:
        me = managers.get(writer.applier())
        if me is not None:
            managers[writer.applier()] = replace(me, time=writer.now)
    if writer.manager == "kubectl" and _LAST_APPLIED in (merged.get("metadata", {}).get("annotations") or {}):
        shown = json.loads(json.dumps(config))
        shown.get("metadata", {}).get("annotations", {}).pop(_LAST_APPLIED, None)
        merged["metadata"]["annotations"][_LAST_APPLIED] = (
            json.dumps(shown, separators=(",", ":"), sort_keys=True) + "\n"
        )
    merged = {**merged, "metadata": dict(merged.get("metadata") or {})}
    _encode(merged, managers)
    return merged


def _apply_allowing(
    old: Json, config: Json, schema: Schema, managers: Managers, writer: Writer, *, force: bool, exists: bool
) -> tuple[Json, Managers]:
    """Apply, where kubectl may overwrite what its client-side apply set. Raises ApiError on conflicts."""
    if exists and not managers:
        managers = _before_first_apply(old, schema, writer)
    try:
        return _applied(old, config, schema, managers, writer, force=force)
    except _Conflicts as error:
        allowed = _allowed_by_last_applied(old, schema, writer) if writer.manager == "kubectl" else {}
        left = [(m, p) for m, p in error.conflicts if not fieldsets.has(allowed, p)]
        if left:
            raise _conflict_error(left) from None
        return _applied(old, config, schema, managers, writer, force=True)


def _mistyped_live(old: Json, schema: Schema, *, tracked: bool) -> ApiError:
    """The stored object itself breaks its schema's list keys."""
    try:
        merging.validate(old, schema, duplicates=True)
    except merging.TypedError as error:
        if tracked:
            return ApiError(500, f"failed to create typed live object ({_name_of(old)}): {error}", reason="")
        what = "failed to create manager for existing fields: failed to convert new object"
        return ApiError(500, f"{what} ({_name_of(old)}) to smd typed: {error}", reason="")
    return ApiError(500, f"failed to create typed live object ({_name_of(old)})", reason="")


def same_but_times(old: Json, new: Json) -> bool:
    """Whether two objects differ at most in the times of their managedFields."""
    mine, theirs = old.get("metadata", {}), new.get("metadata", {})
    if {k: v for k, v in old.items() if k != "metadata"} != {k: v for k, v in new.items() if k != "metadata"}:
        return False
    return _timeless(mine) == _timeless(theirs)


def _timeless(metadata: Json) -> Json:
    entries = [{k: v for k, v in e.items() if k != "time"} for e in metadata.get("managedFields", ())]
    return {**metadata, "managedFields": entries}


class _Conflicts(Exception):
    def __init__(self, conflicts: list[tuple[Manager, tuple[str, ...]]]) -> None:
        super().__init__("conflicts")
        self.conflicts = conflicts


def _applied(
    old: Json, config: Json, schema: Schema, managers: Managers, writer: Writer, *, force: bool
) -> tuple[Json, Managers]:
    merged = merging.merge(old, config, schema)
    me = writer.applier()
    last = managers.get(me)
    fields = merging.field_set(config, schema)
    if writer.ignored:
        fields = fieldsets.recursive_difference(fields, writer.ignored)
    managers = {**managers, me: Owned(fields, writer.version, last.time if last else "")}
    if last is not None and fieldsets.difference(last.fields, fields):
        merged = _pruned(merged, managers, last.fields, schema)
    managers = _taken_over(old, merged, schema, managers, writer, force=force)
    mine = managers.get(me)
    if mine is not None:
        stripped = fieldsets.difference(mine.fields, _STRIPPED)
        if stripped:
            managers[me] = replace(mine, fields=stripped)
        else:
            del managers[me]
    return merged, managers


def _pruned(merged: Json, managers: Managers, last: FieldSet, schema: Schema) -> Json:
    """Without the fields the applier gave up and nobody else owns."""

    def named(fields: FieldSet) -> FieldSet:
        return merging.with_named_members(fields, schema)

    pruned = merging.remove(merged, named(last), schema) or {}
    managed: FieldSet = {}
    for owned in managers.values():
        managed = fieldsets.union(managed, owned.fields)
    everything = named(merging.field_set(merged, schema))
    kept = fieldsets.union(named(merging.field_set(pruned, schema)), named(managed))
    pruned = merging.remove(merged, fieldsets.difference(everything, kept), schema) or {}
    gone = fieldsets.difference(everything, named(merging.field_set(pruned, schema)))
    result: Json = merging.remove(merged, fieldsets.intersection(gone, named(last)), schema) or {}
    return result


def _taken_over(
    old: Json, merged: Json, schema: Schema, managers: Managers, writer: Writer, *, force: bool
) -> Managers:
    comparison = merging.compare(old, merged, schema).without(writer.ignored)
    changed = fieldsets.union(comparison.modified, comparison.added)
    out: Managers = {}
    conflicts: list[tuple[Manager, tuple[str, ...]]] = []
    for manager, owned in managers.items():
        if manager == writer.applier():
            out[manager] = owned
            continue
        clash = fieldsets.intersection(owned.fields, changed)
        if clash and not force:
            conflicts += [(manager, path) for path in fieldsets.paths(clash)]
        left = fieldsets.difference(fieldsets.difference(owned.fields, clash), comparison.removed)
        if left:
            out[manager] = replace(owned, fields=left)
    if conflicts:
        raise _Conflicts(sorted(conflicts, key=lambda c: (c[0].name, c[0].operation)))
    return out


def _before_first_apply(old: Json, schema: Schema, writer: Writer) -> Managers:
    """Everything of an object that nobody tracked belongs to `before-first-apply`."""
    comparison = merging.compare({}, old, schema).without(writer.ignored)
    fields = fieldsets.difference(comparison.added, _STRIPPED)
    if not fields:
        return {}
    manager = Manager("before-first-apply", "Update", writer.version, writer.subresource)
    return {manager: Owned(fields, writer.version, writer.now)}


def _allowed_by_last_applied(old: Json, schema: Schema, writer: Writer) -> FieldSet:
    """kubectl may overwrite what kubectl's client-side apply set."""
    annotation = (old.get("metadata", {}).get("annotations") or {}).get(_LAST_APPLIED)
    try:
        last = json.loads(annotation or "null")
    except ValueError:
        return {}
    if not isinstance(last, dict) or last.get("apiVersion") != writer.version:
        return {}
    comparison = merging.compare(last, old, schema)
    fields = merging.field_set(last, schema)
    for part in (comparison.modified, comparison.added, comparison.removed):
        fields = fieldsets.difference(fields, part)
    return fields


def _conflict_error(conflicts: list[tuple[Manager, tuple[str, ...]]]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {m.text()}",
            "field": fieldsets.path_text(p),
        }
        for m, p in conflicts
    ]
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        message = f"Apply failed with 1 conflict: conflict with {manager.text()}: {fieldsets.path_text(path)}"
    else:
        grouped: dict[str, list[str]] = {}
        for manager, path in conflicts:
            grouped.setdefault(manager.text(), []).append(fieldsets.path_text(path))
        lines = [
            line
            for who, found in sorted(grouped.items())
            for line in (f"conflicts with {who}:", *(f"- {p}" for p in found))
        ]
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return ApiError(409, message, details={"causes": causes})


def _sent_or_live(live: Json, new: Json, writer: Writer) -> Managers:
    stored = live.get("metadata", {}).get("managedFields")
    if writer.subresource:
        return _decode(stored) or {}
    sent = new.get("metadata", {}).get("managedFields")
    if sent in ([{}], [{"fieldsV1": None}]):
        return {}
    return _decode(sent) or _decode(stored) or {}


def _decode(entries: Any) -> Managers | None:
    """Managers by identity; None where a client sent something unreadable."""
    found: Managers = {}
    for entry in entries or ():
        fields = entry.get("fieldsV1")
        if entry.get("operation") not in ("Apply", "Update") or not entry.get("apiVersion"):
            return None
        if entry.get("fieldsType") != "FieldsV1" or not fieldsets.valid(fields or {}):
            return None
        applied = entry["operation"] == "Apply"
        version = entry["apiVersion"]
        manager = Manager(
            entry.get("manager", ""),
            entry["operation"],
            "" if applied else version,
            entry.get("subresource", ""),
        )
        found[manager] = Owned(fields or {}, version, entry.get("time", ""))
    return found


def _encode(into: Json, managers: Managers) -> None:
    entries = []
    for manager, owned in managers.items():
        entry: Json = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": owned.version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": _sorted(owned.fields),
        }
        if not owned.time:
            del entry["time"]
        if manager.subresource:
            entry["subresource"] = manager.subresource
        entries.append(entry)
    entries.sort(
        key=lambda e: (
            e["operation"],
            e.get("time", ""),
            e["manager"],
            e["apiVersion"],
            e.get("subresource", ""),
        )
    )
    if entries:
        into["metadata"]["managedFields"] = entries
    else:
        into["metadata"].pop("managedFields", None)


def _sorted(fields: FieldSet) -> FieldSet:
    return {key: _sorted(fields[key]) for key in sorted(fields)}


def _capped(managers: Managers) -> Managers:
    """At most MAX_UPDATE_MANAGERS updaters: the oldest are joined, per version, as `ancient-changes`."""
    updaters = [m for m in managers if m.operation == "Update"]
    if len(updaters) <= MAX_UPDATE_MANAGERS:
        return managers
    updaters.sort(key=lambda m: (managers[m].time, m.name, m.version, m.subresource))
    managers = dict(managers)
    first: dict[str, Manager] = {}
    count = len(updaters)
    for manager in updaters:
        if count <= MAX_UPDATE_MANAGERS:
            break
        owned = managers[manager]
        bucket = Manager("ancient-changes", "Update", owned.version, "")
        if owned.version not in first:
            first[owned.version] = manager
            continue
        if bucket not in managers:
            managers[bucket] = managers.pop(first[owned.version])
        joined = fieldsets.union(owned.fields, managers[bucket].fields)
        if manager != bucket:
            del managers[manager]
        managers[bucket] = Owned(joined, owned.version, owned.time)
        count -= 1
    return managers


def _without_managed(live: Json) -> Json:
    metadata = live.get("metadata") or {}
    return {**live, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}


def _name_of(config: Json) -> str:
    metadata = config.get("metadata") or {}
    group, _, version = config.get("apiVersion", "").rpartition("/")
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {group}/{version}, Kind={config.get('kind', '')}"
