"""chart package, sign and verify: archives and the signatures beside them, with Helm's flags and words."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from helmflow.cli import chart_flags
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag
from helmflow.core.errors import ChartError, ConfigError

if TYPE_CHECKING:
    import typer


def register(chart: typer.Typer) -> None:
    """Add the commands to the `chart` group."""
    archives = Argument("archives", "ARCHIVE...", "Packed charts (.tgz)", many=True)
    add_command(
        chart,
        "package",
        package,
        (
            flag("destination", "-d", "--destination", default=".", help="Folder for the package"),
            flag("version", "--version", help="Version to give it"),
            flag("app_version", "--app-version", help="appVersion to give it"),
            flag(
                "dependency_update",
                "-u",
                "--dependency-update",
                kind=bool,
                help="Update charts/ and the lock file first",
            ),
            flag("sign", "--sign", kind=bool, help="Write a signature (.prov) beside the package"),
            *chart_flags.SIGNING,
            *chart_flags.LOGIN,
        ),
        (Argument("charts", "CHART...", "Chart folders", many=True),),
    )
    add_command(chart, "sign", sign, chart_flags.SIGNING, (archives,))
    add_command(
        chart,
        "verify",
        verify,
        (
            chart_flags.KEYRING,
            chart_flags.COSIGN,
            chart_flags.VERSION,
            chart_flags.DEVEL,
            *chart_flags.LOGIN,
        ),
        (Argument("chart", "ARCHIVE", "A packed chart with its .prov file, or oci://HOST/PATH/CHART"),),
    )


def package(given: SimpleNamespace) -> int:
    """Pack chart folders as Helm does; the same content gives the same bytes."""
    from helmflow.helm.chart import dependencies, load
    from helmflow.helm.chart import package as packing

    _require_key(given, wanted=given.sign)
    if not given.charts:
        raise ConfigError("need at least one argument, the path to the chart", error_id="cli.usage")
    passphrases = chart_flags.passphrases(given)
    for folder in map(Path, given.charts):
        if given.dependency_update:
            from helmflow.cli import dependency_commands

            dependency_commands.update_folder(folder, chart_flags.credentials(given), lambda _: None)
        chart = load.load(folder)
        if not folder.is_dir():
            raise ChartError(
                f"{folder} is no folder of a chart",
                error_id="chart.not-a-folder",
                hint="it is packed already",
            )
        dependencies.check_present(chart)
        name, content = packing.archive(packing.versioned(chart, given.version, given.app_version))
        target = Path(given.destination) / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except OSError as cause:
            raise ChartError(f"cannot write {target}: {cause.strerror}", error_id="chart.write") from cause
        if given.sign:
            from helmflow.providers.charts import trust
            from helmflow.providers.charts.openpgp import Keyring

            ring = Keyring.load(chart_flags.keyring(given))
            trust.sign_archive(target, ring, given.key, passphrases)
        _say(f"Successfully packaged chart and saved it to: {target.absolute()}")
    return ExitCode.OK


def sign(given: SimpleNamespace) -> int:
    """Write a signature (.prov) beside each packed chart."""
    from helmflow.providers.charts import trust
    from helmflow.providers.charts.openpgp import Keyring

    _require_key(given, wanted=True)
    ring = Keyring.load(chart_flags.keyring(given))
    passphrases = chart_flags.passphrases(given)
    for archive in map(Path, given.archives):
        _say(
            f"Successfully signed chart and saved the signature to: {trust.sign_archive(archive, ring, given.key, passphrases).absolute()}"
        )
    return ExitCode.OK


def verify(given: SimpleNamespace) -> int:
    """Check that a chart was signed with a key of the keyring, or with cosign, and is what was signed."""
    if given.chart.startswith("oci://"):
        from helmflow.providers.charts.download import Wanted, download

        found = download(
            Wanted(
                chart=given.chart,
                version=given.version,
                devel=given.devel,
                credentials=chart_flags.credentials(given),
                plain_http=given.plain_http,
                # a cosign key alone asks for nothing else
                keyring="" if given.cosign_key and not given.keyring else str(chart_flags.keyring(given)),
                cosign_key=given.cosign_key,
            )
        )
        if given.cosign_key:
            _say(f"Signed with cosign: {given.cosign_key}\nDigest Verified: {found.digest}")
        sys.stdout.write(str(found.verification or ""))
        return ExitCode.OK
    if given.cosign_key:
        raise ConfigError(
            "cosign signs charts in registries", error_id="cli.usage", hint="name it as oci://HOST/PATH/CHART"
        )
    from helmflow.providers.charts import trust
    from helmflow.providers.charts.openpgp import Keyring

    path = Path(given.chart)
    trust.require_archive(path)
    sys.stdout.write(str(trust.verify_archive(path, Keyring.load(chart_flags.keyring(given)))))
    return ExitCode.OK


def _require_key(given: SimpleNamespace, *, wanted: bool) -> None:
    if wanted and not given.key:
        raise ConfigError(
            "--key is required for signing a package",
            error_id="cli.usage",
            hint="the name of the key: all or part of its identity",
        )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
