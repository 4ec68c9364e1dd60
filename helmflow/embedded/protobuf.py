"""Protobuf request bodies of typed Go clients (k8s\\0 and runtime.Unknown), decoded by the field numbers of the schemas."""

from __future__ import annotations

import struct
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, Final

from helmflow.embedded import schema as schemas
from helmflow.embedded.quantities import QuantityError
from helmflow.embedded.schema import Field, Schema
from helmflow.embedded.status import ApiError

Json = dict[str, Any]

_MAGIC: Final = b"k8s\0"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_RAW_KINDS: Final = ("DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions")


def decode(raw: bytes) -> Json:
    """The object in an enveloped protobuf body. Raises ApiError 400."""
    if raw[:4] != _MAGIC:
        raise ApiError(
            400, "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        envelope = _split(raw[4:])
        kind_message = _split(_first(envelope, 1))
        api_version, kind = _first(kind_message, 1).decode(), _first(kind_message, 2).decode()
        value = _message(_first(envelope, 2), _schema(api_version, kind))
    except (IndexError, struct.error, UnicodeDecodeError, QuantityError, KeyError, TypeError) as error:
        raise ApiError(400, f"couldn't decode the protobuf body: {error!r}") from None
    return {"apiVersion": api_version, "kind": kind, **value}


def _schema(api_version: str, kind: str) -> Schema:
    catalogue = schemas.catalogue()
    if kind in _RAW_KINDS:
        return catalogue.type(_META + "DeleteOptions")
    group, slash, version = api_version.rpartition("/")
    for entry in catalogue.groups:
        if entry["name"] == (group if slash else ""):
            for served in entry["versions"]:
                for resource in served["resources"]:
                    for item in (resource, *resource.get("sub", ())):
                        here = item.get("version") or served["name"]
                        if item["kind"] == kind and here == version and item.get("type"):
                            return catalogue.type(item["type"])
    if (api_version, kind) == ("autoscaling/v1", "Scale"):
        return catalogue.type("io.k8s.api.autoscaling.v1.Scale")
    raise ApiError(400, f'no kind "{kind}" is registered for version "{api_version}"')


_Parts = dict[int, list[Any]]


def _split(data: bytes) -> _Parts:
    """Field numbers and raw values: int for varints and fixed widths, bytes for the rest."""
    parts: _Parts = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise IndexError("a length runs past the end")
            value, at = data[at : at + size], at + size
        elif wire == 1:
            value, at = struct.unpack_from("<q", data, at)[0], at + 8
        elif wire == 5:
            value, at = struct.unpack_from("<i", data, at)[0], at + 4
        else:
            raise IndexError(f"wire type {wire}")
        parts.setdefault(number, []).append(value)
    return parts


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        result |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return result, at
        shift += 7


def _first(parts: _Parts, number: int) -> bytes:
    return bytes(parts[number][-1]) if number in parts else b""


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _message(data: bytes, schema: Schema) -> Json:
    parts = _split(data)
    out: Json = {}
    for key, field in schema.fields.items():
        values = parts.get(field.number) if field.number else None
        if values is not None:
            _set(out, key, field, values)
    for number, names in schema.inlined.items():
        if number in parts:
            inner = _split(parts[number][-1])
            for inner_number, key in names.items():
                if inner_number in inner and key in schema.fields:
                    _set(out, key, schema.fields[key], inner[inner_number])
    return out


def _set(out: Json, key: str, field: Field, values: list[Any]) -> None:
    schema = field.schema
    if schema.kind == "l" and schema.item is not None:
        item = schema.item
        out[key] = [_value(v, item) for v in values]
    elif schema.kind == "m" and not schema.fields and not schema.name:
        out[key] = dict(_entry(v, schema.element) for v in values)
    else:
        made = _value(values[-1], schema)
        if made is None or (made in ("", 0, False) and not field.pointer and field.omit):
            return
        out[key] = made


def _entry(data: bytes, element: Schema | None) -> tuple[str, Any]:
    parts = _split(data)
    key = _first(parts, 1).decode()
    if element is None or element.kind == "x":
        return key, None
    empty: Any = b"" if element.kind not in ("b", "i32", "i64") else 0
    return key, _value(parts[2][-1] if 2 in parts else empty, element)


def _value(raw: Any, schema: Schema) -> Any:
    kind = schema.kind
    if kind == "s":
        return bytes(raw).decode()
    if kind in ("i32", "i64"):
        return _signed(raw)
    if kind == "b":
        return bool(raw)
    if kind == "y":
        return b64encode(raw).decode()
    if kind == "f64":
        return struct.unpack("<d", struct.pack("<q", raw))[0]
    if kind == "d":
        return _time(raw, micro=schema.short_name == "MicroTime")
    if kind == "q":
        return _first(_split(raw), 1).decode() or "0"
    if kind == "io":
        parts = _split(raw)
        return _first(parts, 3).decode() if parts.get(1, [0])[-1] else _signed(parts.get(2, [0])[-1])
    if kind == "l" and schema.item is not None:
        # A named list (ExtraValue and the like) is a message with its items under number 1.
        item = schema.item
        return [_value(v, item) for v in _split(raw).get(1, [])]
    if schema.short_name == "FieldsV1" or kind == "x":
        return _raw_json(raw)
    return _message(raw, schema)


def _raw_json(raw: bytes) -> Any:
    import json

    inner = _first(_split(raw), 1)
    return json.loads(inner) if inner else None


def _time(raw: bytes, *, micro: bool) -> str | None:
    parts = _split(raw)
    if not parts:
        return None
    moment = datetime.fromtimestamp(_signed(parts.get(1, [0])[-1]), UTC)
    if micro:
        moment = moment.replace(microsecond=parts.get(2, [0])[-1] // 1000)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
