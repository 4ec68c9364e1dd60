"""Changes as unified YAML: one header per object, then the lines that differ with their surroundings."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from helmflow.plan.model import Change, ChangeKind, ReleasePlan
from helmflow.ui.text import sanitize
from helmflow.ui.theme import Theme

_VERBS = {
    ChangeKind.CREATE: "has been added",
    ChangeKind.UPDATE: "has changed",
    ChangeKind.REPLACE: "will be replaced",
    ChangeKind.ADOPT: "will be adopted",
    ChangeKind.DELETE: "has been removed",
    ChangeKind.KEEP: "is kept",
}
_STYLES = {
    ChangeKind.CREATE: "green",
    ChangeKind.UPDATE: "yellow",
    ChangeKind.REPLACE: "red",
    ChangeKind.ADOPT: "yellow",
    ChangeKind.DELETE: "red",
    ChangeKind.KEEP: "dim",
}


def release(plan: ReleasePlan, theme: Theme, *, context: int) -> Iterator[str]:
    """Every shown change of one release. `context` -1 shows whole objects."""
    for change in plan.changes:
        if change.shows:
            yield from _change(change, plan, theme, context)


def _change(change: Change, plan: ReleasePlan, theme: Theme, context: int) -> Iterator[str]:
    ref = change.ref
    namespace = ref.namespace or plan.id.namespace
    why = f" ({sanitize(change.reason)})" if change.reason else ""
    header = f"{namespace}, {ref.name}, {ref.kind} ({ref.api_version}) {_VERBS[change.kind]}:{why}"
    yield theme.paint(header, _STYLES[change.kind])
    if change.kind is not ChangeKind.KEEP:
        yield from (_paint(line, theme) for line in unified(change.before, change.after, context))
    yield ""


def unified(before: str, after: str, context: int) -> list[str]:
    """Two texts as lines that start with `-`, `+` or a blank; `...` stands where unchanged lines are left out."""
    # The blank lines at a document's end belong to the file it was cut from.
    old, new = sanitize(before).rstrip().splitlines(), sanitize(after).rstrip().splitlines()
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    if context < 0:
        return [line for group in [matcher.get_opcodes()] for line in _lines(group, old, new)]
    lines: list[str] = []
    for group in matcher.get_grouped_opcodes(context):
        if all(tag == "equal" for tag, *_ in group):
            continue
        if lines or group[0][1] > 0:
            lines.append("...")
        lines.extend(_lines(group, old, new))
    return lines


def _lines(group: Sequence[tuple[str, int, int, int, int]], old: list[str], new: list[str]) -> Iterator[str]:
    for tag, old_from, old_to, new_from, new_to in group:
        if tag == "equal":
            yield from (f"  {line}" for line in old[old_from:old_to])
            continue
        yield from (f"- {line}" for line in old[old_from:old_to])
        yield from (f"+ {line}" for line in new[new_from:new_to])


def _paint(line: str, theme: Theme) -> str:
    return (
        theme.paint(line, {"-": "red", "+": "green", ".": "dim"}[line[0]])
        if line[:1] in ("-", "+", ".")
        else line
    )
