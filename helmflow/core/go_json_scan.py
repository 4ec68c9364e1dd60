"""JSON read byte by byte as Go's scanner does: its error texts, and the values Python's reader gets wrong."""

from __future__ import annotations

import math
from typing import Any, Final

from helmflow.core.lazy import pattern
from helmflow.core.limits import MAX_DATA_DEPTH

_SPACE: Final = " \t\r\n"
_NUMBER: Final = pattern(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_PLAIN: Final = pattern(r'[^"\\\x00-\x1f\ud800-\udfff]+')
_HEX4: Final = pattern(r"[0-9a-fA-F]{4}")
_SIMPLE: Final = {
    '"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip
_END: Final = "unexpected end of JSON input"


def scan(text: str) -> Any:
    """The value of `text`. Raises JsonError with Go's text for syntax first, for numbers out of range after."""
    from helmflow.core.go_json import JsonError

    scanner = _Scanner(text, MAX_DATA_DEPTH, JsonError)
    scanner.space()
    value = scanner.value("looking for beginning of value", 0)
    scanner.space()
    if scanner.at < len(text):
        raise scanner.bad("after top-level value")
    if scanner.too_large:
        raise JsonError(f"json: cannot unmarshal number {scanner.too_large} into Go value of type float64")
    return value


def scan_prefix(text: str) -> tuple[Any, int]:
    """The first value of `text` and how much of it was read, as json.Decoder does."""
    from helmflow.core.go_json import JsonError

    scanner = _Scanner(text, MAX_DATA_DEPTH, JsonError)
    scanner.space()
    try:
        value = scanner.value("looking for beginning of value", 0)
    except JsonError as error:
        raise JsonError("unexpected EOF" if scanner.ended else str(error), offset=scanner.at + 1) from None
    if scanner.too_large:
        raise JsonError(f"json: cannot unmarshal number {scanner.too_large} into Go value of type float64")
    return value, scanner.at


class _Scanner:
    """A place in a text, and Go's way of saying what is wrong there."""

    def __init__(self, text: str, max_depth: int, error: type[Exception]) -> None:
        self.text = text
        self.at = 0
        self.max_depth = max_depth
        self.error = error
        self.too_large = ""
        self.ended = False

    def space(self) -> None:
        """Skip white space."""
        while self.at < len(self.text) and self.text[self.at] in _SPACE:
            self.at += 1

    def bad(self, context: str) -> Exception:
        """Go's SyntaxError at this place."""
        if self.at >= len(self.text):
            self.ended = True
            # Go tries a blank at the end, which only some places accept.
            inside = context.startswith(("in ", "after decimal point"))
            return self.error(f"invalid character ' ' {context}" if inside else _END)
        char = self.text[self.at]
        # Go looks at one byte: of a longer character it names the first byte as if it were Latin-1.
        byte = char.encode("utf-8", "surrogateescape")[0]
        if char == "'":
            shown = "'\\''"
        elif char == '"':
            shown = "'\"'"
        else:
            from helmflow.core.go_json import go_quote

            shown = "'" + go_quote(chr(byte))[1:-1] + "'"
        return self.error(f"invalid character {shown} {context}")

    def value(self, context: str, depth: int) -> Any:
        """One value."""
        if depth > self.max_depth:
            raise self.error("exceeded max depth")
        char = self.text[self.at : self.at + 1]
        if char == "{":
            return self.object(depth)
        if char == "[":
            return self.array(depth)
        if char == '"':
            return self.string()
        if char and char in "-0123456789":
            return self.number()
        for word, value in (("true", True), ("false", False), ("null", None)):
            if char == word[0]:
                return self.word(word, value)
        raise self.bad(context)

    def word(self, word: str, value: Any) -> Any:
        """true, false or null, letter by letter."""
        for index, letter in enumerate(word):
            if self.text[self.at : self.at + 1] != letter:
                raise self.bad(f"in literal {word} (expecting '{word[index]}')")
            self.at += 1
        return value

    def number(self) -> float:
        """A number; too large a one is remembered and reported when the whole text has proved well-formed."""
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            self.at += 1
            raise self.bad("in numeric literal")
        rest = self.text[found.end() : found.end() + 1]
        if rest == "." and "." not in found[0] and "e" not in found[0].lower():
            self.at = found.end() + 1
            raise self.bad("after decimal point in numeric literal")
        if rest in ("e", "E") and "e" not in found[0].lower():
            self.at = found.end() + 1
            if self.text[self.at : self.at + 1] in ("+", "-"):
                self.at += 1
            raise self.bad("in exponent of numeric literal")
        self.at = found.end()
        number = float(found[0])
        if math.isinf(number) and not self.too_large:
            self.too_large = found[0]
        return number

    def string(self) -> str:
        """A string; unpaired surrogates and invalid UTF-8 become U+FFFD."""
        out: list[str] = []
        self.at += 1
        while True:
            if found := _PLAIN.match(self.text, self.at):
                out.append(found[0])
                self.at = found.end()
            char = self.text[self.at : self.at + 1]
            if not char:
                raise self.bad("")
            if char == '"':
                self.at += 1
                return "".join(out)
            if char < " ":
                raise self.bad("in string literal")
            if char == "\\":
                out.append(self.escape())
                continue
            out.append("\ufffd")  # what is left are surrogates
            self.at += 1

    def escape(self) -> str:
        """One escape, both halves of a surrogate pair at once."""
        self.at += 1
        char = self.text[self.at : self.at + 1]
        if char in _SIMPLE:
            self.at += 1
            return _SIMPLE[char]
        if char != "u":
            raise self.bad("in string escape code")
        code = self.unicode()
        if 0xD800 <= code < 0xDC00 and self.text[self.at : self.at + 2] == "\\u":
            saved = self.at
            self.at += 1
            low = self.unicode()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
            self.at = saved
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)

    def unicode(self) -> int:
        """The four hexadecimal digits after \\u."""
        self.at += 1
        found = _HEX4.match(self.text, self.at)
        if found is None:
            while self.text[self.at : self.at + 1] and self.text[self.at] in "0123456789abcdefABCDEF":
                self.at += 1
            raise self.bad("in \\u hexadecimal character escape")
        self.at = found.end()
        return int(found[0], 16)

    def array(self, depth: int) -> list[Any]:
        """[ ... ]"""
        out: list[Any] = []
        self.at += 1
        self.space()
        if self.text[self.at : self.at + 1] == "]":
            self.at += 1
            return out
        while True:
            out.append(self.value("looking for beginning of value", depth + 1))
            self.space()
            char = self.text[self.at : self.at + 1]
            if char not in (",", "]"):
                raise self.bad("after array element")
            self.at += 1
            if char == "]":
                return out
            self.space()

    def object(self, depth: int) -> dict[str, Any]:
        """{ ... }"""
        out: dict[str, Any] = {}
        self.at += 1
        self.space()
        if self.text[self.at : self.at + 1] == "}":
            self.at += 1
            return out
        while True:
            if self.text[self.at : self.at + 1] != '"':
                raise self.bad("looking for beginning of object key string")
            key = self.string()
            self.space()
            if self.text[self.at : self.at + 1] != ":":
                raise self.bad("after object key")
            self.at += 1
            self.space()
            out[key] = self.value("looking for beginning of value", depth + 1)
            self.space()
            char = self.text[self.at : self.at + 1]
            if char not in (",", "}"):
                raise self.bad("after object key:value pair")
            self.at += 1
            if char == "}":
                return out
            self.space()
