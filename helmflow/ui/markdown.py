"""A Plan as a pull request comment: one sticky comment, the biggest risks first, never larger than the forge allows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from helmflow.core.errors import ConfigError, Mistake
from helmflow.core.ids import ReleaseId
from helmflow.core.sensitive import mask_everything
from helmflow.execute.report import Outcome, ReleaseReport, RunReport
from helmflow.plan import risk
from helmflow.plan.model import ActionKind, ChangeKind, Plan, ReleasePlan
from helmflow.ui import diff_view, plan_json, plan_view
from helmflow.ui.recording import Recorder, Track, critical_path
from helmflow.ui.text import duration, namer, plural, sanitize
from helmflow.ui.theme import Theme

LIMIT: Final = 65_536  # GitHub's bound on a comment, in characters
ROWS_LIMIT: Final = 24_000  # of the table, so that diffs have room beside it
MARKER: Final = "<!-- helmflow plan {key} -->"
RUN_MARKER: Final = "<!-- helmflow run {key} -->"
_CONTEXT: Final = 3
_SAID: Final = {Outcome.UNTOUCHED: "not started"}
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
    return head + "".join(folds) + note + foot


def render_run(report: RunReport, plan: Plan | None, recorder: Recorder, *, limit: int = LIMIT) -> str:
    """A finished run as a comment: outcomes, what failed with its evidence, and how long everything took."""
    name = namer(release.id for release in report.releases)
    words = [
        f"{len(found)} {_SAID.get(outcome, outcome.value)}"
        for outcome in Outcome
        if (found := report.having(outcome))
    ]
    key = re.sub(r"[^A-Za-z0-9._-]", "-", report.environment)
    state = "✅" if report.ok else "❌"
    lines = [
        RUN_MARKER.format(key=key),
        f"## {state} helmflow {escape(report.command)}: {escape(report.environment)} @ {escape(report.cluster)}: {', '.join(words) or 'not planned'}",
        "",
    ]
    if report.error is not None:
        lines += ["Nothing was run: planning failed.", "", _fenced(mistake_text(report.error), "text")]
    if report.releases:
        lines += ["| Release | Outcome | Revision | Chart | Time | Why |", "|---|---|---|---|---|---|"]
        # What did not go well comes first, so that it is there whatever has to be left out.
        order = sorted(
            report.releases, key=lambda release: release.outcome in (Outcome.DONE, Outcome.UNCHANGED)
        )
        rows = [_outcome(release, name(release.id)) for release in order]
        fitting = _fitting(rows, ROWS_LIMIT)
        lines += [*rows[:fitting], ""]
        if fitting < len(rows):
            lines += [f"and {plural(len(rows) - fitting, 'more release')}", ""]
    path = critical_path(recorder)
    if path:
        lines += [f"Critical path: {' → '.join(escape(name(release)) for release in path)}", ""]
    head = "\n".join(lines)
    foot = f"\n_{plural(report.writes, 'write')}, {plural(report.requests, 'request')}, {duration(report.seconds)}_\n"
    room = limit - len(head) - len(foot) - 200
    folds: list[str] = []
    omitted = 0
    for release in report.having(Outcome.FAILED):
        fold = _evidence(release, name(release.id), recorder.tracks.get(release.id, Track()))
        if len(fold) > room:
            omitted += 1
            continue
        folds.append(fold)
        room -= len(fold)
    note = (
        f"\n> **the evidence of {plural(omitted, 'failed release')} did not fit**: it is in the JSON report and in the log.\n"
        if omitted
        else ""
    )
    return (head + "".join(folds) + note + foot)[:limit]


def mistake_text(mistake: Mistake) -> str:
    """A mistake as the terminal shows it, masked."""
    from helmflow.ui import error_view

    error = ConfigError(mistake.message, error_id=mistake.error_id, span=mistake.span, hint=mistake.hint)
    return sanitize(mask_everything(error_view.render(error)))


def _outcome(release: ReleaseReport, name: str) -> str:
    cells = (
        name,
        _SAID.get(release.outcome, release.outcome.value),
        str(release.revision or ""),
        release.chart,
        duration(release.seconds) if release.seconds else "",
        mask_everything(release.reason).split("\n")[0][:200],
    )
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _evidence(release: ReleaseReport, name: str, track: Track) -> str:
    failure = release.failure
    lines = (
        [failure.message, *([f"hint: {failure.hint}"] if failure.hint else [])]
        if failure
        else [release.reason]
    )
    lines += [f"waiting for {ref}: {why}" for ref, why in sorted(track.waiting.items())]
    lines += list(track.logs)[-20:]
    step = f" in {release.failed_step}" if release.failed_step else ""
    body = sanitize("\n".join(lines))
    return f"<details open><summary>{escape_html(name)} failed{escape_html(step)}</summary>\n\n{_fenced(body, 'text')}\n</details>\n"


def _fenced(body: str, language: str) -> str:
    """A code block that nothing inside of it can close: its fence is longer than any run of backticks."""
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}\n"


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
    left = list(plan_view.orphans(plan))
    if left:
        lines += ["**Left the files, still installed:**", ""]
        lines += [f"- {escape(name_)} ({escape(what)}): {escape(fate)}" for name_, what, fate in left[:20]]
        lines += [f"- and {len(left) - 20} more", ""] if len(left) > 20 else [""]
    if changed:
        lines.append("| Release | Action | Objects | Restarts pods | Why |")
        lines.append("|---|---|---|---|---|")
        restarting = {one.release for one in risks if one.code == "restart"}
        rows = [_row(release, name(release.id), restarts=release.id in restarting) for release in changed]
        fitting = _fitting(rows, ROWS_LIMIT)
        lines.extend(rows[:fitting])
        lines.append("")
        if fitting < len(rows):
            lines += [f"and {plural(len(rows) - fitting, 'more release')}, with smaller risks", ""]
    return "\n".join(lines) + "\n"


def _fitting(rows: Sequence[str], room: int) -> int:
    """How many of the rows, from the first on, have room."""
    used = 0
    for number, row in enumerate(rows):
        used += len(row) + 1
        if used > room:
            return number
    return len(rows)


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
    title = f"{release.id.namespace}/{release.id.name} ({release.chart})"
    parts = ["<details><summary>", escape_html(title), "</summary>\n\n"]
    parts.extend(f"- {escape(one.phrase)}\n" for one in risks)
    if release.action.error is not None:
        parts.append(f"\n{escape(release.action.error.message)}\n")
    parts.append(f"\n{_fenced(body, 'diff')}")
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
    hidden = plan_json.ignored(plan)
    if hidden:
        said = ", ".join(f"{count} {escape(rule)}" for rule, count in hidden.items())
        notes.append(f"{plural(sum(hidden.values()), 'field')} not shown: {said}")
    command = f"helmflow apply --environment {plan.environment}"
    return f"\n_{'; '.join(notes)}; to apply:_ `{command.replace('`', '')}`\n"


def escape(text: str) -> str:
    """Text that no Markdown reader takes for anything but text: no links, mentions, HTML or table ends."""
    # Masked first: an escaped secret is found by no mask.
    return _quiet(_ESCAPED.sub(r"\\\1", sanitize(mask_everything(text))).replace("\n", " "))


def escape_html(text: str) -> str:
    """Text inside an HTML element."""
    plain = (
        sanitize(mask_everything(text))
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\n", " ")
    )
    return _quiet(plain)


def _quiet(text: str) -> str:
    """Forges look for mentions in the rendered text, where no backslash is left: a blank without width parts them."""
    return text.replace("@", "@\u200b")
