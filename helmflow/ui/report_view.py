"""A RunReport at the end of a run: what became of every release, what was kept, notes, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from helmflow.core.errors import ConfigError
from helmflow.core.ids import ReleaseId
from helmflow.core.sensitive import mask_everything
from helmflow.execute.report import Outcome, ReleaseReport, RunReport
from helmflow.helm.release.record import ansi_time
from helmflow.ui import error_view, release_view
from helmflow.ui.text import brief, columns, duration, indented, namer, plural, sanitize
from helmflow.ui.theme import STYLE_OF_OUTCOME, Theme

Name = Callable[[ReleaseId], str]

_STATES = {
    Outcome.UNCHANGED: "unchanged",
    Outcome.FAILED: "FAILED",
    Outcome.SKIPPED: "skipped",
    Outcome.UNTOUCHED: "not started",
    Outcome.ROLLED_BACK: "rolled back",
}


def render(report: RunReport, theme: Theme, *, notes: bool = True, width: int = 0) -> str:
    """The summary: notes first, then one row per release, then failures and one line of counts."""
    lines: list[str] = []
    name = namer(release.id for release in report.releases)
    if notes:
        lines.extend(_notes(report, name))
    lines.extend(_table(report, theme, name, width))
    lines.extend(
        f"kept by {name(release.id)}: " + ", ".join(str(ref) for ref in release.kept)
        for release in report.releases
        if release.kept
    )
    for failed in report.having(Outcome.FAILED):
        lines.extend(_failure(failed, theme, name))
    lines.append(_counts(report))
    return "\n".join(lines)


def _notes(report: RunReport, name: Name) -> Iterator[str]:
    for release in report.having(Outcome.DONE):
        if release.notes.strip():
            yield f"NOTES of {name(release.id)}:"
            yield indented(sanitize(release.notes.strip("\n")))
            yield ""


def _table(report: RunReport, theme: Theme, name: Name, width: int) -> Iterator[str]:
    if not report.releases:
        return
    rows = [("RELEASE", "STATE", "REVISION", "DURATION", "WHY")]
    rows.extend(
        (
            name(release.id),
            _state(release),
            str(release.revision or "-"),
            duration(release.seconds) if release.seconds else "-",
            _why(release, name),
        )
        for release in report.releases
    )
    header, *body = columns(rows, width=width)
    yield theme.paint(header, "bold")
    for release, line in zip(report.releases, body, strict=True):
        yield theme.paint(line, STYLE_OF_OUTCOME[release.outcome])


def _state(release: ReleaseReport) -> str:
    return _STATES.get(release.outcome) or release.status or release.action


def _why(release: ReleaseReport, name: Name) -> str:
    # Masked before it is cut or wrapped: half a secret is found by no mask.
    words = brief(sanitize(mask_everything(release.reason)))
    return f"{words} (because of {name(release.because_of)})" if release.because_of else words


def _failure(release: ReleaseReport, theme: Theme, name: Name) -> Iterator[str]:
    yield ""
    where = f" in {release.failed_step}" if release.failed_step else ""
    yield theme.paint(f"{name(release.id)} failed{where}", "red")
    if release.failure is not None:
        failure = release.failure
        error = ConfigError(failure.message, error_id=failure.error_id, span=failure.span, hint=failure.hint)
        yield indented(error_view.render(error))


def _counts(report: RunReport) -> str:
    counts = [
        f"{len(found)} {word}"
        for outcome, word in (
            (Outcome.DONE, "done"),
            (Outcome.UNCHANGED, "unchanged"),
            (Outcome.FAILED, "failed"),
            (Outcome.SKIPPED, "skipped"),
            (Outcome.UNTOUCHED, "not started"),
            (Outcome.ROLLED_BACK, "rolled back"),
        )
        if (found := report.having(outcome))
    ]
    what = ", ".join(counts) or "nothing to do"
    writes = plural(report.writes, "write") if report.writes else "nothing was written"
    return f"{report.command} on {report.cluster}: {what}; {writes}; {duration(report.seconds)}"


def render_tests(report: RunReport, *, logs: bool = False) -> str:
    """Test results as `helm test` prints them, release by release; `logs`: as with its --logs."""
    return "\n".join(line for release in report.releases for line in _tests(release, logs))


def _tests(release: ReleaseReport, asked: bool) -> Iterator[str]:
    yield f"NAME: {release.id.name}"
    yield f"LAST DEPLOYED: {ansi_time(release.last_deployed)}"
    yield f"NAMESPACE: {release.namespace}"
    yield f"STATUS: {release.status}"
    yield f"REVISION: {release.revision}"
    yield f"DESCRIPTION: {sanitize(release.description)}"
    if not release.tests:
        yield "TEST SUITE: None"
    for test in release.tests:
        yield from release_view.test_lines(test.suite, test.started, test.completed, test.phase)
    in_turn = sorted(release.tests, key=lambda test: (test.weight, test.suite))
    logs = [output for test in in_turn for output in test.logs]
    if logs or asked:
        yield ""
    for output in logs:
        yield f"POD LOGS: {output.pod} ({output.container})"
        yield from map(sanitize, output.lines)
        yield ""
