"""The graph of needs over all files and contexts: cycles, order, closures, reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from helmflow.core.ids import ReleaseId
from helmflow.state.model import Release


class ReleaseGraph:
    """Which release waits for which. Built once from all releases, the ones not selected included."""

    def __init__(self, needs: Mapping[ReleaseId, tuple[ReleaseId, ...]]) -> None:
        self.needs = needs

    @classmethod
    def of(cls, releases: Iterable[Release]) -> ReleaseGraph:
        """The graph of `releases`; raises ConfigError for needs that name no release and for cycles."""
        raise NotImplementedError

    def order(self) -> tuple[ReleaseId, ...]:
        """Every release after all that it needs; definition order among equals."""
        raise NotImplementedError

    def groups(self) -> tuple[tuple[ReleaseId, ...], ...]:
        """Helmfile's groups: level by longest path, definition order inside."""
        raise NotImplementedError

    def closure(self, ids: Iterable[ReleaseId]) -> frozenset[ReleaseId]:
        """`ids` and everything they need, directly or not."""
        raise NotImplementedError

    def among(self, ids: Iterable[ReleaseId]) -> Mapping[ReleaseId, frozenset[ReleaseId]]:
        """The needs among `ids` only; what they need through releases outside of `ids` counts too."""
        raise NotImplementedError

    def why(self, dependent: ReleaseId, needed: ReleaseId) -> tuple[ReleaseId, ...]:
        """A shortest chain from `dependent` to `needed`, () where there is none."""
        raise NotImplementedError
