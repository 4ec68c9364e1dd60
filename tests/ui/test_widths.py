"""Every view for people at several widths, with and without colour: golden, and never wider than it may be."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from helmflow.core import events
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.execute.report import RunReport
from helmflow.plan.model import ActionKind, Plan
from helmflow.ui import markdown, plan_view, report_view
from helmflow.ui.live import LiveReporter
from helmflow.ui.plain import PlainReporter
from helmflow.ui.text import columns, middle
from helmflow.ui.theme import Theme
from tests import golden
from tests.ui import reports

WIDTHS = (60, 80, 120, 200)
LONG = ReleaseId("", "platform-observability", "prometheus-operator-admission-webhook")


def plan() -> Plan:
    made = reports.plan()
    more = reports.release(
        LONG, ActionKind.UPGRADE, "chart 45.1.0 -> 46.0.0", reports.deployment(LONG), because=("chart 45.1.0 -> 46.0.0",)
    )  # fmt: skip
    return Plan(
        command="diff", environment="prod", cluster=made.cluster, releases=(*made.releases, more), needs=made.needs
    )  # fmt: skip


def report() -> RunReport:
    return reports.report()


def summary(width: int, theme: Theme) -> str:
    return "\n".join(plan_view.summary(plan(), theme, width=width))


def whole_plan(width: int, theme: Theme) -> str:
    return plan_view.render(plan(), theme, context=2, width=width, left_out=2)


def whole_report(width: int, theme: Theme) -> str:
    return report_view.render(report(), theme, width=width)


def live(width: int, theme: Theme) -> str:
    stream = io.StringIO()
    colours = "standard" if theme.colored else None
    screen = Console(file=stream, force_terminal=True, width=width, height=30, color_system=colours)  # type: ignore[arg-type]
    reporter = LiveReporter(screen, lambda: 100.0)
    reporter.handle(
        events.RunStarted(command="sync", environment="dev", cluster="c", releases=(LONG, reports.DB))
    )
    for release, why in (
        (LONG, "0/2 ready; pod prometheus-operator-7d9f-x2x: ImagePullBackOff"),
        (reports.DB, ""),
    ):
        reporter.handle(events.ReleaseStarted(release=release, action="upgrade", chart="x"))
        reporter.handle(events.StepStarted(release=release, step="WaitUntilReady", detail="3 objects"))
        reporter.handle(
            events.ObjectWaiting(
                release=release, ref=ObjectRef("apps/v1", "Deployment", release.namespace, release.name),
                ready=not why, reason=why,
            )
        )  # fmt: skip
    reporter.close()
    with screen.capture() as shown:
        screen.print(reporter.table())
    return "\n".join(line.rstrip() for line in shown.get().splitlines())


def lines_of_a_run(width: int, theme: Theme) -> str:
    from tests.ui.test_views import RUN

    stream = io.StringIO()
    reporter = PlainReporter(stream, theme, quiet=False, verbose=True)
    for event in RUN:
        reporter.handle(event)
    reporter.close()
    return stream.getvalue().rstrip()


VIEWS: dict[str, Callable[[int, Theme], str]] = {
    "summary": summary,
    "plan": whole_plan,
    "report": whole_report,
    "live": live,
}


@pytest.mark.parametrize("colored", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_at_every_width(view: str, colored: bool) -> None:
    parts = [f"======== {width} columns ========\n{VIEWS[view](width, Theme(colored))}\n" for width in WIDTHS]
    golden.check(f"ui/widths/{view}{'-colour' if colored else ''}", "\n".join(parts))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("view", ["summary", "report", "live"])
def test_no_line_is_wider_than_the_terminal(view: str, width: int) -> None:
    text = VIEWS[view](width, Theme(False))
    # Error texts of clusters are shown as they are.
    body = text.split(" failed in ")[0] if view == "report" else text
    assert max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", body).splitlines()) <= max(width, 60)


@pytest.mark.parametrize("colored", [False, True], ids=["plain", "colour"])
def test_views_that_have_no_width(colored: bool) -> None:
    golden.check(f"ui/widths/lines{'-colour' if colored else ''}", lines_of_a_run(0, Theme(colored)) + "\n")


def test_comments() -> None:
    golden.check("ui/comment-plan", markdown.render(plan()))
    golden.check("ui/comment-run", markdown.render_run(report(), plan(), reports.recorder()))


def test_a_run_s_comment_fits_and_nothing_gets_out_of_it() -> None:
    text = "```` </details> @team | <b> # \n::set-output"
    made, ran, recorded = reports.hostile(text)
    shown = markdown.render_run(ran, made, recorded)
    assert re.sub(r"(?s)^(`{3,})text\n.*?\n\1$", "", shown, flags=re.MULTILINE).count("</details>") == 1
    assert "@team" not in re.sub(r"(?s)(`{3,})text\n.*?\n\1\n", "", shown)
    small = markdown.render_run(ran, made, recorded, limit=900)
    assert len(small) <= 900


@pytest.mark.parametrize(
    ("text", "room", "cut"), [("abc", 3, "abc"), ("abcdefgh", 5, "ab…gh"), ("abcdefgh", 4, "ab…h")]
)
def test_texts_are_cut_in_their_middle(text: str, room: int, cut: str) -> None:
    assert middle(text, room) == cut


def test_columns_without_a_bound_stay_on_one_line() -> None:
    assert columns([("A", "B"), ("x", "y" * 300)]) == ["A   B", f"x   {'y' * 300}"]
