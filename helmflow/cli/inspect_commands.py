"""list, status, build, template, lint, show-dag, graph and the like: commands that only look."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from helmflow.cli import options, reporters
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import add_command, flag
from helmflow.core.errors import ConfigError

if TYPE_CHECKING:
    import typer

    from helmflow.core.events import Event
    from helmflow.flows.history import HistoryRow
    from helmflow.flows.status import ReleaseState


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    chosen = (*options.EVERYWHERE, *options.VALUES, *options.NEEDS, *options.CONCURRENCY)
    form = options.JSON
    unmasked = flag("show_secrets", "--show-secrets", kind=bool, help="Secret values in the journal too")
    skip_charts = flag("skip_charts", "--skip-charts", kind=bool, help="Accepted: listing needs no charts")
    keep = flag("keep_temp_dir", "--keep-temp-dir", kind=bool, help="Accepted: there is none")
    add_command(app, "list", list_, (*options.EVERYWHERE, *options.CHANGED, form, skip_charts, keep))
    add_command(
        app,
        "status",
        status,
        (
            *options.EVERYWHERE,
            *options.CONCURRENCY,
            *options.JOURNAL,
            form,
            flag("args", "--args", help="Accepted"),
        ),
    )
    add_command(app, "history", history, (*options.EVERYWHERE, form))
    add_command(
        app,
        "build",
        build,
        (
            *options.EVERYWHERE,
            flag("embed_values", "--embed-values", kind=bool, help="Values files in place"),
            flag("skip_charts", "--skip-charts", kind=bool, help="Do not pull charts of OCI registries"),
        ),
    )
    add_command(
        app,
        "template",
        template,
        (
            *chosen,
            *options.CHANGED,
            *options.RENDER,
            *options.TEMPLATE,
            flag("no_hooks", "--no-hooks", kind=bool, help="Without chart hooks"),
            *options.JOURNAL,
            unmasked,
        ),
    )
    add_command(
        app,
        "lint",
        lint,
        (
            *chosen,
            *options.CHANGED,
            flag("strict", "--strict", kind=bool, help="Warnings are failures"),
            *options.JOURNAL,
        ),
    )
    printed = flag(
        "output",
        "-o",
        "--output",
        default="yaml",
        help="yaml (the default) or json",
        choices=("yaml", "json"),
    )
    add_command(app, "print-env", print_env, (*options.EVERYWHERE, printed))
    add_command(
        app,
        "write-values",
        write_values,
        (
            *chosen,
            flag("output_file_template", "--output-file-template", help="Template of each file's path"),
        ),
    )
    add_command(app, "show-dag", show_dag, options.EVERYWHERE)
    add_command(
        app,
        "graph",
        graph,
        (
            *options.EVERYWHERE,
            flag(
                "format",
                "--format",
                default="tree",
                help="tree, dot, mermaid or svg",
                choices=("tree", "dot", "mermaid", "svg"),
            ),
            flag("all_environments", "--all-environments", kind=bool, help="Every environment's releases"),
        ),
    )
    add_command(
        app,
        "version",
        version,
        (flag("output", "-o", "--output", help="short for the number alone", choices=("short", "text")),),
    )


def list_(given: SimpleNamespace) -> int:
    """List the releases of the files."""
    from helmflow.flows import files

    _write(files.listing(options.run_options(given), quiet_emit(given), output=given.output or ""))
    return ExitCode.OK


def build(given: SimpleNamespace) -> int:
    """Print the files as they are after templates, environments and inheritance."""
    from helmflow.flows import files

    text = files.build(
        options.run_options(given),
        quiet_emit(given),
        embed_values=given.embed_values,
        skip_charts=given.skip_charts,
    )
    _write_values(text)
    return ExitCode.OK


def show_dag(given: SimpleNamespace) -> int:
    """Print the groups in which releases are synced."""
    from helmflow.flows import files

    _write(files.show_dag(options.run_options(given), quiet_emit(given)))
    return ExitCode.OK


def print_env(given: SimpleNamespace) -> int:
    """Print the values of the environment."""
    from helmflow.flows import files

    _write_values(files.print_env(options.run_options(given), quiet_emit(given), output=given.output))
    return ExitCode.OK


def write_values(given: SimpleNamespace) -> int:
    """Write each release's values to a file."""
    from helmflow.flows import files

    for path in files.write_values(
        options.run_options(given), quiet_emit(given), output_file_template=given.output_file_template
    ):
        sys.stderr.write(f"Writing values file {path}\n")
    return ExitCode.OK


def status(given: SimpleNamespace) -> int:
    """Show what the cluster has of every release."""
    from helmflow.flows import status as flow
    from helmflow.ui.text import sanitize

    with reporters.reporting(given) as reporter:
        rows = flow.status(options.run_options(given), reporter.emit)
    cells = [
        (
            row.status or "not installed",
            str(row.revision or "-"),
            row.chart,
            row.app_version,
            row.last_deployed,
            sanitize(row.description),
        )
        for row in rows
    ]
    return _show(given, rows, ("STATUS", "REVISION", "CHART", "APP VERSION", "UPDATED", "DESCRIPTION"), cells)


def history(given: SimpleNamespace) -> int:
    """Show every stored revision of the selected releases."""
    from helmflow.flows import history as flow
    from helmflow.ui.text import sanitize

    with reporters.reporting(given) as reporter:
        rows = flow.history(options.run_options(given), reporter.emit)
    cells = [
        (str(row.revision), row.updated, row.status, row.chart, row.app_version, sanitize(row.description))
        for row in rows
    ]
    return _show(given, rows, ("REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION"), cells)


def _show(
    given: SimpleNamespace,
    rows: Sequence[ReleaseState | HistoryRow],
    heads: tuple[str, ...],
    cells: Sequence[tuple[str, ...]],
) -> int:
    """Rows about releases as JSON, or their cells as a table behind the releases' names."""
    from helmflow.ui.jsonl import as_json
    from helmflow.ui.text import columns, namer

    if given.output == "json":
        _write(json.dumps([as_json(row) for row in rows], indent=2) + "\n")
        return ExitCode.OK
    name = namer(row.id for row in rows)
    table = [("RELEASE", *heads), *((name(row.id), *own) for row, own in zip(rows, cells, strict=True))]
    _write("\n".join(columns(table)) + "\n")
    return ExitCode.OK


def template(given: SimpleNamespace) -> int:
    """Render every selected release, in the order of needs."""
    from helmflow.flows import template as flow

    for release, text in flow.template(options.run_options(given), quiet_emit(given)):
        if not given.output_dir:
            sys.stdout.write(text)  # manifests as `helm template` prints them, Secrets with what they hold
            continue
        from helmflow.ui import output_dir

        for path in output_dir.write(text, Path(given.output_dir) / release.name):
            sys.stderr.write(f"wrote {path}\n")
    return ExitCode.OK


def lint(given: SimpleNamespace) -> int:
    """Check every selected release's chart and values."""
    from helmflow.flows import lint as flow
    from helmflow.ui import error_view
    from helmflow.ui.text import namer

    failed = False
    reports = flow.lint(options.run_options(given), quiet_emit(given))
    name = namer(report.id for report in reports)
    for report in reports:
        _write(f"==> Linting {name(report.id)} ({report.chart})\n")
        for warning in report.warnings:
            _write(error_view.render_warning(warning) + "\n")
        for mistake in report.mistakes:
            error = ConfigError(
                mistake.message, error_id=mistake.error_id, span=mistake.span, hint=mistake.hint
            )
            _write(error_view.render(error) + "\n")
        failed = failed or bool(report.mistakes) or (given.strict and bool(report.warnings))
    return ExitCode.FAILED if failed else ExitCode.OK


def graph(given: SimpleNamespace) -> int:
    """Draw repositories, charts and releases."""
    from helmflow.flows import graph as flow
    from helmflow.ui import graph_view

    views = {
        "tree": graph_view.tree,
        "dot": graph_view.dot,
        "mermaid": graph_view.mermaid,
        "svg": graph_view.svg,
    }
    draw = flow.all_environments if given.all_environments else flow.graph
    nodes = [
        graph_view.Node(key=node.key, kind=node.kind, label=node.label, detail=node.detail, needs=node.needs)
        for node in draw(options.run_options(given), quiet_emit(given))
    ]
    _write(views[given.format](nodes) + "\n")
    return ExitCode.OK


def version(given: SimpleNamespace) -> int:
    """Print the version, and whose behaviour it has."""
    from helmflow import __version__
    from helmflow.helm.chart.capabilities import DEFAULT_KUBE_VERSION, HELM_VERSION

    if given.output == "short":
        _write(f"{__version__}\n")
        return ExitCode.OK
    _write(
        f"helmflow {__version__} (renders as Helm {HELM_VERSION}, Kubernetes {DEFAULT_KUBE_VERSION} by default)\n"
    )
    return ExitCode.OK


def _write(text: str) -> None:
    """Whatever a template made of a secret (a name, a label) is masked."""
    from helmflow.core.sensitive import mask_everything

    sys.stdout.write(mask_everything(text))


def _write_values(text: str) -> None:
    """Values are masked by their paths already: here only what is too long to be an ordinary word."""
    from helmflow.core.sensitive import SecretTexts, mask_everything

    sys.stdout.write(mask_everything(text, shortest=SecretTexts.LONG))


def quiet_emit(given: SimpleNamespace) -> reporters.Emit:
    """Warnings and hook output go to standard error; the rest of a command that only prints is not worth lines."""
    from helmflow.core.events import LocalHookOutput, Warned
    from helmflow.ui.plain import PlainReporter
    from helmflow.ui.theme import choose

    theme = choose(sys.stderr, color=given.color, no_color=given.no_color)
    reporter = PlainReporter(sys.stderr, theme, quiet=given.quiet)

    def emit(event: Event) -> None:
        if isinstance(event, Warned | LocalHookOutput):
            reporter.handle(event)

    return emit
