"""A run on a terminal: one live table with what every release does, how long, and what blocks it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from helmflow.core import events
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, field
from helmflow.core.sensitive import mask_everything
from helmflow.ui import error_view
from helmflow.ui.text import columns, duration, namer, sanitize
from helmflow.ui.theme import STYLE_OF_OUTCOME

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


@dataclass
class _Row:
    """One release's line."""

    state: str = "waiting"
    step: str = ""
    since: float = 0.0
    seconds: float = 0.0
    objects: dict[str, str] = field(default_factory=dict)
    style: str = "dim"


class LiveReporter:
    """Shows running releases in a table that is redrawn; what ends is printed above it and leaves the table."""

    def __init__(self, console: Console, monotonic: Callable[[], float] = time.monotonic) -> None:
        from rich.live import Live

        self._console = console
        self._monotonic = monotonic
        self._rows: dict[ReleaseId, _Row] = {}
        self._name: Callable[[ReleaseId], str] = str
        self._total = 0
        self._ended = 0
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self.table)
        self._running = False

    def handle(self, event: events.Event) -> None:
        """Take the event into the table."""
        match event:
            case events.RunStarted():
                self._total = len(event.releases)
                self._name = namer(event.releases)
                self._print(f"{event.command} on {event.cluster}, environment {event.environment}")
                if not self._running:
                    self._live.start()
                    self._running = True
            case (
                events.ChartFetched()
                | events.ReleaseRendered()
                | events.ReleasePlanned()
                | events.ObjectApplied()
            ):
                pass
            case events.ReleaseStarted():
                self._rows[event.release] = _Row(state=event.action, since=self._monotonic(), style="bold")
            case events.StepStarted():
                self._row(event.release).step = f"{event.step} {event.detail}".strip()
            case events.StepFinished():
                self._row(event.release).objects.clear()
            case events.ObjectWaiting():
                self._row(event.release).objects[str(event.ref)] = (
                    "" if event.ready else sanitize(event.reason)
                )
            case events.PodLog():
                self._print(
                    f"{self._name(event.release)} {event.pod}/{event.container}: {sanitize(event.line)}"
                )
            case events.LocalHookOutput():
                self._print(f"hook {event.hook_event}: {sanitize(event.line)}")
            case events.ReleaseFinished():
                self._finished(event)
            case events.Warned():
                self._print(error_view.render_warning(event.warning), "yellow")
            case events.Cancelling():
                self._print(f"{event.signal}: stopping in order; again to stop at once", "yellow")
            case events.RunFinished():
                self.close()
            case _:
                assert_never(event)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._running:
            self._live.stop()
            self._running = False

    def _finished(self, event: events.ReleaseFinished) -> None:
        self._ended += 1
        self._rows.pop(event.release, None)
        why = f"  {sanitize(event.reason)}" if event.reason else ""
        took = f" in {duration(event.seconds)}" if event.seconds else ""
        self._print(
            f"[{self._ended}/{max(self._total, self._ended)}] {self._name(event.release)} {event.action} {event.outcome}{took}{why}",
            STYLE_OF_OUTCOME.get(event.outcome, "dim"),
        )

    def _row(self, release: ReleaseId) -> _Row:
        return self._rows.setdefault(release, _Row(since=self._monotonic()))

    def _print(self, text: str, style: str = "") -> None:
        from rich.text import Text

        self._console.print(Text(mask_everything(text), style=style))

    def table(self) -> Text:
        """The running releases: what each does, for how long, and what it waits for; below its row where that is long."""
        from rich.text import Text

        rows = sorted(self._rows.items())
        cells = [("RELEASE", "DOING", "READY", "ELAPSED", "WAITING FOR")]
        for release, row in rows:
            ready = sum(not reason for reason in row.objects.values())
            cells.append(
                (
                    self._name(release),
                    f"{row.state} {row.step}".strip(),
                    f"{ready}/{len(row.objects)}" if row.objects else "",
                    duration(self._monotonic() - row.since),
                    mask_everything(
                        next((f"{ref}: {why}" for ref, why in sorted(row.objects.items()) if why), "")
                    ),
                )
            )
        header, *lines = columns(cells, "  ", width=self._console.width)
        table = Text(header, style="bold", no_wrap=True, overflow="ellipsis")
        for (_, row), line in zip(rows, lines, strict=True):
            table.append(f"\n{line}", style=row.style)
        return table
