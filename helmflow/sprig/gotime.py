"""Go's time.Time, Duration, Month, Weekday and Location as templates see them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from datetime import UTC as PYTHON_UTC
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from helmflow.core.clock import template_nanos
from helmflow.core.lazy import pattern
from helmflow.gotemplate.functions import Function, FunctionError, table
from helmflow.gotemplate.gotypes import GoObject, Int64
from helmflow.gotemplate.strconv import decimal
from helmflow.sprig.time_layouts import MONTHS, WEEKDAYS, Civil, TimeError, format_time, quoted

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

ZERO_SECONDS: Final = -62135596800  # 0001-01-01T00:00:00Z
_INT64_MAX: Final = (1 << 63) - 1
_DAY: Final = 86400


# ---- the calendar (Python's datetime knows no year 0)


def is_leap(year: int) -> bool:
    """Has the year a 29 February?"""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in(year: int, month: int) -> int:
    """The days of a month."""
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def _date(days: int) -> tuple[int, int, int]:
    """The inverse of `_days`."""
    days += 719468
    era = days // 146097
    of_era = days - era * 146097
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def unix_seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """Seconds since 1970 of a time in UTC; months and days may run over, as in Go's time.Date."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return (_days(year, month, 1) + day - 1) * _DAY + hour * 3600 + minute * 60 + second


# ---- zones


class Location(GoObject):
    """A time zone."""

    __slots__ = ("_find", "name")
    go_type: ClassVar[str] = "*time.Location"
    go_kind: ClassVar[str] = "ptr"
    go_methods: ClassVar[Mapping[str, Function]]

    def __init__(self, name: str, find: Callable[[int], tuple[str, int]]) -> None:
        self.name = name
        self._find = find

    def __str__(self) -> str:
        return self.name

    def deep_copy(self) -> Location:
        """A zone without a name."""
        return fixed_zone("", 0)

    def go_json(self) -> dict[str, str]:
        """No field of it is exported."""
        return {}

    def lookup(self, seconds: int) -> tuple[str, int]:
        """The zone's abbreviation and offset in seconds at a moment."""
        return self._find(seconds)

    def to_unix(self, wall: int) -> int:
        """The moment at which the zone's clocks show `wall` (seconds as if in UTC), as Go's time.Date guesses it."""
        offset = self.lookup(wall)[1]
        if not offset:
            return wall
        guess = wall - offset
        return wall - self.lookup(guess)[1]

    def offset_of(self, name: str, wall: int) -> int | None:
        """The offset of an abbreviation in use about then."""
        found, offset = self.lookup(wall)
        if found == name:
            return offset
        for shift in (-180, 180):
            found, offset = self.lookup(wall + shift * _DAY)
            if found == name:
                return offset
        return None


def fixed_zone(name: str, offset: int) -> Location:
    """A zone of one offset."""
    return Location(name, lambda _seconds: (name, offset))


def _local(seconds: int) -> tuple[str, int]:
    try:
        parts = time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        parts = time.localtime(0)
    return parts.tm_zone, parts.tm_gmtoff


UTC: Final = Location("UTC", lambda _seconds: ("UTC", 0))
LOCAL: Final = Location("Local", _local)


@functools.cache
def load_location(name: str) -> Location:
    """time.LoadLocation, with UTC for a zone that is unknown, as sprig has it."""
    from zoneinfo import ZoneInfo

    if name in ("", "UTC"):
        return UTC
    if name == "Local":
        return LOCAL
    try:
        zone = ZoneInfo(name)
    except (
        ValueError,
        OSError,
    ):  # ZoneInfoNotFoundError is a KeyError only by its base; unknown names raise it below
        return UTC
    except KeyError:
        return UTC

    def find(seconds: int) -> tuple[str, int]:
        clamped = min(max(seconds, ZERO_SECONDS + 2 * _DAY), 253402300799 - 2 * _DAY)
        moment = (datetime(1970, 1, 1, tzinfo=PYTHON_UTC) + timedelta(seconds=clamped)).astimezone(zone)
        offset = moment.utcoffset()
        return moment.tzname() or "", int(offset.total_seconds()) if offset else 0

    return Location(name, find)


# ---- values


class Month(int, GoObject):
    """A time.Month."""

    __slots__ = ()
    go_type: ClassVar[str] = "time.Month"
    go_kind: ClassVar[str] = "int"
    go_methods: ClassVar[Mapping[str, Function]]

    def __str__(self) -> str:
        return MONTHS[self - 1] if 1 <= self <= 12 else f"%!Month({int(self)})"


class Weekday(int, GoObject):
    """A time.Weekday."""

    __slots__ = ()
    go_type: ClassVar[str] = "time.Weekday"
    go_kind: ClassVar[str] = "int"
    go_methods: ClassVar[Mapping[str, Function]]

    def __str__(self) -> str:
        return WEEKDAYS[self] if 0 <= self <= 6 else f"%!Weekday({int(self)})"


class Duration(int, GoObject):
    """A time.Duration: nanoseconds."""

    __slots__ = ()
    go_type: ClassVar[str] = "time.Duration"
    go_kind: ClassVar[str] = "int64"
    go_methods: ClassVar[Mapping[str, Function]]

    def __str__(self) -> str:
        return format_duration(int(self))

    def go_toml(self) -> str:
        """BurntSushi writes the text."""
        return f'"{self}"'

    def go_text(self) -> str:
        """And so does go-yaml."""
        return str(self)


class Time(GoObject):
    """A time.Time."""

    __slots__ = ("location", "nanosecond", "seconds")
    go_type: ClassVar[str] = "time.Time"
    go_kind: ClassVar[str] = "struct"
    go_methods: ClassVar[Mapping[str, Function]]

    def __init__(self, seconds: int, nanosecond: int, location: Location) -> None:
        self.seconds = seconds
        self.nanosecond = nanosecond
        self.location = location

    def __str__(self) -> str:
        return format_time(self, "2006-01-02 15:04:05.999999999 -0700 MST")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Time)
            and self.total() == other.total()
            and str(self.location) == str(other.location)
        )

    def __hash__(self) -> int:
        return hash((self.seconds, self.nanosecond))

    def total(self) -> int:
        """Nanoseconds since 1970."""
        return self.seconds * SECOND + self.nanosecond

    def civil(self) -> Civil:
        """The parts in the time's own zone."""
        zone, offset = self.location.lookup(self.seconds)
        days, clock = divmod(self.seconds + offset, _DAY)
        year, month, day = _date(days)
        return Civil(
            year, month, day, clock // 3600, clock // 60 % 60, clock % 60, self.nanosecond,
            (days + 4) % 7, days - _days(year, 1, 1) + 1, zone, offset,
        )  # fmt: skip

    def add(self, nanoseconds: int) -> Time:
        """The time so much later."""
        seconds, rest = divmod(self.total() + nanoseconds, SECOND)
        return Time(seconds, rest, self.location)

    def within(self, location: Location) -> Time:
        """The same moment in another zone."""
        return Time(self.seconds, self.nanosecond, location)

    def go_text(self) -> str:
        """RFC 3339 to the nanosecond, which go-yaml writes of any year."""
        return format_time(self, "2006-01-02T15:04:05.999999999Z07:00")

    def go_json(self) -> str:
        """MarshalJSON's text. Go refuses years beyond four digits."""
        from helmflow.core.go_json import JsonError

        if not 0 <= self.civil().year <= 9999:
            raise JsonError(
                "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: year outside of range [0,9999]"
            )
        return self.go_text()

    def go_toml(self) -> str:
        """BurntSushi's text: local dates and times without a zone."""
        return format_time(self, _TOML_LAYOUTS.get(self.location.name, "2006-01-02T15:04:05.999999999Z07:00"))


_TOML_LAYOUTS: Final = {
    "datetime-local": "2006-01-02T15:04:05.999999999",
    "date-local": "2006-01-02",
    "time-local": "15:04:05.999999999",
}
ZERO: Final = Time(ZERO_SECONDS, 0, UTC)


def now() -> Time:
    """The machine's time in its own zone."""
    seconds, rest = divmod(template_nanos(), SECOND)
    return Time(seconds, rest, LOCAL)


def from_unix(seconds: int) -> Time:
    """time.Unix(seconds, 0)."""
    return Time(seconds, 0, LOCAL)


def since(moment: Time) -> int:
    """Nanoseconds since a moment, within a Duration's range."""
    return max(-_INT64_MAX - 1, min(_INT64_MAX, now().total() - moment.total()))


def from_moment(value: datetime, kind: str) -> Time:
    """A time read from TOML; local dates and times carry their kind as the zone's name."""
    wall = value.replace(tzinfo=None) - datetime(1970, 1, 1)
    offset = value.utcoffset() or timedelta()
    seconds = (wall - offset).days * _DAY + (wall - offset).seconds
    if kind:
        if kind == "time-local":
            seconds -= unix_seconds(1, 1, 1, 0, 0, 0) - unix_seconds(0, 1, 1, 0, 0, 0)
        return Time(seconds, value.microsecond * 1000, fixed_zone(kind, 0))
    if not offset:
        return Time(seconds, value.microsecond * 1000, UTC)
    distance = int(offset.total_seconds())
    return Time(seconds, value.microsecond * 1000, fixed_zone("", distance))


# ---- durations

_UNITS: Final = {
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": SECOND, "m": MINUTE, "h": HOUR,
}  # fmt: skip
_TERM: Final = pattern(r"([0-9]*)(?:\.([0-9]*))?")
_UNIT: Final = pattern(r"[^.0-9]+")


def parse_duration(text: str) -> int:
    """time.ParseDuration in nanoseconds. Raises TimeError with Go's text."""
    rest = text[1:] if text[:1] in ("-", "+") and text else text
    negative = text[:1] == "-"
    if rest == "0":
        return 0
    if not rest:
        raise TimeError(f"time: invalid duration {quoted(text)}")
    total = 0
    while rest:
        found = _TERM.match(rest)
        assert found is not None
        if not found[1] and not found[2]:
            raise TimeError(f"time: invalid duration {quoted(text)}")
        whole = decimal(found[1])
        if whole > _INT64_MAX + 1:
            raise TimeError(f"time: invalid duration {quoted(text)}")
        rest = rest[found.end() :]
        unit = _UNIT.match(rest)
        if unit is None:
            raise TimeError(f"time: missing unit in duration {quoted(text)}")
        scale = _UNITS.get(unit[0])
        if scale is None:
            raise TimeError(f"time: unknown unit {quoted(unit[0])} in duration {quoted(text)}")
        rest = rest[unit.end() :]
        total += whole * scale + _fraction(found[2] or "", scale)
        if total > _INT64_MAX + (1 if negative else 0):
            raise TimeError(f"time: invalid duration {quoted(text)}")
    return -total if negative else total


def _fraction(digits: str, scale: int) -> int:
    """What digits behind a point are of a unit: Go reads as many as an int64 holds, and multiplies floats."""
    read, size = 0, 1.0
    for digit in digits:
        longer = read * 10 + int(digit)
        if longer > _INT64_MAX:
            break
        read, size = longer, size * 10
    return int(read * (scale / size))


def format_duration(nanoseconds: int) -> str:
    """time.Duration.String."""
    if not nanoseconds:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for unit, scale in (("ns", 1), ("µs", 1000), ("ms", 1_000_000)):
        if rest < scale * 1000:
            return f"{sign}{_decimal(rest, scale)}{unit}"
    minutes, below = divmod(rest, MINUTE)
    text = f"{_decimal(below, SECOND)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return sign + text


def _decimal(number: int, scale: int) -> str:
    """number/scale without trailing zeros."""
    whole, part = divmod(number, scale)
    digits = f"{part:0{len(str(scale)) - 1}d}".rstrip("0") if scale > 1 else ""
    return f"{whole}.{digits}" if digits else str(whole)


def round_duration(duration: int, unit: int) -> int:
    """time.Duration.Round: to the nearest multiple, halves away from zero."""
    if unit <= 0:
        return duration
    whole, rest = divmod(abs(duration), unit)
    rounded = (whole + (rest * 2 >= unit)) * unit
    return max(-_INT64_MAX - 1, min(_INT64_MAX, -rounded if duration < 0 else rounded))


# ---- methods


def _add_date(t: Time, years: int, months: int, days: int) -> Time:
    c = t.civil()
    wall = unix_seconds(c.year + years, c.month + months, c.day + days, c.hour, c.minute, c.second)
    return Time(t.location.to_unix(wall), t.nanosecond, t.location)


def _sub(t: Time, other: Time) -> Duration:
    return Duration(max(-_INT64_MAX - 1, min(_INT64_MAX, t.total() - other.total())))


def _go_syntax(t: Time) -> str:
    parts = t.civil()
    numbers = (parts.day, parts.hour, parts.minute, parts.second, parts.nanosecond)
    name = str(t.location)
    zone = f"time.{name}" if name in ("UTC", "Local") else f"time.Location({quoted(name)})"
    return f"time.Date({parts.year}, time.{Month(parts.month)}, {', '.join(map(str, numbers))}, {zone})"


def _truncate(t: Time, unit: int) -> Time:
    return t if unit <= 0 else t.add(-((t.total() - ZERO.total()) % unit))


def _round(t: Time, unit: int) -> Time:
    if unit <= 0:
        return t
    rest = (t.total() - ZERO.total()) % unit
    return t.add(-rest if rest * 2 < unit else unit - rest)


def _marshal(t: Time) -> str:
    from helmflow.core.go_json import JsonError

    try:
        return t.go_json()
    except JsonError:
        raise FunctionError("Time.MarshalJSON: year outside of range [0,9999]") from None


def _method(name: str, call: Callable[..., Any], *params: str, returns: str) -> Function:
    return Function(name, call, params, returns=returns)


_TIME: Final = "time.Time"
_DURATION: Final = "time.Duration"
Location.go_methods = table(_method("String", str, returns="string"))
Month.go_methods = table(_method("String", str, returns="string"))
Weekday.go_methods = table(_method("String", str, returns="string"))
Duration.go_methods = table(
    _method("String", str, returns="string"),
    _method("Hours", lambda d: d / HOUR, returns="float64"),
    _method("Minutes", lambda d: d / MINUTE, returns="float64"),
    _method("Seconds", lambda d: d / SECOND, returns="float64"),
    _method("Milliseconds", lambda d: Int64(abs(d) // 1_000_000 * (-1 if d < 0 else 1)), returns="int64"),
    _method("Microseconds", lambda d: Int64(abs(d) // 1000 * (-1 if d < 0 else 1)), returns="int64"),
    _method("Nanoseconds", Int64, returns="int64"),
    _method("Abs", lambda d: Duration(abs(int(d))), returns=_DURATION),
    _method("Round", lambda d, unit: Duration(round_duration(d, unit)), _DURATION, returns=_DURATION),
    _method(
        "Truncate", lambda d, u: Duration(d if u <= 0 else abs(d) // u * u * (-1 if d < 0 else 1)), _DURATION,
        returns=_DURATION,
    ),
)  # fmt: skip
Time.go_methods = table(
    _method("Format", format_time, "string", returns="string"),
    _method("String", str, returns="string"),
    _method("Year", lambda t: t.civil().year, returns="int"),
    _method("Month", lambda t: Month(t.civil().month), returns="time.Month"),
    _method("Day", lambda t: t.civil().day, returns="int"),
    _method("Hour", lambda t: t.civil().hour, returns="int"),
    _method("Minute", lambda t: t.civil().minute, returns="int"),
    _method("Second", lambda t: t.civil().second, returns="int"),
    _method("Nanosecond", lambda t: t.nanosecond, returns="int"),
    _method("Weekday", lambda t: Weekday(t.civil().weekday), returns="time.Weekday"),
    _method("YearDay", lambda t: t.civil().yearday, returns="int"),
    _method("Unix", lambda t: Int64(t.seconds), returns="int64"),
    _method("UnixMilli", lambda t: Int64(t.total() // 1_000_000), returns="int64"),
    _method("UnixMicro", lambda t: Int64(t.total() // 1000), returns="int64"),
    _method("UnixNano", lambda t: Int64((t.total() + 2**63) % 2**64 - 2**63), returns="int64"),
    _method("UTC", lambda t: t.within(UTC), returns=_TIME),
    _method("Local", lambda t: t.within(LOCAL), returns=_TIME),
    _method("In", Time.within, "*time.Location", returns=_TIME),
    _method("Location", lambda t: t.location, returns="*time.Location"),
    _method("GoString", lambda t: _go_syntax(t), returns="string"),
    _method("IsZero", lambda t: t.seconds == ZERO_SECONDS and not t.nanosecond, returns="bool"),
    _method("Before", lambda t, other: t.total() < other.total(), _TIME, returns="bool"),
    _method("After", lambda t, other: t.total() > other.total(), _TIME, returns="bool"),
    _method("Equal", lambda t, other: t.total() == other.total(), _TIME, returns="bool"),
    _method("Compare", lambda t, o: (t.total() > o.total()) - (t.total() < o.total()), _TIME, returns="int"),
    _method("Add", lambda t, d: t.add(int(d)), _DURATION, returns=_TIME),
    _method("Sub", _sub, _TIME, returns=_DURATION),
    _method("AddDate", _add_date, "int", "int", "int", returns=_TIME),
    _method("Truncate", lambda t, d: _truncate(t, int(d)), _DURATION, returns=_TIME),
    _method("Round", lambda t, d: _round(t, int(d)), _DURATION, returns=_TIME),
    _method("MarshalText", lambda t: _marshal(t).encode(), returns="[]uint8"),
    _method("MarshalJSON", lambda t: f'"{_marshal(t)}"'.encode(), returns="[]uint8"),
)
