"""chart pull and push, registry login and logout: charts to and from where others get them, with Helm's flags."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from helmflow.cli import chart_flags
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag
from helmflow.core.errors import ChartError, ConfigError
from helmflow.core.sensitive import SecretText

if TYPE_CHECKING:
    import typer

    from helmflow.providers.charts.download import Downloaded

_HOST: Final = Argument("host", "HOST", "The registry: HOST or HOST:PORT")


def register(app: typer.Typer) -> None:
    """Add the `registry` group to the app."""
    import typer

    group = typer.Typer(help="Log in to OCI registries and out of them.", no_args_is_help=True)
    add_command(
        group,
        "login",
        login,
        (
            flag("username", "-u", "--username", help="User at the registry"),
            flag("password", "-p", "--password", help="Password or token; prefer --password-stdin"),
            flag(
                "password_stdin", "--password-stdin", kind=bool, help="Read the password from standard input"
            ),
            flag("insecure", "--insecure", kind=bool, help="Accept any certificate"),
            *(one for one in chart_flags.LOGIN if one.dest not in ("username", "password")),
        ),
        (_HOST,),
    )
    add_command(group, "logout", logout, (), (_HOST,))
    app.add_typer(group, name="registry")


def register_chart(chart: typer.Typer) -> None:
    """Add pull and push to the `chart` group."""
    add_command(
        chart,
        "pull",
        pull,
        (
            *chart_flags.REMOTE,
            flag("destination", "-d", "--destination", default=".", help="Folder for the archive"),
            flag("untar", "--untar", kind=bool, help="Unpack it"),
            flag("untardir", "--untardir", default=".", help="Folder to unpack into, below --destination"),
            flag("prov", "--prov", kind=bool, help="Its signature too, without checking it"),
        ),
        (Argument("charts", "CHART...", "oci:// or https:// reference, or repository/chart", many=True),),
    )
    add_command(
        chart,
        "push",
        push,
        chart_flags.LOGIN,
        (
            Argument("archive", "ARCHIVE", "A packed chart; a .prov file beside it goes along"),
            Argument("remote", "REMOTE", "oci://HOST/PATH"),
        ),
    )


def pull(given: SimpleNamespace) -> int:
    """Fetch charts from a repository or a registry."""
    from helmflow.providers.charts.download import download

    for chart in given.charts:
        found = download(chart_flags.wanted(given, chart, provenance=given.prov))
        if given.prov and not found.provenance:
            _say(f"WARNING: Verification not found for {chart}: its source has no provenance file")
        if found.reference:
            _say(f"Pulled: {found.reference}\nDigest: {found.digest}")
        sys.stdout.write(str(found.verification or ""))
        _write(given, found, with_provenance=given.prov or given.verify)
    return ExitCode.OK


def push(given: SimpleNamespace) -> int:
    """Send a packed chart, and its signature, to a registry."""
    from helmflow.core.paths import cache_home
    from helmflow.helm.chart import load, records
    from helmflow.providers.charts import oci, trust
    from helmflow.providers.charts.cache import ChartCache

    path = Path(given.archive)
    if not path.exists():
        raise ChartError(f"{path}: no such file", error_id="chart.not-found")
    if not given.remote.startswith("oci://"):
        raise ChartError(
            'scheme prefix missing from remote (e.g. "oci://")',
            error_id="oci.bad-reference",
            hint=f"oci://{given.remote.partition('://')[2] or given.remote}",
        )
    trust.require_archive(path)
    metadata = load.load(path).metadata
    if path.name != f"{metadata.name}-{metadata.version}.tgz":
        raise ChartError(
            f"{path.name} is not the name of the chart in it: {metadata.name}-{metadata.version}.tgz",
            error_id="chart.bad-name",
            hint="a package keeps the name that `package` gave it",
        )
    beside = path.with_name(path.name + trust.SUFFIX)
    digest = oci.RegistryClient(ChartCache(cache_home() / "charts")).push(
        path.read_bytes(),
        records.metadata(metadata),
        given.remote,
        chart_flags.credentials(given),
        plain_http=given.plain_http,
        provenance=beside.read_bytes() if beside.is_file() else b"",
        created=_modified(path),
    )
    where = given.remote.removeprefix("oci://").rstrip("/")
    _say(f"Pushed: {where}/{metadata.name}:{metadata.version.replace('+', '_')}\nDigest: {digest}")
    return ExitCode.OK


def login(given: SimpleNamespace) -> int:
    """Try credentials at a registry and keep them where Helm keeps them."""
    from dataclasses import replace

    from helmflow.providers.charts import registry_login
    from helmflow.providers.http import NO_CREDENTIALS

    if given.password_stdin and given.password:
        raise ConfigError("--password and --password-stdin exclude each other", error_id="cli.usage")
    username, password = given.username, SecretText(given.password)
    if given.password_stdin:
        password = SecretText(sys.stdin.read().removesuffix("\n").removesuffix("\r"))
    elif not given.password:
        username, password = _ask(username)
    else:
        sys.stderr.write("WARNING: using --password via the CLI is insecure. Use --password-stdin\n")
    tls = replace(
        NO_CREDENTIALS,
        ca_file=given.ca_file,
        cert_file=given.cert_file,
        key_file=given.key_file,
        insecure_skip_tls_verify=given.insecure or given.insecure_skip_tls_verify,
    )
    registry_login.login(given.host, username, password, plain_http=given.plain_http, tls=tls)
    _say("Login Succeeded")
    return ExitCode.OK


def logout(given: SimpleNamespace) -> int:
    """Forget the credentials of a registry."""
    from helmflow.providers.charts import registry_login

    host = registry_login.registry_host(given.host)
    if not registry_login.logout(host):
        raise ConfigError(f"not logged in to {host}", error_id="oci.not-logged-in")
    _say(f"Removing login credentials for {host}")
    return ExitCode.OK


def _ask(username: str) -> tuple[str, SecretText]:
    if not sys.stdin.isatty():
        raise ConfigError(
            "no password was given, and there is nobody to ask for it",
            error_id="cli.no-password",
            hint="--username NAME --password-stdin",
        )
    import getpass

    username = username or input("Username: ").strip()
    return username, SecretText(getpass.getpass("Password: " if username else "Token: "))


def _write(given: SimpleNamespace, found: Downloaded, *, with_provenance: bool) -> None:
    destination = Path(given.destination)
    if given.untar:
        from helmflow.helm.chart import unpack

        unpack.unpack(found.content, found.chart.metadata.name, destination / given.untardir)
        return
    try:
        destination.mkdir(parents=True, exist_ok=True)
        (destination / found.file_name).write_bytes(found.content)
        if with_provenance and found.provenance:
            (destination / f"{found.file_name}.prov").write_bytes(found.provenance)
    except OSError as cause:
        raise ChartError(
            f"cannot write to {destination}: {cause.strerror}", error_id="chart.write"
        ) from cause


def _modified(path: Path) -> str:
    """When the archive was made, which the registry shows: the same archive gives the same manifest."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(path.stat().st_mtime), UTC).isoformat().replace("+00:00", "Z")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
