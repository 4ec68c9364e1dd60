"""Chart, values and capabilities to rendered text. Pure: no cluster, no clock, no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from helmflow.core.errors import Mistake
from helmflow.helm.chart.capabilities import Capabilities
from helmflow.helm.chart.model import Chart
from helmflow.helm.render.hooks import ChartHook
from helmflow.helm.render.manifests import Manifest
from helmflow.helm.render.postrender import PostRenderer


class Lookup(Protocol):
    """What the template function `lookup` asks. `name` "" lists. Returns {} where nothing is found."""

    def lookup(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """The object, or a list object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How to render. `helm_version` is the behaviour line, 4 or 3; `unread_values` is off, warn or error."""

    release_name: str = "release-name"
    namespace: str = "default"
    revision: int = 1
    is_upgrade: bool = False
    capabilities: Capabilities = field(default_factory=Capabilities)
    lookup: Lookup | None = None
    strict: bool = False
    helm_version: int = 4
    skip_schema_validation: bool = False
    enable_dns: bool = False
    include_crds: bool = False
    skip_tests: bool = False
    no_hooks: bool = False
    subchart_notes: bool = False
    legacy_hooks: bool = False
    unread_values: str = "off"
    post_renderer: PostRenderer | None = None


@dataclass(frozen=True)
class Rendered:
    """What rendering a chart gives. `values` are the coalesced values; `random_calls` name the functions used whose
    result differs from run to run; `warnings` have stable ids."""

    chart: Chart
    values: dict[str, Any]
    files: Mapping[str, str]
    manifests: tuple[Manifest, ...]
    hooks: tuple[ChartHook, ...]
    crds: tuple[Manifest, ...]
    notes: str
    warnings: tuple[Mistake, ...] = ()
    random_calls: frozenset[str] = frozenset()

    @property
    def uses_random(self) -> bool:
        """Whether two renders of the same input may differ."""
        return bool(self.random_calls)

    @property
    def manifest(self) -> str:
        """The text that a release record stores: each document as `---`, its source and its content."""
        raise NotImplementedError

    def template_output(self, *, show_only: tuple[str, ...] = ()) -> str:
        """What `helm template` prints: CRDs if asked for, manifests, then hooks."""
        raise NotImplementedError


def render(chart: Chart, values: dict[str, Any], options: RenderOptions) -> Rendered:
    """The whole way from a loaded chart and user values to ordered manifests.

    Raises ChartError (dependencies, kubeVersion, schema), TemplateError (Helm's text in `str`).
    """
    raise NotImplementedError
