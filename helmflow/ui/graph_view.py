"""Repositories, charts and releases as a tree, DOT, Mermaid or SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from helmflow.core.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One box: `kind` is repository, chart or release; `needs` are the keys of what it waits for."""

    key: str
    kind: str
    label: str
    detail: str = ""
    needs: tuple[str, ...] = ()


_SHAPES: Final = {"repository": "cylinder", "chart": "note", "release": "box"}
_FILLS: Final = {"repository": "#e8eef7", "chart": "#f7f3e3", "release": "#e5f4e8"}
WIDTH, HEIGHT, GAP_X, GAP_Y = 190, 46, 60, 22


def tree(nodes: Sequence[Node]) -> str:
    """What depends on what, from the outermost releases inwards; a node seen before is named, not repeated."""
    by_key = {node.key: node for node in nodes}
    needed = {key for node in nodes for key in node.needs}
    roots = [node for node in nodes if node.key not in needed]
    lines: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[Node, str, str]] = [(node, "", "") for node in reversed(roots)]
    while stack:
        node, lead, below = stack.pop()
        again = node.key in seen
        detail = f"  {node.detail}" if node.detail else ""
        lines.append(f"{lead}{node.label}{detail}{' …' if again and node.needs else ''}")
        if again:
            continue
        seen.add(node.key)
        children = [by_key[key] for key in node.needs if key in by_key]
        for position, child in reversed(list(enumerate(children))):
            last = position == len(children) - 1
            stack.append((child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")))
    return "\n".join(lines)


def dot(nodes: Sequence[Node]) -> str:
    """Graphviz: an arrow points from what comes first to what waits for it."""
    lines = ["digraph helmflow {", "  rankdir=LR;", '  node [fontname="sans-serif", style=filled];']
    for node in nodes:
        label = "\\n".join(
            part.replace("\\", "\\\\").replace('"', '\\"') for part in (node.label, node.detail) if part
        )
        lines.append(
            f'  {_quoted(node.key)} [label="{label}", shape={_SHAPES[node.kind]}, fillcolor="{_FILLS[node.kind]}"];'
        )
    for node in nodes:
        lines.extend(f"  {_quoted(key)} -> {_quoted(node.key)};" for key in node.needs)
    return "\n".join([*lines, "}"])


def mermaid(nodes: Sequence[Node]) -> str:
    """A Mermaid flowchart, as GitHub and GitLab draw it."""
    names = {node.key: f"n{position}" for position, node in enumerate(nodes)}
    brackets = {"repository": ("[(", ")]"), "chart": ("[/", "/]"), "release": ("[", "]")}
    lines = ["flowchart LR"]
    for node in nodes:
        opening, closing = brackets[node.kind]
        label = "<br>".join(escape(part).replace('"', "&quot;") for part in (node.label, node.detail) if part)
        lines.append(f'  {names[node.key]}{opening}"{label}"{closing}')
    for node in nodes:
        lines.extend(f"  {names[key]} --> {names[node.key]}" for key in node.needs if key in names)
    return "\n".join(lines)


def svg(nodes: Sequence[Node]) -> str:
    """A self-contained picture: columns by distance from what needs nothing."""
    at = places(nodes)
    width = max((x for x, _ in at.values()), default=0) + WIDTH + GAP_X
    height = max((y for _, y in at.values()), default=0) + HEIGHT + GAP_Y
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' font-family="sans-serif" font-size="12">'
        ),
        (
            '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>'
        ),
    ]
    for node in nodes:
        x, y = at[node.key]
        for key in node.needs:
            if key in at:
                from_x, from_y = at[key]
                start, end = (from_x + WIDTH, from_y + HEIGHT // 2), (x, y + HEIGHT // 2)
                middle = (start[0] + end[0]) // 2
                lines.append(
                    f'<path d="M{start[0]} {start[1]}C{middle} {start[1]} {middle} {end[1]} {end[0]} {end[1]}"'
                    ' fill="none" stroke="#667" marker-end="url(#a)"/>'
                )
    for node in nodes:
        x, y = at[node.key]
        lines.append(
            f'<g><title>{escape(node.kind)} {escape(node.label)}</title><rect x="{x}" y="{y}" width="{WIDTH}"'
            f' height="{HEIGHT}" rx="6" fill="{_FILLS[node.kind]}" stroke="#889"/>'
            f'<text x="{x + 10}" y="{y + 20}" font-weight="600">{escape(short(node.label))}</text>'
            f'<text x="{x + 10}" y="{y + 36}" fill="#556">{escape(short(node.detail))}</text></g>'
        )
    return "\n".join([*lines, "</svg>"])


def places(nodes: Sequence[Node]) -> Mapping[str, tuple[int, int]]:
    """Column: the longest chain below a node. Row: the order in which nodes are given."""
    by_key = {node.key: node for node in nodes}
    columns: dict[str, int] = {}
    pending = list(by_key)
    while pending:
        key = pending[-1]
        missing = [need for need in by_key[key].needs if need in by_key and need not in columns]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        columns[key] = 1 + max((columns[need] for need in by_key[key].needs if need in by_key), default=-1)
    rows: dict[int, int] = {}
    found: dict[str, tuple[int, int]] = {}
    for node in nodes:
        column = columns[node.key]
        row = rows.get(column, 0)
        rows[column] = row + 1
        found[node.key] = (GAP_X // 2 + column * (WIDTH + GAP_X), GAP_Y // 2 + row * (HEIGHT + GAP_Y))
    return found


def short(text: str) -> str:
    return text if len(text) <= 27 else text[:26] + "…"


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
