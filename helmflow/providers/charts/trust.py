"""Packages and their provenance files: signing an archive, and accepting one only if a key of a keyring signed it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from helmflow.core import limits
from helmflow.core.errors import ChartError
from helmflow.core.records import dataclass
from helmflow.helm.chart import load, provenance
from helmflow.providers.charts.openpgp import Keyring, Passphrase, sign

SUFFIX: Final = ".prov"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whose package it is."""

    file_name: str
    file_hash: str
    signed_by: tuple[str, ...]
    fingerprint: str

    def __str__(self) -> str:
        names = "".join(f"Signed by: {name}\n" for name in self.signed_by)
        return (
            f"{names}Using Key With Fingerprint: {self.fingerprint}\nChart Hash Verified: {self.file_hash}\n"
        )


def default_keyring(environ: Mapping[str, str] = os.environ) -> Path:
    """Where Helm looks for public keys."""
    home = environ.get("GNUPGHOME")
    return (Path(home) if home else Path.home() / ".gnupg") / "pubring.gpg"


def sign_archive(path: Path, keyring: Keyring, key: str, passphrase: Passphrase) -> Path:
    """Write NAME.tgz.prov beside the archive. Raises ChartError."""
    chosen = keyring.signing_key(key)
    require_archive(path)
    content = path.read_bytes()
    text = provenance.message(load.load(path).metadata, path.name, content)
    target = path.with_name(path.name + SUFFIX)
    try:
        target.write_bytes(sign(text, chosen, passphrase))
    except OSError as cause:
        raise ChartError(f"cannot write {target}: {cause.strerror}", error_id="chart.write") from cause
    return target


def verify_archive(path: Path, keyring: Keyring) -> Verification:
    """The archive with the .prov file beside it. Raises ChartError with Helm's texts."""
    require_archive(path)
    content = path.read_bytes()
    beside = path.with_name(path.name + SUFFIX)
    try:
        with beside.open("rb") as file:
            document = file.read(limits.MAX_PROVENANCE_BYTES + 1)
    except OSError as cause:
        raise ChartError(
            f"could not load provenance file {beside}: {(cause.strerror or 'error').lower()}",
            error_id="provenance.missing",
            hint="the signer publishes it beside the archive; pull the chart with --prov",
        ) from cause
    return verify(content, path.name, document, keyring)


def verify(content: bytes, file_name: str, document: bytes, keyring: Keyring) -> Verification:
    """The archive's bytes under the name they were signed with. Raises ChartError."""
    if len(document) > limits.MAX_PROVENANCE_BYTES:
        raise ChartError(
            f"the provenance file of {file_name} is larger than {limits.MAX_PROVENANCE_BYTES:,} bytes",
            error_id="provenance.malformed",
        )
    signed = keyring.check(document)
    return Verification(
        file_name=file_name,
        file_hash=provenance.check(signed.text, file_name, content),
        signed_by=signed.signed_by,
        fingerprint=signed.fingerprint,
    )


def require_archive(path: Path) -> None:
    """Only packed charts are signed and verified. Raises ChartError."""
    if path.is_dir():
        raise ChartError("unpacked charts cannot be verified", error_id="provenance.not-packed")
    if not path.exists():
        raise ChartError(f"stat {path}: no such file or directory", error_id="chart.not-found")
    if path.suffix != ".tgz":
        raise ChartError("chart must be a tgz file", error_id="provenance.not-packed")
    if path.stat().st_size > limits.MAX_CHART_BYTES:
        raise ChartError(f"{path} is larger than {limits.MAX_CHART_BYTES:,} bytes", error_id="chart.too-big")
