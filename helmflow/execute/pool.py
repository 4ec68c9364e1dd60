"""run_all: the one thread pool and the one inbox through which work reports."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, Protocol, TypeVar

from helmflow.core.events import Emit, Event
from helmflow.core.records import dataclass
from helmflow.execute.cancel import CancelToken
from helmflow.execute.schedule import Schedule

Node = TypeVar("Node", bound=Hashable)
Result = TypeVar("Result")


class FailurePolicy(Protocol):
    """What a finished node means for the others."""

    def __call__(self, succeeded: bool, /) -> str:
        """`finish`: dependents go on; `fail`: dependents are skipped; `stop`: nothing more starts."""


@dataclass(frozen=True, slots=True)
class Skipped(Generic[Node]):
    """A node that never ran. `because_of` is the need that failed, None where the run was stopped."""

    node: Node
    because_of: Node | None


@dataclass(frozen=True, slots=True)
class Reached(Generic[Node]):
    """What a worker emits once its node is as far as those need it that do not wait for its end."""

    node: Node


@dataclass(frozen=True, slots=True)
class Work(Generic[Node, Result]):
    """What is done for a node and how its result is judged.

    `run` executes in a worker thread; what it emits is delivered in the caller's thread, before its end.
    `succeeded` and `ended` run in the caller's thread.
    """

    run: Callable[[Node, Emit], Result]
    succeeded: Callable[[Result], bool]
    ended: Callable[[Node, Result], None]
    skipped: Callable[[Skipped[Node]], None]


@dataclass(frozen=True, slots=True)
class _End(Generic[Node, Result]):
    node: Node
    result: Result | None
    crash: BaseException | None


_WAKE = object()


def skip_dependents(succeeded: bool, /) -> str:
    """The usual policy: a failed node stops what needs it."""
    return "finish" if succeeded else "fail"


def run_all(
    schedule: Schedule[Node],
    work: Work[Node, Result],
    emit: Emit,
    *,
    workers: int,
    cancel: CancelToken | None = None,
    policy: FailurePolicy = skip_dependents,
) -> None:
    """Walk the schedule with at most `workers` nodes at once.

    The caller's thread is the inbox's only reader, so `emit`, `ended` and `skipped` are never called by two
    threads, and everything a node emits comes before its end. A bug in `run` is raised here once the nodes
    that were running have ended. After a cancel nothing more starts.
    """
    inbox: SimpleQueue[object] = SimpleQueue()
    if cancel is not None:
        cancel.on_cancel(lambda: inbox.put(_WAKE))
    bug: BaseException | None = None

    def job(node: Node) -> None:
        try:
            inbox.put(_End(node, work.run(node, inbox.put), None))
        except BaseException as crash:  # noqa: BLE001 - handed to the caller's thread, which raises it
            inbox.put(_End(node, None, crash))

    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="helmflow") as pool:
        while not schedule.done:
            if bug is not None or (cancel is not None and cancel.cancelled):
                for node in schedule.stop():
                    work.skipped(Skipped(node, None))
            for node in schedule.ready()[: max(1, workers) - len(schedule.running)]:
                schedule.start(node)
                pool.submit(job, node)
            if not schedule.running:
                continue
            message = inbox.get()
            if message is _WAKE:
                continue
            if isinstance(message, Reached):
                schedule.reached(message.node)
                continue
            if not isinstance(message, _End):
                _deliver(emit, message)
                continue
            if message.crash is not None:
                bug = bug or message.crash
                schedule.fail(message.node)
                continue
            assert message.result is not None
            work.ended(message.node, message.result)
            _advance(schedule, work, policy, message)
    if bug is not None:
        raise bug


def _advance(
    schedule: Schedule[Node], work: Work[Node, Result], policy: FailurePolicy, end: _End[Node, Result]
) -> None:
    assert end.result is not None
    match policy(work.succeeded(end.result)):
        case "finish":
            schedule.finish(end.node)
        case "stop":
            for node, because in schedule.fail(end.node):
                work.skipped(Skipped(node, because))
            for node in schedule.stop():
                work.skipped(Skipped(node, None))
        case _:
            for node, because in schedule.fail(end.node):
                work.skipped(Skipped(node, because))


def _deliver(emit: Emit, message: object) -> None:
    event: Event = message  # type: ignore[assignment]  # workers put events and ends, nothing else
    emit(event)
