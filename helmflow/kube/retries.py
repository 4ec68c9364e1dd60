"""Which failures are worth another try, when, and how many requests may be under way at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from helmflow.core.clock import Clock
from helmflow.core.errors import ClusterError
from helmflow.core.records import dataclass, field
from helmflow.kube import errors

ATTEMPTS = 6
BASE_S = 0.1
CAP_S = 5.0
MAX_RETRY_AFTER_S = 60.0  # a server that asks for more is treated as refusing
FIRST_CONTACT_ATTEMPTS = 2  # a cluster that never answered is most likely not there: say so soon


@dataclass(slots=True)
class Retries:
    """Backs off by class of failure. One for all threads: a 429 holds every request back, not only its own."""

    clock: Clock
    attempts: int = ATTEMPTS
    base_s: float = BASE_S
    cap_s: float = CAP_S
    _reached: bool = False
    _hold_until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self) -> None:
        """The cluster has answered something: from now on a lost connection is worth more patience."""
        self._reached = True

    def wait_turn(self) -> None:
        """Sleep while a server's Retry-After holds requests back."""
        left = self._hold_until - self.clock.monotonic()
        if left > 0:
            self.clock.sleep(left)

    def pause(self, failure: ClusterError, attempt: int) -> None:
        """Sleep before the next try; raises `failure` when it is not worth one. `attempt` counts from 1."""
        if not retriable(failure):
            raise failure
        limit = self.attempts if self._reached else FIRST_CONTACT_ATTEMPTS
        asked = getattr(failure, "retry_after_s", 0.0)
        if attempt >= limit or asked > MAX_RETRY_AFTER_S:
            raise failure
        if asked:
            with self._lock:
                self._hold_until = max(self._hold_until, self.clock.monotonic() + asked)
            self.wait_turn()
        else:
            self.clock.sleep(min(self.cap_s, self.base_s * 2 ** (attempt - 1)))


def retriable(failure: ClusterError) -> bool:
    """429, 5xx, a lost connection, and two refusals that controllers are about to lift; never another 4xx.

    Those are the quota controller's own write conflict, and a pod in a namespace so new that it has no service account.
    """
    if isinstance(failure, errors.TooManyRequests | errors.ServerFailure | errors.Unreachable):
        return failure.error_id != "cluster.certificate"
    if isinstance(failure, errors.Conflict):
        return "on resourcequotas" in failure.message
    return isinstance(failure, errors.Forbidden) and "error looking up service account" in failure.message


def ambiguous(failure: ClusterError) -> bool:
    """Whether the request may have been carried out although it failed."""
    return isinstance(failure, errors.ServerFailure | errors.Unreachable)


class Pace:
    """How many requests may be under way: grows by one per full round of successes, halves when throttled."""

    def __init__(self, *, start: int = 8, low: int = 4, high: int = 32) -> None:
        self._limit = float(start)
        self._low = low
        self.high = high
        self._busy = 0
        self._condition = threading.Condition()

    @property
    def limit(self) -> int:
        """The present bound."""
        return int(self._limit)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take one of the places; waits until one is free."""
        with self._condition:
            while self._busy >= int(self._limit):
                self._condition.wait()
            self._busy += 1
        try:
            yield
        finally:
            with self._condition:
                self._busy -= 1
                self._condition.notify_all()

    def faster(self) -> None:
        """A request went well."""
        with self._condition:
            self._limit = min(float(self.high), self._limit + 1 / max(1.0, self._limit))
            self._condition.notify_all()

    def slower(self) -> None:
        """The server asked for less."""
        with self._condition:
            self._limit = max(float(self._low), self._limit / 2)
