"""A Plan for people: the cluster first, then what happens to every release and why, then the objects."""

from __future__ import annotations

from collections.abc import Iterator

from helmflow.plan.model import ActionKind, ChangeKind, Plan, ReleasePlan
from helmflow.ui import diff_view
from helmflow.ui.text import columns, namer, plural, sanitize
from helmflow.ui.theme import Theme

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


def render(plan: Plan, theme: Theme, *, context: int = -1) -> str:
    """The summary table, then every release's changes as unified YAML. Empty where nothing changes."""
    blocks = [
        line for release in plan.releases for line in diff_view.release(release, theme, context=context)
    ]
    return "\n".join([*summary(plan, theme), *([""] if blocks else []), *blocks])


def summary(plan: Plan, theme: Theme) -> Iterator[str]:
    """One row per release that is not kept, and one line of counts."""
    yield f"Plan for {plan.cluster}, environment {plan.environment}"
    name = namer(release.id for release in plan.releases)
    shown = [release for release in plan.releases if release.action.kind is not ActionKind.KEEP]
    if shown:
        rows = [
            ("RELEASE", "ACTION", "OBJECTS", "WHY"),
            *(_row(release, name(release.id)) for release in shown),
        ]
        header, *body = columns(rows)
        yield theme.paint(header, "bold")
        for release, line in zip(shown, body, strict=True):
            yield theme.paint(line, _STYLES[release.action.kind])
    kept = len(plan.releases) - len(shown)
    if kept:
        random = sum("random" in release.action.reason for release in plan.releases if release not in shown)
        note = f" ({random} with random content)" if random else ""
        yield f"{plural(kept, 'release')} unchanged{note}"


def _row(release: ReleasePlan, name: str) -> tuple[str, ...]:
    created = release.count(ChangeKind.CREATE)
    changed = release.count(ChangeKind.UPDATE, ChangeKind.REPLACE, ChangeKind.ADOPT)
    deleted = release.count(ChangeKind.DELETE)
    objects = " ".join(
        f"{sign}{count}" for sign, count in (("+", created), ("~", changed), ("-", deleted)) if count
    )
    return name, release.action.kind.value, objects or "-", sanitize(release.action.reason)
