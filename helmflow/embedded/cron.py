"""Cron schedules: five fields, names, steps, macros; when a schedule fires next and last."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_FIELDS: Final = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 6),
)
_NAMES: Final = {
    **{
        name: str(n + 1)
        for n, name in enumerate(
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        )
    },
    **{name: str(n) for n, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])},
}
_MACROS: Final = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_HORIZON_DAYS: Final = 366 * 5  # a schedule that does not fire within five years never does


def problem(schedule: str) -> str:
    """Why a schedule is wrong, "" for a good one."""
    try:
        _parse(schedule)
    except ValueError as error:
        return str(error)
    return ""


def following(schedule: str, moment: float, zone: str = "") -> float | None:
    """The first time after `moment` (seconds since the epoch) at which the schedule fires."""
    if schedule.startswith("@every "):
        from helmflow.embedded.cluster import duration  # rare

        return moment + max(duration(schedule[7:]), 1.0)
    minutes, hours, days, months, weekdays, either = _parse(schedule)
    here = _zone(zone)
    at = datetime.fromtimestamp(moment, here).replace(second=0, microsecond=0) + timedelta(minutes=1)
    end = at + timedelta(days=_HORIZON_DAYS)
    while at < end:
        if at.month not in months or not _day(at, days, weekdays, either=either):
            at = at.replace(hour=0, minute=0) + timedelta(days=1)
        elif at.hour not in hours:
            at = at.replace(minute=0) + timedelta(hours=1)
        elif at.minute not in minutes:
            at += timedelta(minutes=1)
        else:
            return at.timestamp()
    return None


def _day(at: datetime, days: set[int], weekdays: set[int], *, either: bool) -> bool:
    of_month, of_week = at.day in days, (at.weekday() + 1) % 7 in weekdays
    return (of_month or of_week) if either else (of_month and of_week)


def _zone(name: str) -> tzinfo:
    if not name:
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # only with spec.timeZone

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _parse(schedule: str) -> tuple[set[int], set[int], set[int], set[int], set[int], bool]:
    if schedule.startswith("@every "):
        return set(range(60)), set(range(24)), set(range(1, 32)), set(range(1, 13)), set(range(7)), False
    text = _MACROS.get(schedule, schedule)
    if text.startswith("@"):
        raise ValueError(f"unrecognized descriptor: {text}")
    parts = text.split()
    if len(parts) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    sets = [_field(part, low, high) for part, (_, low, high) in zip(parts, _FIELDS, strict=True)]
    either = not parts[2].startswith(("*", "?")) and not parts[4].startswith(("*", "?"))
    return sets[0], sets[1], sets[2], sets[3], sets[4], either


def _field(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text) if slash else 1
        if step == 0:
            raise ValueError(f"step of range should be a positive number: {part}")
        if span in ("*", "?"):
            start, end = low, high
        elif "-" in span:
            first, last = span.split("-", 1)
            start, end = _number(first), _number(last)
        else:
            start = _number(span)
            end = high if slash else start
        if high == 6 and end == 7:
            end = 7
        if start < low:
            raise ValueError(f"beginning of range ({start}) below minimum ({low}): {part}")
        if end > high + (high == 6):
            raise ValueError(f"end of range ({end}) above maximum ({high}): {part}")
        if start > end:
            raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {part}")
        found.update(n % 7 if high == 6 else n for n in range(start, end + 1, step))
    return found


def _number(text: str) -> int:
    text = _NAMES.get(text.lower(), text)
    if not re.fullmatch(r"\d+", text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)
