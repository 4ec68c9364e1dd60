"""Charts for tests: from a table of files to memory, to a folder and to an archive."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from helmflow.helm.chart.load import load_files
from helmflow.helm.chart.model import Chart, ChartFile

Content = str | bytes


def encoded(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")


def files_of(files: Mapping[str, Content]) -> list[ChartFile]:
    return [ChartFile(name, encoded(content)) for name, content in files.items()]


def chart_of(files: Mapping[str, Content]) -> Chart:
    """The chart in these files; Chart.yaml is chart c 1.2.3 unless given."""
    return load_files(files_of({"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.2.3\n", **files}))


def write_chart(path: Path, files: Mapping[str, Content]) -> Path:
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encoded(content))
    return path


def archive_of(members: Mapping[str, Content | tarfile.TarInfo]) -> bytes:
    """A .tgz of these members; a TarInfo stands for a member without content (a link, a device)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(encoded(content))
            tar.addfile(info, io.BytesIO(encoded(content)))
    return gzip.compress(raw.getvalue(), mtime=0)
