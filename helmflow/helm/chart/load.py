"""Directory or archive to Chart, inside the limits and with Helm's own error texts."""

from __future__ import annotations

from pathlib import Path

from helmflow.helm.chart.model import Chart


def load(path: str | Path) -> Chart:
    """The chart at `path`, a directory or a .tgz. Raises ChartError."""
    raise NotImplementedError


def load_archive(data: bytes, *, name: str = "") -> Chart:
    """The chart in the bytes of a .tgz. Raises ChartError."""
    raise NotImplementedError
