"""The live table of a run on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from helmflow.core.events import ObjectWaiting, ReleaseStarted, RunStarted
from helmflow.core.ids import ObjectRef
from helmflow.ui.live import LiveReporter
from tests.ui.test_views import DB, RUN


def console(stream: io.StringIO) -> Console:
    return Console(file=stream, force_terminal=True, width=100, height=30, color_system=None)


def test_what_ended_stays_above_the_table() -> None:
    stream = io.StringIO()
    reporter = LiveReporter(console(stream))
    for event in RUN:
        reporter.handle(event)
    reporter.close()
    text = stream.getvalue()
    assert "[1/3] data/db install done in 3.2s" in text
    assert "[2/3] apps/api upgrade failed in 61s  image cannot be pulled" in text
    assert "hello red" in text
    assert "\x1b[31m" not in text


def test_the_table_names_what_blocks() -> None:
    stream = io.StringIO()
    screen = console(stream)
    reporter = LiveReporter(screen)
    reporter.handle(RunStarted(command="sync", environment="dev", cluster="c", releases=(DB,)))
    reporter.handle(ReleaseStarted(release=DB, action="install", chart="x"))
    reporter.handle(ObjectWaiting(release=DB, ref=ObjectRef("v1", "Pod", "data", "ready-one"), ready=True))
    reporter.handle(
        ObjectWaiting(
            release=DB, ref=ObjectRef("v1", "Pod", "data", "db-0"), ready=False, reason="image \x1b[2Jpull"
        )
    )
    reporter.close()
    with screen.capture() as shown:
        screen.print(reporter.table())
    line = shown.get().splitlines()[1]
    assert line.split()[:3] == ["data/db", "install", "1/2"]
    assert "Pod data/db-0: image pull" in line
