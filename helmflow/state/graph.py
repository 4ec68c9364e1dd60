"""The graph of needs over all files and contexts: cycles, order, groups, closures, reasons."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import ConfigError, Mistake
from helmflow.core.ids import ReleaseId
from helmflow.state.model import NeedUntil, Release

if TYPE_CHECKING:
    from networkx import DiGraph

Needs = Mapping[ReleaseId, tuple[ReleaseId, ...]]


class ReleaseGraph:
    """Which release waits for which, in definition order.

    `needs` are what releases declare; `after` keeps the order of files where nothing is declared: it orders but is
    no need (closures leave it out). `until` tells how far a needed release must be, where that is not its end.
    """

    def __init__(
        self,
        needs: Needs,
        after: Needs | None = None,
        until: Mapping[tuple[ReleaseId, ReleaseId], NeedUntil] | None = None,
    ) -> None:
        self.needs = needs
        self.after = after or {}
        self.until = until or {}
        self._position = {one: index for index, one in enumerate(needs)}

    @classmethod
    def of(cls, releases: Iterable[Release], after: Needs | None = None) -> ReleaseGraph:
        """The graph of `releases`; raises ConfigError for needs that name no release and for cycles."""
        needs: dict[ReleaseId, tuple[ReleaseId, ...]] = {}
        until: dict[tuple[ReleaseId, ReleaseId], NeedUntil] = {}
        listed = list(releases)
        for release in listed:
            found = tuple(need.id for need in release.needs)
            needs[release.id] = tuple(dict.fromkeys((*needs.get(release.id, ()), *found)))
            for need in release.needs:
                if need.until is not NeedUntil.DEPLOYED:
                    until[release.id, need.id] = need.until
        _require_defined(listed, needs)
        graph = cls(needs, after, until)
        graph.check(listed)
        return graph

    @cached_property
    def _digraph(self) -> DiGraph[ReleaseId]:
        """Edges run from what is needed to what needs it."""
        import networkx

        graph: Any = networkx.DiGraph()
        graph.add_nodes_from(self.needs)
        for edges in (self.needs, self.after):
            graph.add_edges_from((needed, one) for one, found in edges.items() for needed in found)
        return graph

    @property
    def _plain(self) -> bool:
        return not any(self.needs.values()) and not any(self.after.values())

    def check(self, releases: Iterable[Release] = ()) -> None:
        """Raise ConfigError `needs.cycle`, which names the cycle in reading order, where there is one."""
        if self._plain or self._levels(self.needs) is not None:
            return
        import networkx

        graph: Any = networkx.DiGraph()
        graph.add_edges_from((one, needed) for one, found in self.needs.items() for needed in found)
        cycle = self._first_cycle(graph)
        shown = " -> ".join(str(one) for one in (*cycle, cycle[0]))
        span = next(
            (need.span for one in releases if one.id == cycle[0] for need in one.needs if need.id in cycle),
            None,
        )
        raise ConfigError(
            f"cycle detected: {shown}", error_id="needs.cycle", span=span, hint="remove one of these needs"
        )

    def _first_cycle(self, graph: Any) -> list[ReleaseId]:
        """The cycle that starts at the earliest defined release that lies on one."""
        import networkx

        tangled = [part for part in networkx.strongly_connected_components(graph) if len(part) > 1]
        loops = [{one} for one in graph if graph.has_edge(one, one)]
        first = min((*tangled, *loops), key=lambda part: min(self._position[one] for one in part))
        start = min(first, key=self._position.__getitem__)
        if graph.has_edge(start, start):
            return [start]
        inner = graph.subgraph(first)
        ways = [networkx.shortest_path(inner, following, start) for following in inner.successors(start)]
        best = min(ways, key=lambda way: (len(way), [self._position[one] for one in way]))
        return [start, *best[:-1]]

    def groups(self) -> tuple[tuple[ReleaseId, ...], ...]:
        """Helmfile's groups: level by the longest chain of needs, definition order inside."""
        both = {one: (*found, *self.after.get(one, ())) for one, found in self.needs.items()}
        levels = self._levels(both)
        if levels is None:
            raise ConfigError("needs form a cycle", error_id="needs.cycle")
        return levels

    def _levels(self, edges: Needs) -> tuple[tuple[ReleaseId, ...], ...] | None:
        """Levels by the longest chain; None where there is a cycle. (networkx is slow to load: it explains, only.)"""
        waiting = {one: len(set(found)) for one, found in edges.items()}
        dependents: dict[ReleaseId, list[ReleaseId]] = {}
        for one, found in edges.items():
            for needed in set(found):
                dependents.setdefault(needed, []).append(one)
        level = [one for one, count in waiting.items() if not count]
        levels: list[tuple[ReleaseId, ...]] = []
        while level:
            levels.append(tuple(level))
            following = []
            for needed in level:
                for one in dependents.get(needed, ()):
                    waiting[one] -= 1
                    if not waiting[one]:
                        following.append(one)
            level = sorted(following, key=self._position.__getitem__)
        return tuple(levels) if sum(map(len, levels)) == len(edges) else None

    def order(self) -> tuple[ReleaseId, ...]:
        """Every release after all that it needs; definition order among equals."""
        return tuple(one for group in self.groups() for one in group)

    def closure(self, ids: Iterable[ReleaseId]) -> frozenset[ReleaseId]:
        """`ids` and everything they need, directly or not."""
        found = set(ids)
        pending = list(found)
        while pending:
            for needed in self.needs.get(pending.pop(), ()):
                if needed not in found:
                    found.add(needed)
                    pending.append(needed)
        return frozenset(found)

    def among(self, ids: Iterable[ReleaseId]) -> Mapping[ReleaseId, frozenset[ReleaseId]]:
        """What each of `ids` waits for among `ids`; ways through releases outside of `ids` count too."""
        chosen = dict.fromkeys(ids)
        found: dict[ReleaseId, frozenset[ReleaseId]] = {}
        for one in chosen:
            reached: set[ReleaseId] = set()
            seen: set[ReleaseId] = {one}
            pending = [one]
            while pending:
                current = pending.pop()
                for needed in (*self.needs.get(current, ()), *self.after.get(current, ())):
                    if needed in seen:
                        continue
                    seen.add(needed)
                    if needed in chosen:
                        reached.add(needed)
                    else:
                        pending.append(needed)
            found[one] = frozenset(reached)
        return found

    def dependents(self, one: ReleaseId) -> frozenset[ReleaseId]:
        """Everything that needs `one`, directly or not."""
        if self._plain:
            return frozenset()
        import networkx

        return frozenset(networkx.descendants(self._digraph, one))

    def why(self, dependent: ReleaseId, needed: ReleaseId) -> tuple[ReleaseId, ...]:
        """A shortest chain from `dependent` to `needed`, () where there is none."""
        if self._plain:
            return ()
        import networkx

        try:
            return tuple(reversed(networkx.shortest_path(self._digraph, needed, dependent)))
        except (networkx.NetworkXNoPath, networkx.NodeNotFound):
            return ()


def _require_defined(releases: list[Release], needs: Needs) -> None:
    """Every need names a release; all that do not are reported together."""
    missing: dict[ReleaseId, list[Release]] = {}
    for release in releases:
        for need in release.needs:
            if need.id not in needs:
                missing.setdefault(need.id, []).append(release)
    mistakes = [_undefined(one, dependents, needs) for one, dependents in missing.items()]
    if mistakes:
        raise ConfigError.collect(mistakes)


def _undefined(one: ReleaseId, dependents: list[Release], needs: Needs) -> Mistake:
    quoted = ", ".join(f'"{release.id}"' for release in dependents)
    message = (
        f'release(s) {quoted} depend(s) on an undefined release "{one}". Perhaps you made a typo in "needs" or forgot '
        f'defining a release named "{one.name}" with appropriate "namespace" and "kubeContext"?'
    )
    names = {str(known): known for known in needs}
    same = [str(known) for known in needs if known.name == one.name]
    close = same or difflib.get_close_matches(str(one), list(names), 1)
    span = next((need.span for release in dependents for need in release.needs if need.id == one), None)
    return Mistake(message, "needs.undefined", span, f"did you mean {close[0]!r}?" if close else "")
