"""JSON as Go's encoding/json writes and reads it: number format, escapes, key order, error texts."""

from __future__ import annotations

import math
from binascii import b2a_base64

from helmflow.core.lazy import cache, pattern
from helmflow.core.limits import MAX_DATA_DEPTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    import json
    import re
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any, Final


class JsonError(ValueError):
    """Text that is no JSON, or a value that has none. `str` is Go's own text; `offset` counts bytes read."""

    def __init__(self, message: str, *, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


def dumps(value: Any, *, indent: str = "", escape_html: bool = True) -> str:
    """json.Marshal's text (MarshalIndent's with `indent`). Raises JsonError for NaN, infinities and cycles."""
    out: list[str] = []
    quote = _quote_html if escape_html else _quote
    try:
        if indent:
            _write_indented(value, out.append, quote, indent, "\n", 0)
        else:
            _write(value, out.append, quote, 0)
    except _TooDeep:
        raise JsonError("json: unsupported value: encountered a cycle via map[string]interface {}") from None
    return "".join(out)


def loads(text: str, *, into: str = "any") -> Any:
    """json.Unmarshal: every number a float. `into` names a Go type the top-level value must fit:
    "any", "map[string]interface {}" or "[]interface {}"; null fits all (None).
    """
    expected = dict if into.startswith("map") else list
    try:
        value = _read(text)
    except JsonError as error:
        if into != "any" and str(error).startswith(_OVERFLOW):
            _refuse_other_kind(text.lstrip()[:1], into)
        raise
    if into == "any" or value is None:
        return value
    if not isinstance(value, expected):
        kind = {str: "string", float: "number", bool: "bool", list: "array", dict: "object"}[type(value)]
        raise JsonError(f"json: cannot unmarshal {kind} into Go value of type {into}")
    return value


_OVERFLOW: Final = "json: cannot unmarshal number "


def _refuse_other_kind(first: str, into: str) -> None:
    """What does not fit at the top is said before a number that no float64 holds."""
    opener, kind = ("{", "object") if into.startswith("[]") else ("[", "array")
    if first in "-0123456789" or first == opener:
        kind = kind if first == opener else "number"
        raise JsonError(f"json: cannot unmarshal {kind} into Go value of type {into}")


def format_json_float(value: float) -> str:
    """A float64 in JSON: plain digits from 1e-6 up to 1e21, an exponent outside."""
    if not math.isfinite(value):
        raise JsonError(f"json: unsupported value: {format_float(value)}")
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return _plain(repr(value))
    return _exponent(repr(value), least=1)


def format_float(value: float) -> str:
    """strconv.FormatFloat(value, 'g', -1, 64), which is also fmt's %v: an exponent below 1e-4 and from 1e6 on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return _general(repr(value))


def format_float32(value: float) -> str:
    """strconv.FormatFloat(value, 'g', -1, 32): the fewest digits that name the nearest float32."""
    import struct

    try:
        single: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = math.inf if value > 0 else -math.inf
    if not math.isfinite(single) or single == 0:
        return format_float(single)
    for digits in range(1, 10):
        text = f"{single:.{digits - 1}e}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == single:
            return _general(repr(float(text)))
    return _general(repr(single))


def go_quote(text: str) -> str:
    """strconv.Quote: Go's %q."""
    out: list[str] = []
    for char in text:
        code = ord(char)
        if char in _GO_ESCAPES:
            out.append(_GO_ESCAPES[char])
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif char == " " or (char.isprintable() and not 0xD800 <= code <= 0xDFFF):
            out.append(char)
        elif code < 0x80:
            out.append(f"\\x{code:02x}")
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return '"' + "".join(out) + '"'


_GO_ESCAPES: Final = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f",
    "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip


# ---- numbers


def _split(text: str) -> tuple[str, str, int]:
    """Sign, digits without zeros at either end, and the decimal point's place: 0.digits times 10 to it."""
    sign = "-" if text[0] == "-" else ""
    mantissa, _, exponent = text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + (int(exponent) if exponent else 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0"), point


def _plain(text: str) -> str:
    """Python's shortest text without an exponent."""
    if "e" not in text:
        return text[:-2] if text.endswith(".0") else text
    sign, digits, point = _split(text)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _exponent(text: str, *, least: int) -> str:
    """Python's shortest text with an exponent of at least `least` digits."""
    sign, digits, point = _split(text)
    power = point - 1
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'-' if power < 0 else '+'}{abs(power):0{least}d}"


def _general(text: str) -> str:
    """The 'g' form: an exponent of at least two digits below 1e-4 and from 1e6 on."""
    if text in ("0.0", "-0.0"):
        return text[:-2]
    power = _split(text)[2] - 1
    return _exponent(text, least=2) if power < -4 or power >= 6 else _plain(text)


# ---- writing

_SAFE: Final = pattern(r"[\x00-\x1f\"\\\u2028\u2029\ud800-\udfff]")
_SAFE_HTML: Final = pattern(r"[\x00-\x1f\"\\<>&\u2028\u2029\ud800-\udfff]")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONTROLS: Final = {code: f"\\u{code:04x}" for code in range(32)}
_ASCII: Final = {**_CONTROLS, **{ord(char): shown for char, shown in _ESCAPES.items()}}
_ASCII_HTML: Final = {**_ASCII, **{ord(char): f"\\u{ord(char):04x}" for char in "<>&"}}


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if "\ud800" <= char <= "\udfff":
        return "\\ufffd"
    return _ESCAPES.get(char) or f"\\u{ord(char):04x}"


def _quote(text: str) -> str:
    """A JSON string that leaves < > & alone."""
    return f'"{text.translate(_ASCII) if text.isascii() else _SAFE.sub(_escape, text)}"'


def _quote_html(text: str) -> str:
    """A JSON string safe inside HTML; short ones are remembered."""
    known = _quoted.get(text)
    if known is None:
        known = f'"{text.translate(_ASCII_HTML) if text.isascii() else _SAFE_HTML.sub(_escape, text)}"'
        if len(text) <= _LONGEST_QUOTED:
            if len(_quoted) >= _QUOTED_KEPT:
                _quoted.clear()
            _quoted[text] = known
    return known


def quoted_html(text: str) -> str:
    """The string as json.Marshal writes it."""
    return _quote_html(text)


_quoted: dict[str, str] = {}
_QUOTED_KEPT: Final = 10_000
_LONGEST_QUOTED: Final = 256


def know_quoted(known: dict[str, str]) -> None:
    """Take over how another process quoted texts."""
    _quoted.update(known)


def quoted() -> dict[str, str]:
    """How short texts were quoted so far."""
    return _quoted


def _scalar(value: Any, quote: Callable[[str], str]) -> str | None:
    """A scalar's JSON, None for containers."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format_json_float(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, (bytes, bytearray)):
        return '"' + b2a_base64(value, newline=False).decode("ascii") + '"'
    return None if isinstance(value, (dict, list, tuple)) else _moment(value)


def _moment(value: Any) -> str | None:
    from datetime import datetime

    return '"' + rfc3339(value) + '"' if isinstance(value, datetime) else None


def rfc3339(moment: datetime) -> str:
    """A time as Go marshals it: RFC 3339 with as many fraction digits as needed, Z for UTC."""
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")
    offset = moment.utcoffset()
    seconds = int(offset.total_seconds()) if offset else 0
    if not seconds:
        return text + "Z"
    sign = "-" if seconds < 0 else "+"
    minutes = abs(seconds) // 60
    return f"{text}{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def empty_map(value: Any) -> str:
    """An empty map's JSON: a nil map (`go_nil`) is null."""
    return "null" if getattr(value, "go_nil", False) else "{}"


def empty_list(value: Any) -> str:
    """An empty list's JSON: a nil slice (`go_nil`) is null."""
    return "null" if getattr(value, "go_nil", False) else "[]"


def plain_value(value: Any) -> Any:
    """What an object says its JSON is (its `go_json` method), else JsonError as Go says it for functions."""
    method = getattr(value, "go_json", None)
    if method is None:
        known = "complex128" if isinstance(value, complex) else type(value).__name__
        raise JsonError(f"json: unsupported type: {getattr(value, 'go_type', known)}")
    return method()


class _TooDeep(Exception):
    """A value nested past the limit, as one that contains itself is."""


def _write(value: Any, add: Callable[[str], None], quote: Callable[[str], str], depth: int) -> None:
    """Compact JSON, piece by piece."""
    if depth > MAX_DATA_DEPTH:
        raise _TooDeep
    kind = type(value)
    if kind is str:
        add(quote(value))
    elif isinstance(value, dict):
        opener = "{"
        for key in sorted_keys(value):
            add(opener + quote(json_key(key)) + ":")
            _write(value[key], add, quote, depth + 1)
            opener = ","
        add(empty_map(value) if opener == "{" else "}")
    elif isinstance(value, (list, tuple)):
        opener = "["
        for item in value:
            add(opener)
            _write(item, add, quote, depth + 1)
            opener = ","
        add(empty_list(value) if opener == "[" else "]")
    else:
        text = _scalar(value, quote)
        if text is None:
            _write(plain_value(value), add, quote, depth + 1)
        else:
            add(text)


def _write_indented(
    value: Any, add: Callable[[str], None], quote: Callable[[str], str], indent: str, margin: str, depth: int
) -> None:
    """JSON with one entry per line; `margin` starts a line at the current depth."""
    if depth > MAX_DATA_DEPTH:
        raise _TooDeep
    inner = margin + indent
    if isinstance(value, dict):
        if not value:
            add(empty_map(value))
            return
        opener = "{" + inner
        for key in sorted_keys(value):
            add(opener + quote(json_key(key)) + ": ")
            _write_indented(value[key], add, quote, indent, inner, depth + 1)
            opener = "," + inner
        add(margin + "}")
    elif isinstance(value, (list, tuple)):
        if not value:
            add(empty_list(value))
            return
        opener = "[" + inner
        for item in value:
            add(opener)
            _write_indented(item, add, quote, indent, inner, depth + 1)
            opener = "," + inner
        add(margin + "]")
    else:
        text = _scalar(value, quote)
        if text is None:
            _write_indented(plain_value(value), add, quote, indent, margin, depth + 1)
        else:
            add(text)


def sorted_keys(value: Mapping[Any, Any]) -> list[Any]:
    """Keys in byte order of their text."""
    try:
        keys = sorted(value)
    except TypeError:
        return sorted(value, key=json_key)
    return keys


def json_key(key: Any) -> str:
    """A map key as JSON text."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if key is None:
        return "null"
    return format_json_float(key) if isinstance(key, float) else str(key)


# ---- reading


def _refuse_constant(text: str) -> Any:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if number in (_INFINITY, -_INFINITY):
        raise ValueError(text)
    return number


@cache
def _fast() -> json.JSONDecoder:
    import json

    return json.JSONDecoder(parse_int=float, parse_float=_finite, parse_constant=_refuse_constant)


_INFINITY: Final = float("inf")
_RISKY: Final = pattern(r"\\u[dD][89a-fA-F]|[0-9]{300}|[\ud800-\udfff]")


def _too_deep(value: Any) -> bool:
    """Whether a tree has more than MAX_DATA_DEPTH levels, seen level by level."""
    level = [value]
    for _ in range(MAX_DATA_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _read(text: str) -> Any:
    """Python's reader where its answer is Go's, our scanner for the rest and for every error."""
    if not _RISKY.search(text):
        try:
            value = _fast().decode(text)
        except (ValueError, RecursionError):
            pass
        else:
            # Python's own bound is the recursion limit, which a process may have raised.
            if text.count("[") + text.count("{") <= MAX_DATA_DEPTH or not _too_deep(value):
                return value
    from helmflow.core.go_json_scan import scan

    return scan(text)
