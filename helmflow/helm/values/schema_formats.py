"""The `format` keyword: what each format accepts, and in which words it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from helmflow.core.go_json import go_quote

_HEX: Final = frozenset("0123456789abcdefABCDEF")


def _regex(text: str) -> str | None:
    from helmflow.sprig.regex import compiled
    from helmflow.sprig.regex_syntax import RegexError

    try:
        compiled(text)
    except RegexError as error:
        return str(error)
    return None


def _date(text: str) -> str | None:
    from helmflow.sprig.gotime import UTC
    from helmflow.sprig.time_layouts import TimeError, parse_time

    try:
        parse_time("2006-01-02", text, UTC)
    except TimeError as error:
        return str(error)
    return None


def _time(text: str) -> str | None:
    """RFC 3339's full-time, leap seconds included."""
    if len(text) < 9:
        return "less than 9 characters long"
    if text[2] != ":" or text[5] != ":":
        return "missing colon in correct place"
    clock: list[int] = []
    for part in (text[:2], text[3:5], text[6:8]):
        if not (part.isascii() and part.isdigit()):
            return "invalid hour/min/sec"
        clock.append(int(part))
    hour, minute, second = clock
    if hour > 23 or minute > 59 or second > 60:
        return "hour/min/sec out of range"
    rest = text[8:]
    if rest[0] == ".":
        digits = re.match(r"[0-9]*", rest[1:])
        assert digits is not None
        if not digits[0]:
            return "no digits in second fraction"
        rest = rest[1 + digits.end() :]
    if rest not in ("z", "Z"):
        if len(rest) != 6:
            return "offset must be 6 characters long"
        if rest[0] not in "+-":
            return "offset must begin with plus/minus"
        if rest[3] != ":":
            return "missing colon in offset in correct place"
        if not (rest[1:3].isdigit() and rest[4:].isdigit()):
            return "invalid hour/min in offset"
        offset_hour, offset_minute = int(rest[1:3]), int(rest[4:])
        if offset_hour > 23 or offset_minute > 59:
            return "hour/min in offset out of range"
        total = (hour * 60 + minute) + (offset_hour * 60 + offset_minute) * (1 if rest[0] == "-" else -1)
        hour, minute = divmod(total % (24 * 60), 60)
    if second == 60 and (hour, minute) != (23, 59):
        return "invalid leap second"
    return None


def _date_time(text: str) -> str | None:
    if len(text) < 20:
        return "less than 20 characters long"
    if text[10] not in "tT":
        return "11th character must be t or T"
    wrong = _date(text[:10])
    if wrong is not None:
        return f"invalid date element: {wrong}"
    wrong = _time(text[11:])
    return None if wrong is None else f"invalid time element: {wrong}"


def _duration(text: str) -> str | None:
    """ISO 8601's duration."""
    if not text.startswith("P"):
        return "must start with P"
    rest = text[1:]
    if not rest:
        return "nothing after P"
    if rest.endswith("W") and "T" not in rest:
        weeks = rest[:-1]
        if not weeks:
            return "no number in week"
        return None if weeks.isascii() and weeks.isdigit() else "invalid week"
    date, separator, clock = rest.partition("T")
    if separator and not clock:
        return "no time elements"
    for part, allowed in ((date, "YMD"), (clock, "HMS")):
        wrong = _units(part, allowed)
        if wrong is not None:
            return wrong
    return None


def _units(text: str, units: str) -> str | None:
    """Numbers with units, each unit once and in order."""
    allowed = units
    while text:
        digits = re.match(r"[0-9]*", text)
        assert digits is not None
        if not digits[0]:
            return "missing number"
        text = text[digits.end() :]
        if not text:
            return "missing unit"
        unit, text = text[0], text[1:]
        if unit not in allowed:
            return f"unit {_rune(unit)} out of order" if unit in units else f"invalid unit {_rune(unit)}"
        allowed = allowed[allowed.index(unit) + 1 :]
    return None


def _period(text: str) -> str | None:
    """Two moments, or a moment and a duration on either side."""
    start, slash, end = text.partition("/")
    if not slash:
        return "missing slash"
    checks = (
        (_duration, "start duration") if start.startswith("P") else (_date_time, "start date-time"),
        (_duration, "end duration")
        if end.startswith("P") and start[:1] != "P"
        else (_date_time, "end date-time"),
    )
    for (check, name), part in zip(checks, (start, end), strict=True):
        wrong = check(part)
        if wrong is not None:
            return f"invalid {name}: {wrong}"
    return None


def _hostname(text: str) -> str | None:
    text = text.removesuffix(".")
    if len(text) > 253:
        return "more than 253 characters long"
    for label in text.split("."):
        if not 1 <= len(label.encode("utf-8", "surrogateescape")) <= 63:
            return "label must be 1 to 63 characters long"
        if label[0] == "-":
            return "label starts with hyphen"
        if label[-1] == "-":
            return "label ends with hyphen"
        for char in label:
            if not (char.isascii() and (char.isalnum() or char == "-")):
                return f"invalid character {_rune(char)}"
    return None


def _rune(char: str) -> str:
    """Go's %q of a rune."""
    return "'\\''" if char == "'" else "'\"'" if char == '"' else f"'{go_quote(char)[1:-1]}'"


def _email(text: str) -> str | None:
    at = text.rfind("@")
    if len(text) > 254:
        return "more than 255 characters long"
    if at < 0:
        return "missing @"
    local, domain = text[:at], text[at + 1 :]
    if len(local) > 64:
        return "local part more than 64 characters long"
    if len(local) > 1 and local.startswith('"') and local.endswith('"'):
        if '"' in local[1:-1] or "\\" in local[1:-1]:
            return "backslash and quote are not allowed within quoted local part"
    else:
        if local.startswith("."):
            return "starts with dot"
        if local.endswith("."):
            return "ends with dot"
        if ".." in local:
            return "consecutive dots"
        for char in local:
            if not (char.isascii() and char.isalnum()) and char not in ".!#$%&'*+-/=?^_`{|}~":
                return f"invalid character {_rune(char)}"
    if domain.startswith("[") and domain.endswith("]"):
        inside = domain[1:-1]
        if inside.startswith("IPv6:"):
            wrong = _ipv6(inside.removeprefix("IPv6:"))
            return None if wrong is None else f"invalid ipv6 address: {wrong}"
        wrong = _ipv4(inside)
        return None if wrong is None else f"invalid ipv4 address: {wrong}"
    wrong = _hostname(domain)
    return None if wrong is None else f"invalid domain: {wrong}"


def _ipv4(text: str) -> str | None:
    groups = text.split(".")
    if len(groups) != 4:
        return "expected four decimals"
    for group in groups:
        if len(group) > 1 and group[0] == "0":
            return "leading zeros"
        if not re.fullmatch(r"[-+]?[0-9]+", group):
            return f"strconv.Atoi: parsing {go_quote(group)}: invalid syntax"
        if not 0 <= int(group) <= 255:
            return "decimal must be between 0 and 255"
    return None


def _ipv6(text: str) -> str | None:
    if ":" not in text:
        return "missing colon"
    if "%" in text:
        return "zone id is not a part of ipv6 address"
    wrong = _address_fault(text)
    if wrong is None:
        return None
    message, at = wrong
    return f"ParseAddr({go_quote(text)}): {message}" + (f" (at {go_quote(at)})" if at else "")


def _address_fault(text: str) -> tuple[str, str] | None:
    """What package netip finds wrong with an IPv6 address, and where."""
    rest, fields, ellipsis = text, 0, False
    if rest.startswith("::"):
        rest, ellipsis = rest[2:], True
        if not rest:
            return None
    while fields < 8:
        digits = re.match(r"[0-9a-fA-F]*", rest)
        assert digits is not None
        size = digits.end()
        if size > 4:
            return "each group must have 4 or less digits", rest
        if not size:
            return "each colon-separated field must have at least one digit", rest
        if rest[size : size + 1] == ".":
            if not ellipsis and fields != 6:
                return "embedded IPv4 address must replace the final 2 fields of the address", rest
            if fields > 6:
                return "too many hex fields to fit an embedded IPv4 at the end of the address", rest
            wrong = _ipv4(rest)
            if wrong is not None:
                return f"invalid embedded IPv4: {wrong}", rest
            rest, fields = "", fields + 2
            break
        fields, rest = fields + 1, rest[size:]
        if not rest:
            break
        if rest[0] != ":":
            return "unexpected character, want colon", rest
        if len(rest) == 1:
            return "colon must be followed by more characters", rest
        rest = rest[1:]
        if rest[0] == ":":
            if ellipsis:
                return "multiple :: in address", rest
            ellipsis, rest = True, rest[1:]
            if not rest:
                break
    if rest:
        return "trailing garbage after address", rest
    if fields < 8 and not ellipsis:
        return "address string too short", ""
    return ("the :: must expand to at least one field of zeros", "") if fields == 8 and ellipsis else None


def _uri_reference(text: str) -> str | None:
    from helmflow.sprig.urls import UrlError, parse

    try:
        parse(text)
    except UrlError as error:
        return str(error)
    return "contains \\" if "\\" in text else None


def _uri(text: str) -> str | None:
    from helmflow.sprig.urls import UrlError, parse

    try:
        absolute = bool(parse(text).scheme)
    except UrlError as error:
        return str(error)
    if not absolute:
        return "relative url"
    return "contains \\" if "\\" in text else None


def _uri_template(text: str) -> str | None:
    wrong = _uri_reference(re.sub(r"[{}]", "", text))
    if wrong is not None:
        return wrong
    for part in text.split("/"):
        inside = False
        for char in part:
            if char == "{":
                if inside:
                    return "nested curly braces"
                inside = True
            elif char == "}":
                if not inside:
                    return "nested curly braces"
                inside = False
        if inside:
            return "no matching closing brace"
    return None


def _uuid(text: str) -> str | None:
    groups = text.split("-")
    if len(groups) != 5:
        return "must have 5 elements"
    for index, (group, size) in enumerate(zip(groups, (8, 4, 4, 4, 12), strict=True)):
        if len(group) != size:
            return f"element {index + 1} must be {size} characters long"
        for char in group:
            if char not in _HEX:
                return f"non-hex character {_rune(char)}"
    return None


def _json_pointer(text: str) -> str | None:
    if not text:
        return None
    if text[0] != "/":
        return "not starting with /"
    return "~ must be followed by 0 or 1" if re.search(r"~(?![01])", text) else None


def _relative_json_pointer(text: str) -> str | None:
    digits = re.match(r"[0-9]*", text)
    assert digits is not None
    if not digits[0]:
        return "must start with non-negative integer"
    if len(digits[0]) > 1 and digits[0][0] == "0":
        return "starts with zero"
    rest = text[digits.end() :]
    return None if rest == "#" else _json_pointer(rest)


def _semver(text: str) -> str | None:
    head, plus, build = text.partition("+")
    core, dash, prerelease = head.partition("-")
    numbers = core.split(".")
    if len(numbers) != 3:
        return "versionCore must have 3 numbers separated by dot"
    for name, part in zip(("major", "minor", "patch"), numbers, strict=True):
        if not part:
            return f"{name} is empty"
        if not (part.isascii() and part.isdigit()):
            return f"{name} contains non-digit"
        if len(part) > 1 and part[0] == "0":
            return f"{name} starts with zero"
    for present, name, suffix in ((dash, "pre-release", prerelease), (plus, "build", build)):
        for part in suffix.split(".") if present else ():
            if not part:
                return f"{name} identifier is empty"
            bad = re.search(r"[^0-9A-Za-z-]", part)
            if bad is not None:
                return f"invalid character {_rune(bad[0])} in {name} identifier"
            if name == "pre-release" and part.isdigit() and len(part) > 1 and part[0] == "0":
                return "pre-release numeric identifier starts with zero"
    return None


FORMATS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "date": _date,
    "date-time": _date_time,
    "duration": _duration,
    "email": _email,
    "hostname": _hostname,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "iri": _uri,
    "iri-reference": _uri_reference,
    "json-pointer": _json_pointer,
    "period": _period,
    "regex": _regex,
    "relative-json-pointer": _relative_json_pointer,
    "semver": _semver,
    "time": _time,
    "uri": _uri,
    "uri-reference": _uri_reference,
    "uri-template": _uri_template,
    "uuid": _uuid,
}
