"""gobwas/glob patterns with `/` as separator, as .Files.Glob takes them, in the form of regular expressions."""

from __future__ import annotations

import re
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class BadGlob(ValueError):
    """A pattern that gobwas/glob does not compile."""


@lru_cache(maxsize=512)
def compile_glob(pattern: str) -> Callable[[str], object]:
    """Whether a whole name matches: `*` and `?` stay within a segment, `**` does not, `{a,b}`, `[abc]`, `[a-z]`, `[!a]`,
    `\\` escapes. Raises BadGlob."""
    text, end = _sequence(pattern, 0, depth=0)
    if end < len(pattern):
        raise BadGlob(pattern)
    return re.compile(f"(?s:{text})\\Z").match


def _sequence(pattern: str, at: int, depth: int) -> tuple[str, int]:
    """The pattern from `at` to its end, or to the `,` or `}` that closes this alternative."""
    if depth > 50:
        raise BadGlob(pattern)
    out: list[str] = []
    while at < len(pattern):
        char = pattern[at]
        if depth and char in ",}":
            break
        at += 1
        if char == "*":
            if pattern[at : at + 1] == "*":
                at += 1
                out.append(".*")
            else:
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "\\":
            out.append(re.escape(pattern[at : at + 1]))  # one at the very end means nothing
            at += 1
        elif char == "[":
            piece, at = _character_class(pattern, at)
            out.append(piece)
        elif char == "{":
            piece, at = _alternatives(pattern, at, depth)
            out.append(piece)
        else:
            out.append(re.escape(char))
    return "".join(out), at


def _alternatives(pattern: str, at: int, depth: int) -> tuple[str, int]:
    pieces = []
    while True:
        piece, at = _sequence(pattern, at, depth + 1)
        pieces.append(piece)
        at += 1
        if at > len(pattern) or pattern[at - 1] == "}":  # gobwas lets the end close it
            return f"(?:{'|'.join(pieces)})", at


def _character_class(pattern: str, at: int) -> tuple[str, int]:
    negated = pattern[at : at + 1] == "!"
    at += negated
    mark = "^" if negated else ""
    if pattern[at + 1 : at + 2] == "-":  # a range, and nothing else
        low, high = pattern[at], pattern[at + 2 : at + 3]
        if pattern[at + 3 : at + 4] != "]" or low > high:
            raise BadGlob(pattern)
        return f"[{mark}{re.escape(low)}-{re.escape(high)}]", at + 4
    signs = []
    while at < len(pattern) and pattern[at] != "]":
        at += pattern[at] == "\\"
        signs.append(pattern[at : at + 1])
        at += 1
    if at >= len(pattern) or not signs:
        raise BadGlob(pattern)
    return f"[{mark}{re.escape(''.join(signs))}]", at + 1
