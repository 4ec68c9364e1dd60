"""The public Python API: render templates and charts exactly as Helm does, from scripts, notebooks and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helmflow.core.records import dataclass

if TYPE_CHECKING:
    from helmflow.helm.chart.model import Chart

__all__ = ["Rendered", "coalesce_values", "load_chart", "parse_set", "render_chart", "render_text"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered chart: `files` is the text per template path (NOTES.txt too), `manifest` what `helm template` prints,
    hooks included, `notes` what Helm shows after an install, `warnings` what a chart's user should know."""

    files: Mapping[str, str]
    manifest: str
    notes: str
    warnings: tuple[str, ...] = ()


def render_text(template: str, values: Mapping[str, Any], name: str = "template") -> str:
    """The template with dot and $ being `values`, in which every number becomes a float64 as in Helm.

    A missing key gives nothing. Raises TemplateError with Helm's text.
    """
    from helmflow.helm.render.engine import render_template
    from helmflow.helm.values.coalesce import Values

    return render_template(template, Values(_floats(values)), name)


def load_chart(path: str | Path) -> Chart:
    """The chart in a directory or .tgz. Raises ChartError."""
    from helmflow.helm.chart.load import load

    return load(path)


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
    """The chart rendered as `helm template` does, without a cluster.

    Numbers in `values` become float64, as in a values file; what `parse_set` gave keeps its int64. Raises ChartError,
    TemplateError.
    """
    from helmflow.helm.chart.capabilities import Capabilities
    from helmflow.helm.render.engine import RenderOptions, render

    capabilities = Capabilities()
    if kube_version is not None:
        capabilities = capabilities.with_kube_version(kube_version)
    if api_versions:
        capabilities = capabilities.with_api_versions(tuple(api_versions))
    options = RenderOptions(
        release_name=release_name,
        namespace=namespace,
        revision=revision,
        is_upgrade=is_upgrade,
        capabilities=capabilities,
        installable=False,
    )
    rendered = render(chart, _floats(values or {}), options)
    return Rendered(
        files=rendered.files,
        manifest=rendered.template_output(),
        notes=rendered.notes,
        warnings=tuple(warning.message for warning in rendered.warnings),
    )


def coalesce_values(chart: Chart, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the chart's templates would see as .Values. Raises ChartError."""
    from helmflow.helm.values.coalesce import coalesce

    return coalesce(chart, _floats(values))


def parse_set(expression: str, kind: str = "set") -> dict[str, Any]:
    """A --set expression as values; its whole numbers are int64.

    `kind` is set, set-string, set-json, set-file or set-literal. Raises ConfigError.
    """
    from typing import get_args

    from helmflow.core.errors import ConfigError
    from helmflow.helm.values.strvals import Kind, parse

    if kind not in get_args(Kind):
        raise ConfigError(
            f"kind must be one of {', '.join(get_args(Kind))}, not {kind!r}", error_id="api.set-kind"
        )
    return parse(expression, kind=kind)  # type: ignore[arg-type]


def _floats(values: Any) -> Any:
    """The tree with plain ints as float64; Int64 and the like stay."""
    if isinstance(values, Mapping):
        return {str(key): _floats(item) for key, item in values.items()}
    if isinstance(values, list | tuple):
        return [_floats(item) for item in values]
    return float(values) if type(values) is int else values
