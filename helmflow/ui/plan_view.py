"""A Plan for people: the cluster first, then what happens to every release and why, then the objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from helmflow.core.ids import ReleaseId
from helmflow.core.sensitive import mask_everything
from helmflow.plan import risk
from helmflow.plan.model import ActionKind, ChangeKind, Plan, ReleasePlan
from helmflow.ui import diff_view, plan_json
from helmflow.ui.text import columns, namer, plural, sanitize
from helmflow.ui.theme import Theme

MAX_RISKS: Final = 20
_STYLES = {
    ActionKind.INSTALL: "green",
    ActionKind.UPGRADE: "yellow",
    ActionKind.RECOVER: "yellow",
    ActionKind.ADOPT: "yellow",
    ActionKind.ROLLBACK: "yellow",
    ActionKind.UNINSTALL: "red",
    ActionKind.REFUSE: "red",
    ActionKind.KEEP: "dim",
}


def render(plan: Plan, theme: Theme, *, context: int = -1, width: int = 0, left_out: int = 0) -> str:
    """The summary table, then every release's changes as unified YAML, then what is not shown.

    `width` bounds the table's lines (0: nothing does); `left_out` counts the objects that flags hide.
    """
    blocks = [
        line for release in plan.releases for line in diff_view.release(release, theme, context=context)
    ]
    notes = [theme.paint(line, "dim") for line in _unseen(plan, left_out)]
    return "\n".join([*summary(plan, theme, width=width), *([""] if blocks else []), *blocks, *notes])


def summary(plan: Plan, theme: Theme, *, width: int = 0) -> Iterator[str]:
    """What deserves a second look, one row per release that is not kept, and one line of counts."""
    yield f"Plan for {plan.cluster}, environment {plan.environment}"
    name = namer(release.id for release in plan.releases)
    shown = [release for release in plan.releases if release.action.kind is not ActionKind.KEEP]
    if shown:
        rows = [
            ("RELEASE", "ACTION", "OBJECTS", "WHY"),
            *(_row(release, name(release.id)) for release in shown),
        ]
        header, *body = columns(rows, width=width)
        yield theme.paint(header, "bold")
        for release, line in zip(shown, body, strict=True):
            yield theme.paint(line, _STYLES[release.action.kind])
    kept = len(plan.releases) - len(shown)
    if kept:
        random = sum("random" in release.action.reason for release in plan.releases if release not in shown)
        note = f" ({random} with random content)" if random else ""
        yield f"{plural(kept, 'release')} unchanged{note}"
    yield from _look_twice(plan, theme, name, width)
    yield from _left_over(plan, theme, width)


def _look_twice(plan: Plan, theme: Theme, name: Callable[[ReleaseId], str], width: int) -> Iterator[str]:
    serious = [found for found in risk.assess(plan) if found.level >= risk.Level.RESTART]
    if not serious:
        return
    yield theme.paint("Look twice:", "bold")
    rows = [
        (f"  {found.level.name.lower()}", name(found.release), sanitize(found.phrase))
        for found in serious[:MAX_RISKS]
    ]
    # A row without words stands for the header that `columns` may treat differently.
    _, *lines = columns([("", "", ""), *rows], "  ", width=width)
    for found, line in zip(serious, lines, strict=False):
        yield theme.paint(line, "red" if found.level >= risk.Level.REACH else "yellow")
    if len(serious) > MAX_RISKS:
        yield f"  and {len(serious) - MAX_RISKS} more"


def _left_over(plan: Plan, theme: Theme, width: int) -> Iterator[str]:
    """What the files installed and no longer name, and what becomes of it."""
    if not plan.orphans:
        return
    yield theme.paint("Left the files, still installed:", "bold")
    rows = [(f"  {name}", what, fate) for name, what, fate in orphans(plan)]
    _, *lines = columns([("", "", ""), *rows], "  ", width=width)
    yield from (theme.paint(line, "yellow") for line in lines)


def orphans(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Each release that left the files: its name, what is there of it, and what this plan does about it."""
    name = namer(one.id for one in plan.orphans)
    pruned = {release.id: release.action.kind for release in plan.releases}
    for one in plan.orphans:
        match pruned.get(one.id):
            case None:
                fate = "stays; --prune uninstalls it"
            case ActionKind.UNINSTALL:
                fate = "is uninstalled by this plan"
            case _:
                fate = "stays"
        yield name(one.id), f"{one.status}, revision {one.revision}", fate


def _unseen(plan: Plan, left_out: int) -> Iterator[str]:
    if left_out:
        yield f"{plural(left_out, 'object')} not shown: flags or the state file hide them"
    rules = plan_json.ignored(plan)
    if rules:
        said = ", ".join(f"{count} {sanitize(rule)}" for rule, count in rules.items())
        yield f"{plural(sum(rules.values()), 'field')} not shown: {said} (--show-ignored shows them)"


def _row(release: ReleasePlan, name: str) -> tuple[str, ...]:
    created = release.count(ChangeKind.CREATE)
    changed = release.count(ChangeKind.UPDATE, ChangeKind.REPLACE, ChangeKind.ADOPT)
    deleted = release.count(ChangeKind.DELETE)
    objects = " ".join(
        f"{sign}{count}" for sign, count in (("+", created), ("~", changed), ("-", deleted)) if count
    )
    return name, release.action.kind.value, objects or "-", sanitize(mask_everything(release.action.reason))
