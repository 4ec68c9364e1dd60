"""A loaded chart as a .tgz: Helm's layout, and the same bytes for the same content."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterator
from typing import Final

from helmflow.core import semver, yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.core.records import replace
from helmflow.helm.chart import load, records
from helmflow.helm.chart.model import Chart, ChartFile

_MODE: Final = 0o644


def archive(chart: Chart) -> tuple[str, bytes]:
    """The file name Helm gives the package, and its bytes.

    Members are Helm's, in its order: Chart.yaml and Chart.lock written anew, everything else as it is, and the
    dependencies as folders. Their time is fixed, so equal charts give equal bytes.
    """
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, data in _members(chart, ""):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = _MODE
            tar.addfile(member, io.BytesIO(data))
    return f"{chart.metadata.name}-{chart.metadata.version}.tgz", buffer.getvalue()


def versioned(chart: Chart, version: str = "", app_version: str = "") -> Chart:
    """The chart with another version or appVersion, also in its Chart.yaml; comments there stay."""
    if not version and not app_version:
        return chart
    if version:
        try:
            semver.Version.parse_strict(version)
        except ValueError as cause:
            raise ChartError(f"{version!r} is no version: {cause}", error_id="chart.bad-version") from cause
    files = []
    for file in chart.raw:
        data = file.data
        if file.name == "Chart.yaml":
            for key, value in (("version", version), ("appVersion", app_version)):
                data = _with_field(data, key, value) if value else data
        files.append(ChartFile(file.name, data))
    return replace(load.load_files(files), path=chart.path)


def _members(chart: Chart, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of everything that Helm packs, dependencies last."""
    base = f"{prefix}{chart.metadata.name}/"
    is_old = (
        chart.metadata.api_version == "v1"
    )  # its dependencies are in requirements.yaml, which is among the files
    about = replace(chart.metadata, dependencies=()) if is_old else chart.metadata
    yield base + "Chart.yaml", yaml_dialect.dump(records.metadata(about)).encode()
    if chart.lock is not None and not is_old:
        yield base + "Chart.lock", yaml_dialect.dump(records.lock(chart.lock)).encode()
    if chart.values_text is not None:
        yield base + "values.yaml", chart.values_text
    if chart.schema is not None:
        try:
            json.loads(chart.schema)
        except ValueError as cause:
            raise ChartError("invalid JSON in values.schema.json", error_id="chart.bad-schema") from cause
        yield base + "values.schema.json", chart.schema
    for file in (*chart.templates, *chart.files):
        yield base + file.name, file.data
    for dependency in chart.dependencies:
        yield from _members(dependency, f"{base}charts/")


def _with_field(data: bytes, key: str, value: str) -> bytes:
    line = f'{key}: "{value}"'.encode()
    changed, count = re.subn(rb"(?m)^" + key.encode() + rb":.*$", line, data, count=1)
    return changed if count else data.rstrip(b"\n") + b"\n" + line + b"\n"
