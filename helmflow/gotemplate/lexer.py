"""Template text to tokens, with Go's rules and error texts.

`cut` cuts a text into literal pieces and actions with one regular expression; `action_tokens` lexes the inside of one
action; `tokens` is the whole token stream as Go's lexer gives it, for any delimiters. A token is (type, text, offset).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

from helmflow.core.lazy import pattern
from helmflow.gotemplate.strconv import quote

Token = tuple[str, str, int]

KEYWORDS: Final = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
)
SPACES: Final = " \t\r\n"

# One action: its trim marker and comment, or its body up to the closing delimiter. Braces outside of quotes never
# belong to a well-formed action, so everything else is left to `action_tokens` to complain about.
_ACTION: Final = pattern(
    r"""\{\{(?<!\{\{\{)(-[ \t\r\n])?+(?:
        (/\*(?:[^*]++|\*(?!/))*+\*/)([ \t\r\n]-)?\}\}
      | (?!/\*)((?:[^"`'{}]++|"(?:[^"\\\n]++|\\[^\n])*+"|`[^`]*+`|'(?:[^'\\\n]++|\\[^\n])*+')*+)\}\}
    )""",
    re.VERBOSE,
)


def cut(text: str) -> list[Any]:
    """Literal texts with, between them, each action: its left trim marker, its comment with the trim marker after
    that, and its body with any right trim marker; None for what is missing. A literal that still holds an opening
    delimiter is one that no well-formed template has: lex it with `action_tokens` to learn why."""
    return _ACTION.split(text)


def left_trim(text: str, position: int) -> int:
    """The length of a left trim marker at the position: 2 or 0."""
    return (
        2
        if text[position : position + 1] == "-" and text[position + 1 : position + 2] in tuple(SPACES)
        else 0
    )


_TOKEN: Final = pattern(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<field>\.[^\W]+)(?=[ \t\r\n.,|:()]|\Z|\}\})
      | (?P<identifier>[^\W\d]\w*)(?=[ \t\r\n.,|:()]|\Z|\}\})
      | (?P<variable>\$\w*)(?=[ \t\r\n.,|:()]|\Z|\}\})
      | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
      | (?P<raw>`[^`]*`)
      | (?P<charconst>'(?:[^'\\\n]|\\[^\n])*')
      | (?P<dot>\.)(?=[ \t\r\n.,|:()]|\Z|\}\})
      | (?P<punctuation>:=|=|\||\(|\))
    """,
    re.VERBOSE,
)
_NUMBER: Final = pattern(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?"
    r"|0[bB][01_]*(?:\.[01_]*)?|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_PUNCTUATION: Final = {":=": ":=", "=": "=", "|": "pipe", "(": "(", ")": ")"}


class LexError(Exception):
    """What is wrong with an action; `offset` is where the offending token starts."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


def action_tokens(text: str, position: int, end: int, right: str = "}}") -> list[Token]:
    """The tokens of one action from the position, a "right delim" last; with an "error" token last where it is wrong.

    `end` is where the body is known to end, or len(text) to search for the closing delimiter.
    """
    out: list[Token] = []
    depth = 0
    stop_known = end < len(text)
    try:
        while True:
            if position >= end and stop_known:
                _close(depth, position)
                break
            if not stop_known and (after := _at_right(text, position, right)) is not None:
                _close(depth, position)
                position = after
                break
            kind, value = _next_token(text, position, end, right)
            if kind == "space" and not stop_known:
                value = _space_before_trim(text, position, value, right)
                if not value:
                    continue
            depth += (kind == "(") - (kind == ")")
            if depth < 0:
                raise LexError("unexpected right paren", position)
            out.append((kind, value, position))
            position += len(value)
    except LexError as error:
        out.append(("error", error.reason, error.offset))
        return out
    out.append(("right delim", right, position))
    return out


def _close(depth: int, position: int) -> None:
    if depth:
        raise LexError("unclosed left paren", position)


def _at_right(text: str, position: int, right: str) -> int | None:
    """The offset of the closing delimiter if it, or its trim marker, starts here."""
    if text.startswith(right, position):
        return position
    if text[position : position + 1] in tuple(SPACES) and text.startswith("-" + right, position + 1):
        return position + 2
    return None


def _space_before_trim(text: str, position: int, value: str, right: str) -> str:
    """Blanks without the one that belongs to a trim marker."""
    return value[:-1] if text.startswith("-" + right, position + len(value)) else value


def _next_token(text: str, position: int, end: int, right: str) -> tuple[str, str]:
    found = _TOKEN.match(text, position, end)
    if found is not None and not (
        right != "}}" and found.lastgroup in ("identifier", "field", "variable", "dot")
    ):
        kind, value = str(found.lastgroup), found[0]
        match kind:
            case "punctuation":
                return _PUNCTUATION[value], value
            case "identifier":
                if value in KEYWORDS:
                    return value, value
                if value in ("true", "false"):
                    return "bool", value
            case "raw":
                return "raw string", value
            case "dot":
                # At the very end Go takes it for the start of a number.
                return "number" if position + 1 == len(text) else ".", value
        if kind == "space" or value.isascii() or kind in ("string", "charconst") or _letters(value):
            if kind == "field" and "0" <= value[1] <= "9":
                return _number(text, position, end)
            return kind, value
    return _careful_token(text, position, end, right)


def _letters(word: str) -> bool:
    return all(char in ".$" or _alphanumeric(char) for char in word)


def _alphanumeric(char: str) -> bool:
    """Go's: an underscore, a letter (L) or a decimal digit (Nd)."""
    if char.isascii():
        return char == "_" or char.isalnum()
    category = unicodedata.category(char)
    return category[0] == "L" or category == "Nd"


def _careful_token(text: str, position: int, end: int, right: str) -> tuple[str, str]:
    """One token by Go's own steps, for what the pattern does not take: numbers, odd words, and mistakes."""
    char = text[position : position + 1] if position < end else ""
    following = text[position + 1 : position + 2] if position + 1 < end else ""
    match char:
        case "":
            raise LexError("unclosed action", position)
        case ":":
            raise LexError("expected :=", position)
        case '"':
            raise LexError("unterminated quoted string", position)
        case "`":
            raise LexError("unterminated raw quoted string", position)
        case "'":
            raise LexError("unterminated character constant", position)
        case "." if position + 1 < len(text) and not "0" <= following <= "9":
            return _word(text, position, end, right, "field")
        case "$":
            return _word(text, position, end, right, "variable")
    if char in "+-." or "0" <= char <= "9":
        return _number(text, position, end)
    if _alphanumeric(char):
        return _word(text, position, end, right, "identifier")
    if char.isascii() and char.isprintable():
        return "char", char
    raise LexError(f"unrecognized character in action: {code_point(char)}", position)


def _word(text: str, position: int, end: int, right: str, kind: str) -> tuple[str, str]:
    stop = position if kind == "identifier" else position + 1
    while stop < end and _alphanumeric(text[stop]):
        stop += 1
    word = text[position:stop]
    if stop < end and text[stop] not in " \t\r\n.,|:()" and not text.startswith(right, stop):
        raise LexError(f"bad character {code_point(text[stop])}", position)
    if word == ".":
        return ".", word
    if kind == "identifier":
        kind = word if word in KEYWORDS else "bool" if word in ("true", "false") else kind
    return kind, word


def _number(text: str, position: int, end: int) -> tuple[str, str]:
    stop, good = _scan_number(text, position, end)
    kind = "number"
    if good and stop < end and text[stop] in "+-":
        stop, good = _scan_number(text, stop, end)
        good = good and text[stop - 1] == "i"
        kind = "complex"
    if not good:
        raise LexError(f"bad number syntax: {quote(text[position:stop])}", position)
    return kind, text[position:stop]


def _scan_number(text: str, position: int, end: int) -> tuple[int, bool]:
    found = _NUMBER.match(text, position, end)
    stop = found.end() if found else position
    if stop < end and _alphanumeric(text[stop]):
        return stop + 1, False
    return stop, True


def code_point(char: str) -> str:
    """Go's %#U: U+0023 '#'."""
    code = 0xFFFD if 0xDC80 <= ord(char) <= 0xDCFF else ord(char)
    return f"U+{code:04X} '{chr(code)}'" if chr(code).isprintable() else f"U+{code:04X}"


def tokens(text: str, left: str = "{{", right: str = "}}") -> Iterator[Token]:
    """Go's token stream with comments, ending in "EOF" or "error"."""
    left, right = left or "{{", right or "}}"
    position = 0
    while True:
        cut = text.find(left, position)
        if cut < 0:
            if position < len(text):
                yield "text", text[position:], position
            yield "EOF", "", len(text)
            return
        marker = left_trim(text, cut + len(left))
        literal = text[position:cut].rstrip(SPACES) if marker else text[position:cut]
        if literal:
            yield "text", literal, position
        position = cut + len(left) + marker
        if text.startswith("/*", position):
            try:
                stop, position_after = _comment(text, position, right)
            except LexError as error:
                yield "error", error.reason, error.offset
                return
            yield "comment", text[position:stop], position
            position = position_after
            continue
        yield "left delim", left, cut
        inside = action_tokens(text, position, len(text), right)
        yield from inside
        if inside[-1][0] == "error":
            return
        position = skip_trimmed(text, inside[-1][2], right)


def comment_error(text: str, position: int) -> LexError:
    """What is wrong with the comment at the position."""
    try:
        _comment(text, position, "}}")
    except LexError as error:
        return error
    return LexError("unclosed comment", position)


def _comment(text: str, position: int, right: str) -> tuple[int, int]:
    close = text.find("*/", position + 2)
    if close < 0:
        raise LexError("unclosed comment", position)
    stop = close + 2
    delimiter = _at_right(text, stop, right)
    if delimiter is None:
        raise LexError("comment ends before closing delimiter", position)
    return stop, skip_trimmed(text, delimiter, right)


def skip_trimmed(text: str, delimiter: int, right: str) -> int:
    """Where text goes on after the closing delimiter at the offset."""
    position = delimiter + len(right)
    if text[delimiter - 1 : delimiter] == "-" and text[delimiter - 2 : delimiter - 1] in tuple(SPACES):
        while text[position : position + 1] in tuple(SPACES):
            position += 1
    return position
