"""What a chart is once loaded: metadata, values, templates, files, CRDs and its dependencies."""

from __future__ import annotations

import marshal
from _blake2 import blake2b  # hashlib's own, without what importing hashlib costs

from helmflow.core.lazy import cached_property
from helmflow.core.records import dataclass, field, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


@dataclass(frozen=True, slots=True)
class Maintainer:
    """Who keeps a chart."""

    name: str = ""
    email: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A chart that another one declares, in Chart.yaml or requirements.yaml."""

    name: str = ""
    version: str = ""
    repository: str = ""
    condition: str = ""
    tags: tuple[str, ...] = ()
    enabled: bool = False
    import_values: tuple[Any, ...] = ()
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Chart.yaml. `dependencies` may hold None where the list has a null, which validation refuses."""

    name: str = ""
    version: str = ""
    api_version: str = ""
    app_version: str = ""
    kube_version: str = ""
    description: str = ""
    type: str = ""
    home: str = ""
    icon: str = ""
    condition: str = ""
    tags: str = ""
    deprecated: bool = False
    sources: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    maintainers: tuple[Maintainer | None, ...] = ()
    dependencies: tuple[Dependency | None, ...] = ()

    @property
    def declared(self) -> tuple[Dependency, ...]:
        """The declared dependencies without nulls."""
        return tuple(dependency for dependency in self.dependencies if dependency is not None)


@dataclass(frozen=True, slots=True)
class Lock:
    """Chart.lock or requirements.lock: what a range of versions was resolved to."""

    generated: str = ""
    digest: str = ""
    dependencies: tuple[Dependency, ...] = ()


@dataclass(frozen=True)
class ChartFile:
    """A file of a chart: its name, relative to the chart with `/`, and its bytes."""

    name: str
    data: bytes

    @cached_property
    def text(self) -> str:
        """The file as text; bytes that are no UTF-8 survive as surrogates."""
        return self.data.decode("utf-8", "surrogateescape")

    def __getattr__(self, name: str) -> bytes:
        """The bytes of a file of which only the text was kept."""
        if name != "data" or "text" not in self.__dict__:
            raise AttributeError(name)
        data = self.__dict__["data"] = self.text.encode("utf-8", "surrogateescape")
        return data

    @cached_property
    def digest(self) -> bytes:
        """Names the content."""
        return blake2b(self.data, digest_size=16).digest()


@dataclass(frozen=True)
class CrdFile:
    """A file under crds/: `name` relative to its chart, `filename` from the top chart (parent/charts/child/crds/x.yaml)."""

    name: str
    filename: str
    data: bytes

    @cached_property
    def text(self) -> str:
        """The file as text."""
        return self.data.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Chart:
    """A chart and the charts in it. Never changed: processing dependencies makes a new one.

    `values` are the chart's defaults as values.yaml gives them, shared: copy with `own_values()` before changing.
    `files` are all others that templates may read; `raw` are all files as they were found; `modified` values
    (after import-values) are no longer those of `values_text`.
    """

    metadata: Metadata
    values: dict[str, Any] = field(default_factory=dict)
    values_text: bytes | None = None
    schema: bytes | None = None
    templates: tuple[ChartFile, ...] = ()
    files: tuple[ChartFile, ...] = ()
    dependencies: tuple[Chart, ...] = ()
    lock: Lock | None = None
    raw: tuple[ChartFile, ...] = ()
    digest: str = ""
    path: str = ""

    @property
    def name(self) -> str:
        """The chart's name: its alias where it has one."""
        return self.metadata.name

    @property
    def is_library(self) -> bool:
        """Helm decides it on the type alone, in any case."""
        return self.metadata.type.lower() == "library"

    @cached_property
    def memo(self) -> dict[Any, Any]:
        """What other layers worked out from this chart alone; lives as long as the chart and may be dropped."""
        return {}

    @cached_property
    def values_blob(self) -> bytes:
        """The default values serialised: loading this is the cheapest deep copy there is."""
        return marshal.dumps(self.values)

    def own_values(self) -> dict[str, Any]:
        """A copy of the default values that the caller may change."""
        copy: dict[str, Any] = marshal.loads(self.values_blob)
        return copy

    def named(self, name: str) -> Chart:
        """The same chart under another name."""
        return replace(self, metadata=replace(self.metadata, name=name))

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Chart]]:
        """This chart and every chart in it with the full path Helm names it by: `parent/charts/child`."""
        path = f"{prefix}/charts/{self.name}" if prefix else self.name
        yield path, self
        for dependency in self.dependencies:
            yield from dependency.walk(path)

    @property
    def crds(self) -> tuple[CrdFile, ...]:
        """The files of crds/ of this chart, then of each dependency."""
        return tuple(self._crds(""))

    def _crds(self, prefix: str) -> Iterator[CrdFile]:
        path = f"{prefix}/charts/{self.name}" if prefix else self.name
        for file in self.files:
            if file.name.startswith("crds/") and file.name.endswith((".yaml", ".yml", ".json")):
                yield CrdFile(file.name, f"{path}/{file.name}", file.data)
        for dependency in self.dependencies:
            yield from dependency._crds(path)
