"""What people read, as golden text, with and without colour."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from helmflow.core import events
from helmflow.core.errors import ConfigError, Mistake
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.source import SourceText, Span
from helmflow.execute import report as ended
from helmflow.execute.report import Outcome, PodOutput, ReleaseReport, RunReport
from helmflow.ui import diff_view, error_view, graph_view, report_view
from helmflow.ui.jsonl import JsonLines
from helmflow.ui.plain import PlainReporter
from helmflow.ui.text import duration, sanitize
from helmflow.ui.theme import Theme
from tests import golden

DB = ReleaseId("", "data", "db")
API = ReleaseId("", "apps", "api")
WEB = ReleaseId("", "apps", "web")
SOURCE = SourceText("helmflow.yaml", "releases:\n  - nmae: db\n    chart: ./db\n\tx: 1\n")
RUN: tuple[events.Event, ...] = (
    events.RunStarted(command="sync", environment="dev", cluster="embedded", releases=(DB, API, WEB)),
    events.ChartFetched(chart="shop/db", version="1.0.0", seconds=0.12, cached=False),
    events.ReleasePlanned(release=DB, action="install", reason="not installed yet", created=3),
    events.ReleaseStarted(release=DB, action="install", chart="shop/db"),
    events.LocalHookOutput(release=DB, hook_event="presync", line="hello \x1b[31mred\x1b[0m"),
    events.ObjectWaiting(
        release=DB, ref=ObjectRef("apps/v1", "StatefulSet", "data", "db"), ready=False, reason="0/1 ready"
    ),
    events.ReleaseFinished(release=DB, outcome="done", action="install", seconds=3.21, revision=1),
    events.ReleaseStarted(release=API, action="upgrade", chart="./api"),
    events.ReleaseFinished(
        release=API, outcome="failed", action="upgrade", seconds=61.0, reason="image cannot be pulled"
    ),
    events.ReleaseFinished(
        release=WEB, outcome="skipped", action="upgrade", reason="a need failed", because_of=API
    ),
    events.Warned(warning=Mistake("the chart is deprecated", "chart.deprecated", hint="use another")),
    events.RunFinished(command="sync", seconds=64.5, done=1, unchanged=0, failed=1, skipped=1, writes=12),
)
REPORT = RunReport(
    command="sync",
    environment="dev",
    cluster="embedded",
    seconds=64.5,
    writes=12,
    releases=(
        ReleaseReport(
            id=DB, action="install", outcome=Outcome.DONE, status="deployed", revision=1, seconds=3.21,
            reason="not installed yet", notes="connect to db:5432\n", kept=(ObjectRef("v1", "Secret", "data", "db"),),
        ),
        ReleaseReport(
            id=API, action="upgrade", outcome=Outcome.FAILED, seconds=61.0, reason="image cannot be pulled",
            failed_step="WaitUntilReady",
            failure=Mistake("Deployment api: ErrImagePull\npod api-1: not found", "wait.image-pull", hint="fix the image"),
        ),
        ReleaseReport(id=WEB, action="upgrade", outcome=Outcome.SKIPPED, reason="a need failed", because_of=API),
    ),
)  # fmt: skip


def test_several_mistakes_are_shown_together() -> None:
    error = ConfigError.collect(
        [
            Mistake("unknown key 'nmae'", "state.unknown-key", Span(SOURCE, 2, 5, 4), "did you mean 'name'?"),
            Mistake("a tab cannot indent", "state.bad-yaml", Span(SOURCE, 4, 1)),
        ]
    )
    golden.check("ui/mistakes", error_view.render(error) + "\n")


def test_test_results_look_like_helms_own() -> None:
    """The golden text has the lines, spaces and order of `helm test --logs` of Helm 4.2.4, times and names aside."""
    suites = tuple(
        ended.TestResult(
            suite=name,
            weight=weight,
            started="2026-11-02T06:32:58.123456Z",
            completed="2026-11-02T16:33:01+02:00",
            phase=phase,
            logs=(PodOutput(pod=name, container="main", lines=lines),),
        )
        for name, phase, weight, lines in (
            ("api-second", "Succeeded", 5, ("200 OK", "done")),
            ("api-first", "Failed", 0, ()),
        )
    )
    one = ReleaseReport(
        id=ReleaseId("", "", "api"),
        namespace="apps",
        action="test",
        outcome=Outcome.DONE,
        status="deployed",
        revision=3,
        last_deployed="2026-11-02T06:30:00Z",
        description="Upgrade complete",
        tests=suites,
    )
    none = replace(one, id=ReleaseId("", "", "web"), tests=())
    report = RunReport(command="test", environment="dev", cluster="embedded", releases=(one, none))
    golden.check("ui/tests", report_view.render_tests(report))


@pytest.mark.parametrize("colored", [False, True])
def test_the_report_names_every_outcome(colored: bool) -> None:
    text = report_view.render(REPORT, Theme(colored))
    golden.check(f"ui/report{'-colour' if colored else ''}", text + "\n")


@pytest.mark.parametrize(
    ("name", "quiet", "verbose"), [("plain", False, False), ("quiet", True, False), ("debug", False, True)]
)
def test_lines_of_a_run(name: str, quiet: bool, verbose: bool) -> None:
    stream = io.StringIO()
    reporter = PlainReporter(stream, Theme(False), quiet=quiet, verbose=verbose)
    for event in RUN:
        reporter.handle(event)
    reporter.close()
    golden.check(f"ui/run-{name}", stream.getvalue())


def test_json_lines_have_every_field() -> None:
    stream = io.StringIO()
    reporter = JsonLines(stream)
    for event in RUN:
        reporter.handle(event)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [type(event).__name__ for event in RUN]
    assert lines[5]["ref"] == {
        "api_version": "apps/v1",
        "kind": "StatefulSet",
        "namespace": "data",
        "name": "db",
    }
    assert lines[9]["because_of"] == "apps/api"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (0, ["...", "- c", "+ C"]),
        (1, ["...", "  b", "- c", "+ C", "  d"]),
        (-1, ["  a", "  b", "- c", "+ C", "  d", "  e"]),
    ],
)
def test_a_diff_has_the_lines_around_a_change(context: int, expected: list[str]) -> None:
    assert diff_view.unified("a\nb\nc\nd\ne\n", "a\nb\nC\nd\ne\n", context) == expected


NODES = (
    graph_view.Node(key="r", kind="repository", label="shop", detail="http://127.0.0.1:8879"),
    graph_view.Node(key="db", kind="release", label="data/db", detail="shop/postgres", needs=("r",)),
    graph_view.Node(key="api", kind="release", label="apps/api", needs=("db",)),
    graph_view.Node(key="web", kind="release", label='apps/"web"', needs=("api", "db")),
)


@pytest.mark.parametrize("form", ["tree", "dot", "mermaid", "svg"])
def test_graphs(form: str) -> None:
    golden.check(f"ui/graph-{form}", getattr(graph_view, form)(NODES) + "\n")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\x1b[31mb\x1b[0m", "ab"),
        ("\x1b]0;title\x07x", "x"),
        ("a\rb\x00c", "abc"),
        ("\u202eabc", "abc"),
        ("\x9b31mx", "31mx"),
    ],
)
def test_nothing_that_steers_a_terminal_gets_through(text: str, clean: str) -> None:
    assert sanitize(text) == clean


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.04, "0.0s"), (3.21, "3.2s"), (12.3, "12s"), (125, "2m05s")]
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
