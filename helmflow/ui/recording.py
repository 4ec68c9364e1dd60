"""What happened when: a reporter that keeps the course of a run for its report."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from helmflow.core import events
from helmflow.core.errors import Mistake
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, field

LOG_LINES: Final = 50  # of one release: the end is where a failure is


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One step of a release: from when to when, in seconds since the run began."""

    step: str
    detail: str
    began: float
    ended: float


@dataclass(slots=True, kw_only=True)
class Track:
    """One release's course: when it began and ended, its steps, what it waited for last and what its pods wrote."""

    began: float | None = None
    ended: float | None = None
    steps: list[Span] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    logs: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    warnings: list[Mistake] = field(default_factory=list)
    open: list[tuple[str, str, float]] = field(default_factory=list)


class Recorder:
    """Takes every event; `tracks` is what is known of each release so far."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._zero: float | None = None
        self.started = ""
        self.tracks: dict[ReleaseId, Track] = {}
        self.needs: Mapping[ReleaseId, tuple[ReleaseId, ...]] = {}

    def handle(self, event: events.Event) -> None:
        """Note what the event says."""
        match event:
            case events.RunStarted():
                self._zero = self._monotonic()
                self.started = datetime.now(UTC).isoformat(timespec="seconds")
                self.needs = event.needs
            case events.ReleaseStarted():
                self._track(event.release).began = self._now()
            case events.StepStarted():
                self._track(event.release).open.append((event.step, event.detail, self._now()))
            case events.StepFinished():
                self._close_step(event)
            case events.ObjectWaiting():
                waiting = self._track(event.release).waiting
                if event.ready:
                    waiting.pop(str(event.ref), None)
                else:
                    waiting[str(event.ref)] = event.reason
            case events.PodLog():
                self._track(event.release).logs.append(f"{event.pod}/{event.container}: {event.line}")
            case events.Warned() if event.release is not None:
                self._track(event.release).warnings.append(event.warning)
            case events.ReleaseFinished():
                self._finish(event)
            case _:
                pass

    def close(self) -> None:
        """Nothing is held back."""

    def _finish(self, event: events.ReleaseFinished) -> None:
        track = self._track(event.release)
        now = self._now()
        for step, detail, began in track.open:  # a step that failed has no end of its own
            track.steps.append(Span(step=step, detail=detail, began=began, ended=now))
        track.open.clear()
        if track.began is not None:
            track.ended = now

    def _close_step(self, event: events.StepFinished) -> None:
        track = self._track(event.release)
        for number in range(len(track.open) - 1, -1, -1):
            step, detail, began = track.open[number]
            if step == event.step:
                del track.open[number]
                track.steps.append(Span(step=step, detail=detail, began=began, ended=self._now()))
                return

    def _track(self, release: ReleaseId) -> Track:
        return self.tracks.setdefault(release, Track())

    def _now(self) -> float:
        return 0.0 if self._zero is None else self._monotonic() - self._zero


def critical_path(recorder: Recorder) -> tuple[ReleaseId, ...]:
    """The chain of needs that a run's length came from: the release that ended last, and always what it waited for longest."""
    ended = {release: track.ended for release, track in recorder.tracks.items() if track.ended is not None}
    chain: list[ReleaseId] = []
    left = set(ended)
    while left:
        last = max(left, key=lambda release: (ended[release], release))
        chain.append(last)
        left = {need for need in recorder.needs.get(last, ()) if need in ended} - set(chain)
    return tuple(reversed(chain))
