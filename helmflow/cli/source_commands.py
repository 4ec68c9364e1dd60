"""repo, search, outdated, update, vendor, images: where charts come from, and what is newer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from helmflow.cli import options
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag
from helmflow.cli.inspect_commands import quiet_emit
from helmflow.core.errors import ChartError, ConfigError
from helmflow.ui.text import sanitize

if TYPE_CHECKING:
    import typer

_CONFIG = flag("repository_config", "--repository-config", help="File of the repositories' names and URLs")
_OUTPUT = flag(
    "output", "-o", "--output", default="table", help="table, json or yaml", choices=("table", "json", "yaml")
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    import typer

    repo = typer.Typer(help="Helm's own list of repositories.", no_args_is_help=True)
    add_command(
        repo,
        "add",
        repo_add,
        (
            _CONFIG,
            flag("username", "--username", help="User name"),
            flag("password", "--password", help="Password"),
            flag(
                "password_stdin", "--password-stdin", kind=bool, help="Read the password from standard input"
            ),
            flag("force_update", "--force-update", kind=bool, help="Replace one of the same name"),
            flag("cert_file", "--cert-file", help="TLS client certificate"),
            flag("key_file", "--key-file", help="Its key"),
            flag("ca_file", "--ca-file", help="CA certificates"),
            flag("insecure", "--insecure-skip-tls-verify", kind=bool, help="Do not verify TLS"),
            flag("pass_credentials", "--pass-credentials", kind=bool, help="Send credentials to every host"),
        ),
        (Argument("name", "NAME", "Name"), Argument("url", "URL", "Address of the repository")),
    )
    add_command(repo, "list", repo_list, (_CONFIG, _OUTPUT))
    names = Argument("names", "[NAME...]", "Repositories; all by default", required=False, many=True)
    add_command(repo, "update", repo_update, (_CONFIG,), (names,))
    add_command(
        repo, "remove", repo_remove, (_CONFIG,), (Argument("names", "NAME...", "Repositories", many=True),)
    )
    app.add_typer(repo, name="repo")
    add_command(
        app,
        "search",
        search,
        (
            _CONFIG,
            _OUTPUT,
            flag("versions", "-l", "--versions", kind=bool, help="Every version, not only the newest"),
            flag("regexp", "-r", "--regexp", kind=bool, help="Words are a regular expression"),
            flag("devel", "--devel", kind=bool, help="Pre-releases too"),
            flag("version", "--version", help="Only versions in this range"),
            flag("max_col_width", "--max-col-width", kind=int, default=50, help="Width of a column"),
            flag("fail", "--fail-on-no-result", kind=bool, help="Fail where nothing matches"),
        ),
        (
            Argument(
                "words",
                "[repo] [WORDS]",
                "What to look for; everything by default",
                required=False,
                many=True,
            ),
        ),
    )
    chosen = (*options.EVERYWHERE, *options.CONCURRENCY)
    json_too = flag(
        "output", "-o", "--output", default="table", help="table or json", choices=("table", "json")
    )
    add_command(
        app,
        "outdated",
        outdated,
        (
            *chosen,
            json_too,
            flag(
                "detailed_exitcode", "--detailed-exitcode", kind=bool, help="Exit 2 where something is newer"
            ),
        ),
    )
    add_command(
        app,
        "update",
        update,
        (*chosen, flag("dry_run", "--dry-run", kind=bool, help="Say what would be written")),
        (Argument("releases", "[RELEASE...]", "Releases; all by default", required=False, many=True),),
    )
    add_command(app, "vendor", vendor, chosen)
    add_command(app, "images", images, (*chosen, *options.VALUES, *options.NEEDS, *options.RENDER, json_too))


def _config(given: SimpleNamespace) -> Path:
    from helmflow.providers.charts import helm_repositories

    return Path(given.repository_config) if given.repository_config else helm_repositories.path()


def repo_add(given: SimpleNamespace) -> int:
    """Add a repository to Helm's list, after its index was read."""
    from helmflow.providers.charts import helm_repositories
    from helmflow.providers.charts.fetch import ChartFetcher
    from helmflow.state.model import Repository

    if "/" in given.name:
        raise ConfigError(
            f"repository name ({given.name}) contains '/', please specify a different name without '/'",
            error_id="repository.bad-name",
        )
    if given.url.startswith("oci://"):
        raise ConfigError(
            f"{given.url} is a registry, which has no index", error_id="repository.oci",
            hint="log in with `helmflow registry login` and name charts by oci://",
        )  # fmt: skip
    password = sys.stdin.readline().rstrip("\r\n") if given.password_stdin else given.password
    entry = dict(
        helm_repositories.entry(
            name=given.name, url=given.url, username=given.username, password=password,
            certFile=_absolute(given.cert_file), keyFile=_absolute(given.key_file), caFile=_absolute(given.ca_file),
            insecure_skip_tls_verify=given.insecure, pass_credentials_all=given.pass_credentials,
        )
    )  # fmt: skip
    with helm_repositories.editing(_config(given)) as entries:
        at = next((i for i, one in enumerate(entries) if one["name"] == given.name), None)
        if at is not None and not given.force_update:
            if {**dict(helm_repositories.entry()), **entries[at]} == entry:
                print(f'"{given.name}" already exists with the same configuration, skipping')  # noqa: T201
                return ExitCode.OK
            raise ConfigError(
                f"repository name ({given.name}) already exists, please specify a different name",
                error_id="repository.exists",
                hint="--force-update replaces it",
            )
        repository = Repository(
            name=given.name, url=given.url, username=given.username, password=password,
            ca_file=entry["caFile"], cert_file=entry["certFile"], key_file=entry["keyFile"],
            skip_tls_verify=given.insecure, pass_credentials=given.pass_credentials,
        )  # fmt: skip
        try:
            ChartFetcher((repository,)).index(repository)
        except ChartError as cause:
            raise ChartError(
                f'looks like "{given.url}" is not a valid chart repository or cannot be reached: {cause.message}',
                error_id=cause.error_id,
                hint=cause.hint,
            ) from cause
        entries[slice(at, at + 1) if at is not None else slice(len(entries), None)] = [entry]
    print(f'"{given.name}" has been added to your repositories')  # noqa: T201
    return ExitCode.OK


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if name else ""


def repo_list(given: SimpleNamespace) -> int:
    """Print Helm's list of repositories."""
    from helmflow.providers.charts import helm_repositories

    rows = [(one.name, one.url) for one in helm_repositories.known(_config(given))]
    if not rows and given.output == "table":
        raise ConfigError(
            "no repositories to show", error_id="repository.none", hint="`helmflow repo add` adds one"
        )
    _print(given, ("NAME", "URL"), ("name", "url"), rows)
    return ExitCode.OK


def repo_update(given: SimpleNamespace) -> int:
    """Fetch the indexes of Helm's repositories."""
    from helmflow.providers.charts import helm_repositories
    from helmflow.providers.charts.fetch import ChartFetcher

    known = helm_repositories.known(_config(given))
    if not known:
        raise ConfigError(
            "no repositories found. You must add one before updating", error_id="repository.none"
        )
    for name in given.names:
        if all(one.name != name for one in known):
            raise ConfigError(
                f"no repositories found matching '{name}'.  Nothing will be updated",
                error_id="repository.unknown",
            )
    print("Hang tight while we grab the latest from your chart repositories...", flush=True)  # noqa: T201
    fetcher, failed = ChartFetcher(known), []
    for one in known:
        if given.names and one.name not in given.names:
            continue
        try:
            fetcher.index(one)
        except ChartError as failure:
            failed.append(one.url)
            where = f'from the "{one.name}" chart repository ({one.url})'
            print(f"...Unable to get an update {where}:\n\t{failure.message}")  # noqa: T201
        else:
            print(f'...Successfully got an update from the "{one.name}" chart repository')  # noqa: T201
    if failed:
        raise ChartError(
            f"failed to update the following repositories: {', '.join(failed)}",
            error_id="repository.not-updated",
        )
    print("Update Complete. ⎈Happy Helming!⎈")  # noqa: T201
    return ExitCode.OK


def repo_remove(given: SimpleNamespace) -> int:
    """Take repositories off Helm's list."""
    from helmflow.providers.charts import helm_repositories

    with helm_repositories.editing(_config(given)) as entries:
        if not entries:
            raise ConfigError("no repositories configured", error_id="repository.none")
        for name in given.names:
            if all(one["name"] != name for one in entries):
                raise ConfigError(f'no repo named "{name}" found', error_id="repository.unknown")
            entries[:] = [one for one in entries if one["name"] != name]
    for name in given.names:
        print(f'"{name}" has been removed from your repositories')  # noqa: T201
    return ExitCode.OK


def search(given: SimpleNamespace) -> int:
    """Search the charts of Helm's repositories by name, description and keywords."""
    from helmflow.flows import search as flow
    from helmflow.providers.charts import helm_repositories
    from helmflow.providers.charts.fetch import ChartFetcher

    words = list(given.words)
    if words[:1] == ["hub"]:
        raise ConfigError(
            "searching Artifact Hub is not built in", error_id="search.hub", hint="see https://artifacthub.io"
        )
    words = words[1:] if words[:1] == ["repo"] else words
    known = helm_repositories.known(_config(given))
    if not known:
        raise ConfigError(
            "no repositories configured", error_id="repository.none", hint="`helmflow repo add`"
        )
    found = flow.search(
        known, ChartFetcher(known, refresh=False), " ".join(words), regexp=given.regexp, versions=given.versions,
        devel=given.devel, version=given.version,
    )  # fmt: skip
    if not found and given.fail:
        raise ConfigError("no results found", error_id="search.nothing")
    if not found and given.output == "table":
        print("No results found")  # noqa: T201
        return ExitCode.OK
    rows = [(one.name, one.entry.version, one.entry.app_version, one.entry.description) for one in found]
    heads = ("NAME", "CHART VERSION", "APP VERSION", "DESCRIPTION")
    _print(given, heads, ("name", "version", "app_version", "description"), rows, width=given.max_col_width)
    return ExitCode.OK


def outdated(given: SimpleNamespace) -> int:
    """List charts that have newer versions: current, wanted by the constraint, latest."""
    from helmflow.flows import outdated as flow

    rows = flow.outdated(options.run_options(given), quiet_emit(given))
    fields = ("owner", "chart", "constraint", "current", "wanted", "latest", "failure")
    behind = [row for row in rows if row.behind or row.failure]
    if given.output == "json":
        data = [{**{name: getattr(row, name) for name in fields}, "outdated": row.behind} for row in rows]
        print(json.dumps(data, indent=2))  # noqa: T201
    elif not behind:
        print("every chart is the newest")  # noqa: T201
    else:
        heads = tuple(name.upper() for name in fields[:-1])
        table = [tuple(getattr(row, name) or "-" for name in fields[:-1]) for row in behind]
        _print(given, heads, fields[:-1], table)
        for row in behind:
            if row.failure:
                sys.stderr.write(f"{sanitize(row.chart)}: {sanitize(row.failure)}\n")
    newer = any(row.behind for row in rows)
    return ExitCode.CHANGES if newer and given.detailed_exitcode else ExitCode.OK


def update(given: SimpleNamespace) -> int:
    """Write the newest chart versions into the files, and the lock files anew."""
    from helmflow.flows import deps
    from helmflow.flows import outdated as flow
    from helmflow.providers.charts import lock

    run = options.run_options(given)
    changes = flow.update(run, quiet_emit(given), tuple(given.releases), dry_run=given.dry_run)
    for one in changes:
        if one.refused:
            sys.stderr.write(f"{sanitize(one.chart)} in {one.file} stays at {one.old}: {one.refused}\n")
        else:
            print(f"{one.file}: {one.chart} {one.old} -> {one.new}")  # noqa: T201
    done = [one for one in changes if not one.refused]
    if not done:
        print("nothing to update")  # noqa: T201
    elif not given.dry_run and any(
        file.exists()
        for folder in {one.file.parent for one in done}
        for file in (folder / lock.NAME, folder / "helmfile.lock")
    ):
        for path in deps.deps(run, quiet_emit(given), update_charts=False):
            print(f"wrote {path}")  # noqa: T201
    return ExitCode.OK


def vendor(given: SimpleNamespace) -> int:
    """Put every chart and remote file that these files need into helmflow-vendor/, for --offline."""
    from helmflow.flows import vendor as flow
    from helmflow.ui.text import plural

    made = flow.vendor(options.run_options(given), quiet_emit(given))
    print(f"{plural(made.charts, 'remote chart')}, {made.size:,} bytes in {made.folder}")  # noqa: T201
    return ExitCode.OK


def images(given: SimpleNamespace) -> int:
    """List every container image that the releases would run, hooks included."""
    from helmflow.flows import images as flow

    found = flow.images(options.run_options(given), quiet_emit(given))
    if given.output == "json":
        fields = ("image", "digest", "release", "kind", "name", "container", "guessed")
        print(json.dumps([{name: getattr(one, name) for name in fields} for one in found], indent=2))  # noqa: T201
        return ExitCode.OK
    for image in sorted({one.image for one in found}):
        print(sanitize(image))  # noqa: T201
    return ExitCode.OK


def _print(
    given: SimpleNamespace,
    heads: tuple[str, ...],
    fields: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    *,
    width: int = 0,
) -> None:
    """Rows as Helm's table, or as data."""
    if given.output in ("json", "yaml"):
        data = [dict(zip(fields, row, strict=True)) for row in rows]
        if given.output == "json":
            print(json.dumps(data, separators=(",", ":")))  # noqa: T201
        else:
            from helmflow.core import yaml_dialect

            print(yaml_dialect.dump(data), end="")  # noqa: T201
        return
    table = [heads, *(tuple(_cell(cell, width) for cell in row) for row in rows)]
    widths = [max(len(row[at]) for row in table) for at in range(len(heads))]
    for row in table:
        print("\t".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)))  # noqa: T201


def _cell(value: Any, width: int) -> str:
    text = " ".join(sanitize(str(value)).split())
    return text if not width or len(text) <= width else text[: width - 3] + "..."
