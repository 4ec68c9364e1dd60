"""Letter case and word shapes: upper, title, camelcase, snakecase, initials, abbrev, wrap."""

from __future__ import annotations

import unicodedata

from helmflow.core.lazy import pattern
from helmflow.gotemplate.functions import function, table
from helmflow.sprig.conversion import SPACE, check_text, to_bytes, to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SPACES = frozenset(SPACE)
_CONNECTORS = frozenset(SPACE + "-_")


@function("upper", "string", returns="string")
def upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(map(upper_rune, _valid(text)))


@function("lower", "string", returns="string")
def lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(map(lower_rune, _valid(text)))


@function("title", "string", returns="string")
def title(text: str) -> str:
    out, start = [], True
    for rune in _valid(text):
        out.append(title_rune(rune) if start else rune)
        start = _separates(rune)
    return "".join(out)


@function("untitle", "string", returns="string")
def untitle(text: str) -> str:
    out, start = [], True
    for rune in _valid(text):
        if rune in _SPACES:
            out.append(rune)
            start = True
        else:
            out.append(lower_rune(rune) if start else rune)
            start = False
    return "".join(out)


@function("swapcase", "string", returns="string")
def swapcase(text: str) -> str:
    out, start = [], True
    for rune in _valid(text):
        category = unicodedata.category(rune)
        if category in ("Lu", "Lt"):
            out.append(lower_rune(rune))
            start = False
        elif category == "Ll":
            out.append(title_rune(rune) if start else upper_rune(rune))
            start = False
        else:
            out.append(rune)
            start = rune in _SPACES
    return "".join(out)


@function("camelcase", "string", returns="string")
def camelcase(text: str) -> str:
    return _camel(_valid(text))


@function("snakecase", "string", returns="string")
def snakecase(text: str) -> str:
    return _joined_words(text, "_")


@function("kebabcase", "string", returns="string")
def kebabcase(text: str) -> str:
    return _joined_words(text, "-")


@function("nospace", "string", returns="string")
def nospace(text: str) -> str:
    """Without white space. The library works on bytes: letters beyond ASCII break as soon as one space goes."""
    runes = to_bytes(text).decode("latin-1")
    kept = "".join([rune for rune in runes if rune not in _SPACES])
    return text if len(kept) == len(runes) else kept


@function("initials", "string", returns="string")
def initials(text: str) -> str:
    """First byte of each word, as a rune: letters beyond ASCII come out as Latin-1."""
    words = "".join([" " if rune in _SPACES else rune for rune in to_bytes(text).decode("latin-1")])
    return "".join([word[0] for word in words.split(" ") if word])


@function("abbrev", "int", "string", returns="string")
def abbrev(width: int, text: str) -> str:
    return text if width < 4 else _abbreviate(text, 0, width)


@function("abbrevboth", "int", "int", "string", returns="string")
def abbrevboth(left: int, right: int, text: str) -> str:
    return text if right < 4 or (left > 0 and right < 7) else _abbreviate(text, left, right)


@function("wrap", "int", "string", returns="string")
def wrap(width: int, text: str) -> str:
    return _wrap(text, width, "\n", _extend_word)


@function("wrapWith", "int", "string", "string", returns="string")
def wrap_with(width: int, separator: str, text: str) -> str:
    return _wrap(text, width, separator or "\n", _break_word)


def upper_rune(rune: str) -> str:
    """unicode.ToUpper: one rune gives one rune, where Python may give several."""
    upped = rune.upper()
    if len(upped) == 1:
        return upped
    titled = rune.title()
    return titled if len(titled) == 1 else rune


def lower_rune(rune: str) -> str:
    """unicode.ToLower."""
    lowered = rune.lower()
    return lowered if len(lowered) == 1 else lowered[0]


def title_rune(rune: str) -> str:
    """unicode.ToTitle."""
    titled = rune.title()
    return titled if len(titled) == 1 else rune


def _valid(text: str) -> str:
    """The text as Go's runes: bytes that are no UTF-8 become U+FFFD, one each."""
    if text.isascii():
        return text
    return "".join(["\ufffd" if "\ud800" <= rune <= "\udfff" else rune for rune in text])


def _separates(rune: str) -> bool:
    if rune.isascii():
        return not (rune.isalnum() or rune == "_")
    return rune in _SPACES


def _is_upper(rune: str) -> bool:
    return "A" <= rune <= "Z" if rune.isascii() else unicodedata.category(rune) == "Lu"


def _camel(text: str) -> str:
    """xstrings' ToPascalCase: connectors go, the rune after one rises, further capitals of a word sink."""
    body = text.lstrip("".join(_CONNECTORS))
    lead = text[: len(text) - len(body)]
    if not body:
        return lead + lead[-1:]
    out = [lead]
    previous, capital_run = upper_rune(body[0]), _is_upper(body[0])
    for rune in body[1:]:
        connects, after_connector = rune in _CONNECTORS, previous in _CONNECTORS
        if connects and after_connector:
            out.append(previous)
        elif after_connector:
            capital_run = _is_upper(rune)
            rune = upper_rune(rune)
        else:
            if capital_run:
                capital_run = _is_upper(rune)
                if capital_run:
                    rune = lower_rune(rune)
            out.append(previous)
        previous = rune
    out.append(previous)
    return "".join(out)


# Runes stand for their class, so that one expression splits words: space, dash (a connector that is punctuation
# too), punctuation, Upper, letter, number, other.
_WORDS = pattern("([sd]+)|(p[pd]*)|(U+(?=Ul)|Ul+|U+)|(l+)|(n+)|(o+)")
_CONNECTOR, _PUNCTUATION, _UPPER, _LETTERS, _NUMBER, _OTHER = range(1, 7)


def _is_ideograph(rune: str) -> bool:
    """The letters that xstrings keeps out of words."""
    return (
        "\u3400" <= rune <= "\u4d85" or "\u4e00" <= rune <= "\u9fcc" or "\U00020000" <= rune <= "\U0002b81d"
    )


def _rune_class(rune: str) -> str:
    if rune in _CONNECTORS:
        return "d" if rune in "-_" else "s"
    category = unicodedata.category(rune)
    if category[0] == "P":
        return "p"
    if category == "Lu":
        return "U"
    if category[0] == "L":
        return "o" if _is_ideograph(rune) else "l"
    return "n" if category[0] == "N" else "o"


def _units(text: str) -> list[tuple[str, str]]:
    """Each rune, and itself with the broken ones that go with it: those before it, at the end those after it too.

    xstrings takes U+FFFD for a broken one. Nothing where all are broken.
    """
    units: list[tuple[str, str]] = []
    broken = ""
    for rune in text:
        if rune == "\ufffd" or "\ud800" <= rune <= "\udfff":
            broken += rune
            continue
        units.append((rune, broken + rune))
        broken = ""
    if broken and units:
        units[-1] = (units[-1][0], units[-1][1] + broken)
    return units


def _joined_words(text: str, connector: str) -> str:
    """xstrings' ToSnakeCase and ToKebabCase."""
    units = _units(text)
    if not units:
        return text
    classes = "".join([_rune_class(rune) for rune, _ in units])
    words = [
        (match.lastindex or 0, "".join([shown for _, shown in units[match.start() : match.end()]]))
        for match in _WORDS.finditer(classes)
    ]
    out: list[str] = []
    index = 0

    def emit(kind: int, word: str) -> None:
        if kind == _CONNECTOR:
            out.append("".join([connector if rune in _CONNECTORS else rune for rune in _valid(word)]))
        else:
            out.append("".join(map(_lower_capital, _valid(word))) if kind == _UPPER else word)

    def emit_run() -> None:
        nonlocal index
        while index < len(words) and words[index][0] in (_LETTERS, _NUMBER):
            emit(*words[index])
            index += 1

    def separate() -> None:
        if index < len(words) and words[index][0] not in (_CONNECTOR, _PUNCTUATION):
            out.append(connector)

    while index < len(words):
        kind, word = words[index]
        emit(kind, word)
        index += 1
        if kind == _NUMBER:
            emit_run()
            separate()
        elif kind in (_UPPER, _LETTERS, _OTHER):
            if index + 1 < len(words) and words[index][0] == _NUMBER:
                if words[index + 1][0] == _LETTERS:
                    out.append(connector)
                    emit_run()
                else:
                    emit(*words[index])
                    index += 1
                separate()
            elif index < len(words) and words[index][0] != _NUMBER:
                separate()
    return "".join(out)


def _lower_capital(rune: str) -> str:
    return lower_rune(rune) if _is_upper(rune) else rune


def _abbreviate(text: str, offset: int, width: int) -> str:
    data = to_bytes(text)
    kept = width - 3
    if len(data) <= width:
        return text
    offset = min(offset, len(data))
    if len(data) - offset < kept:
        offset = len(data) - kept
    if offset <= 4:
        return to_text(data[:kept] + b"...")
    if width < 7:
        return ""
    if offset + kept < len(data):
        return "..." + _abbreviate(to_text(data[offset:]), 0, kept)
    return to_text(b"..." + data[len(data) - kept :])


def _break_word(data: bytes, offset: int, width: int) -> int:
    return offset + width


def _extend_word(data: bytes, offset: int, width: int) -> int:
    space = data.find(b" ", offset + width)
    return len(data) if space < 0 else space


def _wrap(text: str, width: int, separator: str, cut: Callable[[bytes, int, int], int]) -> str:
    """Lines of at most `width` bytes; `cut` says where a longer word ends."""
    data, width, offset = to_bytes(text), max(width, 1), 0
    check_text("wrap", len(data) + len(data) // width * len(separator))
    lines: list[bytes] = []
    while len(data) - offset > width:
        if data[offset] == 0x20:
            offset += 1
            continue
        space = data.rfind(b" ", offset, offset + width + 1)
        if space >= 0:
            lines.append(data[offset:space])
            offset = space + 1
            continue
        end = cut(data, offset, width)
        lines.append(data[offset:end])
        skipped = 1 if cut is _extend_word and end < len(data) else 0
        if cut is _extend_word and end == len(data):
            return _lines(lines, separator)
        offset = end + skipped
    lines.append(data[offset:])
    return _lines(lines, separator)


def _lines(lines: list[bytes], separator: str) -> str:
    return to_text(to_bytes(separator).join(lines))


FUNCTIONS = table(
    upper,
    lower,
    title,
    untitle,
    swapcase,
    camelcase,
    snakecase,
    kebabcase,
    nospace,
    initials,
    abbrev,
    abbrevboth,
    wrap,
    wrap_with,
)
