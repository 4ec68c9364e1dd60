"""Go strconv: quoting, unquoting, and floats as text."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_UNESCAPES: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}


def quote(text: str, *, ascii_only: str = "") -> str:
    """strconv.Quote, or with `ascii_only` QuoteToASCII."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_escaped(char, '"', ascii_only) for char in text) + '"'


def quote_rune(char: str, *, ascii_only: str = "") -> str:
    """strconv.QuoteRune, or with `ascii_only` QuoteRuneToASCII."""
    return "'" + _escaped(char, "'", ascii_only) + "'"


def _escaped(char: str, mark: str, ascii_only: str) -> str:
    if char == mark:
        return "\\" + char
    known = _ESCAPES.get(char)
    if known is not None:
        return known
    code = ord(char)
    if code < 0x7F and code >= 0x20:
        return char
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if not ascii_only and char.isprintable():
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xD800 <= code <= 0xDFFF:
        return "\\ufffd"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def can_backquote(text: str) -> bool:
    """Whether the text can stand in backquotes: no control characters but tab, no backquote, no BOM, valid UTF-8."""
    return not any(c in "`\x7f\ufeff" or (c < " " and c != "\t") or "\ud800" <= c <= "\udfff" for c in text)


def unquote(literal: str) -> str:
    """strconv.Unquote of a quoted or raw string; ValueError("invalid syntax") otherwise."""
    if len(literal) < 2 or literal[0] != literal[-1]:
        raise ValueError("invalid syntax")
    mark, body = literal[0], literal[1:-1]
    if mark == "`":
        if "`" in body:
            raise ValueError("invalid syntax")
        return body.replace("\r", "")
    if mark == '"' and "\\" not in body:
        if '"' in body or "\n" in body:
            raise ValueError("invalid syntax")
        return body
    if mark not in "\"'":
        raise ValueError("invalid syntax")
    out = bytearray()
    position = 0
    while position < len(body):
        piece, position = _unquote_char(body, position, mark)
        out += piece
    return out.decode("utf-8", "surrogateescape")


def decimal(text: str) -> int:
    """The number that a sign and decimal digits are, in any length: what no 64 bits hold becomes another such number.

    Python refuses to read thousands of digits.
    """
    number = int(text.lstrip("+-").lstrip("0")[:_DIGITS_BEYOND] or 0)
    return -number if text[:1] == "-" else number


_DIGITS_BEYOND: Final = 21  # of which even the least number has more than 64 bits


def unquote_char(literal: str) -> int:
    """The code of a character constant such as 'a' or '\\xFF'; ValueError where it is none."""
    body = literal[1:-1]
    if literal == "''":
        raise ValueError("invalid syntax")
    if len(literal) < 3 or literal[0] != "'" or literal[-1] != "'" or not body:
        raise ValueError("malformed character constant")
    if body[0] == "\\" and len(body) > 1 and body[1] in "x01234567":
        piece, position = _unquote_char(body, 0, "'")
        code = piece[0]
    else:
        piece, position = _unquote_char(body, 0, "'")
        code = ord(piece.decode("utf-8", "surrogateescape"))
    if position != len(body):
        raise ValueError("malformed character constant")
    return code


def _unquote_char(body: str, position: int, mark: str) -> tuple[bytes, int]:
    char = body[position]
    if char == mark or char == "\n":
        raise ValueError("invalid syntax")
    if char != "\\":
        return char.encode("utf-8", "surrogateescape"), position + 1
    if position + 1 >= len(body):
        raise ValueError("invalid syntax")
    kind = body[position + 1]
    position += 2
    if kind in _UNESCAPES:
        return _UNESCAPES[kind].encode(), position
    if kind == mark:
        return kind.encode(), position
    if kind in "xuU":
        width = {"x": 2, "u": 4, "U": 8}[kind]
        digits = body[position : position + width]
        if len(digits) != width or any(d not in "0123456789abcdefABCDEF" for d in digits):
            raise ValueError("invalid syntax")
        code = int(digits, 16)
        if kind == "x":
            return bytes((code,)), position + width
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ValueError("invalid syntax")
        return chr(code).encode(), position + width
    if kind in "01234567":
        digits = body[position - 1 : position + 2]
        if len(digits) != 3 or any(d not in "01234567" for d in digits) or int(digits, 8) > 255:
            raise ValueError("invalid syntax")
        return bytes((int(digits, 8),)), position + 2
    raise ValueError("invalid syntax")


def shortest_float(value: float) -> str:
    """%v of a float64: the fewest digits that identify it, with an exponent below 1e-4 and from 1e+06 on."""
    if -1e6 < value < 1e6:
        text = repr(value)
        if text[-2:] == ".0":
            return text[:-2]
        if "e" not in text:
            return text
        return _shortest(value)
    return _shortest(value)


def _shortest(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    sign, digits, point = decimal_digits(value)
    exponent = point - 1
    if exponent < -4 or exponent >= 6:
        return sign + _exponent_form(digits, exponent, "e")
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def decimal_digits(value: float) -> tuple[str, str, int]:
    """Sign, the fewest digits that identify the float, and where its decimal point is: 0.DIGITS x 10**point."""
    text = repr(value)
    sign = ""
    if text[0] == "-":
        sign, text = "-", text[1:]
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(power or 0)
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    return (sign, digits, point) if digits else (sign, "0", 1)


def _exponent_form(digits: str, exponent: int, letter: str) -> str:
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{mantissa}{letter}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def format_float(value: float, verb: str, precision: int) -> str:
    """strconv.FormatFloat for verbs b, e, E, f, g, G, x, X; precision -1 is the fewest digits. "+Inf", "-Inf", "NaN"."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    if verb in "gG":
        text = _shortest(value) if precision < 0 else f"{value:.{precision or 1}g}"
        return text.upper() if verb == "G" else text
    if verb in "xX":
        return _hex_float(value, verb, precision)
    if verb == "b":
        mantissa, exponent = math.frexp(abs(value))
        whole = int(mantissa * (1 << 53))
        return f"{'-' if math.copysign(1, value) < 0 else ''}{whole}p{exponent - 53 if whole else -1074:+d}"
    if precision < 0:
        sign, digits, point = decimal_digits(value)
        if verb in "eE":
            zero = digits == "0"
            return sign + _exponent_form(digits, 0 if zero else point - 1, verb)
        precision = max(len(digits) - point, 0)
    return f"{value:.{precision}{verb}}"


def _hex_float(value: float, verb: str, precision: int) -> str:
    sign = "-" if math.copysign(1, value) < 0 else ""
    mantissa, exponent = math.frexp(abs(value))
    if mantissa == 0:
        fraction, exponent = 0, 0
        lead = 0
    else:
        bits = int(mantissa * (1 << 53))
        exponent -= 1
        if precision >= 0 and precision < 13:
            shift = 52 - 4 * precision
            half, rest = 1 << (shift - 1), bits & ((1 << shift) - 1)
            bits >>= shift
            if rest > half or (rest == half and bits & 1):
                bits += 1
            bits <<= shift
            if bits >> 53:
                bits >>= 1
                exponent += 1
        lead, fraction = bits >> 52, bits & ((1 << 52) - 1)
    digits = f"{fraction:013x}"
    digits = digits.rstrip("0") if precision < 0 else digits[:precision].ljust(precision, "0")
    text = f"{sign}0x{lead}{'.' + digits if digits else ''}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return text.upper() if verb == "X" else text
