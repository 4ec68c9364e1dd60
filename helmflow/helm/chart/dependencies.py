"""Which dependencies are on: conditions, tags, aliases; and which of their values the parent imports."""

from __future__ import annotations

from typing import Any

from helmflow.helm.chart.model import Chart


def process(chart: Chart, values: dict[str, Any]) -> tuple[Chart, dict[str, Any]]:
    """The chart with only its enabled dependencies, under their aliases, and values after import-values.

    Pure: `chart` and `values` (what the user set) stay as they are. The second result is what to coalesce.
    """
    raise NotImplementedError
