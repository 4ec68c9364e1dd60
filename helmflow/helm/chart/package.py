"""A loaded chart as a .tgz: Helm's layout, and the same bytes for the same content."""

from __future__ import annotations

import gzip
import io
import tarfile

from helmflow.helm.chart.model import Chart

# Helm names itself in the gzip header; readers ignore it, and people recognise the file by it.
_MODE = 0o644


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
