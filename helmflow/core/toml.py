"""TOML as BurntSushi/toml writes and reads it: floats always with a point or exponent, tables indented, its errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from helmflow.core.go_json import format_float, plain_value, rfc3339
from helmflow.core.lazy import pattern
from helmflow.core.limits import MAX_DATA_DEPTH


class TomlError(ValueError):
    """A value that has no TOML, or text that is none; `str` is Go's text."""


def dumps(value: Any) -> str:
    """toml.Encoder's text; a value that is no table stands alone. Raises TomlError."""
    if value is None:
        return ""
    writer = _Writer()
    writer.write((), value)
    return "".join(writer.out)


def loads(
    text: str, *, integer: Callable[[int], Any] = int, moment: Callable[[datetime, str], Any] | None = None
) -> dict[str, Any]:
    """toml.Unmarshal into a map. Raises TomlError.

    `integer` makes integers; `moment` makes dates and times from an aware datetime and the kind of local time it is
    ("", "datetime-local", "date-local" or "time-local"), without it they stay datetimes.
    """
    from helmflow.core.toml_read import read

    return read(text, integer, moment or (lambda value, kind: value))


_BARE: Final = pattern(r"[A-Za-z0-9_-]+\Z")
_ESCAPED: Final = pattern(r'["\\\x00-\x1f\x7f]')
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def quoted(text: str) -> str:
    """A basic string."""
    return '"' + _ESCAPED.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'


def key_text(key: tuple[str, ...]) -> str:
    """A dotted key, its parts quoted where they must be."""
    return ".".join(part if _BARE.match(part) else quoted(part) for part in key)


class _Writer:
    """The encoder: own keys of a table first, then its sub-tables."""

    def __init__(self) -> None:
        self.out: list[str] = []

    def newline(self) -> None:
        """A line end, unless nothing has been written."""
        if self.out:
            self.out.append("\n")

    def write(self, key: tuple[str, ...], value: Any) -> None:
        """A value under its key."""
        if len(key) > MAX_DATA_DEPTH:
            raise TomlError("toml: value nests too deeply")
        value = _plain(value)
        if isinstance(value, complex):
            raise TomlError(
                "unsupported type: complex128" if key else "unsupported type for key '': complex128"
            )
        if isinstance(value, Mapping):
            self.table(key, value)
        elif _is_tables(value):
            self.tables(key, value)
        else:
            self.pair(key, value)

    def pair(self, key: tuple[str, ...], value: Any) -> None:
        """key = value, or the value alone at the top."""
        if not key:
            self.out.append(_element(value))
            return
        self.out.append(f"{_indent(key)}{key_text(key[-1:])} = {_element(value)}")
        self.newline()

    def table(self, key: tuple[str, ...], value: Mapping[Any, Any]) -> None:
        """[key] and what is in it."""
        if len(key) == 1:
            self.newline()
        if key:
            self.out.append(f"{_indent(key)}[{key_text(key)}]")
            self.newline()
        self.entries(key, value)

    def tables(self, key: tuple[str, ...], values: list[Any]) -> None:
        """[[key]] for each table."""
        if not key:
            raise TomlError("toml: top-level values must be Go maps or structs")
        for value in values:
            self.newline()
            self.out.append(f"{_indent(key)}[[{key_text(key)}]]")
            self.newline()
            self.entries(key, _plain(value))

    def entries(self, key: tuple[str, ...], value: Mapping[Any, Any]) -> None:
        """A table's entries in order."""
        direct, below = _sorted_keys(value)
        for name in (*direct, *below):
            if value[name] is not None:
                self.write((*key, name), value[name])


def _indent(key: tuple[str, ...]) -> str:
    return "  " * (len(key) - 1)


def _plain(value: Any) -> Any:
    """A map, list or scalar for an object that says what it is."""
    if hasattr(value, "go_toml") or not hasattr(value, "go_json"):
        return value
    return plain_value(value)


def _sorted_keys(value: Mapping[Any, Any]) -> tuple[list[str], list[str]]:
    """Keys of plain values, then keys of tables, each sorted."""
    names = sorted(str(name) for name in value)
    below = [name for name in names if _is_table(_plain(value[name]))]
    return [name for name in names if name not in set(below)], below


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_tables(value)


def _is_tables(value: Any) -> bool:
    """A list of nothing but tables. Raises TomlError for a list with null in it."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    if any(item is None for item in value):
        raise TomlError("toml: cannot encode array with nil element")
    return all(isinstance(_plain(item), Mapping) for item in value)


def _element(value: Any, depth: int = 0) -> str:
    """A value on one line."""
    if depth > MAX_DATA_DEPTH:
        raise TomlError("toml: value nests too deeply")
    value = _plain(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if hasattr(value, "go_toml"):
        return str(value.go_toml())
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Mapping):
        direct, below = _sorted_keys(value)
        names = (*direct, *below)
        # A comma follows every pair but the last one, also where that one is null and left out.
        pairs = (
            f"{key_text((name,))} = {_element(value[name], depth + 1)}" + (", " if name != names[-1] else "")
            for name in names
            if value[name] is not None
        )
        return "{" + "".join(pairs) + "}"
    if isinstance(value, complex):
        raise TomlError("unsupported type: complex128")
    _is_tables(value)
    return "[" + ", ".join(_element(item, depth + 1) for item in value) + "]"


def _float(value: float) -> str:
    """A float with a point or an exponent."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "-inf" if value < 0 else "inf"
    text = format_float(value)
    return text if "." in text or "e" in text else text + ".0"
