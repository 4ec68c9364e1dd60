"""Resource quantities: parse, compare and write them in Kubernetes' canonical form."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import lru_cache
from typing import Final

PATTERN: Final = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_QUANTITY: Final = re.compile(
    r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?"
)
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIXES: Final = {power: suffix for suffix, power in _DECIMAL.items()}


class QuantityError(ValueError):
    """Not a quantity."""


def value(text: str) -> Decimal:
    """The number a quantity stands for. Raises QuantityError."""
    number, _ = _parsed(text)
    return number


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The canonical form: "1000m" is "1", "0.5" is "500m", "1.5Gi" is "1536Mi". Raises QuantityError."""
    number, suffix = _parsed(text)
    if number == 0:
        return "0"
    if suffix in _BINARY[1:]:
        if abs(number) >= 1024 and number == number.to_integral_value():
            return _binary(int(number))
        return _decimal(number, exponent=False)
    return _decimal(number, exponent=suffix[:1] in ("e", "E") and len(suffix) > 1)


def _parsed(text: str) -> tuple[Decimal, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise QuantityError(f"quantities must match the regular expression '{PATTERN}'")
    sign, digits, suffix = match[1], match[2], match[3] or ""
    with localcontext() as context:
        context.prec = 60
        number = Decimal(sign + digits)
        if suffix in _BINARY and suffix:
            number *= Decimal(1024) ** _BINARY.index(suffix)
        elif suffix[:1] in ("e", "E") and len(suffix) > 1:
            number *= Decimal(10) ** int(suffix[1:])
        elif suffix:
            number *= Decimal(10) ** _DECIMAL[suffix]
        nano = (number * Decimal(10) ** 9).to_integral_value(ROUND_CEILING)
        return nano / Decimal(10) ** 9, suffix


def _binary(number: int) -> str:
    power = 0
    while power < 6 and number % 1024 == 0:
        number //= 1024
        power += 1
    return f"{number}{_BINARY[power]}"


def _decimal(number: Decimal, *, exponent: bool) -> str:
    with localcontext() as context:
        context.prec = 60
        nano = int(number * Decimal(10) ** 9)
    power = -9
    while power < 18 and nano % 1000 == 0:
        nano //= 1000
        power += 3
    if exponent:
        return f"{nano}e{power}" if power else str(nano)
    return f"{nano}{_SUFFIXES[power]}"
