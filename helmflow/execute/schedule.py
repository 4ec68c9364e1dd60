"""Schedule: a pure state machine over a DAG that says what may start, what is skipped and because of what."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

Node = TypeVar("Node", bound=Hashable)


class Schedule(Generic[Node]):
    """Nodes and what they need, walked as work finishes.

    Nodes keep the order of `needs`, so that equal runs start equal work first. A need that is not a node is
    ignored. `early` are those of a node's needs that need not have finished, only been reached. Raises ValueError
    where the needs have a cycle: callers report cycles before they plan.
    """

    def __init__(
        self, needs: Mapping[Node, Iterable[Node]], early: Mapping[Node, Container[Node]] | None = None
    ) -> None:
        self._early = early or {}
        self._waiting: dict[Node, set[Node]] = {
            node: {need for need in wanted if need in needs} for node, wanted in needs.items()
        }
        self._dependents: dict[Node, list[Node]] = {node: [] for node in needs}
        for node, wanted in self._waiting.items():
            for need in wanted:
                self._dependents[need].append(node)
        self._running: set[Node] = set()
        self._refuse_cycles()

    @property
    def done(self) -> bool:
        """Whether nothing is waiting and nothing runs."""
        return not self._waiting and not self._running

    @property
    def running(self) -> frozenset[Node]:
        """What was started and has not finished."""
        return frozenset(self._running)

    def ready(self) -> tuple[Node, ...]:
        """What may start now, in the order of the nodes."""
        return tuple(node for node, missing in self._waiting.items() if not missing)

    def start(self, node: Node) -> None:
        """Take a ready node out of the waiting ones."""
        if self._waiting.get(node):
            raise ValueError(f"{node} still needs {self._waiting[node]}")
        del self._waiting[node]
        self._running.add(node)

    def finish(self, node: Node) -> None:
        """The node succeeded: its dependents no longer wait for it."""
        self._running.remove(node)
        for dependent in self._dependents[node]:
            if dependent in self._waiting:
                self._waiting[dependent].discard(node)

    def reached(self, node: Node) -> None:
        """A running node is as far as its early dependents need it: they no longer wait, whatever becomes of it."""
        for dependent in list(self._dependents[node]):
            if node in self._early.get(dependent, ()):
                self._dependents[node].remove(dependent)
                if dependent in self._waiting:
                    self._waiting[dependent].discard(node)

    def fail(self, node: Node) -> tuple[tuple[Node, Node], ...]:
        """The node failed: everything that needs it, directly or not, is skipped.

        Returns (skipped node, the direct need that stopped it) in the order of the nodes.
        """
        self._running.remove(node)
        blocked = {node: node}
        frontier = [node]
        while frontier:
            stopped = frontier.pop()
            for dependent in self._dependents[stopped]:
                if dependent in self._waiting and dependent not in blocked:
                    blocked[dependent] = stopped
                    frontier.append(dependent)
        skipped = tuple((waiting, blocked[waiting]) for waiting in self._waiting if waiting in blocked)
        for waiting, _ in skipped:
            del self._waiting[waiting]
        return skipped

    def stop(self) -> tuple[Node, ...]:
        """Nothing more starts: what still waited, in the order of the nodes."""
        waiting = tuple(self._waiting)
        self._waiting.clear()
        return waiting

    def _refuse_cycles(self) -> None:
        left = {node: len(missing) for node, missing in self._waiting.items()}
        free = [node for node, count in left.items() if not count]
        seen = 0
        while free:
            seen += 1
            for dependent in self._dependents[free.pop()]:
                left[dependent] -= 1
                if not left[dependent]:
                    free.append(dependent)
        if seen != len(left):
            raise ValueError("the needs have a cycle")


def levels(needs: Mapping[Node, Iterable[Node]]) -> dict[Node, int]:
    """How long the longest chain of needs below each node is, nodes in their order."""
    schedule = Schedule(needs)
    found: dict[Node, int] = {}
    while not schedule.done:
        for node in schedule.ready():
            schedule.start(node)
            found[node] = max((found[need] + 1 for need in needs[node] if need in needs), default=0)
            schedule.finish(node)
    return {node: found[node] for node in needs}
