"""Which reporter for which terminal and flag, and the questions a command asks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Protocol

from helmflow.core.errors import ConfigError, Mistake
from helmflow.core.events import Emit, Event, Warned
from helmflow.core.sensitive import mask_everything
from helmflow.execute.report import RunReport
from helmflow.plan.model import Plan
from helmflow.ui.theme import Theme, choose

__all__ = ["Emit", "Reporter", "Reporting", "reporting"]


class Reporter(Protocol):
    """Takes every event of a run; `close` when there will be no more."""

    def handle(self, event: Event) -> None:
        """Show one event."""

    def close(self) -> None:
        """Give the terminal or file back."""


class Reporting:
    """The reporters of one command and what it prints at its end."""

    def __init__(self, given: SimpleNamespace, reporters: list[Reporter]) -> None:
        self._given = given
        self._reporters = reporters
        self.theme: Theme = choose(sys.stdout, color=given.color, no_color=given.no_color)

    def emit(self, event: Event) -> None:
        """Hand an event to every reporter. One that fails is dropped, with a warning: it never fails a run."""
        for reporter in list(self._reporters):
            try:
                reporter.handle(event)
            except Exception as failure:  # noqa: BLE001 - whatever goes wrong in a reporter must not stop the run
                self._reporters.remove(reporter)
                message = f"the reporter {type(reporter).__name__} failed and was switched off: {failure!r}"
                self.emit(Warned(warning=Mistake(message, "ui.reporter-failed")))

    def confirm(self, plan: Plan) -> bool:
        """Ask, with --interactive, after showing the plan's summary."""
        if not self._given.interactive or not plan.writes:
            return True
        return self.show_and_confirm(plan)

    def show_and_confirm(self, plan: Plan) -> bool:
        """Show the whole plan, and ask with --interactive."""
        self.show(plan)
        if not self._given.interactive or not plan.writes:
            return True
        return _ask(f"Do you really want to {plan.command}? [y/n]: ")

    def show(self, plan: Plan) -> None:
        """Print the plan to standard output."""
        for reporter in self._reporters:
            reporter.close()
        if vars(self._given).get("output") == "json":
            from helmflow.ui import plan_json

            print(plan_json.render(plan))  # noqa: T201
            return
        if vars(self._given).get("output") == "markdown":
            from helmflow.ui import markdown

            print(markdown.render(plan))  # noqa: T201
            return
        from helmflow.ui import plan_view

        text = plan_view.render(plan, self.theme, context=vars(self._given).get("context", -1))
        if text:
            print(text)  # noqa: T201

    def finish(self, report: RunReport) -> None:
        """Print what became of the run."""
        for reporter in self._reporters:
            reporter.close()
        from helmflow.ui import report_view

        if report.command == "test":
            print(report_view.render_tests(report))  # noqa: T201
        elif not self._given.quiet or not report.ok:
            notes = not vars(self._given).get("hide_notes")
            text = report_view.render(report, self.theme, notes=notes)
            # Notes and what a cluster refused may quote values.
            print(text if vars(self._given).get("show_secrets") else mask_everything(text))  # noqa: T201


@contextmanager
def reporting(given: SimpleNamespace) -> Iterator[Reporting]:
    """The reporters that flags and terminal ask for, closed at the end whatever happens."""
    reporters: list[Reporter] = [_main_reporter(given)]
    with contextlib.ExitStack() as stack:
        if given.log_file:
            from helmflow.ui.jsonl import JsonLines

            try:
                stream = stack.enter_context(open(given.log_file, "a", encoding="utf-8"))
            except OSError as cause:
                raise ConfigError(
                    f"cannot write the log file {given.log_file}: {cause.strerror}", error_id="cli.log-file"
                ) from cause
            reporters.append(JsonLines(stream))
        try:
            yield Reporting(given, reporters)
        finally:
            for reporter in reporters:
                reporter.close()


def _main_reporter(given: SimpleNamespace) -> Reporter:
    if vars(given).get("output") == "jsonl":
        from helmflow.ui.jsonl import JsonLines

        return JsonLines(sys.stdout)
    quiet = given.quiet or given.log_level in ("warn", "error")
    verbose = given.debug or given.log_level == "debug"
    if sys.stderr.isatty() and not quiet and not verbose:
        from rich.console import Console

        from helmflow.ui.live import LiveReporter

        return LiveReporter(Console(stderr=True, no_color=given.no_color or None))
    from helmflow.ui.plain import PlainReporter

    theme = choose(sys.stderr, color=given.color, no_color=given.no_color)
    return PlainReporter(sys.stderr, theme, quiet=quiet, verbose=verbose)


def _ask(question: str) -> bool:
    """Helmfile's question: y or n, again until it is one of them; the end of input is an error."""
    while True:
        sys.stdout.write(question)
        sys.stdout.flush()
        answer = sys.stdin.readline()
        if not answer:
            raise ConfigError(
                "standard input ended before the question was answered",
                error_id="cli.no-answer",
                hint="leave --interactive out where nobody can answer",
            )
        if answer.strip().lower() in ("y", "yes"):
            return True
        if answer.strip().lower() in ("n", "no"):
            return False
