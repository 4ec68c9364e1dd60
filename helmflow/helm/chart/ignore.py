""".helmignore: which files of a chart directory Helm does not load, with its quirks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from helmflow.core.errors import ChartError
from helmflow.core.records import dataclass

IGNORE_FILE = ".helmignore"
_DEFAULT = "templates/.?*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the file. `whole`: match the full relative path, otherwise the base name."""

    matches: Callable[[str], object]
    negated: bool = False
    directories_only: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in file order; the first that decides wins."""

    rules: tuple[Rule, ...]

    def ignores(self, path: str, *, is_directory: object) -> bool:
        """Whether `path` (relative, with `/`) is left out. A negated rule that does not match ignores at once: a
        quirk of Helm's that makes `!x` ignore everything but x."""
        if path in ("", ".", "./"):
            return False
        base = path.rstrip("/").rpartition("/")[2]
        for rule in self.rules:
            hit = rule.matches(path if rule.whole else base) and (is_directory or not rule.directories_only)
            if rule.negated:
                if not hit:
                    return True
            elif hit:
                return True
        return False


def parse(text: str) -> Rules:
    """The rules of a .helmignore text plus Helm's built-in one. Raises ChartError."""
    rules = [rule for line in text.removeprefix("\ufeff").splitlines() if (rule := _rule(line.strip()))]
    default = _rule(_DEFAULT)
    assert default is not None
    return Rules((*rules, default))


def _rule(line: str) -> Rule | None:
    if not line or line.startswith("#"):
        return None
    if "**" in line:
        raise ChartError("double-star (**) syntax is not supported", error_id="chart.ignore-pattern")
    compile_pattern(line)  # Helm checks the line as written, the negation mark included
    negated = line.startswith("!")
    pattern = line[1:] if negated else line
    directories_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    whole = "/" in pattern
    return Rule(compile_pattern(pattern.removeprefix("/")), negated, directories_only, whole)


_SPECIAL: Final = frozenset("*?[\\")


def compile_pattern(pattern: str) -> Callable[[str], object]:
    """Go's filepath.Match: `*` and `?` stay within a segment, `[a-z]`, `[^a-z]`, `\\` escapes. Raises ChartError."""
    if not _SPECIAL.intersection(
        pattern[1:]
    ):  # most are names and endings, and regular expressions take long to make
        if pattern[:1] == "*":
            return _ending(pattern[1:])
        if pattern[:1] not in _SPECIAL:
            return pattern.__eq__
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if out[-1:] != ["[^/]*"]:
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            text, at = _character_class(pattern, at)
            out.append(text)
        elif char == "\\":
            if at >= len(pattern):
                raise _bad_pattern()
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return re.compile("(?s:" + "".join(out) + r")\Z").match


def _ending(ending: str) -> Callable[[str], object]:
    def matches(path: str) -> bool:
        return path.endswith(ending) and "/" not in path[: len(path) - len(ending)]

    return matches


def _character_class(pattern: str, at: int) -> tuple[str, int]:
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while not (ranges and pattern[at : at + 1] == "]"):
        low, at = _class_character(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _class_character(pattern, at + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")
    body = "".join(ranges)
    if not body:
        return ("[^/]" if negated else "(?!)"), at + 1
    # a class never matches the separator, not even a negated one
    return f"(?!/)[{'^' if negated else ''}{body}]", at + 1


def _class_character(pattern: str, at: int) -> tuple[str, int]:
    char = pattern[at : at + 1]
    if char in ("", "-", "]"):
        raise _bad_pattern()
    if char == "\\":
        at += 1
        char = pattern[at : at + 1]
        if not char:
            raise _bad_pattern()
    if at + 1 >= len(pattern):
        raise _bad_pattern()
    return char, at + 1


def _bad_pattern() -> ChartError:
    return ChartError("syntax error in pattern", error_id="chart.ignore-pattern")
