"""Numeric constants of the template language."""

from __future__ import annotations

from typing import Final

from helmflow.core.lazy import pattern
from helmflow.gotemplate.nodes import Number
from helmflow.gotemplate.strconv import quote, unquote_char

_INT64: Final = range(-(1 << 63), 1 << 63)
_UINT64: Final = range(1 << 64)
_INTEGER: Final = pattern(
    r"([+-]?)(?:0[xX](?P<x>(?:_?[0-9a-fA-F])+)|0[oO]?(?P<o>(?:_?[0-7])+)|0[bB](?P<b>(?:_?[01])+)|(?P<d>0|[1-9](?:_?[0-9])*))"
)
_DECIMAL: Final = pattern(
    r"[+-]?(?:[0-9](?:_?[0-9])*(?:\.(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?"
)
_HEXADECIMAL: Final = pattern(
    r"[+-]?0[xX]_?(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*(?:\.(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?)?|\.[0-9a-fA-F](?:_?[0-9a-fA-F])*)"
    r"[pP][+-]?[0-9](?:_?[0-9])*"
)
_BASES: Final = {"x": 16, "o": 8, "b": 2, "d": 10}


def number(pos: int, text: str, kind: str) -> Number:
    """The constant's node. ValueError carries Go's text where it is none."""
    if kind == "charconst":
        try:
            code = unquote_char(text)
        except ValueError as error:
            shown = (
                f"malformed character constant: {text}"
                if str(error).startswith("malformed")
                else "invalid syntax"
            )
            raise ValueError(shown) from None
        return Number(pos, text, code, code, float(code))
    if kind == "complex":
        cut = max(text.rfind("+"), text.rfind("-"))
        if text[cut - 1 : cut] in ("e", "E", "p", "P"):
            cut = max(text.rfind("+", 0, cut), text.rfind("-", 0, cut))
        real, imaginary = _float(text[:cut]), _float(text[cut:-1])
        if real is None or imaginary is None:
            raise ValueError("syntax error scanning complex number")
        return _complex(pos, text, complex(real, imaginary))
    if text.endswith("i"):
        imaginary = _float(text[:-1])
        if imaginary is not None:
            return _complex(pos, text, complex(0, imaginary))
    return _real(pos, text)


def _real(pos: int, text: str) -> Number:
    whole = _integer(text)
    as_int = whole if whole is not None and whole in _INT64 else None
    as_uint = whole if whole is not None and whole in _UINT64 and text[0] not in "+-" else None
    if as_int == 0:
        as_uint = 0
    if as_int is not None:
        return Number(pos, text, as_int, as_uint, float(as_int))
    if as_uint is not None:
        return Number(pos, text, None, as_uint, float(as_uint))
    value = _float(text)
    if value is None:
        raise ValueError(f"illegal number syntax: {quote(text)}")
    if not any(char in ".eEpP" for char in text):
        raise ValueError(f"integer overflow: {quote(text)}")
    exact = int(value) if value.is_integer() else None
    return Number(
        pos,
        text,
        exact if exact is not None and exact in _INT64 else None,
        exact if exact is not None and exact in _UINT64 and text[0] != "-" else None,
        value,
    )


def _complex(pos: int, text: str, value: complex) -> Number:
    if value.imag:
        return Number(pos, text, None, None, None, value)
    exact = int(value.real) if value.real.is_integer() else None
    return Number(
        pos,
        text,
        exact if exact is not None and exact in _INT64 else None,
        exact if exact is not None and exact in _UINT64 else None,
        value.real,
        value,
    )


def _integer(text: str) -> int | None:
    """strconv.ParseInt with base 0, without a range."""
    found = _INTEGER.fullmatch(text)
    if found is None:
        return None
    kind = str(found.lastgroup)
    value = int(found[kind].lstrip("_"), _BASES[kind])
    return -value if found[1] == "-" else value


def _float(text: str) -> float | None:
    """strconv.ParseFloat of what the lexer lets through; None where it is no float or too large for one."""
    if _DECIMAL.fullmatch(text):
        value = float(text)
    elif _HEXADECIMAL.fullmatch(text):
        try:
            value = float.fromhex(text.replace("_", ""))
        except OverflowError:
            return None
    else:
        return None
    return None if value in (float("inf"), float("-inf")) else value
