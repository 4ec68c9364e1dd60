"""chart dependency list, build and update: charts/ and the lock file, with Helm's flags and words."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from helmflow.cli import chart_flags
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag

if TYPE_CHECKING:
    import typer

    from helmflow.providers.charts.chart_lock import Say
    from helmflow.providers.http import Credentials

_CHART: Final = Argument("chart", "[CHART]", "Chart folder [.]", required=False)


def register(chart: typer.Typer) -> None:
    """Add the group to the `chart` group, also under its short name."""
    import typer

    fetching = (
        chart_flags.VERIFY,
        chart_flags.KEYRING,
        flag("skip_refresh", "--skip-refresh", kind=bool, help="Repository indexes as they are cached"),
        *chart_flags.LOGIN,
    )
    for name, hidden in (("dependency", False), ("dep", True), ("dependencies", True)):
        group = typer.Typer(help="The charts that a chart is made of.", no_args_is_help=True)
        width = flag("max_col_width", "--max-col-width", kind=int, default=80, help="Widest column")
        add_command(group, "list", list_, (width,), (_CHART,))
        add_command(group, "ls", list_, (width,), (_CHART,), hidden=True)
        add_command(group, "update", update, fetching, (_CHART,))
        add_command(group, "up", update, fetching, (_CHART,), hidden=True)
        add_command(group, "build", build, fetching, (_CHART,))
        chart.add_typer(group, name=name, hidden=hidden)


def list_(given: SimpleNamespace) -> int:
    """List what is declared, and what charts/ has of it."""
    from helmflow.providers.charts import chart_lock
    from helmflow.ui.text import sanitize

    path = Path(given.chart or ".")
    rows = chart_lock.listing(path)
    if not rows:
        _say(f"WARNING: no dependencies at {path / 'charts'}")
        return ExitCode.OK
    table = [("NAME", "VERSION", "REPOSITORY", "STATUS")]
    table.extend((row.name, row.version, row.repository, row.status) for row in rows)
    widest = given.max_col_width
    cut = [
        [cell if len(cell) <= widest else cell[: widest - 3] + "..." for cell in map(sanitize, row)]
        for row in table
    ]
    widths = [max(len(row[column]) for row in cut) for column in range(4)]
    for row in cut:
        _say("\t".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    _say("")
    for warning in chart_lock.undeclared(path, rows):
        _say(sanitize(warning))
    return ExitCode.OK


def update(given: SimpleNamespace) -> int:
    """Fetch the newest versions that fit into charts/ and write the lock file."""
    update_folder(
        Path(given.chart or "."),
        chart_flags.credentials(given),
        _say,
        keyring=str(chart_flags.keyring(given)) if given.verify else "",
        refresh=not given.skip_refresh,
        plain_http=given.plain_http,
    )
    return ExitCode.OK


def build(given: SimpleNamespace) -> int:
    """Fetch what the lock file names into charts/."""
    from helmflow.providers.charts import chart_lock
    from helmflow.providers.charts.dependency_source import CheckedSource, aliases

    path = Path(given.chart or ".")
    source = CheckedSource(
        credentials=chart_flags.credentials(given),
        keyring=str(chart_flags.keyring(given)) if given.verify else "",
        refresh=not given.skip_refresh,
        plain_http=given.plain_http,
    )
    chart_lock.build(path, source, aliases(), _say)
    return ExitCode.OK


def update_folder(
    path: Path,
    credentials: Credentials,
    say: Say,
    *,
    keyring: str = "",
    refresh: bool = True,
    plain_http: bool = False,
) -> None:
    """`chart dependency update` of one folder."""
    from helmflow.providers.charts import chart_lock
    from helmflow.providers.charts.dependency_source import CheckedSource, aliases

    source = CheckedSource(credentials=credentials, keyring=keyring, refresh=refresh, plain_http=plain_http)
    chart_lock.update(path, source, aliases(), say)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
