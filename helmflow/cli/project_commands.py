"""permissions, fetch, cache, init, create, migrate: what is done around a project rather than to a cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from helmflow.cli import options
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag
from helmflow.cli.inspect_commands import quiet_emit

if TYPE_CHECKING:
    import typer

    from helmflow.flows.cache import CacheRow


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    import typer

    chosen = (*options.EVERYWHERE, *options.VALUES, *options.NEEDS, *options.CONCURRENCY)
    add_command(
        app,
        "permissions",
        permissions,
        (*chosen, flag("user", "--user", default="helmflow", help="User that the roles are bound to")),
    )
    add_command(
        app,
        "fetch",
        fetch,
        (
            *options.EVERYWHERE,
            *options.CONCURRENCY,
            flag("output_dir", "--output-dir", default="charts", help="Folder for the charts"),
            flag("output_dir_template", "--output-dir-template", help="Template of each release's folder"),
            flag("write_output", "--write-output", kind=bool, help="Print the state with these charts"),
        ),
    )
    cache = typer.Typer(help="Look at the cache folder and empty it.", no_args_is_help=True)
    add_command(cache, "info", cache_info, options.EVERYWHERE)
    add_command(cache, "cleanup", cache_cleanup, options.EVERYWHERE)
    app.add_typer(cache, name="cache")
    force = flag("force", "--force", kind=bool, help="Accepted: there is nothing to install")
    add_command(app, "init", init, (*options.EVERYWHERE, force))
    add_command(
        app,
        "create",
        create,
        (
            flag("output_dir", "-o", "--output-dir", help="Folder for the project; NAME by default"),
            flag("force", "--force", kind=bool, help="Replace files that exist"),
        ),
        (Argument("name", "[NAME]", "Name of the project; that of this folder by default", required=False),),
    )
    add_command(
        app,
        "migrate",
        migrate,
        (
            *chosen,
            flag("verify", "--verify", kind=bool, help="List what helmflow reads differently"),
            flag("skip_charts", "--skip-charts", kind=bool, help="Without rendering the charts"),
        ),
    )


def permissions(given: SimpleNamespace) -> int:
    """Print the least access that these files need, as roles and bindings."""
    from helmflow.core.yaml_dialect import dump
    from helmflow.flows import permissions as flow

    found = flow.permissions(options.run_options(given), quiet_emit(given), user=given.user)
    sys.stdout.write("".join(f"---\n{dump(manifest)}" for manifest in found))
    return ExitCode.OK


def fetch(given: SimpleNamespace) -> int:
    """Download every release's chart and unpack it."""
    from helmflow.flows import fetch as flow

    desired, fetched = flow.fetch(
        options.run_options(given), quiet_emit(given), Path(given.output_dir), given.output_dir_template
    )
    for one in fetched:
        how = "unpacked to" if one.unpacked else "is local:"
        sys.stderr.write(f"{one.chart} {how} {one.path}\n")
    if given.write_output:
        from helmflow.state import views

        sys.stdout.write(views.build(desired))
    return ExitCode.OK


def cache_info(given: SimpleNamespace) -> int:
    """Print the cache folder and what is in it."""
    from helmflow.flows import cache

    home, rows = cache.info()
    _rows(f"Cache directory: {home}", rows)
    return ExitCode.OK


def cache_cleanup(given: SimpleNamespace) -> int:
    """Empty the cache folder; everything in it is fetched or made again when needed."""
    from helmflow.flows import cache

    home, rows = cache.cleanup()
    _rows(f"Deleted from {home}:" if rows else f"{home} is empty", rows)
    return ExitCode.OK


def _rows(title: str, rows: tuple[CacheRow, ...]) -> None:
    from helmflow.ui.text import columns

    lines = [title]
    if rows:
        table = [(f"  {row.name}", f"{row.files} files", f"{row.size} bytes") for row in rows]
        lines.extend(columns(table))
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def init(given: SimpleNamespace) -> int:
    """Check what helmflow can use here; there is nothing to install."""
    import shutil

    rows = [("helm, helm-diff, helm-secrets", "built in")]
    for command, use in (
        ("sops", "only for keys other than age"),
        ("kustomize", "only for kustomizations"),
    ):
        rows.append((command, shutil.which(command) or f"not found: needed {use}"))
    from helmflow.ui.text import columns

    sys.stdout.write("".join(f"{line}\n" for line in columns(rows)))
    sys.stdout.write("nothing to install\n")
    return ExitCode.OK


def create(given: SimpleNamespace) -> int:
    """Write the files of a new project."""
    from helmflow.flows import scaffold

    folder = Path(given.output_dir or given.name or ".")
    name = given.name or folder.absolute().name
    for path in scaffold.create(name, folder, force=given.force):
        sys.stdout.write(f"wrote {path}\n")
    return ExitCode.OK


def migrate(given: SimpleNamespace) -> int:
    """With --verify, list everything in a Helmfile project that helmflow reads differently."""
    if not given.verify:
        sys.stdout.write("nothing to convert: helmflow reads Helmfile's files as they are; --verify checks\n")
        return ExitCode.OK
    from helmflow.flows import migrate as flow
    from helmflow.ui import error_view

    found = flow.verify(options.run_options(given), quiet_emit(given), render=not given.skip_charts)
    for mistake in found:
        sys.stdout.write(error_view.render_warning(mistake) + "\n")
    sys.stdout.write(
        f"{len(found)} differences\n" if found else "helmflow reads these files as Helmfile does\n"
    )
    return ExitCode.FAILED if found else ExitCode.OK
