"""One line per event, append-only: for logs, CI and pipes. Keeps Helmfile's wording for those who search it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import IO, Final, assert_never

from helmflow.core import events
from helmflow.core.ids import ReleaseId
from helmflow.core.sensitive import mask_everything
from helmflow.ui import error_view
from helmflow.ui.text import brief, duration, namer, plural, sanitize
from helmflow.ui.theme import STYLE_OF_OUTCOME, Theme

HEARTBEAT_S: Final = 30.0
_VERBS: Final = {
    "install": "Upgrading",
    "upgrade": "Upgrading",
    "adopt": "Upgrading",
    "recover": "Upgrading",
    "uninstall": "Deleting",
    "rollback": "Rolling back",
    "test": "Testing",
}


class PlainReporter:
    """Writes lines as things happen; while something waits, says every half minute what blocks it.

    `verbose` adds steps and objects; `quiet` leaves only warnings and failures.
    """

    def __init__(
        self,
        stream: IO[str],
        theme: Theme,
        *,
        quiet: bool = False,
        verbose: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._theme = theme
        self._quiet = quiet
        self._verbose = verbose
        self._monotonic = monotonic
        self._name: Callable[[ReleaseId], str] = str
        self._total = 0
        self._ended = 0
        self._started: dict[ReleaseId, float] = {}
        self._blocked: dict[ReleaseId, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._heart: threading.Thread | None = None

    def handle(self, event: events.Event) -> None:
        """Write what the event is worth."""
        with self._lock:
            self._handle(event)

    def close(self) -> None:
        """Stop the heartbeat."""
        self._closing.set()
        if self._heart is not None:
            self._heart.join()

    def _handle(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self._run_started(event)
            case events.ChartFetched():
                how = "cached" if event.cached else f"fetched in {duration(event.seconds)}"
                self._detail(f"chart={event.chart} version={event.version} {how}")
            case events.ReleaseRendered():
                self._detail(
                    f"Rendered release={self._name(event.release)}: {plural(event.documents, 'document')}"
                )
            case events.ReleasePlanned():
                self._planned(event)
            case events.ReleaseStarted():
                self._release_started(event)
            case events.StepStarted():
                self._detail(f"{self._name(event.release)}: {event.step} {event.detail}".rstrip())
            case events.StepFinished():
                self._detail(f"{self._name(event.release)}: {event.step} done in {duration(event.seconds)}")
            case events.ObjectApplied():
                self._detail(f"{self._name(event.release)}: {event.ref} {event.operation}")
            case events.ObjectWaiting():
                self._waiting(event)
            case events.PodLog():
                self._say(
                    f"{self._name(event.release)}: {event.pod}/{event.container}: {sanitize(event.line)}"
                )
            case events.LocalHookOutput():
                self._say(f"hook[{event.hook_event}]: {sanitize(event.line)}")
            case events.ReleaseFinished():
                self._release_finished(event)
            case events.Warned():
                self._write(self._theme.paint(error_view.render_warning(event.warning), "yellow"))
            case events.Cancelling():
                self._write(
                    f"{event.signal}: stopping; what runs is brought to an orderly end, again to stop at once"
                )
            case events.RunFinished():
                self._heart = None
            case _:
                assert_never(event)

    def _run_started(self, event: events.RunStarted) -> None:
        self._total = len(event.releases)
        self._name = namer(event.releases)
        self._say(
            f"{event.command}: cluster={event.cluster}, environment={event.environment},"
            f" {plural(self._total, 'release')}"
        )
        if self._heart is None and not self._quiet:
            self._heart = threading.Thread(target=self._beat, daemon=True)
            self._heart.start()

    def _planned(self, event: events.ReleasePlanned) -> None:
        counts = ", ".join(
            f"{count} to {word}"
            for count, word in (
                (event.created, "create"),
                (event.changed, "change"),
                (event.deleted, "delete"),
            )
            if count
        )
        self._detail(
            f"Planned release={self._name(event.release)}: {event.action} ({event.reason}){': ' if counts else ''}{counts}"
        )

    def _release_started(self, event: events.ReleaseStarted) -> None:
        self._started[event.release] = self._monotonic()
        verb = _VERBS.get(event.action)
        if verb:
            release = event.release
            self._say(f"{verb} release={release.name}, chart={event.chart}, namespace={release.namespace}")

    def _waiting(self, event: events.ObjectWaiting) -> None:
        blocked = self._blocked.setdefault(event.release, {})
        if event.ready:
            blocked.pop(str(event.ref), None)
            return
        if blocked.get(str(event.ref)) != event.reason:
            blocked[str(event.ref)] = event.reason
            line = f"{self._name(event.release)}: waiting for {event.ref}: {sanitize(event.reason)}"
            if event.ref.kind == "Lease":  # somebody else is at work: said at once, whatever else is not
                self._write(line)
            else:
                self._detail(line)

    def _release_finished(self, event: events.ReleaseFinished) -> None:
        self._ended += 1
        self._blocked.pop(event.release, None)
        self._started.pop(event.release, None)
        words = event.outcome
        if event.outcome == "failed":
            words = f"FAILED after {duration(event.seconds)}"
        elif event.outcome == "done":
            revision = f", revision {event.revision}" if event.revision else ""
            words = f"{event.action} done in {duration(event.seconds)}{revision}"
        if event.reason:
            # The whole error stands once, in the report at the end. Masked first: half a secret is found by no mask.
            words += f": {brief(sanitize(mask_everything(event.reason)))}"
        if event.because_of is not None:
            words += f" (because of {self._name(event.because_of)})"
        line = self._theme.paint(
            f"[{self._ended}/{max(self._total, self._ended)}] {self._name(event.release)} {words}",
            STYLE_OF_OUTCOME.get(event.outcome, "dim"),
        )
        if event.outcome == "failed":
            self._write(line)
        else:
            self._say(line)

    def _beat(self) -> None:
        while not self._closing.wait(HEARTBEAT_S):
            with self._lock:
                for release, since in sorted(self._started.items()):
                    self._say(self._heartbeat(release, since))

    def _heartbeat(self, release: ReleaseId, since: float) -> str:
        reasons = [
            f"{ref}: {sanitize(reason)}" for ref, reason in sorted(self._blocked.get(release, {}).items())
        ]
        why = "; ".join(reasons[:3]) or "working"
        more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        elapsed = duration(self._monotonic() - since)
        return f"[{self._ended}/{self._total}] {self._name(release)} waiting {elapsed}  {why}{more}"

    def _detail(self, line: str) -> None:
        if self._verbose:
            self._write(self._theme.paint(line, "dim"))

    def _say(self, line: str) -> None:
        if not self._quiet:
            self._write(line)

    def _write(self, text: str) -> None:
        self._stream.write(mask_everything(text) + "\n")
        self._stream.flush()
