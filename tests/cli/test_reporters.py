"""Events reach every reporter, one at a time, and no reporter can stop a run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from helmflow.cli.reporters import Reporting
from helmflow.core.events import Cancelling, Event, Warned
from helmflow.ui.recording import Recorder


class Careful:
    """Notes what it gets, and whether a second thread came in meanwhile."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.met = False
        self._busy = threading.Lock()

    def handle(self, event: Event) -> None:
        if not self._busy.acquire(blocking=False):
            self.met = True
            return
        threading.Event().wait(0.005)
        self.events.append(event)
        self._busy.release()

    def close(self) -> None:
        """Nothing is held back."""


class Failing(Careful):
    """Breaks at its first event."""

    def handle(self, event: Event) -> None:
        raise ValueError("broken")


def test_events_of_many_threads_come_one_at_a_time_and_a_broken_reporter_is_dropped() -> None:
    careful = Careful()
    given = SimpleNamespace(color=False, no_color=True)
    made = Reporting(given, [Failing(), careful], Recorder(), None)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(made.emit, [Cancelling(signal="SIGINT")] * 16))
    assert not careful.met
    warned = [event.warning for event in careful.events if isinstance(event, Warned)]
    assert [warning.error_id for warning in warned] == ["ui.reporter-failed"]
    assert len(careful.events) == 17
