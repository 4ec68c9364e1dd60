"""Flags that several commands on single charts share: where a chart comes from, with which values, signed by whom."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from helmflow.cli.flags import flag
from helmflow.core.errors import ChartError, ConfigError
from helmflow.core.sensitive import SecretText

if TYPE_CHECKING:
    from helmflow.providers.charts.download import Wanted
    from helmflow.providers.charts.openpgp import Passphrase
    from helmflow.providers.http import Credentials

VALUES: Final = (
    flag("values", "-f", "--values", kind=list, help="Values file; later ones win"),
    flag("set", "--set", kind=list, help="Values: a.b=c"),
    flag("set_string", "--set-string", kind=list, help="Values that stay strings"),
    flag("set_json", "--set-json", kind=list, help="Values as JSON"),
    flag("set_file", "--set-file", kind=list, help="Values from files"),
    flag("set_literal", "--set-literal", kind=list, help="Values without any syntax"),
)
LOGIN: Final = (
    flag("username", "--username", help="User at the repository or registry"),
    flag(
        "password",
        "--password",
        help="Password or token; visible to other users of this machine: prefer a login",
    ),
    flag("cert_file", "--cert-file", help="Client certificate for TLS"),
    flag("key_file", "--key-file", help="Its key"),
    flag("ca_file", "--ca-file", help="Authority that signed the server's certificate"),
    flag(
        "insecure_skip_tls_verify",
        "--insecure-skip-tls-verify",
        kind=bool,
        help="Accept any certificate",
    ),
    flag("plain_http", "--plain-http", "--oci-plain-http", kind=bool, help="Registries over plain HTTP"),
)
VERSION: Final = flag("version", "--version", help="Version or range; the newest release by default")
DEVEL: Final = flag("devel", "--devel", kind=bool, help="Pre-releases too")
KEYRING: Final = flag("keyring", "--keyring", help="File of keys [$GNUPGHOME or ~/.gnupg, pubring.gpg]")
VERIFY: Final = flag("verify", "--verify", kind=bool, help="Refuse charts that no key of the keyring signed")
COSIGN: Final = flag(
    "cosign_key",
    "--cosign-key",
    help="Refuse charts of registries that cosign did not sign with this public key",
)
# Where one chart is fetched from, and who must have signed it.
REMOTE: Final = (
    VERSION,
    DEVEL,
    flag("repository", "--repo", help="Repository of the chart"),
    flag("pass_credentials", "--pass-credentials", kind=bool, help="Send credentials to other hosts too"),
    VERIFY,
    KEYRING,
    COSIGN,
    *LOGIN,
)
SIGNING: Final = (
    flag("key", "--key", help="Name of the key: all or part of its identity"),
    KEYRING,
    flag(
        "passphrase_file",
        "--passphrase-file",
        help="File whose first line unlocks the key; - is standard input",
    ),
)


def credentials(given: SimpleNamespace) -> Credentials:
    """What --username and its relatives say."""
    from helmflow.providers.http import Credentials

    return Credentials(
        username=given.username,
        password=SecretText(given.password),
        ca_file=given.ca_file,
        cert_file=given.cert_file,
        key_file=given.key_file,
        insecure_skip_tls_verify=given.insecure_skip_tls_verify,
        pass_on=bool(vars(given).get("pass_credentials")),
    )


def wanted(given: SimpleNamespace, chart: str, *, provenance: bool = False) -> Wanted:
    """What REMOTE's flags say about a chart that is fetched."""
    from helmflow.providers.charts.download import Wanted

    return Wanted(
        chart=chart,
        version=given.version,
        repository=given.repository,
        credentials=credentials(given),
        plain_http=given.plain_http,
        devel=given.devel,
        keyring=str(keyring(given)) if given.verify else "",
        cosign_key=given.cosign_key,
        provenance=provenance,
    )


def keyring(given: SimpleNamespace) -> Path:
    """The chosen keyring, or where Helm looks for one."""
    from helmflow.providers.charts.trust import default_keyring

    return Path(given.keyring) if given.keyring else default_keyring()


def passphrases(given: SimpleNamespace) -> Passphrase:
    """How a locked key is unlocked: --passphrase-file (read once), else a question at the terminal."""
    known: list[SecretText] = []

    def ask(name: str) -> SecretText:
        if not known:
            known.append(_from_file(given.passphrase_file) if given.passphrase_file else _from_person(name))
        return known[0]

    return ask


def values(given: SimpleNamespace) -> dict[str, Any]:
    """The values files and sets, in Helm's order."""
    from helmflow.helm.chart import load
    from helmflow.helm.values import strvals

    merged: dict[str, Any] = {}
    for name in given.values:
        try:
            merged = load.merge_maps(merged, load.load_values(_read(name)))
        except ChartError as cause:
            raise ConfigError(
                f"failed to parse {name}: {cause}", error_id="values.bad-yaml", span=cause.span
            ) from cause
    for kind in ("set-json", "set", "set-string", "set-file", "set-literal"):
        for expression in getattr(given, kind.replace("-", "_")):
            merged = strvals.apply(merged, expression, kind=kind, read_file=_text)
    return merged


def _text(name: str) -> str:
    return _read(name).decode("utf-8", "surrogateescape")


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as cause:
        raise ConfigError(
            f"cannot read the values file {name}: {cause.strerror}", error_id="values.missing-file"
        ) from cause


def _from_file(name: str) -> SecretText:
    if name == "-" and sys.stdin.isatty():
        raise ConfigError(
            "specified reading passphrase from stdin, without input on stdin", error_id="cli.no-passphrase"
        )
    try:
        text = sys.stdin.readline() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as cause:
        raise ConfigError(
            f"cannot read the passphrase file {name}: {cause.strerror}", error_id="cli.no-passphrase"
        ) from cause
    return SecretText(text.partition("\n")[0].removesuffix("\r"))


def _from_person(name: str) -> SecretText:
    if not sys.stdin.isatty():
        raise ConfigError(
            f"the key {name} is locked, and there is nobody to ask for its passphrase",
            error_id="cli.no-passphrase",
            hint="--passphrase-file FILE, or - for standard input",
        )
    import getpass

    return SecretText(getpass.getpass(f'Password for key "{name}" > '))
