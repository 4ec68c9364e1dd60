"""helmflow graph: repositories, charts and releases, and what waits for what."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.core.records import dataclass, replace
from helmflow.flows import prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.state.comparing import everywhere
from helmflow.state.model import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """One node: `kind` is repository, chart or release; `needs` are the keys of what it waits for."""

    key: str
    kind: str
    label: str
    detail: str = ""
    needs: tuple[str, ...] = ()


def graph(options: RunOptions, emit: Emit, given: Session | None = None) -> tuple[GraphNode, ...]:
    """Every node of the selected releases: a release waits for its chart and its needs, a chart for its repository."""
    with session_for(options, emit, given) as session:
        return _nodes(prepare.choose(session, prepare.load(session, "graph")))


def all_environments(options: RunOptions, emit: Emit, given: Session | None = None) -> tuple[GraphNode, ...]:
    """The nodes of every environment that the files name: a release says in which of them it is wanted."""
    with session_for(options, emit, given) as session:
        states = everywhere(prepare.request(session), emit)
        several = len({release.context for state in states.values() for release in state.releases}) > 1
        merged: dict[str, GraphNode] = {}
        wanted: dict[str, list[str]] = {}
        for name, desired in states.items():
            for node in _nodes(prepare.choose(session, desired), several=several):
                seen = merged.setdefault(node.key, node)
                merged[node.key] = replace(seen, needs=tuple(dict.fromkeys((*seen.needs, *node.needs))))
                if node.kind == "release" and not node.detail:
                    wanted.setdefault(node.key, []).append(name)
        return tuple(
            replace(node, detail=", ".join(wanted.get(node.key, ["nowhere"])))
            if node.kind == "release"
            else node
            for node in merged.values()
        )


def _nodes(chosen: prepare.Chosen, *, several: bool = False) -> tuple[GraphNode, ...]:
    several = several or len({release.context for release in chosen.releases}) > 1
    nodes: dict[str, GraphNode] = {}
    for release in chosen.releases:
        _add_chart(nodes, release)
        needs = tuple(f"release {need}" for need in sorted(chosen.needs.get(release.id, ())))
        key = f"release {release.id}"
        nodes[key] = GraphNode(
            key=key,
            kind="release",
            label=str(release.id if several else release.id._replace(context="")),
            detail="" if release.installed else "not installed",
            needs=(f"chart {release.chart}", *needs),
        )
    return tuple(nodes.values())


def _add_chart(nodes: dict[str, GraphNode], release: Release) -> None:
    repository = release.repository
    needs: tuple[str, ...] = ()
    if repository is not None:
        key = f"repository {repository.name}"
        nodes.setdefault(
            key, GraphNode(key=key, kind="repository", label=repository.name, detail=repository.url)
        )
        needs = (key,)
    key = f"chart {release.chart}"
    nodes.setdefault(
        key, GraphNode(key=key, kind="chart", label=release.chart, detail=release.version, needs=needs)
    )
