"""CancelToken: SIGINT and SIGTERM ask for an orderly stop; the second signal kills."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from helmflow.core.errors import HelmflowError


class Cancelled(HelmflowError):
    """The work stopped because its run was cancelled."""

    exit_code = 130


class Terminated(Cancelled):
    """The same by SIGTERM."""

    exit_code = 143


class CancelToken:
    """Set once, read by everything that waits."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self.signal = ""

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()

    def cancel(self, signal_name: str) -> None:
        """Ask for a stop; `signal_name` says who did: SIGINT, SIGTERM, or what it was in words."""
        if self._event.is_set():
            return
        self.signal = signal_name
        self._event.set()
        for listener in self._listeners:
            listener()

    def on_cancel(self, listener: Callable[[], None]) -> None:
        """Call `listener` when a stop is asked for; it must be safe inside a signal handler."""
        self._listeners.append(listener)

    def check(self) -> None:
        """Raise Cancelled `run.cancelled` once a stop was asked for."""
        if self._event.is_set():
            stopped = Terminated if self.signal == "SIGTERM" else Cancelled
            raise stopped(f"stopped by {self.signal}", error_id="run.cancelled")

    def wait(self, seconds: float) -> bool:
        """Sleep for `seconds` or until a stop is asked for; whether it was."""
        return self._event.wait(seconds)


@contextmanager
def watching_signals(token: CancelToken) -> Iterator[CancelToken]:
    """The first SIGINT or SIGTERM cancels `token`, the second one kills this process.

    Outside the main thread, where Python delivers no signals, nothing is installed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield token
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if token.cancelled:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        token.cancel(signal.Signals(number).name)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
