"""A loaded chart as a .tgz: Helm's layout, and the same bytes for the same content."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from dataclasses import replace
from typing import Final

from helmflow.core import semver
from helmflow.core.errors import ChartError
from helmflow.helm.chart import load
from helmflow.helm.chart.model import Chart, ChartFile

_MODE: Final = 0o644


def archive(chart: Chart) -> tuple[str, bytes]:
    """The file name Helm gives the package, and its bytes.

    Members stand in the chart's own order below NAME/ with a fixed time, so equal charts give equal bytes.
    """
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for file in chart.raw:
            member = tarfile.TarInfo(f"{chart.metadata.name}/{file.name}")
            member.size = len(file.data)
            member.mode = _MODE
            tar.addfile(member, io.BytesIO(file.data))
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


def with_dependencies(chart: Chart, completed: Chart) -> Chart:
    """`chart` with the archives of the dependencies that only `completed` has, in charts/."""
    present = {dependency.metadata.name for dependency in chart.dependencies}
    added = [
        ChartFile(f"charts/{name}", content)
        for dependency in completed.dependencies
        if dependency.metadata.name not in present
        for name, content in [archive(dependency)]
    ]
    return replace(load.load_files([*chart.raw, *added]), path=chart.path) if added else chart


def _with_field(data: bytes, key: str, value: str) -> bytes:
    line = f'{key}: "{value}"'.encode()
    changed, count = re.subn(rb"(?m)^" + key.encode() + rb":.*$", line, data, count=1)
    return changed if count else data.rstrip(b"\n") + b"\n" + line + b"\n"
