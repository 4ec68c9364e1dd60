"""Reading TOML 1.1 with BurntSushi/toml's error texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from helmflow.core.go_json import go_quote
from helmflow.core.lazy import pattern
from helmflow.core.limits import MAX_DATA_DEPTH
from helmflow.core.toml import TomlError, key_text

_BARE: Final = pattern(r"[A-Za-z0-9_-]*")
_WORD: Final = pattern(r"[^\W\d_]+")
_DATE: Final = pattern(r"[0-9]{4}-[0-9:TtZz.+-]*(?:(?<=[0-9]{4}-[0-9]{2}-[0-9]{2}) [0-9][0-9:Zz.+-]*)?")
_TIME: Final = pattern(r"[0-9]{2}:[0-9:.]*")
_MOMENT: Final = pattern(
    r"(?:([0-9]{4})-([0-9]{2})-([0-9]{2}))?(?:(?:(?<=[0-9])[Tt ])?([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?"
    r"([Zz]|[-+][0-9]{2}:[0-9]{2})?)?\Z"
)
_PREFIXED: Final = {
    "x": ("hexadecimal", "0123456789abcdefABCDEF", 16),
    "o": ("octal", "01234567", 8),
    "b": ("binary", "01", 2),
}
_NUMBER: Final = pattern(r"[-+]?[0-9_]+(\.[0-9_]*)?([eE][-+]?[0-9_]*)?")
_ESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}
_CONTROL: Final = pattern("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\udc80-\udcff]|\r(?!\n)")

_MARKS: Final = ("\udcff\udcfe", "\udcfe\udcff", "\ufeff")
_LOOKED_AT: Final = 6  # bytes in which a NUL says that the text is UTF-16
_LONE: Final = 0xDC00  # where a byte that is no UTF-8 travels


def read(text: str, integer: Callable[[int], Any], moment: Callable[[datetime, str], Any]) -> dict[str, Any]:
    """The document's table."""
    for mark in _MARKS:
        if text.startswith(mark):
            text = text.removeprefix(mark)
            break
    if "\0" in text.encode("utf-8", "surrogateescape")[:_LOOKED_AT].decode("latin-1"):
        raise TomlError(
            "toml: line 1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8"
        )
    reader = _Reader(text, integer, moment)
    try:
        return reader.document()
    except RecursionError:
        raise reader.fail("exceeded max depth") from None


class _Reader:
    """A place in the text, and the tables read so far.

    `implicit` tables came to be through keys below them and may be opened once; `closed` ones (inline tables and
    arrays written out) take nothing more.
    """

    def __init__(
        self, text: str, integer: Callable[[int], Any], moment: Callable[[datetime, str], Any]
    ) -> None:
        self.text = text
        self.at = 0
        self.integer = integer
        self.moment = moment
        self.root: dict[str, Any] = {}
        self.context: tuple[str, ...] = ()
        self.key: tuple[str, ...] = ()
        self.implicit: set[int] = set()
        self.arrays: set[int] = set()
        self.depth = 0

    # -- errors and characters

    def fail(self, message: str, *, passed: str = "") -> TomlError:
        """An error at this place, or behind a character that was `passed` already."""
        end = self.at - 1 if self.at >= len(self.text) else self.at  # a last line end does not begin a line
        line = self.text.count("\n", 0, max(end, 0)) + 1 + passed.count("\n")
        last = key_text((*self.context, *self.key))
        where = f"line {line} (last key {go_quote(last)})" if last else f"line {line}"
        return TomlError(f"toml: {where}: {message}")

    def peek(self) -> str:
        """The next character, "" at the end."""
        return self.text[self.at : self.at + 1]

    def shown(self) -> str:
        """The next character as Go quotes it; one that is allowed nowhere is refused first."""
        self.control()
        char = self.peek() or "\0"
        return "'\\''" if char == "'" else "'\"'" if char == '"' else f"'{go_quote(char)[1:-1]}'"

    def blanks(self) -> None:
        """Spaces and tabs."""
        while self.peek() in (" ", "\t"):
            self.at += 1

    def gap(self) -> None:
        """Spaces, line ends and comments."""
        while True:
            self.blanks()
            char = self.peek()
            if char == "#":
                self.comment()
            elif char == "\n" or self.text.startswith("\r\n", self.at):
                self.at += 1 if char == "\n" else 2
            else:
                self.control()
                return

    def comment(self) -> None:
        """From # to the end of the line."""
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        bad = _CONTROL.search(self.text, self.at, end)
        if bad is not None and not (bad[0] == "\r" and bad.end() == end):
            self.at = bad.start()
            self.control()
        self.at = end

    def control(self) -> None:
        """Control characters and bytes that are no UTF-8 are refused everywhere."""
        bad = _CONTROL.match(self.text, self.at)
        if bad is None:
            return
        code = ord(bad[0][0])
        if code > _LONE:
            raise self.fail(f"invalid UTF-8 byte: 0x{code - _LONE:02x}")
        raise self.fail(f"TOML files cannot contain control characters: '0x{code:02x}'")

    # -- structure

    def document(self) -> dict[str, Any]:
        """Everything."""
        table = self.root
        while True:
            self.gap()
            char = self.peek()
            if not char:
                return self.root
            self.key = ()
            if char == "[":
                table = self.header()
            else:
                self.pair(table)
            self.line_end()

    def line_end(self) -> None:
        """Nothing but a comment may follow on the line."""
        self.blanks()
        char = self.peek()
        if char == "#":
            self.key = ()
            self.comment()
        elif char and char != "\n" and not self.text.startswith("\r\n", self.at):
            self.control()
            self.key = ()
            raise self.fail(
                f"expected a top-level item to end with a newline, comment, or EOF, but got {self.shown()} instead"
            )

    def header(self) -> dict[str, Any]:
        """[table] or [[array of tables]]"""
        self.context = ()
        self.at += 1
        double = self.peek() == "["
        if double:
            self.at += 1
        name = self.table_name()
        self.at += 1
        if double:
            if self.peek() != "]":
                message = f"expected end of table array name delimiter ']', but got {self.shown()} instead"
                raise self.fail(message, passed=self.peek())
            self.at += 1
        parent = self.descend(self.root, name[:-1])
        made = self.open_array(parent, name) if double else self.open_table(parent, name)
        self.context = name
        return made

    def table_name(self) -> tuple[str, ...]:
        """A header's dotted name up to its bracket."""
        parts: list[str] = []
        while True:
            self.blanks()
            char = self.peek()
            if not char or char == "]":
                raise self.fail("unexpected end of table name (table names cannot be empty)")
            if char == ".":
                raise self.fail("unexpected table separator (table names cannot be empty)")
            parts.append(self.key_part())
            self.blanks()
            char = self.peek()
            if char == "]":
                return tuple(parts)
            if char != ".":
                message = f"expected '.' or ']' to end table name, but got {self.shown()} instead"
                raise self.fail(message, passed=char)
            self.at += 1

    def open_table(self, parent: dict[str, Any], name: tuple[str, ...]) -> dict[str, Any]:
        """A table that is new, or came to be only through its sub-tables."""
        existing = parent.get(name[-1])
        if existing is None:
            existing = parent[name[-1]] = {}
        elif not isinstance(existing, dict) or id(existing) not in self.implicit:
            raise self.fail(f"Key '{key_text(name)}' has already been defined.")
        self.implicit.discard(id(existing))
        return existing

    def open_array(self, parent: dict[str, Any], name: tuple[str, ...]) -> dict[str, Any]:
        """The next table of an array."""
        existing = parent.get(name[-1])
        if existing is None:
            existing = parent[name[-1]] = []
            self.arrays.add(id(existing))
        elif not isinstance(existing, list) or id(existing) not in self.arrays:
            raise self.fail(f"Key '{key_text(name)}' was already created and cannot be used as an array.")
        made: dict[str, Any] = {}
        existing.append(made)
        return made

    def descend(self, table: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        """The table at a path, made on the way; in arrays of tables the last one."""
        for part in path:
            inner = table.get(part)
            if inner is None:
                inner = table[part] = {}
                self.implicit.add(id(inner))
            elif isinstance(inner, list) and id(inner) in self.arrays:
                inner = inner[-1]
            elif not isinstance(inner, dict):
                raise self.fail(f"Key '{key_text((*self.context, *path))}' was already created as a hash.")
            table = inner
        return table

    def pair(self, table: dict[str, Any]) -> None:
        """key = value"""
        name = self.dotted_key()
        self.key = name
        self.at += 1
        self.blanks()
        value = self.value()
        self.key = name
        target = self.descend(table, name[:-1])
        if name[-1] in target:
            existing = target[name[-1]]
            if isinstance(existing, dict) and id(existing) in self.implicit:
                self.implicit.discard(id(existing))
                return
            raise self.fail(f"Key '{key_text((*self.context, *name))}' has already been defined.")
        target[name[-1]] = value

    def dotted_key(self) -> tuple[str, ...]:
        """A key up to its =."""
        parts: list[str] = []
        while True:
            self.blanks()
            char = self.peek()
            if char == "=":
                raise self.fail("unexpected '='" if parts else "unexpected '=': key name appears blank")
            if not char and parts:
                raise self.fail("unexpected '='")
            if char == ".":
                raise self.fail("unexpected '.'" if parts else "unexpected '.': keys cannot start with a '.'")
            parts.append(self.key_part())
            self.blanks()
            char = self.peek()
            if char == "=":
                return tuple(parts)
            if not char:
                raise self.fail("unexpected EOF; expected key separator '='")
            if char != ".":
                raise self.fail(f"expected '.' or '=', but got {self.shown()} instead")
            self.at += 1

    def key_part(self) -> str:
        """A bare or quoted part of a key."""
        char = self.peek()
        if char == '"':
            self.at += 1
            return self.basic()
        if char == "'":
            self.at += 1
            return self.raw()
        found = _BARE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return found[0]

    # -- values

    def value(self) -> Any:
        """One value."""
        self.depth += 1
        if self.depth > MAX_DATA_DEPTH:
            raise self.fail("exceeded max depth")
        value = self._value()
        self.depth -= 1
        return value

    def _value(self) -> Any:
        char = self.peek()
        if char == "[":
            return self.array()
        if char == "{":
            return self.inline_table()
        if char == '"':
            return self.multiline() if self.text.startswith('"""', self.at) else self.skip_basic()
        if char == "'":
            return self.multiline_raw() if self.text.startswith("'''", self.at) else self.skip_raw()
        if char and char in "+-0123456789":
            return self.number()
        if char == ".":
            raise self.fail("floats must start with a digit, not '.'")
        word = _WORD.match(self.text, self.at)
        if word is not None:
            return self.word(word[0])
        if not char:
            raise self.fail("unexpected EOF; expected value")
        raise self.fail(f"expected value but found {self.shown()} instead")

    def word(self, word: str) -> Any:
        """true, false, inf or nan."""
        for name, value in (("inf", float("inf")), ("nan", float("nan"))):
            if word.startswith(name):
                self.at += 3
                return value
        if word not in ("true", "false"):
            start, self.at = self.at, self.at + len(word)
            self.control()
            self.at = start
            raise self.fail(f"expected value but found {go_quote(word)} instead")
        self.at += len(word)
        return word == "true"

    def array(self) -> list[Any]:
        """[ ... ]"""
        self.at += 1
        out: list[Any] = []
        while True:
            self.gap()
            char = self.peek()
            if char == ",":
                raise self.fail("unexpected comma")
            if char == "]":
                self.at += 1
                return out
            if not char and not out:
                raise self.fail("unexpected EOF; expected value")
            out.append(self.value())
            self.gap()
            char = self.peek()
            if char == ",":
                self.at += 1
            elif char != "]":
                got = self.shown() if char else "end of file"
                raise self.fail(f"expected a comma (',') or array terminator (']'), but got {got}")

    def inline_table(self) -> dict[str, Any]:
        """{ ... }"""
        self.at += 1
        out: dict[str, Any] = {}
        context, key = self.context, self.key
        self.context, self.key = (*context, *key), ()
        while True:
            self.gap()
            char = self.peek()
            if char == ",":
                raise self.fail("unexpected comma")
            if char == "}":
                break
            self.pair(out)
            self.gap()
            char = self.peek()
            if char == ",":
                self.at += 1
            elif char != "}":
                got = self.shown() if char else "end of file"
                raise self.fail(f"expected a comma or an inline table terminator '}}', but got {got} instead")
        self.at += 1
        self.context, self.key = context, key
        return out

    def number(self) -> Any:
        """An integer, float, date or time."""
        text = self.text
        for form in (_DATE, _TIME):
            found = form.match(text, self.at)
            if found is not None:
                return self.date(found[0].rstrip(" "))
        sign = 1 if text[self.at] in "+-" else 0
        rest = text[self.at + sign : self.at + sign + 3]
        if rest in ("inf", "nan"):
            value = float(text[self.at : self.at + sign + 3])
            self.at += sign + 3
            return value
        if not rest[:1] or rest[0] not in "0123456789":
            self.at += sign
            raise self.fail(f"expected a digit but got {self.shown()}")
        if rest[0] == "0" and rest[1:2] and rest[1] in _PREFIXED and not sign:
            return self.prefixed(rest[1])
        found = _NUMBER.match(text, self.at)
        assert found is not None
        return self.decimal(found)

    def prefixed(self, letter: str) -> Any:
        """0x, 0o or 0b"""
        name, digits, base = _PREFIXED[letter]
        found = re.compile(r"0[xob][0-9A-Za-z_]*").match(self.text, self.at)
        assert found is not None
        body = found[0][2:]
        if not body or any(char not in digits + "_" for char in body):
            raise self.fail(f"not a {name} number: '{found[0]}'")
        if body.startswith("_") or body.endswith("_") or "__" in body:
            raise self.fail(f"Invalid integer {go_quote(found[0])}: underscores must be surrounded by digits")
        self.at = found.end()
        return self.fits(int(body, base), found[0])

    def decimal(self, found: re.Match[str]) -> Any:
        """A plain number."""
        written = found[0]
        is_float = bool(found[1] or found[2])
        kind = "float" if is_float else "integer"
        if re.search(r"(?<![0-9])_|_(?![0-9])", written):
            raise self.fail(f"Invalid {kind} {go_quote(written)}: underscores must be surrounded by digits")
        if re.match(r"[-+]?0[0-9]", written):
            raise self.fail(f"Invalid {kind} {go_quote(written)}: cannot have leading zeroes")
        plain = written.replace("_", "")
        if not is_float:
            self.at = found.end()
            return self.fits(int(plain), written)
        if found[1] == ".":
            raise self.fail(f"Invalid float {go_quote(written)}: '.' must be followed by one or more digits")
        try:
            value = float(plain)
        except ValueError:
            raise self.fail(f"Invalid float value: {go_quote(written)}") from None
        if value in (float("inf"), float("-inf")):
            raise self.fail(f"{written} is out of range for float64")
        self.at = found.end()
        return value

    def fits(self, number: int, written: str) -> Any:
        """An integer within 64 bits."""
        if not -(1 << 63) <= number < 1 << 63:
            raise self.fail(f"{written} is out of range for int64")
        return self.integer(number)

    def date(self, written: str) -> Any:
        """A date, a time or both."""
        found = _MOMENT.match(written)
        value = None if found is None else _moment(found)
        if found is None or value is None:
            raise self.fail(f"invalid datetime: {go_quote(written)}")
        self.at += len(written)
        kind = (
            ""
            if found[8]
            else "datetime-local"
            if found[1] and found[4]
            else "date-local"
            if found[1]
            else "time-local"
        )
        return self.moment(value, kind)

    # -- strings

    def skip_basic(self) -> str:
        """ "..." """
        self.at += 1
        return self.basic()

    def skip_raw(self) -> str:
        """'...'"""
        self.at += 1
        return self.raw()

    def basic(self) -> str:
        """The rest of a basic string."""
        out: list[str] = []
        while True:
            char = self.peek()
            if not char:
                raise self.fail("unexpected EOF; expected '\"'")
            if char == "\n" or self.text.startswith("\r\n", self.at):
                raise self.fail("strings cannot contain newlines")
            self.control()
            if char == '"':
                self.at += 1
                return "".join(out)
            if char == "\\":
                out.append(self.escape())
                continue
            out.append(char)
            self.at += 1

    def raw(self) -> str:
        """The rest of a literal string."""
        start = self.at
        while True:
            char = self.peek()
            if not char:
                raise self.fail('unexpected EOF; expected "\'"')
            if char == "\n" or self.text.startswith("\r\n", self.at):
                raise self.fail("strings cannot contain newlines")
            self.control()
            self.at += 1
            if char == "'":
                return self.text[start : self.at - 1]

    def multiline(self) -> str:
        """\"\"\" ... \"\"\""""
        self.open_multiline()
        out: list[str] = []
        while True:
            char = self.peek()
            if not char:
                raise self.fail('unexpected EOF; expected \'"""\'')
            if char == '"' and self.text.startswith('"""', self.at):
                return self.close_multiline('"', "".join(out))
            if char == "\\":
                folded = re.compile(r"\\[ \t]*\r?\n[ \t\r\n]*").match(self.text, self.at)
                if folded is not None:
                    self.at = folded.end()
                    continue
                out.append(self.escape())
                continue
            self.control()
            out.append("" if char == "\r" else char)
            self.at += 1

    def multiline_raw(self) -> str:
        """''' ... '''"""
        self.open_multiline()
        out: list[str] = []
        while True:
            char = self.peek()
            if not char:
                raise self.fail("unexpected EOF; expected \"'''\"")
            if char == "'" and self.text.startswith("'''", self.at):
                return self.close_multiline("'", "".join(out))
            self.control()
            out.append("" if char == "\r" else char)
            self.at += 1

    def open_multiline(self) -> None:
        """Three quotes and the line end right after them."""
        self.at += 3
        if self.text.startswith("\r\n", self.at):
            self.at += 2
        elif self.peek() == "\n":
            self.at += 1

    def close_multiline(self, quote: str, text: str) -> str:
        """Three quotes; up to two more belong to the string."""
        end = self.at
        while end < len(self.text) and self.text[end] == quote and end - self.at < 5:
            end += 1
        extra = end - self.at - 3
        self.at = end
        return text + quote * extra

    def escape(self) -> str:
        """A backslash and what follows."""
        char = self.text[self.at + 1 : self.at + 2]
        if char in _ESCAPES and char:
            self.at += 2
            return _ESCAPES[char]
        sizes = {"x": (2, "two"), "u": (4, "four"), "U": (8, "eight")}
        if char not in sizes or not char:
            raise self.fail(f"invalid escape in string '\\{char}'")
        size, word = sizes[char]
        digits = self.text[self.at + 2 : self.at + 2 + size]
        found = re.match(r"[0-9a-fA-F]*", digits)
        assert found is not None
        if found.end() < size:
            got = self.text[self.at : self.at + 3 + found.end()]
            raise self.fail(
                f"expected {word} hexadecimal digits after '\\{char}', but got {go_quote(got)} instead"
            )
        code = int(digits, 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise self.fail(f"Escaped character '\\{char}{digits}' is not valid UTF-8.")
        self.at += 2 + size
        return chr(code)


def _moment(found: re.Match[str]) -> datetime | None:
    """The matched date and time, None where there is no such day or hour."""
    if not found[1] and not found[4]:
        return None
    zone = UTC if not found[8] or found[8] in "zZ" else None
    if zone is None:
        distance = timedelta(hours=int(found[8][1:3]), minutes=int(found[8][4:]))
        if distance >= timedelta(days=1):
            return None
        zone = timezone(-distance if found[8][0] == "-" else distance)
    hour, minute, second = (int(found[group] or 0) for group in (4, 5, 6))
    micro = int((found[7] or "")[:6].ljust(6, "0"))
    year, month, day = (int(found[group]) for group in (1, 2, 3)) if found[1] else (1, 1, 1)
    try:
        return datetime(year, month, day, hour, minute, second, micro, zone)
    except ValueError:
        return None
