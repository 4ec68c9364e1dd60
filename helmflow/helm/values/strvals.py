"""The --set mini languages: key paths, lists, escapes and typing, with Helm's own error texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from helmflow.core.errors import ConfigError
from helmflow.core.go_json import JsonError, go_quote
from helmflow.core.go_json_scan import scan_prefix
from helmflow.core.lazy import pattern
from helmflow.gotemplate.gotypes import Int64
from helmflow.gotemplate.strconv import decimal

Kind = Literal["set", "set-string", "set-json", "set-file", "set-literal"]

MAX_INDEX: Final = 65536
MAX_NESTED_NAME_LEVEL: Final = 30

_INTEGER: Final = pattern(r"[-+]?[0-9]+\Z")
_INT64: Final = 1 << 63


def parse(
    expression: str,
    *,
    kind: Kind = "set",
    into: Mapping[str, Any] | None = None,
    read_file: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """What one --set flag gives: a new tree over a copy of `into`'s path.

    Integers are Int64, as Helm's own parser gives them; numbers of set-json are floats. set-file reads its values
    through `read_file`; without one the path itself is the value. Raises ConfigError `values.set-syntax` with Helm's
    text.
    """
    data: dict[str, Any] = _copy(into) if into else {}
    literal = kind == "set-literal"
    reader = _reader(kind, read_file)
    parser = _Parser(expression, reader, literal=literal, json=kind == "set-json")
    try:
        parser.parse(data)
    except _Problem as problem:
        raise ConfigError(
            str(problem),
            error_id="values.set-syntax",
            hint="write a.b=value,c[0]=value,d={x,y}; a comma, dot or brace in a value is written \\, \\. \\{",
        ) from None
    return data


def apply(
    values: dict[str, Any], expression: str, *, kind: Kind, read_file: Callable[[str], str] | None = None
) -> dict[str, Any]:
    """`values` with one flag of a command line applied; beside `parse`, --set-json takes a whole JSON object."""
    if kind == "set-json" and expression.lstrip().startswith("{"):
        from helmflow.core import go_json
        from helmflow.helm.chart.load import merge_maps

        try:
            given = go_json.loads(expression, into="map[string]interface {}")
        except ValueError as cause:
            raise ConfigError(
                f"failed parsing --set-json data JSON: {expression}", error_id="values.set-syntax"
            ) from cause
        return merge_maps(values, given)
    return parse(expression, kind=kind, into=values, read_file=read_file)


def _reader(kind: Kind, read_file: Callable[[str], str] | None) -> Callable[[str], Any]:
    """How a value's text becomes a value."""
    if kind == "set":
        return typed
    if kind == "set-file" and read_file is not None:
        return read_file
    return str


def typed(text: str) -> Any:
    """--set's typing: true, false, null, and decimal integers without a leading zero."""
    folded = text.lower() if text.isascii() else text
    if folded in _WORDS:
        return _WORDS[folded]
    if text and text[0] != "0" and _INTEGER.match(text):
        number = decimal(text)
        if -_INT64 <= number < _INT64:
            return Int64(number)
    return text


_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None, "0": Int64(0)}


class _Problem(Exception):
    """The expression is wrong; the text is Helm's."""


class _End(Exception):
    """The expression is used up: io.EOF, which ends parsing without being a mistake."""


def _copy(value: Any) -> Any:
    """A copy that parsing may change: maps and lists, not leaves."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


class _Parser:
    """Helm's recursive-descent parser. Its quirks (what is set before a mistake is found) are kept."""

    def __init__(self, text: str, reader: Callable[[str], Any], *, literal: bool, json: bool) -> None:
        self.text = re.sub("[\ud800-\udfff]", "\ufffd", text)
        self.at = 0
        self.reader = reader
        self.literal = literal
        self.json = json

    def parse(self, data: dict[str, Any]) -> None:
        """Every key of the expression."""
        try:
            while True:
                self.key(data, 0)
        except _End:
            return

    def until(self, stops: str) -> tuple[str, str]:
        """Text up to one of `stops` and that stop, "" at the end; a backslash takes the next character as it is."""
        out: list[str] = []
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            self.at += 1
            if char in stops:
                return "".join(out), char
            if char == "\\" and not self.literal:
                if self.at >= len(text):
                    break
                char = text[self.at]
                self.at += 1
            out.append(char)
        return "".join(out), ""

    def key(self, data: dict[str, Any], level: int) -> None:
        """One key with its value, set in `data`."""
        name, stop = self.until("=[." if self.literal else "=[,.")
        if not stop:
            if not name:
                raise _End
            raise _Problem(f"key {go_quote(name)} has no value")
        if stop == "[":
            self.indexed(data, name, level)
        elif stop == "=":
            self.assign(data, name)
        elif stop == ",":
            _set(data, name, "")
            raise _Problem(f"key {go_quote(name)} has no value (cannot end with ,)")
        else:
            self.nested(data, name, level + 1)

    def indexed(self, data: dict[str, Any], name: str, level: int) -> None:
        """name[...]"""
        index = self.index()
        found: list[Any] = _as_list(data[name]) if name in data else []
        box = [found]
        try:
            self.item(box, index, level)
        finally:
            _set(data, name, box[0])

    def nested(self, data: dict[str, Any], name: str, level: int) -> None:
        """name.rest"""
        if level > MAX_NESTED_NAME_LEVEL:
            raise _Problem(
                f"value name nested level is greater than maximum supported nested level of {MAX_NESTED_NAME_LEVEL}"
            )
        inner: dict[str, Any] = _as_map(data[name]) if name in data else {}
        try:
            self.key(inner, level)
        finally:
            if inner:
                _set(data, name, inner)
        if not inner:
            raise _Problem(f"key map {go_quote(name)} has no value")

    def assign(self, data: dict[str, Any], name: str) -> None:
        """name=value"""
        if self.json:
            _set(data, name, self.json_value(lambda value: _set(data, name, value)))
            return
        if not self.literal and self.at >= len(self.text):
            _set(data, name, "")
            raise _End
        _set(data, name, self.value())

    def value(self) -> Any:
        """A list in braces or a single value up to a comma."""
        if self.literal:
            rest, self.at = self.text[self.at :], len(self.text)
            return rest
        if self.text[self.at] == "{":
            self.at += 1
            return self.braces()
        text, _ = self.until(",")
        return self.reader(text)

    def braces(self) -> list[Any]:
        """{a,b}"""
        out: list[Any] = []
        while True:
            text, stop = self.until(",}")
            if not stop:
                raise _Problem("list must terminate with '}'")
            out.append(self.reader(text))
            if stop == "}":
                if self.text[self.at : self.at + 1] == ",":
                    self.at += 1
                return out

    def index(self) -> int:
        """The number before ]."""
        text, stop = self.until("]")
        if not stop:
            raise _End
        digits = re.match(r"[-+]?([0-9]*)", text)
        assert digits is not None
        number = decimal(digits[0])
        # strconv reads from the left: an overflow is noticed before a bad character after it.
        overflow = abs(number) >= 1 << 64
        if not overflow and not _INTEGER.match(text):
            raise _Problem(f"error parsing index: strconv.Atoi: parsing {go_quote(text)}: invalid syntax")
        if not -_INT64 <= number < _INT64:
            raise _Problem(f"error parsing index: strconv.Atoi: parsing {go_quote(text)}: value out of range")
        return number

    def item(self, box: list[list[Any]], index: int, level: int) -> None:
        """What follows an index; the list in `box` is replaced when it grows."""
        if index < 0:
            raise _Problem(f"negative {index} index not allowed")
        text, stop = self.until("[.=")
        if text:
            raise _Problem(f"unexpected data at end of array index: {_runes(text)}")
        if not stop:
            raise _End
        if stop == "=":
            self.assign_item(box, index)
        elif stop == "[":
            inner_index = self.index()
            existing = box[0][index] if len(box[0]) > index else None
            inner = [_as_list(existing) if existing is not None else []]
            self.item(inner, inner_index, level)
            _set_index(box, index, inner[0])
        else:
            nested: Any = {}
            if len(box[0]) > index:
                nested = box[0][index]
                if not isinstance(nested, dict):
                    nested = box[0][index] = {}
            self.key(nested, level)
            _set_index(box, index, nested)

    def assign_item(self, box: list[list[Any]], index: int) -> None:
        """[i]=value"""
        if self.json:
            self.json_value(lambda value: _set_index(box, index, value))
        elif not self.literal and self.at >= len(self.text):
            _set_index(box, index, "")
        else:
            _set_index(box, index, self.value())

    def json_value(self, store: Callable[[Any], None]) -> Any:
        """A JSON value (nothing at all is null) and the comma after it; stored before the rest is looked at."""
        if self.blank():
            store(None)
            return None
        try:
            value, length = scan_prefix(self.text[self.at :])
        except JsonError as error:
            raise _Problem(str(error)) from None
        store(value)
        self.at += length
        self.blank()
        return value

    def blank(self) -> bool:
        """Skip spaces and one comma; is there nothing before the comma or the end?"""
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == ",":
                self.at += 1
                return True
            if not (char.isspace() and char not in "\x1c\x1d\x1e\x1f"):
                return False
            self.at += 1
        return True


def _set(data: dict[str, Any], name: str, value: Any) -> None:
    """Set an entry; an empty name is ignored."""
    if name:
        data[name] = value


def _set_index(box: list[list[Any]], index: int, value: Any) -> None:
    """Set an item; the list is padded with null."""
    if index > MAX_INDEX:
        raise _Problem(f"index of {index} is greater than maximum supported index of {MAX_INDEX}")
    found = box[0]
    if len(found) <= index:
        box[0] = found = [*found, *[None] * (index + 1 - len(found))]
    found[index] = value


def _as_map(value: Any) -> dict[str, Any]:
    """Go's type assertion on a map, whose panic Helm reports."""
    if isinstance(value, dict):
        return value
    raise _Problem(
        f"unable to parse key: interface conversion: interface {{}} is {_go_name(value)}, not map[string]interface {{}}"
    )


def _as_list(value: Any) -> list[Any]:
    """Go's type assertion on a list."""
    if isinstance(value, list):
        return value
    raise _Problem(
        f"unable to parse key: interface conversion: interface {{}} is {_go_name(value)}, not []interface {{}}"
    )


def _go_name(value: Any) -> str:
    """A value's Go type in a panic."""
    if value is None:
        return "nil"
    names = {
        bool: "bool",
        float: "float64",
        str: "string",
        int: "int64",
        Int64: "int64",
        list: "[]interface {}",
    }
    return names.get(type(value), "map[string]interface {}")


def _runes(text: str) -> str:
    """A []rune as %q prints it."""
    quoted = (
        ("'\\''" if char == "'" else "'\"'" if char == '"' else f"'{go_quote(char)[1:-1]}'") for char in text
    )
    return "[" + " ".join(quoted) + "]"
