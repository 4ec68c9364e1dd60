"""User values over chart defaults: globals, subchart scopes, and where a null deletes a default."""

from __future__ import annotations

from typing import Any

from helmflow.helm.chart.model import Chart


def coalesce(chart: Chart, user: dict[str, Any]) -> dict[str, Any]:
    """What templates see as .Values, as a new tree that they may change. Raises ChartError."""
    raise NotImplementedError
