"""A value against the structural schema of a CustomResourceDefinition, in the API server's words; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]

_TYPES: Final[dict[str, Any]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
}  # fmt: skip


class Cause:
    """One invalid field: `reason` is FieldValueInvalid, FieldValueRequired, ..., `detail` the text after the field."""

    __slots__ = ("detail", "field", "reason")

    def __init__(self, field: str, reason: str, detail: str) -> None:
        self.field = field
        self.reason = reason
        self.detail = detail


def check(value: Json, raw: Json) -> list[Cause]:
    """Every way in which the object breaks its schema, as the API server words it."""
    causes: list[Cause] = []
    for key, member in sorted((raw.get("properties") or {}).items()):
        if key in value and key not in ("metadata", "apiVersion", "kind"):
            _check(value[key], member, key, causes)
    causes += [required(key) for key in raw.get("required") or () if key not in value]
    return causes


def unknown(value: Json, raw: Json) -> list[str]:
    """The paths of fields that the schema does not declare and that the server would drop, in reading order."""
    found: list[str] = []
    _unknown(value, raw, "", found)
    return [path for path in found if path.partition(".")[0] not in ("metadata", "apiVersion", "kind")]


def _unknown(value: Any, raw: Mapping[str, Any], path: str, found: list[str]) -> None:
    if isinstance(value, list):
        items = raw.get("items")
        for index, item in enumerate(value):
            if isinstance(items, Mapping):
                _unknown(item, items, f"{path}[{index}]", found)
        return
    if not isinstance(value, Mapping):
        return
    properties, more = raw.get("properties") or {}, raw.get("additionalProperties")
    open_ended = raw.get("x-kubernetes-preserve-unknown-fields") or more is True
    for key, item in value.items():
        inside = f"{path}.{key}" if path else str(key)
        embedded = raw.get("x-kubernetes-embedded-resource") and key in ("apiVersion", "kind", "metadata")
        if key in properties:
            _unknown(item, properties[key], inside, found)
        elif isinstance(more, Mapping):
            _unknown(item, more, inside, found)
        elif not open_ended and not embedded:
            found.append(inside)


def invalid(field: str, value: Any, why: str) -> Cause:
    """A value that is not allowed."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {go_value(value)}: {why}")


def required(field: str, why: str = "") -> Cause:
    """A value that is missing."""
    return Cause(field, "FieldValueRequired", f"Required value{': ' + why if why else ''}")


def go_value(value: Any) -> str:
    """A value as field errors print it: strings quoted, objects as JSON."""
    import json  # errors are rare

    if value is None:
        return "null"
    return json.dumps(_ordered(value), separators=(",", ":"), ensure_ascii=False)


def _ordered(value: Any) -> Any:
    """Go sorts the keys of maps (here: where all values are texts), but not the fields of structs."""
    if isinstance(value, dict):
        keys = sorted(value) if all(isinstance(v, str) for v in value.values()) else list(value)
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(v) for v in value] if isinstance(value, list) else value


def _check(value: Any, raw: Json, path: str, causes: list[Cause]) -> None:
    if value is None and raw.get("nullable"):
        return
    if raw.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            causes.append(_type_cause(path, "integer,string", value))
            return
    elif "type" in raw and not _is(value, raw["type"]):
        causes.append(_type_cause(path, raw["type"], value))
        return
    causes += _limits(value, raw, path)
    if isinstance(value, dict):
        _check_map(value, raw, path, causes)
    elif isinstance(value, list):
        if isinstance(raw.get("items"), dict):
            for index, item in enumerate(value):
                _check(item, raw["items"], f"{path}[{index}]", causes)
        causes += _repeated(value, raw, path)


def _check_map(value: Json, raw: Json, path: str, causes: list[Cause]) -> None:
    properties = raw.get("properties") or {}
    more = raw.get("additionalProperties")
    for key, item in value.items():
        if key in properties:
            _check(item, properties[key], f"{path}.{key}", causes)
        elif isinstance(more, dict):
            _check(item, more, f"{path}.{key}", causes)
    causes += [required(f"{path}.{key}") for key in raw.get("required") or () if key not in value]


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, object))


def _type_cause(path: str, wanted: str, value: Any) -> Cause:
    found = (
        "null"
        if value is None
        else next(
            (
                k
                for k, t in (
                    ("boolean", bool),
                    ("integer", int),
                    ("number", float),
                    ("string", str),
                    ("array", list),
                )
                if isinstance(value, t)
            ),
            "object",
        )
    )
    where = f"{path} in body" if path else "in body"
    return Cause(
        path,
        "FieldValueTypeInvalid",
        f'Invalid value: "{found}": {where} must be of type {wanted}: "{found}"',
    )


def _limits(value: Any, raw: Json, path: str) -> list[Cause]:
    """Enumerations, patterns, bounds and sizes."""
    found: list[Cause] = []
    enum = raw.get("enum")
    if enum and value not in enum:
        allowed = ", ".join(go_value(e) for e in enum)
        found.append(
            Cause(
                path,
                "FieldValueNotSupported",
                f"Unsupported value: {go_value(value)}: supported values: {allowed}",
            )
        )
    if isinstance(value, str):
        pattern = raw.get("pattern")
        if pattern and not _matches(pattern, value):
            found.append(invalid(path, value, f"{path} in body should match '{pattern}'"))
        if len(value) < raw.get("minLength", 0):
            found.append(
                invalid(path, value, f"{path} in body should be at least {raw['minLength']} chars long")
            )
        if "maxLength" in raw and len(value) > raw["maxLength"]:
            found.append(
                Cause(path, "FieldValueTooLong", f"Too long: may not be more than {raw['maxLength']} bytes")
            )
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found += _bounds(value, raw, path)
    elif isinstance(value, list):
        if len(value) < raw.get("minItems", 0):
            found.append(
                invalid(path, len(value), f"{path} in body should have at least {raw['minItems']} items")
            )
        if "maxItems" in raw and len(value) > raw["maxItems"]:
            found.append(
                Cause(
                    path,
                    "FieldValueTooMany",
                    f"Too many: {len(value)}: must have at most {raw['maxItems']} items",
                )
            )
    return found


def _bounds(value: float, raw: Json, path: str) -> list[Cause]:
    found = []
    if "minimum" in raw:
        strict = raw.get("exclusiveMinimum")
        if value < raw["minimum"] or (strict and value == raw["minimum"]):
            word = "greater than" if strict else "greater than or equal to"
            found.append(invalid(path, value, f"{path} in body should be {word} {raw['minimum']}"))
    if "maximum" in raw:
        strict = raw.get("exclusiveMaximum")
        if value > raw["maximum"] or (strict and value == raw["maximum"]):
            word = "less than" if strict else "less than or equal to"
            found.append(invalid(path, value, f"{path} in body should be {word} {raw['maximum']}"))
    return found


def _repeated(value: list[Any], raw: Json, path: str) -> list[Cause]:
    """Duplicates in set and map lists."""
    kind = raw.get("x-kubernetes-list-type")
    keys = raw.get("x-kubernetes-list-map-keys") or ()
    found: list[Cause] = []
    seen: list[Any] = []
    for index, item in enumerate(value):
        if kind == "map" and isinstance(item, dict):
            identity: Any = {k: item[k] for k in keys if k in item}
        elif kind == "set":
            identity = item
        else:
            continue
        if identity in seen:
            found.append(
                Cause(f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {_pretty(identity)}")
            )
        seen.append(identity)
    return found


def _pretty(identity: Any) -> str:
    if isinstance(identity, dict):
        return "{" + ", ".join(f'"{k}":{go_value(v)}' for k, v in identity.items()) + "}"
    return go_value(identity)


def _matches(pattern: str, value: str) -> bool:
    try:
        import re2  # a CRD's patterns are RE2, and a stranger's: they must not backtrack

        return re2.search(pattern, value) is not None  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - re2 raises its own error type for what only other engines accept
        try:
            return re.search(pattern, value) is not None
        except re.error:
            return True
