"""gobwas/glob patterns with `/` as separator, as .Files.Glob takes them, in the form of regular expressions."""

from __future__ import annotations

from helmflow.core import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable
else:  # most patterns need none
    re = lazy.module("re")


class BadGlob(ValueError):
    """A pattern that gobwas/glob does not compile."""


_BORDER = "\0"  # keeps stars on both sides of a bracket apart
_MORE = frozenset(f"?\\[{_BORDER}")  # what means more than stars and alternatives
_MOST_SPELLINGS = 32


def compile_glob(pattern: str) -> Callable[[str], object]:
    """Whether a whole name matches: `*` and `?` stay within a segment, `**` does not, `{a,b}`, `[abc]`, `[a-z]`, `[!a]`,
    `\\` escapes. Raises BadGlob."""
    spellings = _spelled_out(pattern)
    if spellings:
        fits = [_stars(one) for one in spellings]
        return fits[0] if len(fits) == 1 else lambda name: any(one(name) for one in fits)
    text, end = _sequence(pattern, 0, depth=0)
    if end < len(pattern):
        raise BadGlob(pattern)
    return re.compile(f"(?s:{text})\\Z").match


def _spelled_out(pattern: str) -> list[str]:
    """The patterns without alternatives that it stands for; none where it has more signs or many alternatives."""
    found = [""]
    if not _MORE.isdisjoint(pattern):
        return []
    while pattern:
        before, opening, rest = pattern.partition("{")
        inside, closing, pattern = rest.partition("}")
        words = inside.split(",")
        if (opening and not closing) or "{" in inside or len(found) * len(words) > _MOST_SPELLINGS:
            return []
        found = [f"{start}{before}{_BORDER}{word}{_BORDER}" for start in found for word in words]
    return found


def _stars(pattern: str) -> Callable[[str], bool]:
    """A pattern in which only stars stand for something."""
    first, *rest = pattern.replace("***", "**").split("*")
    pieces: list[tuple[str, bool]] = []  # what follows a star, and whether it was a double one
    for piece in rest:
        if pieces and pieces[-1] == ("", False):
            pieces[-1] = (piece, True)
        else:
            pieces.append((piece, False))
    first = first.replace(_BORDER, "")
    pieces = [(piece.replace(_BORDER, ""), crosses) for piece, crosses in pieces]

    def matches(name: str) -> bool:
        if not name.startswith(first):
            return False
        places = {len(first)}  # where what was looked at so far may end
        for piece, crosses in pieces:
            found = set()
            looked = 0  # everything before that: long names and many stars take no longer than their product
            for at in sorted(places):
                slash = -1 if crosses else name.find("/", at)
                end = (len(name) if slash < 0 else slash) + 1
                for start in range(max(at, looked), end):
                    if name.startswith(piece, start):
                        found.add(start + len(piece))
                looked = max(looked, end)
            places = found
        return len(name) in places

    return matches


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
