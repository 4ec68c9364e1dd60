"""Revision <-> the payload that Helm stores: JSON, gzip, base64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helmflow.helm.chart.model import Chart
from helmflow.helm.release.record import Revision


def encode(revision: Revision) -> str:
    """The text under the key `release` (a Secret's data holds it in base64 once more)."""
    raise NotImplementedError


def decode(payload: str | bytes, *, labels: Mapping[str, str] | None = None) -> Revision:
    """A payload as a Revision; HelmflowError `release.unreadable` where it is none."""
    raise NotImplementedError


def chart_record(chart: Chart) -> dict[str, Any]:
    """The JSON form of a chart in a release record: without its subcharts, as Helm stores it."""
    raise NotImplementedError
