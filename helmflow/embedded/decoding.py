"""Decoding: a request's JSON as the server's own types would read and write it again, with Go's error texts."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from typing import Any, Final

from helmflow.embedded import quantities
from helmflow.embedded.schema import UNTYPED, Schema

Json = dict[str, Any]

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_ZEROS: Final = {"s": "", "i32": 0, "i64": 0, "f64": 0, "b": False, "y": "", "io": 0, "q": "0"}
_GO_KINDS: Final = {
    "s": "string",
    "i32": "int32",
    "i64": "int64",
    "f64": "float64",
    "b": "bool",
    "y": "[]uint8",
}
_PACKAGES: Final = {"io.k8s.apimachinery.pkg.apis.meta.v1": "v1"}


class DecodeError(Exception):
    """A value that its Go type cannot hold; the text is Go's."""


class Decoder:
    """Reads one object. `unknown` collects the undeclared fields it dropped, in reading order."""

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def object(self, value: Json, schema: Schema) -> Json:
        """`value` as the type would write it: unknown fields and empty optional ones gone, mandatory ones filled in."""
        return self._struct(value, schema, "", "")

    def _struct(self, value: Json, schema: Schema, path: str, where: str) -> Json:
        out: Json = {}
        fields = schema.fields
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                self.unknown.append(f"{path}.{key}" if path else key)
                continue
            if item is None:
                continue
            inside = f"{path}.{key}" if path else key
            spot = f"{where}.{key}" if where else key
            made = self._value(item, field.schema, inside, spot, schema.short_name)
            if made is None:
                continue
            if field.omit and not field.pointer and _empty(made, field.schema):
                continue
            out[key] = made
        for key, field in _mandatory(schema):
            if key not in out:
                out[key] = _zero(field.schema, pointer=field.pointer)
        return out

    def _value(self, item: Any, schema: Schema, path: str, where: str, owner: str) -> Any:
        kind = schema.kind
        if kind == "m":
            if not isinstance(item, dict):
                raise _mismatch(item, owner, where, _go_name(schema))
            if schema.fields:
                return self._struct(item, schema, path, where)
            element = schema.element
            if element is None or element.kind == "x":
                return item
            if element.kind == "s":
                for value in item.values():
                    if not isinstance(value, str) and value is not None:
                        raise _mismatch(value, owner, where, "string")
                return {k: v or "" for k, v in item.items()}
            return {k: self._item(v, element, f"{path}.{k}", where, owner) for k, v in item.items()}
        if kind == "l":
            if not isinstance(item, list):
                raise _mismatch(item, owner, where, _go_name(schema))
            assert schema.item is not None
            return [self._item(v, schema.item, f"{path}[{n}]", where, owner) for n, v in enumerate(item)]
        return _scalar(item, kind, owner, where)

    def _item(self, item: Any, schema: Schema, path: str, where: str, owner: str) -> Any:
        if item is None:
            return _zero(schema, pointer=False)
        return self._value(item, schema, path, where, owner)


def empty_object(schema: Schema, api_version: str, kind: str) -> Json:
    """The type's zero value: what an update compares a new object with."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        **{k: _zero(f.schema, pointer=f.pointer) for k, f in _mandatory(schema)},
    }


def timestamp(text: str) -> str:
    """A time in UTC with whole seconds, as metav1.Time writes it."""
    from datetime import UTC, datetime  # only for foreign offsets

    if text.endswith("Z") and "." not in text:
        return text
    moment = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _mandatory(schema: Schema) -> tuple[tuple[str, Any], ...]:
    """Fields that Go writes even when nothing set them."""
    cached: tuple[tuple[str, Any], ...] | None = schema.raw.get("mandatory")
    if cached is None:
        cached = tuple(
            (key, field)
            for key, field in schema.fields.items()
            if not field.omit or (not field.omit_zero and not field.pointer and _always_written(field.schema))
        )
        schema.raw = {**schema.raw, "mandatory": cached}
    return cached


def _always_written(schema: Schema) -> bool:
    """omitempty never drops a struct."""
    return (schema.kind == "m" and bool(schema.fields)) or (
        bool(schema.name) and schema.kind in ("d", "q", "io")
    )


def _zero(schema: Schema, *, pointer: bool) -> Any:
    if pointer or schema.kind in ("l", "d", "x"):
        return None
    if schema.kind == "m":
        if not schema.fields:
            return None
        return {key: _zero(field.schema, pointer=field.pointer) for key, field in _mandatory(schema)}
    return _ZEROS[schema.kind]


def _empty(value: Any, schema: Schema) -> bool:
    if schema.kind == "m":
        return not schema.fields and not value
    if schema.name and schema.kind in ("d", "q", "io"):
        return False
    return value in ("", 0, False) or value == []


def _scalar(item: Any, kind: str, owner: str, where: str) -> Any:
    if kind == "s":
        if not isinstance(item, str):
            raise _mismatch(item, owner, where, "string")
        return item
    if kind in ("i32", "i64"):
        return _integer(item, kind, owner, where)
    if kind == "b":
        if not isinstance(item, bool):
            raise _mismatch(item, owner, where, "bool")
        return item
    if kind == "io":
        if isinstance(item, float) and item.is_integer():
            return int(item)
        if isinstance(item, bool) or not isinstance(item, int | str):
            raise _mismatch(item, owner, where, "int32")
        return item
    if kind == "q":
        return _quantity(item)
    if kind == "y":
        return _base64(item, owner, where)
    if kind == "d":
        return _time(item)
    if kind == "f64":
        if isinstance(item, bool) or not isinstance(item, int | float):
            raise _mismatch(item, owner, where, "float64")
        return item
    return item


def _integer(item: Any, kind: str, owner: str, where: str) -> int:
    if isinstance(item, float) and item.is_integer():
        item = int(item)
    go = "int32" if kind == "i32" else "int64"
    if isinstance(item, bool) or not isinstance(item, int):
        raise _mismatch(item, owner, where, go)
    bits = 31 if kind == "i32" else 63
    if not -(1 << bits) <= item < 1 << bits:
        raise DecodeError(
            f"json: cannot unmarshal number {item} into Go struct field {owner}.{where} of type {go}"
        )
    return item


def _quantity(item: Any) -> str:
    if isinstance(item, bool) or not isinstance(item, int | float | str):
        raise DecodeError(f"quantities must match the regular expression '{quantities.PATTERN}'")
    text = item if isinstance(item, str) else (str(int(item)) if float(item).is_integer() else repr(item))
    try:
        return quantities.canonical(text)
    except quantities.QuantityError as error:
        raise DecodeError(str(error)) from None


def _base64(item: Any, owner: str, where: str) -> str:
    if not isinstance(item, str):
        raise _mismatch(item, owner, where, "[]uint8")
    text = item.replace("\n", "").replace("\r", "")
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        bad = re.search(r"[^A-Za-z0-9+/]", text)
        raise DecodeError(
            f"illegal base64 data at input byte {bad.start() if bad else len(text) - len(text) % 4}"
        ) from None
    return b64encode(raw).decode() if text != item else text


def _time(item: Any) -> str | None:
    if not isinstance(item, str):
        raise DecodeError(f"json: cannot unmarshal {_json_kind(item)} into Go value of type string")
    if not _TIME.fullmatch(item):
        raise DecodeError(
            f'parsing time "{item}" as "2006-01-02T15:04:05Z07:00": cannot parse "{item}" as "2006"'
        )
    return item if "." in item else timestamp(item)


def _mismatch(item: Any, owner: str, where: str, go_type: str) -> DecodeError:
    return DecodeError(
        f"json: cannot unmarshal {_json_kind(item)} into Go struct field {owner}.{where} of type {go_type}"
    )


def _json_kind(item: Any) -> str:
    if isinstance(item, bool):
        return "bool"
    if isinstance(item, str):
        return "string"
    if isinstance(item, dict):
        return "object"
    if isinstance(item, list):
        return "array"
    return "number"


def _go_name(schema: Schema) -> str:
    if schema.kind == "l":
        return "[]" + _go_name(schema.item or UNTYPED)
    if schema.kind == "m" and not schema.fields:
        return "map[string]" + _go_name(schema.element or UNTYPED)
    if schema.name:
        return f"{_PACKAGES.get(schema.name.rsplit('.', 1)[0]) or schema.name.rsplit('.', 2)[-2]}.{schema.short_name}"
    return _GO_KINDS.get(schema.kind, "interface {}")
