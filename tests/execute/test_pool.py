"""The pool: bounded, ordered, cancellable, and loud about bugs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helmflow.core.errors import Mistake
from helmflow.core.events import Emit, Event, Warned
from helmflow.execute.cancel import CancelToken
from helmflow.execute.pool import Skipped, Work, run_all
from helmflow.execute.schedule import Schedule
from tests.execute.test_schedule import dags


@dataclass
class Trace:
    failing: frozenset[int] = frozenset()
    seconds: float = 0.0
    ended: dict[int, bool] = field(default_factory=dict)
    skipped: dict[int, int | None] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, node: int, emit: Emit) -> bool:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        emit(Warned(warning=Mistake(str(node), "test.event")))
        if self.seconds:
            time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        return node not in self.failing

    def work(self) -> Work[int, bool]:
        return Work(self.run, bool, self._end, self._skip)

    def emit(self, event: Event) -> None:
        assert isinstance(event, Warned)
        self.order.append(f"event {event.warning.message}")

    def _end(self, node: int, result: bool) -> None:
        self.ended[node] = result
        self.order.append(f"end {node}")

    def _skip(self, skipped: Skipped[int]) -> None:
        self.skipped[skipped.node] = skipped.because_of


@given(dags(), st.frozensets(st.integers(0, 12)), st.integers(1, 6))
@settings(max_examples=300)
def test_every_node_ends_or_is_skipped(
    needs: dict[int, list[int]], failing: frozenset[int], workers: int
) -> None:
    trace = Trace(failing)
    run_all(Schedule(needs), trace.work(), trace.emit, workers=workers)
    assert set(trace.ended) | set(trace.skipped) == set(needs)
    assert not set(trace.ended) & set(trace.skipped)
    assert trace.most <= workers
    for node in trace.ended:
        assert all(trace.ended[need] for need in needs[node])
        assert trace.order.index(f"event {node}") < trace.order.index(f"end {node}")


def test_independent_nodes_run_at_once_within_the_bound() -> None:
    trace = Trace(seconds=0.05)
    run_all(Schedule({n: [] for n in range(6)}), trace.work(), trace.emit, workers=3)
    assert trace.most == 3


def test_the_stop_policy_starts_nothing_more() -> None:
    trace = Trace(frozenset({0}))
    run_all(
        Schedule({0: [], 1: [0], 2: []}),
        trace.work(),
        trace.emit,
        workers=1,
        policy=lambda succeeded: "finish" if succeeded else "stop",
    )
    assert trace.ended == {0: False}
    assert trace.skipped == {1: 0, 2: None}


def test_a_cancel_lets_running_nodes_end_and_skips_the_rest() -> None:
    token = CancelToken()
    trace = Trace()

    def run(node: int, emit: Emit) -> bool:
        token.cancel("SIGINT")
        return True

    run_all(
        Schedule({0: [], 1: []}),
        Work(run, bool, trace._end, trace._skip),
        trace.emit,
        workers=1,
        cancel=token,
    )
    assert trace.ended == {0: True}
    assert trace.skipped == {1: None}


def test_a_bug_is_raised_in_the_caller_after_running_nodes_ended() -> None:
    trace = Trace()

    def run(node: int, emit: Emit) -> bool:
        if node == 0:
            raise KeyError("bug")
        time.sleep(0.05)
        return True

    with pytest.raises(KeyError, match="bug"):
        run_all(
            Schedule({0: [], 1: [], 2: [1]}),
            Work(run, bool, trace._end, trace._skip),
            trace.emit,
            workers=2,
        )
    assert trace.ended == {1: True}
