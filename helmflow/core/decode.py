"""Located node to frozen dataclass, with every mistake collected and a likely name for each unknown key.

A field's key is its name in camelCase, or `metadata={"key": ...}` (see `key`); `metadata={"aliases": (...)}` adds
other spellings. A field without a default is required. A field named `span` of type Span gets the mapping's place;
a field of type Node gets the node as it is. Fields may be str, int, float, bool, Any, Literal, Enum, `X | None`,
unions, `tuple[X, ...]`, `list[X]`, `Mapping[str, X]`, `dict[str, X]`, Located[X] and dataclasses. null counts as
absent. As in go-yaml v3, a str takes any scalar as it is written and a bool takes yes, no, on and off.
A class may define `decode_node(cls, node, decoder)` to read itself.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import functools
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar

from helmflow.core.errors import ConfigError, Mistake
from helmflow.core.source import Span
from helmflow.core.yaml_locate import Node
from helmflow.core.yaml_scalars import BOOLEANS_V1

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Located(Generic[T]):
    """A decoded value with its place."""

    value: T
    span: Span


def key(
    name: str, *aliases: str, default: Any = dataclasses.MISSING, factory: Any = dataclasses.MISSING
) -> Any:
    """A dataclass field read from the mapping key `name` (or one of `aliases`)."""
    metadata = {"key": name, "aliases": aliases}
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    if default is not dataclasses.MISSING:
        return dataclasses.field(default=default, metadata=metadata)
    return dataclasses.field(metadata=metadata)


def decode(node: Node, wanted: type[T], *, what: str = "") -> T:
    """The node as `wanted`. Raises ConfigError with every mistake; `what` names the thing ("release", "state file")."""
    decoder = Decoder()
    value = decoder.read(node, wanted, what or _words(wanted))
    if decoder.mistakes:
        raise ConfigError.collect(decoder.mistakes)
    return typing.cast(T, value)


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint naming what was probably meant, "" when nothing is near."""
    names = list(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    if name.lower() in lowered:
        return f"did you mean {lowered[name.lower()]!r}?"
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else ""


def camel(name: str) -> str:
    """snake_case to camelCase."""
    head, *rest = name.rstrip("_").split("_")
    return head + "".join(part.capitalize() for part in rest)


class _Wrong(Exception):
    """A node does not fit; the mistake is already recorded."""


_BAD: Final = object()


class Decoder:
    """Reads nodes and collects mistakes; a value that does not fit leaves its field's default."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def read(self, node: Node, wanted: Any, what: str) -> Any:
        """The node as `wanted`, None where it does not fit (then there is a mistake)."""
        value = self._convert(node, wanted, what)
        return None if value is _BAD else value

    def mistake(self, node: Node, message: str, error_id: str, hint: str = "") -> None:
        """Record a mistake at a node."""
        self.mistakes.append(Mistake(message, error_id, node.span, hint))

    def _wrong(self, node: Node, what: str, wanted: str) -> Any:
        """Record that a node is not what was wanted."""
        self.mistake(node, f"{what} must be {wanted}, not {_shown(node)}", "state.wrong-type")
        return _BAD

    def _convert(self, node: Node, wanted: Any, what: str) -> Any:
        """Dispatch on the wanted type."""
        if wanted is Any or wanted is object:
            return node.value
        if wanted is Node:
            return node
        origin = typing.get_origin(wanted)
        if origin in (typing.Union, types.UnionType):
            return self._union(node, typing.get_args(wanted), what)
        if origin is Located:
            value = self._convert(node, typing.get_args(wanted)[0], what)
            return value if value is _BAD else Located(value, node.span)
        if origin is Literal:
            return self._choice(node, typing.get_args(wanted), what)
        if origin in (tuple, list, Sequence) or wanted in (tuple, list):
            return self._sequence(node, wanted, what)
        if origin in (dict, Mapping) or wanted is dict or origin is typing.get_origin(Mapping[str, Any]):
            return self._mapping(node, wanted, what)
        if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
            value = self._choice(node, tuple(member.value for member in wanted), what)
            return value if value is _BAD else wanted(value)
        reader = getattr(wanted, "decode_node", None)
        if reader is not None:
            return reader(node, self)
        if dataclasses.is_dataclass(wanted):
            return self._dataclass(node, typing.cast(type, wanted), what)
        return self._scalar(node, wanted, what)

    def _scalar(self, node: Node, wanted: Any, what: str) -> Any:
        """str, int, float or bool, with go-yaml v3's leniency."""
        value = node.value
        if wanted is str:
            if node.kind == "scalar":
                return "" if value is None else node.text
            return self._wrong(node, what, "text")
        if wanted is bool:
            if isinstance(value, bool):
                return value
            if isinstance(value, str) and value in BOOLEANS_V1:
                return BOOLEANS_V1[value]
            return self._wrong(node, what, "true or false")
        if wanted is int:
            if isinstance(value, (int, float)) and not isinstance(value, bool) and int(value) == value:
                return int(value)
            return self._wrong(node, what, "a whole number")
        if wanted is float:
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return float(value)
            return self._wrong(node, what, "a number")
        raise TypeError(f"decode does not know {wanted!r}")

    def _choice(self, node: Node, choices: tuple[Any, ...], what: str) -> Any:
        """One of a few words."""
        for choice in choices:
            if node.value == choice or (
                isinstance(choice, str) and node.kind == "scalar" and node.text == choice
            ):
                return choice
        self.mistake(
            node,
            f"{what} must be one of {', '.join(str(choice) for choice in choices)}, not {_shown(node)}",
            "state.wrong-choice",
            suggest(node.text, [str(choice) for choice in choices]),
        )
        return _BAD

    def _union(self, node: Node, options: tuple[Any, ...], what: str) -> Any:
        """The first member that fits; the mistakes are those of the member of the node's own kind."""
        if node.value is None and type(None) in options:
            return None
        members = [option for option in options if option is not type(None)]
        if len(members) == 1:
            return self._convert(node, members[0], what)
        failures: list[list[Mistake]] = []
        for member in sorted(members, key=lambda member: not _suits(node, member)):
            trial = Decoder()
            value = trial._convert(node, member, what)
            if value is not _BAD and not trial.mistakes:
                return value
            failures.append(trial.mistakes)
        self.mistakes.extend(failures[0])
        return _BAD

    def _sequence(self, node: Node, wanted: Any, what: str) -> Any:
        """A list; null is an empty one."""
        args = typing.get_args(wanted)
        of_tuple = (typing.get_origin(wanted) or wanted) is tuple
        if node.value is None:
            return () if of_tuple else []
        if node.kind != "sequence":
            return self._wrong(node, what, "a list")
        item = args[0] if args else Any
        values = [self._convert(child, item, f"{what}[{index}]") for index, child in enumerate(node.items)]
        if any(value is _BAD for value in values):
            return _BAD
        return tuple(values) if of_tuple else values

    def _mapping(self, node: Node, wanted: Any, what: str) -> Any:
        """A mapping with free keys; null is an empty one."""
        args = typing.get_args(wanted)
        if node.value is None:
            return {}
        if node.kind != "mapping":
            return self._wrong(node, what, "a mapping")
        item = args[1] if args else Any
        entries = node.entries or {}
        values = {name: self._convert(value, item, f"{what}.{name}") for name, (_, value) in entries.items()}
        return _BAD if any(value is _BAD for value in values.values()) else values

    def _dataclass(self, node: Node, wanted: type, what: str) -> Any:
        """A mapping with known keys."""
        if node.kind != "mapping" and node.value is not None:
            return self._wrong(node, what, "a mapping")
        fields = _fields(wanted)
        by_key = {spelling: field for field in fields for spelling in field.keys}
        arguments: dict[str, Any] = {field.name: node.span for field in fields if field.is_span}
        failed = False
        for name, (key_node, value_node) in (node.entries or {}).items():
            field = by_key.get(name)
            if field is None:
                self.mistake(
                    key_node, f"unknown key {name!r} in {what}", "state.unknown-key", suggest(name, by_key)
                )
                continue
            if value_node.value is None and not field.takes_none:
                continue
            value = self._convert(value_node, field.type, f"{what}.{name}")
            if value is _BAD:
                failed = True
            else:
                arguments[field.name] = value
        for field in fields:
            if field.required and field.name not in arguments and not failed:
                self.mistake(node, f"{what} needs {field.keys[0]!r}", "state.missing-key")
                failed = True
        return _BAD if failed else wanted(**arguments)


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """What decode needs to know of a dataclass field."""

    name: str
    keys: tuple[str, ...]
    type: Any
    required: bool
    is_span: bool
    takes_none: bool


@functools.cache
def _fields(wanted: type) -> tuple[_Field, ...]:
    """A dataclass's fields with resolved types."""
    hints = typing.get_type_hints(wanted)
    out = []
    for field in dataclasses.fields(wanted):
        if not field.init:
            continue
        is_span = hints[field.name] is Span
        name = field.metadata.get("key", camel(field.name))
        keys = () if is_span else (name, *field.metadata.get("aliases", ()))
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        hint = hints[field.name]
        takes_none = hint is Node or hint is Any
        out.append(_Field(field.name, keys, hint, missing and not is_span, is_span, takes_none))
    return tuple(out)


def _suits(node: Node, wanted: Any) -> bool:
    """Is `wanted` of the node's own kind?"""
    origin = typing.get_origin(wanted) or wanted
    if node.kind == "sequence":
        return origin in (tuple, list, Sequence)
    if node.kind == "mapping":
        return origin in (dict, Mapping) or dataclasses.is_dataclass(origin)
    return bool(isinstance(origin, type) and isinstance(node.value, origin))


def _words(wanted: type) -> str:
    """A class name as words: ReleaseSpec is "release spec"."""
    name = getattr(wanted, "__name__", "value")
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()


def _shown(node: Node) -> str:
    """A node in a message."""
    if node.kind == "sequence":
        return "a list"
    if node.kind == "mapping":
        return "a mapping"
    if node.value is None:
        return "null"
    if isinstance(node.value, (bool, int, float, datetime)):
        return node.text
    text = node.text if len(node.text) <= 40 else node.text[:39] + "…"
    return repr(text)
