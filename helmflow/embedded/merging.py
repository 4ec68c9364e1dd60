"""Typed values: validate, merge, compare, remove and list fields as structured-merge-diff v6 does."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import Any, Final

from helmflow.embedded import fieldsets
from helmflow.embedded.fieldsets import FieldSet
from helmflow.embedded.schema import Field, Schema

ABSENT: Final = object()


class TypedError(Exception):
    """A value that does not fit its schema, in structured-merge-diff's words."""


def validate(value: Any, schema: Schema, *, duplicates: bool = False) -> None:
    """Raise TypedError unless `value` fits `schema`; `duplicates` allows repeated keys in keyed lists."""
    errors = _validate(value, schema, duplicates)
    if len(errors) == 1:
        raise TypedError(_error_text(errors[0]))
    if errors:
        raise TypedError("\n".join(["errors:", *("  " + _error_text(e) for e in errors)]))


def field_set(value: Any, schema: Schema) -> FieldSet:
    """Every field that `value` sets."""
    return _fields(value, schema)[1]


def merge(live: Any, config: Any, schema: Schema) -> Any:
    """`config` laid over `live`."""
    merged = _merge(live, config, schema)
    return {} if merged is ABSENT else merged


class Comparison:
    """The fields in which two values differ."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.removed: FieldSet = {}
        self.modified: FieldSet = {}
        self.added: FieldSet = {}

    def without(self, ignored: FieldSet) -> Comparison:
        """The same without `ignored` and what lies below it."""
        if ignored:
            self.removed = fieldsets.recursive_difference(self.removed, ignored)
            self.modified = fieldsets.recursive_difference(self.modified, ignored)
            self.added = fieldsets.recursive_difference(self.added, ignored)
        return self


def compare(old: Any, new: Any, schema: Schema) -> Comparison:
    """What changed from `old` to `new`."""
    comparison = Comparison()
    if isinstance(old, dict) and isinstance(new, dict):
        comparison.removed, comparison.modified, comparison.added = _compare_maps(old, new, schema)
    return comparison


def remove(value: Any, fields: FieldSet, schema: Schema) -> Any:
    """`value` without `fields`; None when nothing is left."""
    kind = _shape(value, schema)
    if kind == "map" and value:
        return None if schema.atomic else _remove_from_map(value, fields, schema)
    if kind == "list" and value:
        return None if schema.list_kind == "atomic" else _remove_from_list(value, fields, schema)
    if kind in ("map", "list"):
        return None
    return value


def with_named_members(fields: FieldSet, schema: Schema | None) -> FieldSet:
    """`fields` where every declared struct field on the way to a member counts as a member."""
    out: FieldSet = {}
    for key, below in fields.items():
        if key == ".":
            continue
        if not below:
            out[key] = below
            continue
        child: Schema | None = None
        named = False
        if key.startswith("f:"):
            if schema is not None and schema.is_map:
                named = key[2:] in schema.fields
                child = schema.child(key[2:])
        elif key.startswith("k:") and schema is not None and schema.is_list:
            child = schema.item
        out[key] = fieldsets.node(with_named_members(below, child), member=named or "." in below) or {}
    return out


def element_of(item: Any, schema: Schema) -> str:
    """The path element of one item of an associative list; raises TypedError if it has none."""
    if schema.list_kind == "set":
        if isinstance(item, dict):
            raise TypedError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise TypedError("not supported: associative list with lists as elements")
        if item is None:
            raise TypedError("associative list without keys has an element that's an explicit null")
        return "v:" + json.dumps(item, separators=(",", ":"), ensure_ascii=False)
    if item is None:
        raise TypedError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise TypedError("associative list with keys may not have non-map elements")
    found: dict[str, Any] = {}
    for key in sorted(schema.keys):
        if key in item:
            found[key] = item[key]
        elif schema.item is not None and key in schema.item.fields:
            default = _key_default(schema.item.fields[key])
            if default is not None:
                found[key] = default
    if not found:
        names = " ".join(json.dumps(k) for k in schema.keys)
        raise TypedError(
            f"associative list with keys has an element that omits all key fields [{names}] (and doesn't have default values for any key fields)"
        )
    return "k:{" + ",".join(f"{_text(key)}:{_text(value)}" for key, value in found.items()) + "}"


def _text(value: Any) -> str:
    """A scalar as JSON; strings, by far the most frequent, without going through an encoder."""
    if isinstance(value, str):
        return encode_basestring(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def go_text(value: Any) -> str:
    """A value as Go's %v prints it."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{go_text(v)}" for k, v in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_text(v) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def _key_default(field: Field) -> Any:
    """What an absent key counts as: its default, or the zero value of a field that Go always writes."""
    if field.default is not None or field.omit or field.pointer:
        return field.default
    return {"string": "", "numeric": 0}.get(field.schema.scalar)


def _shape(value: Any, schema: Schema) -> str:
    """Which of the schema's alternatives a value takes: its own where the schema has it, else map, scalar, list."""
    if isinstance(value, dict):
        if schema.is_map:
            return "map"
    elif isinstance(value, list):
        if schema.is_list:
            return "list"
    elif value is not None and schema.scalar:
        return "scalar"
    if schema.is_map:
        return "map"
    return "scalar" if schema.scalar else "list"


_Error = tuple[str, str]


def _error_text(error: _Error) -> str:
    return f"{error[0]}: {error[1]}" if error[0] else error[1]


def _prefixed(prefix: str, errors: list[_Error]) -> list[_Error]:
    return [(prefix + path, text) for path, text in errors]


def _validate(value: Any, schema: Schema, duplicates: bool) -> list[_Error]:
    shape = _shape(value, schema)
    if value is None:
        return []
    if shape == "scalar":
        return _validate_scalar(value, schema.scalar)
    if shape == "map":
        if not isinstance(value, dict):
            return [("", f"expected map, got {_go_pointer(value)}")]
        errors: list[_Error] = []
        for key, item in value.items():
            child = schema.child(key)
            if child is None:
                return [*errors, ("." + key, "field not declared in schema")]
            found = _validate(item, child, duplicates)
            if found:
                errors += _prefixed("." + key, found)
        return errors
    if not isinstance(value, list):
        return [("", f"expected list, got {_go_pointer(value)}")]
    return _validate_items(value, schema, duplicates)


def _validate_items(value: list[Any], schema: Schema, duplicates: bool) -> list[_Error]:
    errors: list[_Error] = []
    seen: set[str] = set()
    item_schema = schema.item
    assert item_schema is not None
    for index, item in enumerate(value):
        if schema.list_kind == "atomic":
            element = f"[{index}]"
        else:
            try:
                key = element_of(item, schema)
            except TypedError as error:
                return [*errors, ("", f"element {index}: {error}")]
            element = fieldsets.element_text(key)
            if key in seen and not duplicates:
                errors.append(("", f"duplicate entries for key {element}"))
            seen.add(key)
        found = _validate(item, item_schema, duplicates)
        if found:
            errors += _prefixed(element, found)
    return errors


def _validate_scalar(value: Any, kind: str) -> list[_Error]:
    is_bool = isinstance(value, bool)
    is_number = isinstance(value, int | float) and not is_bool
    if kind == "numeric" and not is_number:
        return [("", f"expected numeric (int or float), got {_go_type(value)}")]
    if kind == "string" and not isinstance(value, str):
        return [("", f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}")]
    if kind == "boolean" and not is_bool:
        return [("", f"expected boolean, got {_go_pointer(value)}")]
    if kind == "untyped" and not (is_number or is_bool or isinstance(value, str)):
        return [("", f"expected any scalar, got {_go_pointer(value)}")]
    return []


def _go_type(value: Any) -> str:
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    return {bool: "bool", int: "int64", float: "float64", str: "string"}.get(type(value), "<nil>")


def _go_pointer(value: Any) -> str:
    return "&{" + go_text(value) + "}"


def _go_syntax(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "map[string]interface {}{"
            + ", ".join(f"{json.dumps(k)}:{_go_syntax(v)}" for k, v in sorted(value.items()))
            + "}"
        )
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(_go_syntax(v) for v in value) + "}"
    return json.dumps(value, ensure_ascii=False)


def _fields(value: Any, schema: Schema) -> tuple[bool, FieldSet]:
    shape = _shape(value, schema)
    if shape == "scalar":
        return True, {}
    if shape == "map":
        if schema.atomic:
            return True, {}
        return False, _map_fields(value, schema) if isinstance(value, dict) else {}
    if schema.list_kind == "atomic":
        return True, {}
    return False, _list_fields(value, schema) if isinstance(value, list) else {}


def _map_fields(value: dict[str, Any], schema: Schema) -> FieldSet:
    out: FieldSet = {}
    for key, item in value.items():
        child = schema.child(key)
        member, below = _fields(item, child) if child is not None else (True, {})
        if item is None or item == {} or key not in schema.fields:
            member = True
        made = fieldsets.node(below, member=member)
        if made is not None:
            out["f:" + key] = made
    return out


def _list_fields(value: list[Any], schema: Schema) -> FieldSet:
    out: FieldSet = {}
    assert schema.item is not None
    repeated: set[str] = set()
    for item in value:
        try:
            key = element_of(item, schema)
        except TypedError:
            continue
        if key in out:
            repeated.add(key)
            continue
        out[key] = fieldsets.node(_fields(item, schema.item)[1], member=True) or {}
    for key in repeated:
        out[key] = {}
    return out


def _merge(left: Any, right: Any, schema: Schema) -> Any:
    if right is ABSENT:
        return left
    if left is ABSENT or left == right:
        return right
    shape = _shape(right, schema)
    if shape == "scalar":
        return right
    if shape == "map":
        if schema.atomic or (not left and not right):
            return right
        lefts = left if isinstance(left, dict) else {}
        rights = right if isinstance(right, dict) else {}
        out = {}
        for key in [*lefts, *(k for k in rights if k not in lefts)]:
            child = schema.child(key)
            mine, theirs = lefts.get(key, ABSENT), rights.get(key, ABSENT)
            if child is None:
                out[key] = mine if theirs is ABSENT else theirs
                continue
            merged = _merge(mine, theirs, child)
            if merged is not ABSENT:
                out[key] = merged
        return out or ABSENT
    if schema.list_kind == "atomic" or (not left and not right):
        return right
    return _merge_lists(
        left if isinstance(left, list) else [], right if isinstance(right, list) else [], schema
    )


def _merge_lists(left: list[Any], right: list[Any], schema: Schema) -> Any:
    """Items of both; the right side's order wins where it says something, the left's own items keep their place."""
    assert schema.item is not None
    lefts = [element_of(i, schema) for i in left]
    rights = [element_of(i, schema) for i in right]
    at_left: dict[str, Any] = {}
    for key, item in zip(lefts, left, strict=True):
        at_left[key] = None if key in at_left else item
    at_right = dict(zip(rights, right, strict=True))
    shared = iter([k for k in rights if k in at_left])
    next_shared = next(shared, None)
    merged: set[str] = set()
    out: list[Any] = []
    li = ri = 0

    def add(key: str) -> None:
        item = _merge(at_left.get(key, ABSENT), at_right.get(key, ABSENT), schema.item)  # type: ignore[arg-type]
        if item is not ABSENT:
            out.append(item)

    while li < len(lefts) or ri < len(rights):
        if li < len(lefts) and ri < len(rights):
            key = lefts[li]
            if key == rights[ri]:
                merged.add(key)
                add(key)
                li += 1
                ri += 1
                next_shared = next(shared, None)
                continue
            if key in at_right and next_shared is not None and next_shared != key:
                li += 1
                continue
        if li < len(lefts):
            key = lefts[li]
            if key not in at_right:
                out.append(left[li])
                li += 1
                continue
            if key in merged:
                li += 1
        if ri < len(rights):
            key = rights[ri]
            merged.add(key)
            add(key)
            ri += 1
            if next_shared == key:
                next_shared = next(shared, None)
    return out or ABSENT


_Sets = tuple[FieldSet, FieldSet, FieldSet]


def _compare_maps(old: dict[str, Any], new: dict[str, Any], schema: Schema) -> _Sets:
    removed: FieldSet = {}
    modified: FieldSet = {}
    added: FieldSet = {}
    for key in old.keys() | new.keys():
        mine, theirs = old.get(key, ABSENT), new.get(key, ABSENT)
        if mine is not theirs and mine != theirs:
            _note("f:" + key, mine, theirs, schema.child(key), (removed, modified, added))
    return removed, modified, added


def _note(element: str, old: Any, new: Any, schema: Schema | None, into: _Sets) -> None:
    """Record how one element differs."""
    removed, modified, added = into
    if old is ABSENT:
        added[element] = _everything(new, schema)
        return
    if new is ABSENT:
        removed[element] = _everything(old, schema)
        return
    if schema is None:
        modified[element] = {}
        return
    shape, was = _shape(new, schema), _shape(old, schema)
    if shape != was and None not in (old, new):
        modified[element] = {}
        if shape != "scalar":
            added[element] = _below(new, schema)
        return
    if shape == "scalar" or (not old and not new):
        modified[element] = {}
        return
    if (shape == "map" and schema.atomic) or (shape == "list" and schema.list_kind == "atomic"):
        modified[element] = {}
        return
    if shape == "map":
        parts = _compare_maps(old or {}, new or {}, schema)
    else:
        parts = _compare_lists(old or [], new or [], schema)
    for found, part in zip(into, parts, strict=True):
        if part:
            found[element] = part


def _compare_lists(old: list[Any], new: list[Any], schema: Schema) -> _Sets:
    removed: FieldSet = {}
    modified: FieldSet = {}
    added: FieldSet = {}
    mine, theirs = _by_element(old, schema), _by_element(new, schema)
    for key in [*mine, *(k for k in theirs if k not in mine)]:
        left, right = mine.get(key, []), theirs.get(key, [])
        if left == right:
            continue
        if len(left) <= 1 and len(right) <= 1:
            one = left[0] if left else ABSENT
            other = right[0] if right else ABSENT
            _note(key, one, other, schema.item, (removed, modified, added))
        elif len(left) > 1 and len(right) > 1:
            modified[key] = {}
        elif len(left) > 1:
            if right:
                added[key] = _everything(right[0], schema.item)
            removed[key] = {}
        else:
            if left:
                removed[key] = _everything(left[0], schema.item)
            added[key] = {}
    return removed, modified, added


def _by_element(items: list[Any], schema: Schema) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(element_of(item, schema), []).append(item)
    return found


def _everything(value: Any, schema: Schema | None) -> FieldSet:
    """The node of a value that is there on one side only: it and every element below it."""
    below = _below(value, schema) if schema is not None else {}
    if below:
        below["."] = {}
    return below


def _below(value: Any, schema: Schema) -> FieldSet:
    shape = _shape(value, schema)
    if shape == "map" and isinstance(value, dict) and not schema.atomic:
        return {"f:" + k: _everything(v, schema.child(k)) for k, v in value.items()}
    if shape == "list" and isinstance(value, list) and schema.list_kind != "atomic":
        found = _by_element(value, schema)
        return {k: _everything(v[0], schema.item) if len(v) == 1 else {} for k, v in found.items()}
    return {}


def _remove_from_map(value: dict[str, Any], fields: FieldSet, schema: Schema) -> Any:
    out = {}
    matched = False
    for key, item in value.items():
        below = fields.get("f:" + key)
        if below is None:
            out[key] = item
        elif not fieldsets.is_member(below):
            matched = True
            child = schema.child(key)
            out[key] = _remaining(item, below, child) if child is not None else item
    return out if out or matched else None


def _remove_from_list(value: list[Any], fields: FieldSet, schema: Schema) -> Any:
    out = []
    matched = False
    for item in value:
        below = fields.get(element_of(item, schema))
        if below is None:
            out.append(item)
        elif not fieldsets.is_member(below):
            matched = True
            out.append(_remaining(item, below, schema.item) if schema.item is not None else item)
    return out if out or matched else None


def _remaining(item: Any, below: FieldSet, schema: Schema) -> Any:
    left = remove(item, below, schema)
    if left is None and isinstance(item, dict):
        return {}
    if left is None and isinstance(item, list):
        return []
    return left
