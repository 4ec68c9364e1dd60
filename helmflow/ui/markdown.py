"""A Plan as a pull request comment: one sticky comment, the biggest risks first, never larger than the forge allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from helmflow.core.ids import ReleaseId
from helmflow.plan import risk
from helmflow.plan.model import ActionKind, ChangeKind, Plan, ReleasePlan
from helmflow.ui import diff_view
from helmflow.ui.text import namer, plural, sanitize
from helmflow.ui.theme import Theme

LIMIT: Final = 65_536  # GitHub's bound on a comment, in characters
MARKER: Final = "<!-- helmflow plan {key} -->"
_CONTEXT: Final = 3
_ESCAPED: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&$-])")
_ICONS: Final = {
    ActionKind.INSTALL: "➕",
    ActionKind.UPGRADE: "✏️",
    ActionKind.RECOVER: "🔧",
    ActionKind.ADOPT: "🤝",
    ActionKind.ROLLBACK: "↩️",
    ActionKind.UNINSTALL: "🗑️",
    ActionKind.REFUSE: "⛔",
}


def render(plan: Plan, *, limit: int = LIMIT) -> str:
    """The comment. Where it would be larger than `limit`, diffs are shortened, then left out, and that is said.

    The first line is a marker by which the next run finds its comment.
    """
    risks = risk.assess(plan)
    by_release: dict[ReleaseId, list[risk.Risk]] = {}
    for found in risks:
        by_release.setdefault(found.release, []).append(found)
    changed = [release for release in plan.releases if release.action.kind is not ActionKind.KEEP]
    changed.sort(key=lambda release: -max((one.level for one in by_release.get(release.id, ())), default=0))
    head = _head(plan, changed, risks)
    foot = _foot(plan, changed)
    folds: list[str] = []
    room = limit - len(head) - len(foot) - 400  # the sentence about what was left out
    omitted = 0
    for release in changed:
        fold = _fold(release, by_release.get(release.id, []), max_lines=None)
        if len(fold) > room:
            fold = _fold(release, by_release.get(release.id, []), max_lines=40)
        if len(fold) > room:
            omitted += 1
            continue
        folds.append(fold)
        room -= len(fold)
    note = ""
    if omitted:
        note = f"\n> **{plural(omitted, 'diff')} did not fit into a comment** and can be read in the job's log.\n"
    return (head + "".join(folds) + note + foot)[:limit]


def _head(plan: Plan, changed: list[ReleasePlan], risks: tuple[risk.Risk, ...]) -> str:
    counts: dict[str, int] = {}
    for release in changed:
        counts[release.action.kind.value] = counts.get(release.action.kind.value, 0) + 1
    words = [f"{number} {word}" for word, number in counts.items()]
    words.append(f"{len(plan.releases) - len(changed)} unchanged")
    key = re.sub(r"[^A-Za-z0-9._-]", "-", plan.environment)
    lines = [
        MARKER.format(key=key),
        f"## helmflow {escape(plan.command)}: {escape(plan.environment)} @ {escape(plan.cluster)}: {', '.join(words)}",
        "",
    ]
    name = namer(release.id for release in plan.releases)
    serious = [one for one in risks if one.level >= risk.Level.RESTART]
    if serious:
        lines.append("**Look twice:**")
        lines.append("")
        lines.extend(
            f"- **{one.level.name.lower()}** {escape(name(one.release))}: {escape(one.phrase)}"
            for one in serious[:20]
        )
        if len(serious) > 20:
            lines.append(f"- and {len(serious) - 20} more")
        lines.append("")
    if changed:
        lines.append("| Release | Action | Objects | Restarts pods | Why |")
        lines.append("|---|---|---|---|---|")
        restarting = {one.release for one in risks if one.code == "restart"}
        lines.extend(
            _row(release, name(release.id), restarts=release.id in restarting) for release in changed
        )
        lines.append("")
    return "\n".join(lines) + "\n"


def _row(release: ReleasePlan, name: str, *, restarts: bool) -> str:
    objects = "/".join(f"{sign}{count}" for sign, count in _counts(release).items())
    icon = _ICONS[release.action.kind]
    cells = (
        name,
        f"{icon} {release.action.kind.value}",
        objects,
        "yes" if restarts else "",
        release.action.reason,
    )
    return "| " + " | ".join(escape(sanitize(cell).replace("\n", " ")) for cell in cells) + " |"


def _counts(release: ReleasePlan) -> Mapping[str, int]:
    return {
        "+": release.count(ChangeKind.CREATE),
        "~": release.count(ChangeKind.UPDATE, ChangeKind.REPLACE, ChangeKind.ADOPT),
        "-": release.count(ChangeKind.DELETE),
    }


def _fold(release: ReleasePlan, risks: list[risk.Risk], *, max_lines: int | None) -> str:
    lines = list(diff_view.release(release, Theme(colored=False), context=_CONTEXT))
    shortened = max_lines is not None and len(lines) > max_lines
    if shortened:
        lines = lines[:max_lines]
    body = "\n".join(lines)
    # A fence longer than any run of backticks inside cannot be closed from inside.
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    title = f"{release.id.namespace}/{release.id.name} ({release.chart})"
    parts = ["<details><summary>", escape_html(title), "</summary>\n\n"]
    parts.extend(f"- {escape(one.phrase)}\n" for one in risks)
    if release.action.error is not None:
        parts.append(f"\n{escape(release.action.error.message)}\n")
    parts.append(f"\n{fence}diff\n{body}\n{fence}\n")
    if shortened:
        parts.append("\n_shortened: the whole diff is in the job's log_\n")
    return "".join([*parts, "\n</details>\n"])


def _foot(plan: Plan, changed: list[ReleasePlan]) -> str:
    masked = sum(
        change.after.count("(masked") + change.before.count("(masked")
        for r in changed
        for change in r.changes
    )
    notes = [f"cluster {escape(plan.cluster)}", f"{plural(masked, 'value')} masked"]
    command = f"helmflow apply --environment {plan.environment}"
    return f"\n_{'; '.join(notes)}; to apply:_ `{command.replace('`', '')}`\n"


def escape(text: str) -> str:
    """Text that no Markdown reader takes for anything but text: no links, mentions, HTML or table ends."""
    return _ESCAPED.sub(r"\\\1", sanitize(text)).replace("\n", " ")


def escape_html(text: str) -> str:
    """Text inside an HTML element."""
    return sanitize(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
