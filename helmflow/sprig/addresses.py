"""IP addresses read as Go's netip reads them, with its error texts."""

from __future__ import annotations

from helmflow.gotemplate.printf import quote

_HEX = "0123456789abcdefABCDEF"


class AddressError(ValueError):
    """Text that is no IP address; `str` is Go's text."""

    def __init__(self, text: str, why: str, at: str = "") -> None:
        super().__init__(f"ParseAddr({quote(text)}): {why}" + (f" (at {quote(at)})" if at else ""))


def check_address(text: str) -> int:
    """4 or 6, the address's version. Raises AddressError."""
    for rune in text:
        if rune == ".":
            _check_v4(text, text)
            return 4
        if rune == ":":
            _check_v6(text)
            return 6
        if rune == "%":
            raise AddressError(text, "missing IPv6 address")
    raise AddressError(text, "unable to parse IP")


def _check_v4(text: str, part: str) -> None:
    value = digits = dots = 0
    for index, rune in enumerate(part):
        if "0" <= rune <= "9":
            if digits == 1 and value == 0:
                raise AddressError(text, "IPv4 field has octet with leading zero")
            value = value * 10 + int(rune)
            digits += 1
            if value > 255:
                raise AddressError(text, "IPv4 field has value >255")
        elif rune == ".":
            if index in (0, len(part) - 1) or part[index - 1] == ".":
                raise AddressError(text, "IPv4 field must have at least one digit", part[index:])
            if dots == 3:
                raise AddressError(text, "IPv4 address too long")
            dots, value, digits = dots + 1, 0, 0
        else:
            raise AddressError(text, "unexpected character", part[index:])
    if dots < 3:
        raise AddressError(text, "IPv4 address too short")


def _check_v6(text: str) -> None:
    rest, percent, zone = text.partition("%")
    if percent and not zone:
        raise AddressError(text, "zone must be a non-empty string")
    elided = rest.startswith("::")
    rest = rest[2:] if elided else rest
    if elided and not rest:
        return
    filled = 0
    while filled < 16:
        size = len(rest) - len(rest.lstrip(_HEX))
        if size > 4:
            raise AddressError(text, "each group must have 4 or less digits", rest)
        if size == 0:
            raise AddressError(text, "each colon-separated field must have at least one digit", rest)
        if rest[size : size + 1] == ".":
            _check_embedded(text, rest, filled, elided=elided)
            rest, filled = "", filled + 4
            break
        filled += 2
        rest = rest[size:]
        if not rest:
            break
        if rest[0] != ":":
            raise AddressError(text, "unexpected character, want colon", rest)
        if len(rest) == 1:
            raise AddressError(text, "colon must be followed by more characters", rest)
        rest = rest[1:]
        if rest[0] == ":":
            if elided:
                raise AddressError(text, "multiple :: in address", rest)
            elided, rest = True, rest[1:]
            if not rest:
                break
    if rest:
        raise AddressError(text, "trailing garbage after address", rest)
    if filled < 16 and not elided:
        raise AddressError(text, "address string too short")
    if filled == 16 and elided:
        raise AddressError(text, "the :: must expand to at least one field of zeros")


def _check_embedded(text: str, rest: str, filled: int, *, elided: bool) -> None:
    if not elided and filled != 12:
        raise AddressError(text, "embedded IPv4 address must replace the final 2 fields of the address", rest)
    if filled > 12:
        raise AddressError(
            text, "too many hex fields to fit an embedded IPv4 at the end of the address", rest
        )
    _check_v4(text, rest)
