"""repos, deps, fetch, cache and the chart workshop: where charts come from and how they are served."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from helmflow.cli import options, workshop_commands
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag

if TYPE_CHECKING:
    import typer

DEFAULT_PORT: Final = 8879  # what `helm serve` used


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    import typer

    add_command(
        app,
        "repos",
        repos,
        (*options.EVERYWHERE, flag("args", "--args", help="Accepted: there is no helm to pass it to")),
    )
    add_command(
        app,
        "deps",
        deps,
        (
            *options.EVERYWHERE,
            *options.CONCURRENCY,
            flag("skip_repos", "--skip-repos", kind=bool, help="Repositories as they are cached"),
            flag(
                "skip_charts",
                "--skip-charts",
                kind=bool,
                help="Chart.lock and charts/ of local charts as they are",
            ),
            flag("args", "--args", help="Accepted: there is no helm to pass it to"),
        ),
    )
    chart = typer.Typer(help="Work on single charts.", no_args_is_help=True)
    add_command(
        chart,
        "serve",
        serve,
        (
            flag("host", "--host", default="127.0.0.1", help="Address to listen on"),
            flag(
                "port", "--port", kind=int, default=DEFAULT_PORT, help="Port to listen on; 0 for any free one"
            ),
        ),
        (
            Argument("folder", "FOLDER", "Folder of chart folders and .tgz files"),
            Argument("command", "[-- COMMAND...]", "Command to run while serving", required=False, many=True),
        ),
    )
    workshop_commands.register(chart)
    app.add_typer(chart, name="chart")


def repos(given: SimpleNamespace) -> int:
    """Fetch and check the index of every repository of the files."""
    from helmflow.flows import repos as flow
    from helmflow.providers.http import shown_url

    failed = False
    for row in flow.repos(options.run_options(given), lambda event: None):
        if row.failure is not None:
            failed = True
            from helmflow.ui import error_view

            sys.stderr.write(error_view.render(row.failure) + "\n")
            continue
        if not given.quiet:
            what = "registry" if row.oci else f"{row.charts} charts"
            how = (
                ("not asked" if row.cached else "reached")
                if row.oci
                else "cached"
                if row.cached
                else "fetched"
            )
            print(f"{row.name}\t{row.url if row.oci else shown_url(row.url)}\t{what}\t{how}")  # noqa: T201
    return ExitCode.FAILED if failed else ExitCode.OK


def deps(given: SimpleNamespace) -> int:
    """Update local charts' dependencies, resolve chart versions and write the lock files."""
    from helmflow.flows import deps as flow

    run = options.run_options(given)
    for path in flow.deps(run, lambda event: None, update_charts=not given.skip_charts):
        print(f"wrote {path}")  # noqa: T201
    return ExitCode.OK


def serve(given: SimpleNamespace) -> int:
    """Serve a folder of charts as a repository; with a command, only while it runs."""
    from helmflow.providers.charts import serve as server

    repository = server.build(Path(given.folder))
    with server.serving(repository, host=given.host, port=given.port) as address:
        print(f"serving {repository.charts} charts at {address}", file=sys.stderr, flush=True)  # noqa: T201
        if given.command:
            return _run(given.command)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            signal.pause()
        except KeyboardInterrupt:
            return ExitCode.OK
    return ExitCode.OK


def _run(command: list[str]) -> int:
    """The user's command with this terminal; its exit status is ours."""
    from helmflow.core import process

    return process.attached(command)
