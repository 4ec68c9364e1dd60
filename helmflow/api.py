"""The public Python API: render templates and charts exactly as Helm does, from scripts, notebooks and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helmflow.helm.chart.model import Chart
from helmflow.helm.render.engine import Rendered

__all__ = ["Chart", "Rendered", "coalesce_values", "load_chart", "parse_set", "render_chart", "render_text"]


def render_text(template: str, values: Mapping[str, Any], name: str = "template") -> str:
    """The template with dot and $ being `values`. Raises TemplateError."""
    raise NotImplementedError


def load_chart(path: str | Path) -> Chart:
    """The chart in a directory or .tgz. Raises ChartError."""
    raise NotImplementedError


def render_chart(
    chart: Chart,
    values: Mapping[str, Any] | None = None,
    *,
    release_name: str = "release-name",
    namespace: str = "default",
    kube_version: str | None = None,
    api_versions: Sequence[str] = (),
    is_upgrade: bool = False,
    revision: int = 1,
) -> Rendered:
    """The chart rendered as `helm template` does. Raises ChartError, TemplateError."""
    raise NotImplementedError


def coalesce_values(chart: Chart, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the chart's templates would see as .Values. Raises ChartError."""
    raise NotImplementedError


def parse_set(expression: str, kind: str = "set") -> dict[str, Any]:
    """A --set expression as values. `kind`: set, set-string, set-json, set-file, set-literal. Raises ConfigError."""
    raise NotImplementedError
