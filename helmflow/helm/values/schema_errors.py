"""What a value gets wrong of a JSON schema, as a tree, in the words of santhosh-tekuri/jsonschema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from helmflow.core.go_json import format_float, go_quote


class Number(float):
    """A number of a schema that remembers how it was written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Number:
        made = super().__new__(cls, text)
        made.text = text
        return made


class Problem:
    """One failed keyword, a group of them (`message` is GROUP), or a reference to a schema (`message` "").

    `tokens` lead from the value that the enclosing problem is about to this one's, innermost last; `rooted` problems
    start again at the top, as property names do.
    """

    __slots__ = ("causes", "message", "rooted", "tokens")

    def __init__(self, message: str, causes: Iterable[Problem] = ()) -> None:
        self.message = message
        self.causes = tuple(causes)
        self.tokens: tuple[str, ...] = ()
        self.rooted = False

    def under(self, token: str) -> Problem:
        """The same problem, seen from the object or array around it."""
        self.tokens = (token, *self.tokens)
        return self


GROUP: Final = "validation failed"


def one_of(problems: list[Problem]) -> Problem | None:
    """None, the only problem, or a group."""
    if not problems:
        return None
    return problems[0] if len(problems) == 1 else Problem(GROUP, problems)


def by_reference(problem: Problem | None) -> Problem | None:
    """What a referred schema found; a group stays one group, even when it is all there is."""
    return Problem("", (problem,)) if problem is not None and problem.message is GROUP else problem


def lines(problem: Problem) -> str:
    """The problem as lines of a list, each with its place; a group that is all there is goes without a heading."""
    out: list[str] = []
    if problem.message is GROUP:
        for cause in problem.causes:
            _show(cause, 1, problem.tokens, out)
    else:
        _show(problem, 1, (), out)
    return "\n".join(out)


def _show(problem: Problem, indent: int, base: tuple[str, ...], out: list[str]) -> None:
    here = () if problem.rooted else base + problem.tokens
    if problem.message:
        out.append(f"{'  ' * (indent - 1)}- at {quote(pointer(here))}: {problem.message}")
        indent += 1
    for cause in problem.causes:
        _show(cause, indent, here, out)


def pointer(tokens: Iterable[str]) -> str:
    """A JSON pointer."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def quote(text: str) -> str:
    """Text in single quotes, escaped as Go does."""
    # The reference library unescapes double quotes before it takes the outer ones off; a last backslash suffers.
    inner = go_quote(text).replace('\\"', '"').replace("'", "\\'")[1:-1]
    return f"'{inner}'"


def quoted(texts: Iterable[str]) -> str:
    """Quoted texts with commas."""
    return ", ".join(quote(text) for text in texts)


_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float) -> str:
    """A number as English text: thousands parted by commas, powers of ten written out."""
    text = format_float(float(value))
    mantissa, exponent, power = text.partition("e")
    if exponent:
        return f"{mantissa}×10{power.lstrip('+').translate(_SUPERSCRIPTS)}"
    whole, point, fraction = mantissa.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point}{fraction}"


def literal(value: Any) -> str | None:
    """A constant of a schema in a message, None for objects and arrays."""
    if isinstance(value, (dict, list)):
        return None
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    return value.text if isinstance(value, Number) else format_float(float(value))
