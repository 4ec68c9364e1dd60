"""Go's times: layouts both ways as the SDK has them, durations, methods."""

from __future__ import annotations

import pytest

from helmflow.gotemplate.functions import FunctionError
from helmflow.sprig import gotime
from helmflow.sprig.dates import FUNCTIONS
from helmflow.sprig.gotime import UTC, Duration, Time, format_duration, parse_duration
from helmflow.sprig.time_layouts import TimeError, parse_time
from tests.sprig.sdk import render

READ = [
    ("2006-01-02", "2024-02-30"), ("2006-01-02", "2024-1-2"), ("2006-01-02", "x"), ("2006", "2024x"), ("Jan 2", "Feb"),
    ("Jan _2 2006", "feb  3 2024"), ("Monday", "Funday"), ("15:04", "25:00"), ("3:04PM", "0:61PM"), ("3:04PM", "12:05AM"),
    ("2006-01-02T15:04:05Z07:00", "2024-01-02T03:04:05+25:00"), ("2006-01-02T15:04:05Z07:00", "2024-01-02T03:04:05.25-01:30"),
    ("15:04:05.000", "01:02:03.04"), ("15:04:05", "01:02:03.5"), ("2006-002", "2024-366"), ("2006-002", "2023-366"),
    ("02 Jan 06 15:04 MST", "01 Feb 69 03:04 EST"), ("MST", "GMT+3"), ("-0700", "+0330"), ("-070000", "-013059"), ("__2", " 33"),
    ("2006 Jan", "2024 January"), ("é2006", "é2024"), ("2006", "12"), ("Z0700", "Z"), ("Z07", "+1"), ("06", "ab"),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "text"), READ)
def test_reading_is_the_sdks(layout: str, text: str) -> None:
    kind, expected = render("{{ (mustToDate .l .t).UTC }}", {"l": layout, "t": text})
    try:
        mine = ("out", str(parse_time(layout, text, UTC).within(UTC)))
    except TimeError as error:
        mine = ("error", str(error))
    assert mine == (kind, expected.rpartition("error calling mustToDate: ")[2])


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("1h30m", 5400 * 10**9), ("-1.5h", -5400 * 10**9), ("0", 0), ("1us2ns", 1002), ("+.5s", 5 * 10**8), ("2562047h47m16.854775807s", (1 << 63) - 1),
     ("0.3333333333333333333h", 1200 * 10**9), ("0.830103483285477580700h", 2988372539827), (f"0.1{'0' * 5000}s", 10**8)],
)  # fmt: skip
def test_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("bad", 'time: invalid duration "bad"'),
        ("3", 'time: missing unit in duration "3"'),
        ("3x", 'time: unknown unit "x" in duration "3x"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
    ],
)
def test_bad_durations(text: str, message: str) -> None:
    with pytest.raises(TimeError) as caught:
        parse_duration(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0s"), (1, "1ns"), (1500, "1.5µs"), (-2_000_000, "-2ms"), (3_723_004_000_000, "1h2m3.004s")],
)
def test_duration_text(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds) == text
    assert str(Duration(nanoseconds)) == text


def test_calendar_reaches_year_zero() -> None:
    assert str(gotime.ZERO) == "0001-01-01 00:00:00 +0000 UTC"
    assert str(gotime.ZERO.add(-720 * gotime.HOUR)) == "0000-12-02 00:00:00 +0000 UTC"
    assert str(Time(253402300800, 5, UTC)) == "10000-01-01 00:00:00.000000005 +0000 UTC"


def test_a_wrong_change_is_an_error_only_for_must() -> None:
    assert FUNCTIONS["dateModify"].call("bad", gotime.ZERO) is gotime.ZERO
    with pytest.raises(FunctionError):
        FUNCTIONS["mustDateModify"].call("bad", gotime.ZERO)
