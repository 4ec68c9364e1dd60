"""chart lint: every rule of Helm's in its words, hints at misspelt names, best practices, and versions against git."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from helmflow.cli import chart_flags
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag
from helmflow.core.errors import ChartError, ConfigError

if TYPE_CHECKING:
    import typer

    from helmflow.helm.chart.capabilities import Capabilities
    from helmflow.helm.chart.lint import Message


def register(chart: typer.Typer) -> None:
    """Add the command to the `chart` group."""
    add_command(
        chart,
        "lint",
        lint,
        (
            flag("strict", "--strict", kind=bool, help="Fail on warnings"),
            flag("with_subcharts", "--with-subcharts", kind=bool, help="The charts in charts/ too"),
            flag("quiet", "-q", "--quiet", kind=bool, help="Only warnings and errors"),
            flag(
                "skip_schema_validation",
                "--skip-schema-validation",
                kind=bool,
                help="Ignore values.schema.json",
            ),
            flag("kube_version", "--kube-version", help="Kubernetes version for deprecations"),
            flag("namespace", "-n", "--namespace", help="Namespace that templates see"),
            flag("profile", "--profile", help="best-practices: the checklist of docs/best-practices.md too"),
            flag(
                "since",
                "--since",
                help="Fail where the chart changed since this git ref and its version did not",
            ),
            *chart_flags.VALUES,
        ),
        (Argument("charts", "CHART...", "Chart folders or archives", many=True),),
    )


def lint(given: SimpleNamespace) -> int:
    """Check charts as Helm does, and more where asked."""
    from helmflow.helm.chart import lint_practices
    from helmflow.ui.text import sanitize

    if given.profile not in ("", lint_practices.PROFILE):
        raise ConfigError(
            f"{given.profile!r} is no profile of lint",
            error_id="cli.bad-profile",
            hint=lint_practices.PROFILE,
        )
    values, capabilities = chart_flags.values(given), _capabilities(given)
    paths = [Path(one) for one in given.charts]
    if given.with_subcharts:
        paths += [inside for path in list(paths) for inside in _subcharts(path)]
    failed = noteworthy = 0
    for path in paths:
        found = _Result(given, path, values, capabilities)
        noteworthy += found.is_noteworthy
        failed += found.is_failed
        if given.quiet and not found.is_noteworthy:
            continue
        lines = [f"==> Linting {path}", *found.lines()]
        sys.stdout.write(sanitize("\n".join(lines)) + "\n\n")
    summary = f"{len(paths)} chart(s) linted, {failed} chart(s) failed"
    if failed:
        sys.stdout.flush()
        sys.stderr.write(f"Error: {summary}\n")
        return ExitCode.FAILED
    if not given.quiet or noteworthy:
        sys.stdout.write(summary + "\n")
    return ExitCode.OK


class _Result:
    """What was found in one chart."""

    def __init__(
        self,
        given: SimpleNamespace,
        path: Path,
        values: dict[str, Any],
        capabilities: Capabilities | None,
    ) -> None:
        from helmflow.helm.chart import lint as rules
        from helmflow.helm.chart import lint_hints, lint_practices

        self._quiet = given.quiet
        self.messages: tuple[Message, ...] = ()
        self.problem = ""
        try:
            self.messages = rules.lint(
                path,
                values,
                namespace=given.namespace or "default",
                capabilities=capabilities,
                skip_schema_validation=given.skip_schema_validation,
            )
            if given.profile:
                self.messages += _inside(path, lambda folder: lint_practices.check(folder, values))
            if given.since:
                self.messages += _since(path, given.since)
        except ChartError as error:
            self.problem = str(error)
        self.hints = tuple(_inside(path, lambda folder: tuple(lint_hints.hints(folder))))
        self.failures = rules.failures(self.messages, strict=given.strict)
        self.is_failed = bool(self.failures or self.problem)
        self.is_noteworthy = self.is_failed or any(
            one.severity > rules.Severity.INFO for one in self.messages
        )

    def lines(self) -> Iterator[str]:
        """As Helm prints it, then the hints."""
        from helmflow.helm.chart.lint import Severity

        if self.problem:
            yield f"Error {self.problem}"
        for message in self.messages:
            if not self._quiet or message.severity > Severity.INFO:
                yield str(message)
        for path, hint in self.hints:
            yield f"hint: {path}: {hint}"


def _inside(path: Path, work: Any) -> Any:
    """`work` on the chart's folder; an archive is unpacked for it. Nothing where there is no chart."""
    if path.is_dir():
        return work(os.fspath(path))
    if not path.is_file():
        return ()
    import tempfile

    from helmflow.helm.chart import unpack

    with tempfile.TemporaryDirectory(prefix="helmflow-lint-") as folder:
        try:
            return work(os.fspath(unpack.unpack(path.read_bytes(), "chart", Path(folder))))
        except ChartError:
            return ()


def _since(path: Path, ref: str) -> tuple[Message, ...]:
    from helmflow.flows.chart_changes import version_problem
    from helmflow.helm.chart.lint import Message, Severity

    problem = version_problem(path, ref)
    return (Message(Severity.ERROR, "Chart.yaml", problem),) if problem else ()


def _capabilities(given: SimpleNamespace) -> Capabilities | None:
    if not given.kube_version:
        return None
    from helmflow.helm.chart.capabilities import Capabilities

    try:
        return Capabilities().with_kube_version(given.kube_version)
    except (ChartError, ValueError) as cause:
        raise ConfigError(
            f"invalid kube version '{given.kube_version}': {cause}", error_id="cli.bad-kube-version"
        ) from cause


def _subcharts(path: Path) -> Iterator[Path]:
    """Chart folders and archives at any depth of charts/, in the order of Go's walk: every folder's entries by name."""
    yield from _charts_below(path / "charts")


def _charts_below(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from _charts_below(entry)
        elif entry.name == "Chart.yaml":
            yield folder
        elif entry.name.endswith((".tgz", ".tar.gz")):
            yield entry
