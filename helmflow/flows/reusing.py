"""Which values an upgrade starts from: the chart's, or what the deployed revision was given (Helm's four ways)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from helmflow.core.records import replace
from helmflow.flows.options import RunningOptions
from helmflow.helm.chart.model import Chart
from helmflow.helm.release.record import Revision
from helmflow.helm.values.coalesce import coalesce_tables

Json = Any


class ValuesMode(StrEnum):
    """RESET: only what is given now. REUSE: the deployed values and the deployed chart's defaults below. RESET_THEN_REUSE:
    the deployed values over the new chart's defaults. UNLESS_GIVEN: RESET_THEN_REUSE where nothing is given now."""

    RESET = "reset"
    REUSE = "reuse"
    RESET_THEN_REUSE = "reset-then-reuse"
    UNLESS_GIVEN = "unless-given"


def mode_of(running: RunningOptions, *, own: bool) -> ValuesMode:
    """What flags say, in Helm's order of precedence; `own`: the release says reuseValues."""
    if running.reset_values:
        return ValuesMode.RESET
    if running.reuse_values:
        return ValuesMode.REUSE
    if running.reset_then_reuse_values:
        return ValuesMode.RESET_THEN_REUSE
    if own:
        return ValuesMode.REUSE
    return ValuesMode.UNLESS_GIVEN if running.keep_values else ValuesMode.RESET


def reused(
    mode: ValuesMode, chart: Chart, given: Mapping[str, Json], deployed: Revision
) -> tuple[Chart, Mapping[str, Json]]:
    """The chart and the values to render."""
    if mode is ValuesMode.RESET or (mode is ValuesMode.UNLESS_GIVEN and given):
        return chart, given
    values = coalesce_tables(dict(given), dict(deployed.config), defaults=False)
    if mode is not ValuesMode.REUSE:
        return chart, values
    stored = deployed.chart.get("values")
    old = coalesce_tables(dict(deployed.config), dict(stored) if isinstance(stored, Mapping) else {})
    return replace(chart, values=old, values_text=None), values
