"""What of a plan people asked to see: kinds, hooks, templates and lines that flags or files leave out, with a count of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass, replace
from helmflow.plan.model import ActionKind, Change, Plan, ReleasePlan

_TEST_HOOK = re.compile(r"""helm\.sh/hook["']?:\s*["']?[^\n]*\btest(-success|-failure)?\b""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to leave out. `only` are template files (globs) to keep; `lines` are regular expressions of changed lines."""

    kinds: tuple[str, ...] = ()
    secrets: bool = False
    tests: bool = False
    hooks: bool = True
    installs: bool = True
    diffs: bool = True
    only: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    carriage_returns: bool = True


def choose(plan: Plan, wish: Wish) -> tuple[Plan, int]:
    """The plan with the changes that are to be shown, and how many objects were left out. For showing, never for running."""
    _check(wish)
    releases = tuple(_release(release, wish) for release in plan.releases)
    compared = [release for release in plan.releases if not _not_compared(release, wish)]
    return replace(plan, releases=releases), _shown(compared) - _shown(releases)


def _release(release: ReleasePlan, wish: Wish) -> ReleasePlan:
    own = release.release.options
    lines = (*wish.lines, *(own.suppress_output_line_regex or ()))
    if not wish.diffs or own.suppress_diff:
        return replace(release, changes=())
    if _not_compared(release, wish):
        action = replace(release.action, reason=f"{release.action.reason}; shown without a diff")
        return replace(release, action=action, changes=())
    wish = replace(
        wish,
        kinds=(*wish.kinds, *own.diff_suppress),
        secrets=wish.secrets or bool(own.diff_suppress_secrets),
        tests=wish.tests or bool(own.diff_include_tests),
        hooks=wish.hooks and not own.diff_no_hooks,
        carriage_returns=wish.carriage_returns and not own.diff_strip_trailing_cr,
    )
    kept = [_without_lines(change, lines, wish) for change in release.changes if _wanted(change, wish)]
    return replace(release, changes=tuple(change for change in kept if change is not None))


def _not_compared(release: ReleasePlan, wish: Wish) -> bool:
    """--skip-diff-on-install: a release that is not there yet counts as changed, and nothing of it is shown."""
    return not wish.installs and release.action.kind is ActionKind.INSTALL


def _wanted(change: Change, wish: Wish) -> bool:
    kind = change.ref.kind
    if kind.lower() in {one.lower() for one in wish.kinds} or (wish.secrets and kind == "Secret"):
        return False
    if change.hook and not wish.hooks:
        return False
    if change.hook and not wish.tests and _TEST_HOOK.search(change.after or change.before):
        return False
    if wish.only and change.shows:
        return any(_is_template(change.source, pattern) for pattern in wish.only)
    return True


def _is_template(source: str, pattern: str) -> bool:
    """Helm's --show-only: the template's path in its chart, or with the chart's name before it."""
    inside = source.partition("/")[2]
    return fnmatchcase(source, pattern) or fnmatchcase(inside, pattern)


def _without_lines(change: Change, lines: Sequence[str], wish: Wish) -> Change | None:
    """The change without lines that match; None where nothing else differs."""
    if not change.shows:
        return change
    before, after = change.before, change.after
    if not wish.carriage_returns:
        before, after = before.replace("\r\n", "\n"), after.replace("\r\n", "\n")
    if lines and before and after:
        import difflib

        patterns = [re.compile(line) for line in lines]
        old, new = before.splitlines(), after.splitlines()
        merged: list[str] = []
        for tag, old_from, old_to, new_from, new_to in difflib.SequenceMatcher(
            a=old, b=new, autojunk=False
        ).get_opcodes():
            changed = [*old[old_from:old_to], *new[new_from:new_to]]
            hidden = tag != "equal" and all(any(p.search(line) for p in patterns) for line in changed)
            merged.extend(new[new_from:new_to] if hidden else old[old_from:old_to])
        before = "\n".join(merged) + "\n"
    if before == after and change.before != change.after:
        return None
    return replace(change, before=before, after=after)


def _shown(releases: Sequence[ReleasePlan]) -> int:
    return sum(change.shows for release in releases for change in release.changes)


def _check(wish: Wish) -> None:
    for line in wish.lines:
        try:
            re.compile(line)
        except re.error as cause:
            raise ConfigError(
                f"--suppress-output-line-regex {line!r} cannot be read: {cause}", error_id="cli.bad-regex"
            ) from cause
