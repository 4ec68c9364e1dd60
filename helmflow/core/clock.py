"""The Clock port: waits and deadlines are tested without sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Protocol

_TEMPLATES: ContextVar[Callable[[], int] | None] = ContextVar("templates", default=None)


def template_nanos() -> int:
    """What time it is for templates, in nanoseconds since 1970."""
    clock = _TEMPLATES.get()
    return time.time_ns() if clock is None else clock()


@contextmanager
def templates_at(clock: Clock, *, ahead: timedelta = timedelta()) -> Iterator[None]:
    """Inside, templates read this clock, `ahead` of what it says."""
    token = _TEMPLATES.set(lambda: int((clock.now() + ahead).timestamp() * 1_000_000) * 1000)
    try:
        yield
    finally:
        _TEMPLATES.reset(token)


class Clock(Protocol):
    """What time it is and how to wait."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start, never going back."""

    def sleep(self, seconds: float) -> None:
        """Return after at least `seconds`."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep for at least `seconds`."""
        time.sleep(seconds)


class Deadline:
    """A moment on a clock after which waiting stops; `seconds` of None never ends."""

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._end = None if seconds is None else clock.monotonic() + seconds
        self.seconds = seconds

    def remaining(self) -> float:
        """Seconds left, never below 0; infinity without an end."""
        return float("inf") if self._end is None else max(0.0, self._end - self._clock.monotonic())

    def passed(self) -> bool:
        """No time is left."""
        return self._end is not None and self._clock.monotonic() >= self._end
