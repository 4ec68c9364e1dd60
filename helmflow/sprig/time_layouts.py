"""Go's reference-time layouts: writing a time, and reading one with Go's error texts."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from helmflow.core.lazy import pattern
from helmflow.core.records import dataclass

if TYPE_CHECKING:
    from helmflow.sprig.gotime import Location, Time

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

_CHUNK: Final = pattern(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|_2006|__2|_2|3|4|5|PM|pm"
    r"|[-Z]07(?:0000|:00:00|00|:00)?|[.,](?:0+|9+)(?![0-9])"
)


class TimeError(ValueError):
    """A time or duration that Go cannot read; `str` is Go's text."""


@functools.lru_cache(maxsize=512)
def chunks(layout: str) -> tuple[tuple[str, str], ...]:
    """A layout as (literal text, element) pairs; the last element is ""."""
    out: list[tuple[str, str]] = []
    start = 0
    for found in _CHUNK.finditer(layout):
        element, at = found[0], found.start()
        if element == "_2006":
            element, at = "2006", at + 1
        out.append((layout[start:at], element))
        start = found.end()
    out.append((layout[start:], ""))
    return tuple(out)


# ---- writing


def format_time(moment: Time, layout: str) -> str:
    """time.Time.Format."""
    out: list[str] = []
    clock = moment.civil()
    for literal, element in chunks(layout):
        out.append(literal)
        if element:
            out.append(_format(element, clock))
    return "".join(out)


@dataclass(frozen=True, slots=True)
class Civil:
    """A time's parts in its zone."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nanosecond: int
    weekday: int
    yearday: int
    zone: str
    offset: int


def _format(element: str, t: Civil) -> str:
    """One layout element."""
    simple = _FORMATS.get(element)
    if simple is not None:
        return simple(t)
    if element[0] in "-Z":
        return _format_offset(element, t.offset)
    digits = f"{t.nanosecond:09d}"[: len(element) - 1]
    if element[1] == "9":
        digits = digits.rstrip("0")
    return element[0] + digits if digits else ""


def _year(year: int) -> str:
    return f"-{-year:04d}" if year < 0 else f"{year:04d}"


def _zone_name(t: Civil) -> str:
    if t.zone:
        return t.zone
    minutes = abs(t.offset) // 60
    return f"{'-' if t.offset < 0 else '+'}{minutes // 60:02d}{minutes % 60:02d}"


_FORMATS: Final = {
    "January": lambda t: MONTHS[t.month - 1],
    "Jan": lambda t: MONTHS[t.month - 1][:3],
    "01": lambda t: f"{t.month:02d}",
    "1": lambda t: str(t.month),
    "Monday": lambda t: WEEKDAYS[t.weekday],
    "Mon": lambda t: WEEKDAYS[t.weekday][:3],
    "02": lambda t: f"{t.day:02d}",
    "_2": lambda t: f"{t.day:2d}",
    "2": lambda t: str(t.day),
    "__2": lambda t: f"{t.yearday:3d}",
    "002": lambda t: f"{t.yearday:03d}",
    "15": lambda t: f"{t.hour:02d}",
    "03": lambda t: f"{t.hour % 12 or 12:02d}",
    "3": lambda t: str(t.hour % 12 or 12),
    "04": lambda t: f"{t.minute:02d}",
    "4": lambda t: str(t.minute),
    "05": lambda t: f"{t.second:02d}",
    "5": lambda t: str(t.second),
    "2006": lambda t: _year(t.year),
    "06": lambda t: f"{max(t.year, 0) % 100:02d}",
    "PM": lambda t: "PM" if t.hour >= 12 else "AM",
    "pm": lambda t: "pm" if t.hour >= 12 else "am",
    "MST": _zone_name,
}


def _format_offset(element: str, offset: int) -> str:
    """A numeric zone."""
    if element[0] == "Z" and not offset:
        return "Z"
    distance = abs(offset)
    colon = ":" if ":" in element else ""
    text = f"{'-' if offset < 0 and distance >= 60 else '+'}{distance // 3600:02d}"
    if len(element) > 3:
        text += f"{colon}{distance // 60 % 60:02d}"
    if len(element) > 6:
        text += f"{colon}{distance % 60:02d}"
    return text


# ---- reading


class _Bad(Exception):
    """The value does not fit the element."""


class _OutOfRange(Exception):
    """The value fits but is no time; the text names the part."""


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    value: str
    year: int = 0
    month: int = -1
    day: int = -1
    yearday: int = -1
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    half: str = ""
    offset: int | None = None
    zone: str = ""
    utc: bool = False

    def take(self, count: int) -> str:
        """The next `count` bytes."""
        if len(self.value) < count:
            raise _Bad
        taken, self.value = self.value[:count], self.value[count:]
        return taken

    def number(self, *, fixed: bool) -> int:
        """One or two digits; exactly two with `fixed`."""
        value = self.value
        if not value[:1] or value[0] not in _DIGITS:
            raise _Bad
        if value[1:2] and value[1] in _DIGITS:
            return int(self.take(2))
        if fixed:
            raise _Bad
        return int(self.take(1))

    def name(self, names: tuple[str, ...], *, short: bool) -> int:
        """The place of a month's or weekday's name, letter case ignored."""
        for index, full in enumerate(names):
            wanted = full[:3] if short else full
            if len(self.value) >= len(wanted) and self.value[: len(wanted)].lower() == wanted.lower():
                self.value = self.value[len(wanted) :]
                return index
        raise _Bad

    def fraction(self, length: int) -> None:
        """A comma or point and digits: nanoseconds, what is finer is dropped."""
        text = self.value[:length]
        if not text or text[0] not in ".,":
            raise _Bad
        digits = text[1:10]
        if not digits.isascii() or not digits.isdigit():
            raise _Bad
        self.nanosecond = int(digits.ljust(9, "0"))
        self.value = self.value[length:]

    def fraction_length(self) -> int:
        """How long a fraction stands here, 0 for none."""
        value = self.value
        if len(value) < 2 or value[0] not in ".," or value[1] not in _DIGITS:
            return 0
        end = 1
        while end < len(value) and value[end] in _DIGITS:
            end += 1
        return end


_DIGITS: Final = "0123456789"


def parse_time(layout: str, value: str, location: Location) -> Time:
    """time.ParseInLocation. Raises TimeError with Go's text."""
    reading = _Reading(value)
    parts = chunks(layout)
    for index, (literal, element) in enumerate(parts):
        if not _skip(reading, literal):
            raise _mismatch(layout, value, reading.value, literal)
        if not element:
            if reading.value:
                raise TimeError(f"parsing time {quoted(value)}: extra text: {quoted(reading.value)}")
            break
        hold = reading.value
        following = parts[index + 1]
        try:
            _read(reading, element, next_is_fraction=following[1][:1] in (".", ","))
        except _Bad:
            raise _mismatch(layout, value, hold, element) from None
        except _OutOfRange as error:
            raise TimeError(f"parsing time {quoted(value)}: {error} out of range") from None
    return _finish(reading, value, location)


def _mismatch(layout: str, value: str, rest: str, element: str) -> TimeError:
    shown = " ".join(("parsing time", quoted(value), "as", quoted(layout)))
    return TimeError(f"{shown}: cannot parse {quoted(rest)} as {quoted(element)}")


def quoted(text: str) -> str:
    """Package time's own quoting: bytes beyond ASCII and controls as hex."""
    out = ['"']
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char >= "\x80" or char < " ":
            out.append("".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape")))
        else:
            out.append(char)
    return "".join(out) + '"'


def _skip(reading: _Reading, literal: str) -> bool:
    """Does the literal stand here? Runs of blanks match any run of blanks."""
    value = reading.value
    while literal:
        if literal[0] == " ":
            if value and value[0] != " ":
                reading.value = value
                return False
            literal, value = literal.lstrip(" "), value.lstrip(" ")
            continue
        if not value or value[0] != literal[0]:
            reading.value = value
            return False
        literal, value = literal[1:], value[1:]
    reading.value = value
    return True


def _read(reading: _Reading, element: str, *, next_is_fraction: bool) -> None:
    """One layout element."""
    match element:
        case "06":
            two = reading.take(2)
            signed = two[0] in "+-" and two[1] in _DIGITS
            if not (signed or (two.isascii() and two.isdigit())):
                raise _Bad
            reading.year = int(two) + (1900 if int(two) >= 69 else 2000)
        case "2006":
            four = reading.take(4)
            if not (four.isascii() and four.isdigit()):
                raise _Bad
            reading.year = int(four)
        case "January" | "Jan":
            reading.month = reading.name(MONTHS, short=element == "Jan") + 1
        case "01" | "1":
            reading.month = reading.number(fixed=element == "01")
            _check(1 <= reading.month <= 12, "month")
        case "Monday" | "Mon":
            reading.name(WEEKDAYS, short=element == "Mon")
        case "02" | "2" | "_2":
            if element == "_2" and reading.value[:1] == " ":
                reading.value = reading.value[1:]
            reading.day = reading.number(fixed=element == "02")
        case "002" | "__2":
            _read_yearday(reading, padded=element == "__2")
        case "15":
            reading.hour = reading.number(fixed=False)
            _check(reading.hour < 24, "hour")
        case "03" | "3":
            reading.hour = reading.number(fixed=element == "03")
            _check(reading.hour <= 12, "hour")
        case "04" | "4":
            reading.minute = reading.number(fixed=element == "04")
            _check(reading.minute < 60, "minute")
        case "05" | "5":
            reading.second = reading.number(fixed=element == "05")
            _check(reading.second < 60, "second")
            length = reading.fraction_length()
            if length and not next_is_fraction:
                reading.fraction(length)
        case "PM" | "pm":
            half = reading.take(2)
            if half not in (("PM", "AM") if element == "PM" else ("pm", "am")):
                raise _Bad
            reading.half = half.lower()
        case "MST":
            _read_zone_name(reading)
        case _ if element[0] in "-Z":
            _read_offset(reading, element)
        case _ if element[1] == "0":
            if len(reading.value) < len(element):
                raise _Bad
            reading.fraction(len(element))
        case _:
            length = reading.fraction_length()
            if length:
                reading.fraction(length)


def _check(fits: bool, part: str) -> None:
    if not fits:
        raise _OutOfRange(part)


def _read_yearday(reading: _Reading, *, padded: bool) -> None:
    """Up to three digits, blanks before them where padded."""
    blanks = 0
    while padded and blanks < 2 and reading.value[:1] == " ":
        reading.value = reading.value[1:]
        blanks += 1
    count = 0
    while count < 3 and reading.value[count : count + 1] and reading.value[count] in _DIGITS:
        count += 1
    if not count or (not padded and count != 3):
        raise _Bad
    reading.yearday = int(reading.take(count))


def _read_offset(reading: _Reading, element: str) -> None:
    """A numeric zone, or Z."""
    if element[0] == "Z" and reading.value[:1] == "Z":
        reading.value = reading.value[1:]
        reading.utc = True
        return
    text = reading.take(len(element))
    for index, char in enumerate(element):
        if char == ":" and text[index] != ":":
            raise _Bad
    digits = text[1:].replace(":", "") if ":" in element else text[1:]
    good = digits.isascii() and digits.isdigit() and len(digits) == len(element.replace(":", "")) - 1
    parts = [0, 0, 0]
    for index in range(len(digits) // 2):  # up to the first that is no number
        part = digits[2 * index : 2 * index + 2]
        if not (part.isascii() and part.isdigit()):
            break
        parts[index] = int(part)
    hours, minutes, seconds = parts
    _check(seconds <= 60, "time zone offset second")  # what Go finds last it says
    _check(minutes <= 60, "time zone offset minute")
    _check(hours <= 24, "time zone offset hour")
    if not good or text[0] not in "+-":
        raise _Bad
    offset = (hours * 60 + minutes) * 60 + seconds
    reading.offset = -offset if text[0] == "-" else offset


def _read_zone_name(reading: _Reading) -> None:
    """A zone's abbreviation: three capitals, four ending in T, five ending in ST, or an offset."""
    value = reading.value
    if value.startswith("UTC"):
        reading.utc = True
        reading.value = value[3:]
        return
    length = _zone_name_length(value)
    if not length:
        raise _Bad
    reading.zone, reading.value = value[:length], value[length:]


def _zone_name_length(value: str) -> int:
    """Package time's parseTimeZone."""
    if len(value) < 3:
        return 0
    if value[:4] in ("ChST", "MeST"):
        return 4
    if value[:3] == "GMT":
        return 3 + _signed_offset_length(value[3:])
    if value[0] in "+-":
        return _signed_offset_length(value)
    upper = 0
    while upper < 6 and upper < len(value) and "A" <= value[upper] <= "Z":
        upper += 1
    if upper == 5:
        return 5 if value[4] == "T" else 0
    if upper == 4:
        return 4 if value[3] == "T" or value[:4] == "WITA" else 0
    return 3 if upper == 3 else 0


def _signed_offset_length(value: str) -> int:
    """How long an offset of up to 23 hours is, 0 for none."""
    found = re.match(r"[-+]([0-9]+)", value)
    if found is None or int(found[1]) > 23:
        return 0
    return found.end()


def _finish(reading: _Reading, value: str, location: Location) -> Time:
    """The parts as a time, after the checks that need them all."""
    from helmflow.sprig.gotime import UTC, Time, days_in, fixed_zone, unix_seconds

    r = reading
    if r.half == "pm" and r.hour < 12:
        r.hour += 12
    elif r.half == "am" and r.hour == 12:
        r.hour = 0
    if r.yearday >= 0:
        _apply_yearday(r, value)
    month, day = max(r.month, 1) if r.month >= 0 else 1, r.day if r.day >= 0 else 1
    if not 1 <= day <= days_in(r.year, month):
        raise TimeError(f"parsing time {quoted(value)}: day out of range")
    seconds = unix_seconds(r.year, month, day, r.hour, r.minute, r.second)
    if r.utc:
        return Time(seconds, r.nanosecond, UTC)
    if r.offset is not None:
        moment = seconds - r.offset
        name, offset = location.lookup(moment)
        if offset == r.offset and r.zone in ("", name):
            return Time(moment, r.nanosecond, location)
        return Time(moment, r.nanosecond, fixed_zone(r.zone, r.offset))
    if r.zone:
        known = location.offset_of(r.zone, seconds)
        if known is not None:
            return Time(seconds - known, r.nanosecond, location)
        offset = int(r.zone[3:]) * 3600 if r.zone[:3] == "GMT" and len(r.zone) > 3 else 0
        return Time(seconds, r.nanosecond, fixed_zone(r.zone, offset))
    return Time(location.to_unix(seconds), r.nanosecond, location)


def _apply_yearday(r: _Reading, value: str) -> None:
    """A day of the year sets month and day, or must agree with them."""
    from helmflow.sprig.gotime import days_in, is_leap

    if not 1 <= r.yearday <= (366 if is_leap(r.year) else 365):
        raise TimeError(f"parsing time {quoted(value)}: day-of-year out of range")
    month, day = 1, r.yearday
    while day > days_in(r.year, month):
        day -= days_in(r.year, month)
        month += 1
    if r.month >= 0 and r.month != month:
        raise TimeError(f"parsing time {quoted(value)}: day-of-year does not match month")
    if r.day >= 0 and r.day != day:
        raise TimeError(f"parsing time {quoted(value)}: day-of-year does not match day")
    r.month, r.day = month, day
