"""How go-yaml reads a plain scalar: YAML 1.1 words, numbers and timestamps, in its v2 and v3 dialects."""

from __future__ import annotations

from helmflow.core.lazy import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, Final

# First characters that may make a scalar something else than text.
HINTED: Final = frozenset("yYnNtTfFoO~+-0123456789.")

_WORDS_V3: Final[dict[str, Any]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
    ".inf": float("inf"), ".Inf": float("inf"), ".INF": float("inf"),
    "+.inf": float("inf"), "+.Inf": float("inf"), "+.INF": float("inf"),
    "-.inf": float("-inf"), "-.Inf": float("-inf"), "-.INF": float("-inf"),
}  # fmt: skip
BOOLEANS_V1: Final[dict[str, bool]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_WORDS_V2: Final[dict[str, Any]] = {**_WORDS_V3, **BOOLEANS_V1}

_FLOAT: Final = pattern(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
# What ParseFloat takes after a leading dot: underscores between digits, as in Go's own literals.
_GO_FLOAT: Final = pattern(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?\Z")
_BASE_60: Final = pattern(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z")
_INTEGERS: Final = (
    (pattern(r"[-+]?0[xX][0-9a-fA-F]+\Z"), 16),
    (pattern(r"[-+]?0[bB][01]+\Z"), 2),
    (pattern(r"[-+]?0[oO]?[0-7]+\Z"), 8),
    (pattern(r"[-+]?(?:0|[1-9][0-9]*)\Z"), 10),
)
_TIMESTAMP: Final = pattern(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})([.,][0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2}))"
    r"| +([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})([.,][0-9]+)?)?\Z"
)
_INT64_MIN: Final = -(1 << 63)
_UINT64_MAX: Final = (1 << 64) - 1


def resolve_v2(text: str) -> Any:
    """The value of a plain scalar as go-yaml v2 sees it: None, bool, int, float or the text itself.

    Timestamps stay text: v2 hands them out as strings.
    """
    if text in _WORDS_V2:
        return _WORDS_V2[text]
    first = text[0]
    if first == ".":
        return _dotted(text) if _GO_FLOAT.match(text) else text
    if first not in "+-0123456789":
        return text
    return _number(text)


def resolve_v3(text: str) -> Any:
    """The value of a plain scalar as go-yaml v3 sees it; dates and times become aware datetimes."""
    if text in _WORDS_V3:
        return _WORDS_V3[text]
    first = text[0]
    if first == ".":
        return _dotted(text) if _GO_FLOAT.match(text) else text
    if first not in "+-0123456789":
        return text
    moment = parse_timestamp(text)
    return _number(text) if moment is None else moment


def needs_quotes(text: str) -> bool:
    """Would `text`, written plain, be read as something else (by v2, or as an old base-60 number)?"""
    if not text:
        return True
    first = text[0]
    return first in HINTED and (
        not isinstance(resolve_v2(text), str)
        or (first in "+-0123456789" and _BASE_60.match(text) is not None)
        or parse_timestamp(text) is not None
    )


def parse_timestamp(text: str) -> datetime | None:
    """A date or time in one of go-yaml's four layouts, None otherwise."""
    found = _TIMESTAMP.match(text)
    if found is None:
        return None
    from datetime import UTC, datetime, timedelta, timezone

    year, month, day = (int(found[group]) for group in (1, 2, 3))
    hour, minute, second = (int(found[group] or found[group + 5] or 0) for group in (4, 5, 6))
    fraction = found[7] or found[12] or ""
    zone: timezone = UTC
    if found[8] and found[8] != "Z":
        hours, minutes = int(found[8][1:3]), int(found[8][4:])
        if hours > 24 or minutes >= 60:
            return None
        offset = timedelta(hours=hours, minutes=minutes)
        if offset >= timedelta(days=1):
            return None
        zone = timezone(-offset if found[8][0] == "-" else offset)
    try:
        return datetime(year, month, day, hour, minute, second, int(fraction[1:7].ljust(6, "0") or 0), zone)
    except ValueError:
        return None


def _number(text: str) -> Any:
    """An integer or float after underscores are dropped, else the text."""
    plain = text.replace("_", "")
    for form, base in _INTEGERS:
        if form.match(plain):
            number = _integer(plain, base)
            if number is not None:
                return number
            break
    if _FLOAT.match(plain):
        number = _parse_float(plain)
        return text if number is plain else number
    return text


def _integer(plain: str, base: int) -> int | None:
    """ParseInt, then ParseUint (which takes no sign); None where neither holds the number."""
    if base == 8:
        sign, digits = ("-", plain[1:]) if plain[0] == "-" else ("", plain.lstrip("+"))
        number = int(sign + digits[1:].lstrip("oO"), 8)
    else:
        if base == 10 and len(plain) > 21:
            return None
        number = int(plain, base)
    limit = _UINT64_MAX if plain[0] not in "+-" else (1 << 63) - 1
    return number if _INT64_MIN <= number <= limit else None


def _dotted(text: str) -> Any:
    """A float that starts with its point."""
    number = _parse_float(text.replace("_", ""))
    return text if isinstance(number, str) else number


def _parse_float(text: str) -> Any:
    """strconv.ParseFloat on well-formed text: out of range leaves the text."""
    number = float(text)
    return text if number in (float("inf"), float("-inf")) else number
