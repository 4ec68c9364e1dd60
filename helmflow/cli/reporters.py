"""Which reporter for which terminal and flag, and the questions a command asks."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from helmflow.core.errors import ConfigError, HelmflowError, Mistake
from helmflow.core.events import Emit, Event, Warned
from helmflow.core.records import dataclass
from helmflow.core.sensitive import mask_everything
from helmflow.execute.report import RunReport
from helmflow.ui.theme import Theme, choose

if TYPE_CHECKING:
    from helmflow.plan.model import Plan
    from helmflow.ui.recording import Recorder

__all__ = ["Emit", "Reporter", "Reporting", "reporting"]


class Format(StrEnum):
    """What a command prints or a report is written as."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    MARKDOWN = "markdown"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Target:
    """The file of --report."""

    path: Path
    format: Format


class Reporter(Protocol):
    """Takes every event of a run; `close` when there will be no more."""

    def handle(self, event: Event) -> None:
        """Show one event."""

    def close(self) -> None:
        """Give the terminal or file back."""


class Reporting:
    """The reporters of one command and what it prints at its end."""

    def __init__(
        self, given: SimpleNamespace, reporters: list[Reporter], recorder: Recorder, target: Target | None
    ) -> None:
        self._given = given
        self._reporters = reporters
        self._recorder = recorder
        self._target = target
        self._plan: Plan | None = None
        self._reported = False
        self._lock = threading.RLock()
        self.theme: Theme = choose(sys.stdout, color=given.color, no_color=given.no_color)

    def emit(self, event: Event) -> None:
        """Hand an event to every reporter, one event at a time: a cancel and a slow cluster are told by other threads.

        A reporter that fails is dropped, with a warning: it never fails a run.
        """
        with self._lock:
            for reporter in list(self._reporters):
                try:
                    reporter.handle(event)
                except Exception as failure:  # noqa: BLE001 - whatever goes wrong in a reporter must not stop the run
                    self._reporters.remove(reporter)
                    message = (
                        f"the reporter {type(reporter).__name__} failed and was switched off: {failure!r}"
                    )
                    self.emit(Warned(warning=Mistake(message, "ui.reporter-failed")))

    def confirm(self, plan: Plan) -> bool:
        """Ask, with --interactive, after showing the plan's summary."""
        self._plan = plan
        if not self._asks or not plan.writes:
            return True
        return self.show_and_confirm(plan)

    def show_and_confirm(self, plan: Plan) -> bool:
        """Show the whole plan, and ask with --interactive. A document is printed once, at the end of the run."""
        self._plan = plan
        if self._format in (Format.TEXT, Format.JSONL) or self._asks:
            self._close()
            text = self._masked(self._text_of(plan))
            print(text, file=sys.stdout if self._format is Format.TEXT else sys.stderr)
        if not self._asks or not plan.writes:
            return True
        return _ask(f"Do you really want to {plan.command}? [y/n]: ")

    def show(self, plan: Plan) -> None:
        """Print the plan to standard output, and write the report that was asked for."""
        self._close()
        self._plan = plan
        match self._format:
            case Format.TEXT:
                text = self._masked(self._text_of(plan))  # names of objects may hold secrets too
            case Format.JSONL:
                text = ""
            case wanted:
                text = self._document(wanted, plan, None)
        if text:
            print(text)  # noqa: T201
        self._write_report(plan, None)

    def finish(self, report: RunReport) -> None:
        """Print what became of the run, and write the report that was asked for."""
        self._close()
        text = ""
        if report.command == "test":
            from helmflow.ui import report_view

            text = self._masked(report_view.render_tests(report, logs=bool(self._get("logs"))))
        elif self._format in (Format.JSON, Format.MARKDOWN, Format.HTML):
            text = self._document(self._format, self._plan, report)
        elif self._format is Format.TEXT and (not self._given.quiet or not report.ok):
            from helmflow.ui import report_view

            notes = not self._get("hide_notes")
            # Notes and what a cluster refused may quote values.
            text = self._masked(report_view.render(report, self.theme, notes=notes, width=_width()))
        if text:
            print(text)  # noqa: T201
        self._write_report(self._plan, report)

    def failed(self, error: HelmflowError) -> None:
        """Write the report that was asked for where there was no run to report, because `error` ended its planning."""
        if self._target is None or self._reported:
            return
        report = RunReport(
            command=self._get("command") or "run",
            environment=self._get("environment") or "default",
            cluster=self._get("kube_context") or "the cluster of the files",
            releases=(),
            error=Mistake(str(error.message), error.error_id, error.span, error.hint),
        )
        self._write_report(None, report)

    def _text_of(self, plan: Plan) -> str:
        from helmflow.ui import plan_view

        shown, left_out = self._visible(plan)
        if self._get("suppress_diff"):
            return "\n".join(plan_view.summary(shown, self.theme, width=_width()))
        context = -1 if (given := self._get("context")) is None else given
        return plan_view.render(shown, self.theme, context=context, width=_width(), left_out=left_out)

    def _document(self, wanted: Format, plan: Plan | None, report: RunReport | None) -> str:
        shown = self._visible(plan)[0] if plan is not None else None
        if wanted is Format.HTML:
            from helmflow.ui import html

            return html.render(shown, report, self._recorder, masked=not self._get("show_secrets"))
        if wanted is Format.MARKDOWN:
            from helmflow.ui import markdown

            if report is not None:
                return self._masked(markdown.render_run(report, shown, self._recorder))
            assert shown is not None
            return self._masked(markdown.render(shown))
        from helmflow.ui import plan_json, run_json

        if report is not None:
            return self._masked(run_json.render(report, shown, self._recorder))
        assert shown is not None
        return self._masked(plan_json.render(shown))

    def _visible(self, plan: Plan) -> tuple[Plan, int]:
        from helmflow.ui import visible

        return visible.choose(
            plan,
            visible.Wish(
                kinds=tuple(self._get("suppress") or ()),
                secrets=bool(self._get("suppress_secrets")),
                tests=bool(self._get("include_tests")),
                hooks=not self._get("no_hooks"),
                installs=not self._get("skip_diff_on_install"),
                diffs=not self._get("suppress_diff"),
                only=tuple(self._get("show_only") or ()),
                lines=tuple(self._get("suppress_output_line_regex") or ()),
                carriage_returns=not self._get("strip_trailing_cr"),
            ),
        )

    def _write_report(self, plan: Plan | None, report: RunReport | None) -> None:
        if self._target is None:
            return
        self._reported = True
        try:
            self._target.path.write_text(
                self._document(self._target.format, plan, report) + "\n", encoding="utf-8"
            )
        except OSError as cause:
            raise _unwritable(self._target.path, cause) from cause

    def _masked(self, text: str) -> str:
        return text if self._get("show_secrets") else mask_everything(text)

    def _close(self) -> None:
        for reporter in self._reporters:
            reporter.close()

    @property
    def _format(self) -> Format:
        return _output(self._get("output") or "")

    @property
    def _asks(self) -> bool:
        return bool(self._given.interactive)

    def _get(self, flag: str) -> Any:
        return vars(self._given).get(flag)


@contextmanager
def reporting(given: SimpleNamespace) -> Iterator[Reporting]:
    """The reporters that flags and terminal ask for, closed at the end whatever happens."""
    from helmflow.ui.recording import Recorder

    recorder = Recorder()
    reporters: list[Reporter] = [_main_reporter(given), recorder]
    target = _target(given)
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
        made = Reporting(given, reporters, recorder, target)
        try:
            yield made
        except HelmflowError as error:
            made.failed(error)
            raise
        finally:
            for reporter in reporters:
                reporter.close()


def _output(word: str) -> Format:
    """What --output asks for; helm-diff's own words (diff, simple, dyff, ...) all mean text."""
    try:
        return Format(word)
    except ValueError:
        return Format.TEXT


def _target(given: SimpleNamespace) -> Target | None:
    """Where --report goes and in which format. Raises ConfigError before anything is done where that cannot be told."""
    path = vars(given).get("report")
    if not path:
        return None
    named = vars(given).get("report_format") or ""
    extensions = {
        ".json": "json",
        ".md": "markdown",
        ".markdown": "markdown",
        ".html": "html",
        ".htm": "html",
    }
    word = named or extensions.get(Path(path).suffix.lower(), "")
    if word not in ("json", "markdown", "html"):
        what = (
            f"there is no report format {named!r}"
            if named
            else f"{path} does not say which format it is to have"
        )
        raise ConfigError(
            what, error_id="cli.report-format", hint="--report-format takes json, markdown or html"
        )
    target = Target(Path(path), Format(word))
    try:
        target.path.parent.mkdir(parents=True, exist_ok=True)
        with target.path.open("a", encoding="utf-8"):
            pass
    except OSError as cause:
        raise _unwritable(target.path, cause) from cause
    return target


def _unwritable(path: Path, cause: OSError) -> ConfigError:
    return ConfigError(f"cannot write the report {path}: {cause.strerror}", error_id="cli.report-file")


def _width() -> int:
    """The terminal's width, 0 (no bound) where output goes anywhere else."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _main_reporter(given: SimpleNamespace) -> Reporter:
    if vars(given).get("output") == "jsonl":
        from helmflow.ui.jsonl import JsonLines

        return JsonLines(sys.stdout)
    quiet = given.quiet or given.log_level not in ("", "debug", "info")
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
