"""Changes as unified YAML: one header per object, then the lines that differ with their surroundings."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from helmflow.plan import shapes
from helmflow.plan.fields import touches
from helmflow.plan.model import Cause, Change, ChangeKind, ReleasePlan
from helmflow.ui.text import sanitize
from helmflow.ui.theme import Theme

if TYPE_CHECKING:
    from helmflow.core.yaml_locate import Node

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
    """Every shown change of one release. `context` -1 shows whole objects, unless the release says how many lines."""
    own = plan.release.options.diff_context
    context = own if context < 0 and own is not None else context
    for change in plan.changes:
        if change.shows:
            yield theme.paint(header(change, plan), _STYLES[change.kind])
            if change.kind is not ChangeKind.KEEP:
                yield from (_paint(line, theme) for line in lines(change, plan.because, context=context))
            yield ""


def header(change: Change, plan: ReleasePlan) -> str:
    """The object, what happens to it, and why where all of its fields change for one reason."""
    ref = change.ref
    namespace = ref.namespace or plan.owner.namespace
    reasons = [change.reason] if change.reason and not change.drift else []
    said = _said(change, plan.because)
    if len(said) == 1 and change.kind is not ChangeKind.ADOPT:
        reasons.extend(said)
    elif change.drift and not said:
        reasons.append(change.reason)
    if change.before == change.after and change.ignored:
        reasons.append("only in fields that rules leave out")
    why = f" ({sanitize('; '.join(reasons))})" if reasons else ""
    return f"{namespace}, {ref.name}, {ref.kind} ({ref.api_version}) {_VERBS[change.kind]}:{why}"


def lines(change: Change, because: Sequence[str] = (), *, context: int) -> list[str]:
    """The change as unified YAML; where fields change for several reasons, a `#` line before each hunk says which."""
    if change.before == change.after:
        return []
    shown = _compared(change.before, change.after, context)
    if len(_said(change, because)) < 2:
        return [line.text for line in shown]
    return list(_annotated(shown, change, because))


def words(cause: Cause, because: Sequence[str]) -> str:
    """Why a field changes, as a phrase."""
    ours = ", ".join(because) or "chart or values"
    theirs = "changed in the cluster"
    if cause.manager:
        theirs += f" by {cause.manager}"
    if cause.since:
        theirs += f" at {cause.since}"
    if cause.planned and cause.drift:
        return f"{ours}; was {theirs}"
    return theirs if cause.drift else ours


def _said(change: Change, because: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(words(cause, because) for cause in change.causes))


def _annotated(shown: Sequence[_Line], change: Change, because: Sequence[str]) -> Iterator[str]:
    """The lines, with the reasons of every hunk before it."""
    paths = {"-": _paths(change.before), "+": _paths(change.after)}
    for differs, group in itertools.groupby(shown, key=lambda line: line.text[:2] in ("- ", "+ ")):
        hunk = list(group)
        if differs:
            touched = [path for line in hunk if (path := paths[line.text[0]].get(line.number)) is not None]
            found = [
                words(cause, because)
                for cause in change.causes
                if any(touches(cause.path, path) for path in touched)
            ]
            yield from (f"# {sanitize(why)}" for why in dict.fromkeys(found))
        yield from (line.text for line in hunk)


def _paths(text: str) -> Mapping[int, tuple[str | int, ...]]:
    """Every line's field."""
    from helmflow.core import yaml_dialect
    from helmflow.core.source import SourceText

    try:
        root = yaml_dialect.locate(text, SourceText("", text))
    except ValueError:  # a mask may leave a text that is no YAML any more
        return {}
    if root is None:
        return {}
    known: dict[int, tuple[str | int, ...]] = {}
    _walk(root, (), "", known)
    found: dict[int, tuple[str | int, ...]] = {}
    path: tuple[str | int, ...] = ()
    for number in range(1, len(_text_lines(text)) + 1):
        path = known.get(number, path)
        found[number] = path
    return found


def _walk(
    node: Node, path: tuple[str | int, ...], name: str, known: dict[int, tuple[str | int, ...]]
) -> None:
    for key, (key_node, value) in (node.entries or {}).items():
        known[key_node.span.line] = (*path, key)
        _walk(value, (*path, key), key, known)
    keys = shapes.keys_of([item.value for item in node.items], name) if node.items else None
    for position, item in enumerate(node.items):
        step = shapes.step(item.value, keys) if keys else position
        known[item.span.line] = (*path, step)
        _walk(item, (*path, step), "", known)


def _text_lines(text: str) -> list[str]:
    # The blank lines at a document's end belong to the file it was cut from.
    return sanitize(text).rstrip().splitlines()


def unified(before: str, after: str, context: int) -> list[str]:
    """Two texts as lines that start with `-`, `+` or a blank; `...` stands where unchanged lines are left out."""
    return [line.text for line in _compared(before, after, context)]


class _Line(NamedTuple):
    """One shown line and its number in the text it comes from (the new one where it is in both), 0 for a gap."""

    text: str
    number: int


def _compared(before: str, after: str, context: int) -> list[_Line]:
    old, new = _text_lines(before), _text_lines(after)
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    if context < 0:
        return list(_lines(matcher.get_opcodes(), old, new))
    found: list[_Line] = []
    for group in matcher.get_grouped_opcodes(context):
        if all(tag == "equal" for tag, *_ in group):
            continue
        if found or group[0][1] > 0:
            found.append(_Line("...", 0))
        found.extend(_lines(group, old, new))
    return found


def _lines(
    group: Sequence[tuple[str, int, int, int, int]], old: list[str], new: list[str]
) -> Iterator[_Line]:
    for tag, old_from, old_to, new_from, new_to in group:
        if tag == "equal":
            yield from (_Line(f"  {new[at]}", at + 1) for at in range(new_from, new_to))
            continue
        yield from (_Line(f"- {old[at]}", at + 1) for at in range(old_from, old_to))
        yield from (_Line(f"+ {new[at]}", at + 1) for at in range(new_from, new_to))


def _paint(line: str, theme: Theme) -> str:
    return (
        theme.paint(line, {"-": "red", "+": "green", ".": "dim", "#": "cyan"}[line[0]])
        if line[:1] in ("-", "+", ".", "#")
        else line
    )
