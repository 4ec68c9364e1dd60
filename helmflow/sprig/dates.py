"""Sprig's date functions, over Go's times and layouts."""

from __future__ import annotations

from typing import Any, Final

from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.gotypes import Int32, Int64
from helmflow.gotemplate.strconv import decimal
from helmflow.sprig import gotime
from helmflow.sprig.gotime import Time
from helmflow.sprig.time_layouts import TimeError, format_time, parse_time

_INT64_MAX: Final = (1 << 63) - 1


@function("now", returns="time.Time", random=True)
def now() -> Time:
    return gotime.now()


@function("date", "string", "any", returns="string")
def date(layout: str, moment: Any) -> str:
    return _in_zone(layout, moment, "Local")


@function("htmlDate", "any", returns="string")
def html_date(moment: Any) -> str:
    return _in_zone("2006-01-02", moment, "Local")


@function("htmlDateInZone", "any", "string", returns="string")
def html_date_in_zone(moment: Any, zone: str) -> str:
    return _in_zone("2006-01-02", moment, zone)


@function("dateInZone", "string", "any", "string", returns="string")
def date_in_zone(layout: str, moment: Any, zone: str) -> str:
    return _in_zone(layout, moment, zone)


@function("dateModify", "string", "time.Time", returns="time.Time")
def date_modify(change: str, moment: Time) -> Time:
    try:
        return moment.add(gotime.parse_duration(change))
    except TimeError:
        return moment


@function("mustDateModify", "string", "time.Time", returns="time.Time")
def must_date_modify(change: str, moment: Time) -> Time:
    try:
        return moment.add(gotime.parse_duration(change))
    except TimeError as error:
        raise FunctionError(str(error)) from None


@function("toDate", "string", "string", returns="time.Time")
def to_date(layout: str, text: str) -> Time:
    try:
        return parse_time(layout, text, gotime.LOCAL)
    except TimeError:
        return gotime.ZERO


@function("mustToDate", "string", "string", returns="time.Time")
def must_to_date(layout: str, text: str) -> Time:
    try:
        return parse_time(layout, text, gotime.LOCAL)
    except TimeError as error:
        raise FunctionError(str(error)) from None


@function("unixEpoch", "time.Time", returns="string")
def unix_epoch(moment: Time) -> str:
    return str(moment.seconds)


@function("ago", "any", returns="string", random=True)
def ago(moment: Any) -> str:
    if isinstance(moment, Time):
        start = moment
    elif type(moment) in (int, Int64):
        start = gotime.from_unix(int(moment))
    else:
        start = gotime.now()
    return gotime.format_duration(gotime.round_duration(gotime.since(start), gotime.SECOND))


@function("duration", "any", returns="string")
def duration(seconds: Any) -> str:
    return gotime.format_duration(_wrapped(_seconds(seconds) * gotime.SECOND))


def _seconds(value: Any) -> int:
    """Sprig reads seconds from a string or an int64 only."""
    if type(value) is Int64:
        return int(value)
    if not isinstance(value, str):
        return 0
    digits = value[1:] if value[:1] in ("-", "+") else value
    if not (digits.isascii() and digits.isdigit()):
        return 0
    return max(-_INT64_MAX - 1, min(_INT64_MAX, decimal(value)))


def _wrapped(number: int) -> int:
    """Two's complement in 64 bits, as Go multiplies."""
    return (number + _INT64_MAX + 1) % (1 << 64) - _INT64_MAX - 1


@function("durationRound", "any", returns="string")
def duration_round(value: Any) -> str:
    nanoseconds = _nanoseconds(value)
    size = abs(nanoseconds)
    for unit, length in _ROUND_UNITS:
        if size > length:
            return f"{size // length}{unit}"
    return "0s"


_ROUND_UNITS: Final = (
    ("y", 365 * 24 * gotime.HOUR),
    ("mo", 30 * 24 * gotime.HOUR),
    ("d", 24 * gotime.HOUR),
    ("h", gotime.HOUR),
    ("m", gotime.MINUTE),
    ("s", gotime.SECOND),
)


def _nanoseconds(value: Any) -> int:
    """What durationRound takes: a duration's text, an int64, or a time to measure from."""
    if isinstance(value, str):
        try:
            return gotime.parse_duration(value)
        except TimeError:
            return 0
    if type(value) is Int64:
        return int(value)
    return gotime.since(value) if isinstance(value, Time) else 0


def _in_zone(layout: str, moment: Any, zone: str) -> str:
    """A time, or seconds since 1970; anything else means now."""
    if isinstance(moment, Time):
        start = moment
    elif type(moment) in (int, Int64, Int32):
        start = gotime.from_unix(int(moment))
    else:
        start = gotime.now()
    return format_time(start.within(gotime.load_location(zone)), layout)


FUNCTIONS: dict[str, Function] = table(
    now, date, html_date, html_date_in_zone, date_in_zone, date_modify, must_date_modify, to_date, must_to_date,
    unix_epoch, ago, duration, duration_round,
    Function("date_in_zone", _in_zone, ("string", "any", "string"), returns="string"),
    Function("date_modify", date_modify.call, ("string", "time.Time"), returns="time.Time"),
    Function("must_date_modify", must_date_modify.call, ("string", "time.Time"), returns="time.Time"),
)  # fmt: skip
