"""Sprig's regular expression functions with Go's meaning: RE2, or `re` where it is sure to agree."""

from __future__ import annotations

import functools
import itertools
import re

from helmflow.core.go_json import go_quote
from helmflow.core.lazy import pattern
from helmflow.core.limits import MIB
from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.gotypes import NilStringSlice, StringSlice
from helmflow.sprig.regex_syntax import TOO_LARGE, RegexError, parse, python_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final

    Compile = Callable[[str], "Regexp"]

_MAX_COST: Final = 1_000_000  # steps Python's backtracking engine may need before RE2 is asked instead
_MAX_MEMORY: Final = 64 * MIB  # for one compiled expression and its states


class Match:
    """A match: the text of each group (None where it took no part) and the place of the whole."""

    __slots__ = ("end", "groups", "start")

    def __init__(self, start: int, end: int, groups: tuple[str | None, ...]) -> None:
        self.start = start
        self.end = end
        self.groups = groups


class Regexp:
    """A compiled Go regular expression."""

    def __init__(self, expression: str) -> None:
        parsed = parse(expression, _is_known_class)
        self.expression = expression
        self.names = parsed.names
        self._nameless = parsed.nameless
        form = python_form(parsed)
        self._form = form
        self._python = re.compile(form.source, re.ASCII) if form else None
        self._re2: Any = None

    def matches(self, text: str) -> bool:
        """Is there a match anywhere?"""
        if self._python_will_do(text):
            assert self._python is not None
            return self._python.search(text) is not None
        return self._engine().search(_bytes(_SURROGATE.sub("\ufffd", text))) is not None

    def find_all(self, text: str, limit: int) -> Iterator[Match]:
        """Matches from left to right, at most `limit` of them unless it is negative.

        As in Go, an empty match right after another match does not count.
        """
        search, size, width = self._searcher(text)
        at, delivered, previous = 0, 0, -1
        while (limit < 0 or delivered < limit) and at <= size:
            found = search(at)
            if found is None:
                return
            accepted = True
            if found.end == at:
                accepted = found.start != previous
                at += width(at) or 1
            else:
                at = found.end
            previous = found.end
            if accepted:
                yield found
                delivered += 1

    def replace_all(self, text: str, replacement: Callable[[Match], str]) -> str:
        """Every match replaced; an empty match right after another match is left alone."""
        search, size, width = self._searcher(text)
        cut = self._cutter(text)
        out: list[str] = []
        last = at = 0
        while at <= size:
            found = search(at)
            if found is None:
                break
            out.append(cut(last, found.start))
            if found.end > last or found.start == 0:
                out.append(replacement(found))
            last = found.end
            step = width(at)
            if at + step > found.end:
                at += step
            elif at + 1 > found.end:
                at += 1
            else:
                at = found.end
        if not out:
            return text
        out.append(cut(last, size))
        return "".join(out)

    def split(self, text: str, limit: int) -> list[str] | None:
        """The text between matches, at most `limit` pieces unless it is negative; None for no pieces at all."""
        if limit == 0:
            return None
        if self.expression and not text:
            return [""]
        cut = self._cutter(text)
        size = self._searcher(text)[1]
        out: list[str] = []
        begin = end = 0
        for found in self.find_all(text, limit):
            if limit > 0 and len(out) == limit - 1:
                break
            end = found.start
            if found.end != 0:
                out.append(cut(begin, end))
            begin = found.end
        if end != size:
            out.append(cut(begin, size))
        return out

    def expand(self, template: str) -> Callable[[Match], str]:
        """What a replacement template gives for a match: $1, ${name}, $$."""
        pieces = _template(template)
        if len(pieces) == 1 and isinstance(pieces[0], str):
            constant = pieces[0]
            return lambda _: constant

        def replacement(found: Match) -> str:
            out = [piece if isinstance(piece, str) else self._group(found, piece[0]) for piece in pieces]
            return "".join(out)

        return replacement

    def _group(self, found: Match, name: int | str) -> str:
        """A group's text by number or name, "" where there is none."""
        if isinstance(name, int):
            return (found.groups[name] or "") if name < len(found.groups) else ""
        for index, known in enumerate(self.names):
            if known == name and found.groups[index] is not None:
                return found.groups[index] or ""
        return ""

    def _python_will_do(self, text: str) -> bool:
        """May `re` search this text: surely the same result, surely soon?"""
        form = self._form
        if form is None or (form.folds and not text.isascii()) or len(text) > _MAX_COST:
            return False
        if not text and "\\B" in self.expression:  # where Python finds none before 3.14
            return False
        if form.branches * (len(text) + 1) ** (form.loops + 1) > _MAX_COST:
            return False
        return text.isascii() or _SURROGATE.search(text) is None

    def _searcher(self, text: str) -> tuple[Callable[[int], Match | None], int, Callable[[int], int]]:
        """Search from a place, the text's size in places, and the width of the character at a place."""
        if self._python_will_do(text):
            assert self._python is not None
            find = self._python.search
            size = len(text)

            def search(at: int) -> Match | None:
                found = find(text, at)
                return None if found is None else Match(*found.span(), (found[0], *found.groups()))

            return search, size, lambda at: 1 if at < size else 0
        engine = self._engine()
        if _SURROGATE.search(text):
            return _search_repaired(engine, text), len(text), lambda at: 1 if at < len(text) else 0
        data = _bytes(text)

        def search_bytes(at: int) -> Match | None:
            found = engine.search(data, at)
            if found is None:
                return None
            groups = (found[0], *found.groups())
            return Match(found.start(), found.end(), tuple(None if g is None else _text(g) for g in groups))

        return search_bytes, len(data), lambda at: _rune_width(data, at)

    def _cutter(self, text: str) -> Callable[[int, int], str]:
        """Part of the text between two of the searcher's places."""
        if self._python_will_do(text) or _SURROGATE.search(text):
            return lambda start, end: text[start:end]
        data = _bytes(text)
        return lambda start, end: _text(data[start:end])

    def _engine(self) -> Any:
        """The RE2 program, compiled when it is first needed."""
        if self._re2 is None:
            self._re2 = _re2(self._nameless)
            if self._re2 is None:
                raise RegexError(TOO_LARGE, self.expression)
        return self._re2


_SURROGATE: Final = pattern("[\ud800-\udfff]")


def _search_repaired(engine: Any, text: str) -> Callable[[int], Match | None]:
    """Search in a text with invalid UTF-8, which Go reads as U+FFFD byte by byte; places are characters."""
    characters = [("\ufffd" if "\ud800" <= char <= "\udfff" else char).encode("utf-8") for char in text]
    data = b"".join(characters)
    starts = [0, *itertools.accumulate(map(len, characters))]
    places = {start: index for index, start in enumerate(starts)}

    def search(at: int) -> Match | None:
        found = engine.search(data, starts[at])
        if found is None:
            return None
        spans = [found.span(index) for index in range(len(found.groups()) + 1)]
        groups = (None if start < 0 else text[places[start] : places[end]] for start, end in spans)
        return Match(places[spans[0][0]], places[spans[0][1]], tuple(groups))

    return search


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _rune_width(data: bytes, at: int) -> int:
    """utf8.DecodeRune's width: 1 for an invalid byte, 0 at the end."""
    if at >= len(data):
        return 0
    lead = data[at]
    size = 1 if lead < 0xC2 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4 if lead < 0xF5 else 1
    try:
        data[at : at + size].decode("utf-8")
    except UnicodeDecodeError:
        return 1
    return size


def _re2(expression: str) -> Any:
    """RE2's program for an expression, None where it has none."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    compile_: Callable[[bytes, Any], Any] = re2.compile
    try:
        return compile_(expression.encode("utf-8"), options)
    except re2.error:
        return None


@functools.cache
def _is_known_class(sequence: str) -> bool:
    """Is this \\p{...} a class that RE2 knows?"""
    return _re2(sequence) is not None


_NAME: Final = pattern(r"(\{)?(\w+)(?(1)\})")


@functools.lru_cache(maxsize=1024)
def _template(template: str) -> tuple[str | tuple[int | str], ...]:
    """A replacement template as text and (group,) pieces."""
    out: list[str | tuple[int | str]] = []
    text = ""
    rest = template
    while True:
        before, dollar, rest = rest.partition("$")
        text += before
        if not dollar:
            break
        if rest[:1] == "$":
            text, rest = text + "$", rest[1:]
            continue
        found = _NAME.match(rest)
        if found is None or not all(char == "_" or char.isalpha() or char.isdecimal() for char in found[2]):
            text += "$"
            continue
        name = found[2]
        numeric = name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") and len(name) < 9
        out.extend((text, (int(name) if numeric else name,)))
        text, rest = "", rest[found.end() :]
    out.append(text)
    return tuple(out)


@functools.lru_cache(maxsize=1024)
def compiled(expression: str) -> Regexp:
    """regexp.Compile. Raises RegexError."""
    return Regexp(expression)


def _compile(expression: str) -> Regexp:
    """regexp.Compile, its error returned."""
    try:
        return compiled(expression)
    except RegexError as error:
        raise FunctionError(str(error)) from None


def _must_compile(expression: str) -> Regexp:
    """regexp.MustCompile, which panics."""
    try:
        return compiled(expression)
    except RegexError as error:
        raise FunctionError(f"regexp: Compile({_quoted(expression)}): {error}") from None


def _quoted(expression: str) -> str:
    """In backquotes where Go can, else quoted."""
    plain = all(char == "\t" or (char >= " " and char not in "`\x7f\ufeff") for char in expression)
    return f"`{expression}`" if plain and not _SURROGATE.search(expression) else go_quote(expression)


def _find(compile_: Compile, expression: str, text: str) -> str:
    for found in compile_(expression).find_all(text, 1):
        return found.groups[0] or ""
    return ""


def _find_all(compile_: Compile, expression: str, text: str, limit: int) -> StringSlice:
    found = StringSlice(one.groups[0] or "" for one in compile_(expression).find_all(text, limit))
    return found or NilStringSlice()


def _replace(compile_: Compile, expression: str, text: str, template: str) -> str:
    regexp = compile_(expression)
    return regexp.replace_all(text, regexp.expand(template))


def _replace_literal(compile_: Compile, expression: str, text: str, replacement: str) -> str:
    return compile_(expression).replace_all(text, lambda _: replacement)


def _split(compile_: Compile, expression: str, text: str, limit: int) -> StringSlice:
    pieces = compile_(expression).split(text, limit)
    return NilStringSlice() if pieces is None else StringSlice(pieces)


@function("regexMatch", "string", "string", returns="bool")
def regex_match(expression: str, text: str) -> bool:
    try:
        return compiled(expression).matches(text)
    except RegexError:
        return False


@function("mustRegexMatch", "string", "string", returns="bool")
def must_regex_match(expression: str, text: str) -> bool:
    return _compile(expression).matches(text)


@function("regexQuoteMeta", "string", returns="string")
def regex_quote_meta(text: str) -> str:
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)


def _pair(name: str, call: Callable[..., Any], *params: str, returns: str) -> tuple[Function, Function]:
    """The function that panics on a bad expression and the one that returns the error."""
    must = "must" + name[0].upper() + name[1:]
    return (
        Function(name, functools.partial(call, _must_compile), params, returns=returns),
        Function(must, functools.partial(call, _compile), params, returns=returns),
    )


FUNCTIONS: dict[str, Function] = table(
    regex_match,
    must_regex_match,
    regex_quote_meta,
    *_pair("regexFind", _find, "string", "string", returns="string"),
    *_pair("regexFindAll", _find_all, "string", "string", "int", returns="[]string"),
    *_pair("regexReplaceAll", _replace, "string", "string", "string", returns="string"),
    *_pair("regexReplaceAllLiteral", _replace_literal, "string", "string", "string", returns="string"),
    *_pair("regexSplit", _split, "string", "string", "int", returns="[]string"),
)
