"""The two pictures of the HTML report, drawn as SVG: what needs what, and what happened when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from helmflow.core.records import dataclass
from helmflow.ui.graph_view import GAP_X, GAP_Y, HEIGHT, WIDTH, Node, places, short
from helmflow.ui.recording import Track
from helmflow.ui.text import duration, sanitize

_LABELS: Final = 230  # room for names on the left of the timeline
_CHART: Final = 800
_ROW: Final = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One release in the timeline: the anchor it leads to, its name, the class that colours it, and its course."""

    anchor: str
    name: str
    kind: str
    track: Track


def graph(nodes: Sequence[Node], anchors: Mapping[str, str], kinds: Mapping[str, str]) -> str:
    """Releases as boxes in columns by what they wait for; every box leads to its release's section."""
    at = places(nodes)
    width = max((x for x, _ in at.values()), default=0) + WIDTH + GAP_X // 2
    height = max((y for _, y in at.values()), default=0) + HEIGHT + GAP_Y
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="Dependency graph">'
    ]
    for node in nodes:
        x, y = at[node.key]
        parts.extend(
            _edge(at[key], (x, y), anchors[key], anchors[node.key]) for key in node.needs if key in at
        )
    for node in nodes:
        x, y = at[node.key]
        anchor, kind = anchors[node.key], kinds[node.key]
        parts.append(
            f'<a class="node" href="#{anchor}" data-key="{anchor}"><title>{_text(node.label)}: {_text(node.detail)}</title>'
            f'<rect class="box" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="7"/>'
            f'<rect class="{escape(kind)}" x="{x}" y="{y + 8}" width="4" height="{HEIGHT - 16}" rx="2"/>'
            f'<text class="strong" x="{x + 14}" y="{y + 20}">{_text(short(node.label))}</text>'
            f'<text class="soft" x="{x + 14}" y="{y + 36}">{_text(short(node.detail))}</text></a>'
        )
    return "".join([*parts, "</svg>"])


def timeline(rows: Sequence[Row], seconds: float, critical: frozenset[str]) -> str:
    """One bar per release that did something, its steps inside; the critical path is outlined."""
    drawn = [row for row in rows if row.track.began is not None]
    if not drawn or seconds <= 0:
        return ""
    scale = _CHART / seconds
    height = _ROW * len(drawn) + 30
    width = _LABELS + _CHART + 70
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="Timeline">'
    ]
    parts.extend(_axis(seconds, scale, height))
    for number, row in enumerate(drawn):
        parts.extend(_bar(row, 24 + number * _ROW, scale, seconds, critical=row.anchor in critical))
    return "".join([*parts, "</svg>"])


def _edge(start: tuple[int, int], end: tuple[int, int], source: str, target: str) -> str:
    x1, y1 = start[0] + WIDTH, start[1] + HEIGHT // 2
    x2, y2 = end[0], end[1] + HEIGHT // 2
    tip = "l-6 -4m6 4l-6 4"
    if x2 - x1 <= GAP_X:
        middle = (x1 + x2) // 2
        way = f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2 - 6} {y2}{tip}"
    else:
        # Over several columns the line runs between two rows, where no box can hide it.
        gap, half = max(y1, y2) + HEIGHT // 2 + GAP_Y // 2, GAP_X // 2
        way = (
            f"M{x1} {y1}C{x1 + half} {y1} {x1 + half} {gap} {x1 + GAP_X} {gap}H{x2 - GAP_X}"
            f"C{x2 - half} {gap} {x2 - half} {y2} {x2 - 6} {y2}{tip}"
        )
    return f'<path class="edge" data-from="{source}" data-to="{target}" d="{way}"/>'


def _axis(seconds: float, scale: float, height: int) -> Iterator[str]:
    step = next((one for one in _STEPS if seconds / one <= 8), _STEPS[-1])
    mark = 0.0
    while mark <= seconds:
        x = _LABELS + mark * scale
        yield f'<path class="tick" d="M{x:.1f} 18V{height - 4}"/><text class="soft" x="{x:.1f}" y="12" text-anchor="middle">{duration(mark)}</text>'
        mark += step


_STEPS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


def _bar(row: Row, y: int, scale: float, seconds: float, *, critical: bool) -> Iterator[str]:
    began = row.track.began or 0.0
    ended = row.track.ended if row.track.ended is not None else seconds
    x, width = _LABELS + began * scale, max(2.0, (ended - began) * scale)
    mark = " critical" if critical else ""
    yield (
        f'<a href="#{row.anchor}"><title>{_text(row.name)}: {duration(ended - began)}</title>'
        f'<text x="{_LABELS - 10}" y="{y + 14}" text-anchor="end">{_text(short(row.name))}</text>'
        f'<rect class="{escape(row.kind)}{mark}" x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 8}" rx="4"/>'
    )
    for number, span in enumerate(sorted(row.track.steps, key=lambda span: span.began)):
        if number % 2 == 0 and (span.ended - span.began) * scale > 1:
            left, wide = _LABELS + span.began * scale, (span.ended - span.began) * scale
            yield (
                f'<rect class="span" x="{left:.1f}" y="{y + 3}" width="{wide:.1f}" height="{_ROW - 8}">'
                f"<title>{_text(span.step)} {_text(span.detail)}: {duration(span.ended - span.began)}</title></rect>"
            )
    yield f'<text class="soft" x="{x + width + 6:.1f}" y="{y + 14}">{duration(ended - began)}</text></a>'


def _text(text: str) -> str:
    return escape(sanitize(text))
