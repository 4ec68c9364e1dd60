"""What a provenance file says of a package: its Chart.yaml and the sha256 of the archive, in Helm's form."""

from __future__ import annotations

import hashlib
from typing import Final

from helmflow.core import yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.core.go_json import go_quote
from helmflow.helm.chart import records
from helmflow.helm.chart.model import Metadata

_BETWEEN: Final = b"\n...\n"  # the end of a YAML document: `---` may not stand in a clear-signed text


def message(found: Metadata, file_name: str, content: bytes) -> bytes:
    """The text that is signed for the package `file_name`."""
    about = yaml_dialect.dump(records.metadata(found)).encode()
    sums = yaml_dialect.dump({"files": {file_name: digest(content)}}).encode()
    return about + _BETWEEN + sums


def check(text: bytes, file_name: str, content: bytes) -> str:
    """The archive's digest, if the signed text names it for `file_name`; else ChartError with Helm's text."""
    promised = _files(text).get(file_name)
    found = digest(content)
    if promised is None:
        raise ChartError(
            f"provenance does not contain a SHA for a file named {go_quote(file_name)}",
            error_id="provenance.other-file",
            hint="a signed package keeps the name it was signed under",
        )
    if promised != found:
        raise ChartError(
            f"sha256 sum does not match for {file_name}: {go_quote(str(promised))} != {go_quote(found)}",
            error_id="provenance.digest-mismatch",
            hint="the archive is not the one that was signed; nothing of it was used",
        )
    return found


def digest(content: bytes) -> str:
    """sha256:HEX."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _files(text: bytes) -> dict[str, object]:
    parts = text.replace(b"\r\n", b"\n").split(_BETWEEN)
    if len(parts) < 2:
        raise ChartError("message block must have at least two parts", error_id="provenance.malformed")
    try:
        sums = yaml_dialect.load(parts[1], name="provenance")
    except ValueError as cause:
        raise ChartError(
            f"the provenance file's sums cannot be read: {cause}", error_id="provenance.malformed"
        ) from cause
    files = sums.get("files") if isinstance(sums, dict) else None
    if not isinstance(files, dict):
        raise ChartError("the provenance file names no files", error_id="provenance.malformed")
    return files
