"""Schemas of built-in kinds and of custom resources, in the one form that decoding, merging and field sets walk."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

Json = dict[str, Any]


class Schema:
    """What a value may be: any of scalar, list and map, as structured-merge-diff sees it.

    `kind` keeps the exact value kind (s, y, q, d, io, i32, i64, f64, b, x, l, m); `name` is the type's full name, if it has one.
    """

    __slots__ = ("atomic", "element", "fields", "inlined", "is_list", "is_map", "item", "keys", "kind", "list_kind",
                 "name", "nullable", "preserve", "raw", "required", "scalar")  # fmt: skip

    def __init__(self, kind: str, name: str = "") -> None:
        self.kind = kind
        self.name = name
        self.scalar = ""  # "string", "numeric", "boolean", "untyped"; "" is no scalar
        self.is_list = False
        self.item: Schema | None = None
        self.list_kind = "atomic"  # "atomic", "set", "map"
        self.keys: tuple[str, ...] = ()
        self.is_map = False
        self.fields: dict[str, Field] = {}
        self.element: Schema | None = None
        self.atomic = False
        self.required: tuple[str, ...] = ()
        self.inlined: dict[int, dict[int, str]] = {}
        self.nullable = False
        self.preserve = False
        self.raw: Json = {}

    @property
    def short_name(self) -> str:
        """The Go type's own name."""
        return self.name.rsplit(".", 1)[-1]

    def child(self, key: str) -> Schema | None:
        """The schema of a map's value, None where the key is not declared."""
        field = self.fields.get(key)
        return field.schema if field is not None else self.element


class Field:
    """A struct's field: its schema and what Go's tags say of it."""

    __slots__ = ("default", "merge_key", "number", "omit", "omit_zero", "pointer", "schema", "strategy")

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.omit = True
        self.omit_zero = False
        self.pointer = False
        self.number = 0
        self.default: Any = None
        self.strategy = ""
        self.merge_key = ""


_SCALARS: Final = {
    "s": "string", "i32": "numeric", "i64": "numeric", "f64": "numeric", "b": "boolean",
    "y": "untyped", "q": "untyped", "d": "untyped", "io": "untyped",
}  # fmt: skip
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."


def _untyped() -> Schema:
    schema = Schema("x")
    schema.scalar = "untyped"
    schema.is_list = schema.is_map = schema.atomic = True
    schema.item = schema.element = schema
    return schema


def _deduced() -> Schema:
    schema = Schema("x")
    schema.scalar = "untyped"
    schema.is_list = schema.is_map = True
    schema.item = UNTYPED
    schema.element = schema
    return schema


UNTYPED: Final = _untyped()
DEDUCED: Final = _deduced()


class Catalogue:
    """The built-in types and the groups that serve them, read from the package's data."""

    def __init__(self, document: Json) -> None:
        self.groups: list[Json] = document["groups"]
        self._types: Json = document["types"]
        self._made: dict[str, Schema] = {}

    def type(self, name: str) -> Schema:
        """The schema of a named type, made on first use."""
        made = self._made.get(name)
        if made is not None:
            return made
        if name == _RAW:
            self._made[name] = UNTYPED
            return UNTYPED
        plain = self._types[name]
        if "w" in plain:
            made = self._value({**plain["w"], "t": "q"} if name == _QUANTITY else plain["w"])
            if not made.name and made is not DEDUCED and made is not UNTYPED:
                made.name = name
            self._made[name] = made
            return made
        made = Schema("m", name)
        self._made[name] = made
        made.is_map = True
        made.atomic = bool(plain.get("a"))
        made.required = tuple(plain.get("r", ()))
        made.inlined = {int(k): {int(n): f for n, f in v.items()} for k, v in plain.get("p", {}).items()}
        for key, spec in plain["f"].items():
            made.fields[key] = self._field(spec)
        return made

    def _field(self, spec: Json) -> Field:
        field = Field(self._value(spec))
        field.omit = bool(spec.get("o"))
        field.omit_zero = spec.get("o") == 2
        field.pointer = bool(spec.get("p"))
        field.number = spec.get("#", 0)
        field.default = spec.get("df")
        field.strategy = spec.get("ps", "")
        field.merge_key = spec.get("pk", "")
        return field

    def _value(self, spec: Json) -> Schema:
        kind = spec["t"]
        if kind == "r":
            named = self.type(spec["r"])
            if spec.get("mt") == "atomic" and not named.atomic:
                return _as_atomic(named)
            return named
        if kind == "x":
            return DEDUCED
        schema = Schema(kind)
        if kind == "l":
            schema.is_list = True
            schema.item = self._value(spec["v"])
            schema.list_kind = spec.get("lt") or _list_kind(spec)
            schema.keys = tuple(spec.get("lk", ())) or ((spec["pk"],) if schema.list_kind == "map" else ())
        elif kind == "m":
            schema.is_map = True
            schema.element = self._value(spec["v"]) if "v" in spec else DEDUCED
            schema.atomic = spec.get("mt") == "atomic"
        else:
            schema.scalar = _SCALARS[kind]
        return schema


def _list_kind(spec: Json) -> str:
    if "merge" in spec.get("ps", "").split(","):
        return "map" if spec.get("pk") else "set"
    return "atomic"


def _as_atomic(named: Schema) -> Schema:
    copy = Schema(named.kind, named.name)
    for slot in Schema.__slots__:
        setattr(copy, slot, getattr(named, slot))
    copy.atomic = True
    return copy


@cache
def catalogue() -> Catalogue:
    """The one shared catalogue; made on first use, never changed."""
    import lzma  # needed once per process

    packed = files("helmflow.embedded").joinpath("data/kubernetes-api.json.xz").read_bytes()
    return Catalogue(json.loads(lzma.decompress(packed)))


def object_meta() -> Schema:
    """ObjectMeta, which custom resources share."""
    return catalogue().type(_META + "ObjectMeta")


def custom_schema(raw: Json | None, *, preserve: bool) -> Schema:
    """The schema of one custom resource version; `preserve` is spec.preserveUnknownFields or an absent schema."""
    schema = _custom(
        raw or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, preserve=preserve
    )
    _top_level(schema)
    return schema


def _top_level(schema: Schema) -> None:
    schema.is_map, schema.scalar, schema.is_list = True, "", False
    for key in ("apiVersion", "kind"):
        schema.fields[key] = Field(_string())
    schema.fields["metadata"] = Field(object_meta())


def _string() -> Schema:
    schema = Schema("s")
    schema.scalar = "string"
    return schema


def _custom(raw: Json, *, preserve: bool) -> Schema:
    preserve = preserve or bool(raw.get("x-kubernetes-preserve-unknown-fields"))
    kind = raw.get("type", "")
    schema = Schema(
        {"object": "m", "array": "l", "string": "s", "integer": "i64", "number": "f64", "boolean": "b"}.get(
            kind, "x"
        )
    )
    schema.raw = raw
    schema.nullable = bool(raw.get("nullable"))
    schema.preserve = preserve
    if raw.get("x-kubernetes-int-or-string"):
        schema.kind, schema.scalar = "io", "untyped"
        return schema
    if kind in ("object", ""):
        _custom_map(schema, raw, preserve)
    if kind in ("array", ""):
        schema.is_list = True
        schema.item = (
            _custom(raw["items"], preserve=preserve) if isinstance(raw.get("items"), dict) else UNTYPED
        )
        schema.list_kind = raw.get("x-kubernetes-list-type", "atomic")
        schema.keys = tuple(raw.get("x-kubernetes-list-map-keys", ()))
    if kind == "":
        schema.scalar = "untyped"
    elif kind not in ("object", "array"):
        schema.scalar = {"string": "string", "boolean": "boolean"}.get(kind, "numeric")
        if kind == "string" and raw.get("format") in ("byte", "int-or-string", "date-time"):
            schema.scalar = "untyped"
    return schema


def _custom_map(schema: Schema, raw: Json, preserve: bool) -> None:
    schema.is_map = True
    schema.atomic = raw.get("x-kubernetes-map-type") == "atomic"
    schema.required = tuple(raw.get("required", ()))
    for key, member in raw.get("properties", {}).items():
        field = Field(
            _custom(member, preserve=False if "x-kubernetes-preserve-unknown-fields" in member else preserve)
        )
        field.default = member.get("default")
        schema.fields[key] = field
    more = raw.get("additionalProperties")
    if isinstance(more, dict):
        schema.element = _custom(more, preserve=preserve)
    elif more or (more is None and (preserve or not schema.fields)):
        schema.element = DEDUCED
    if raw.get("x-kubernetes-embedded-resource"):
        _top_level(schema)
        if preserve:
            schema.element = DEDUCED
