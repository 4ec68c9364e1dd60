"""What dot is in a chart's templates: Chart, Release, Capabilities, Values, Files, Subcharts, Template."""

from __future__ import annotations

from helmflow.core.records import dataclass
from helmflow.gotemplate.functions import Function, table
from helmflow.gotemplate.gotypes import GoObject, StringMap, StringSlice
from helmflow.helm.chart.capabilities import GO_VERSION, HELM_VERSION, KUBE_CLIENT_VERSION, Capabilities
from helmflow.helm.chart.model import Chart, Dependency, Maintainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar


class KubeVersion(GoObject):
    """.Capabilities.KubeVersion: printed alone it is its version, as an argument all its fields."""

    __slots__ = ("major", "minor", "normalised", "version")
    go_type: ClassVar[str] = "common.KubeVersion"
    go_fields: ClassVar[Mapping[str, str]] = {
        "Version": "version", "normalizedVersion": "normalised", "Major": "major", "Minor": "minor",
    }  # fmt: skip

    def __init__(self, capabilities: Capabilities) -> None:
        self.version = capabilities.kube_version
        self.normalised = capabilities.normalised
        self.major, self.minor = capabilities.major_minor

    def go_json(self) -> dict[str, str]:
        """What toJson and toYaml show."""
        return {"Version": self.version, "Major": self.major, "Minor": self.minor}

    go_pointer_methods = frozenset({"String"})
    go_methods: ClassVar[Mapping[str, Function]] = table(
        Function("String", lambda self: self.normalised, (), returns="string"),
        Function("GitVersion", lambda self: self.version, (), returns="string"),
    )


class BuildInfo(GoObject):
    """.Capabilities.HelmVersion."""

    __slots__ = ()
    go_type: ClassVar[str] = "version.BuildInfo"
    go_fields: ClassVar[Mapping[str, str]] = {
        "Version": "version", "GitCommit": "git_commit", "GitTreeState": "git_tree_state", "GoVersion": "go_version",
        "KubeClientVersion": "kube_client_version",
    }  # fmt: skip
    version: ClassVar[str] = HELM_VERSION
    git_commit: ClassVar[str] = ""
    git_tree_state: ClassVar[str] = ""
    go_version: ClassVar[str] = GO_VERSION
    kube_client_version: ClassVar[str] = KUBE_CLIENT_VERSION

    def go_json(self) -> dict[str, str]:
        """What toJson and toYaml show."""
        return {
            "version": self.version,
            "go_version": self.go_version,
            "kube_client_version": self.kube_client_version,
        }


class VersionSet(StringSlice, GoObject):
    """.Capabilities.APIVersions."""

    go_type: ClassVar[str] = "common.VersionSet"
    go_kind: ClassVar[str] = "slice"
    go_methods: ClassVar[Mapping[str, Function]] = table(
        Function("Has", lambda self, version: version in self.known, ("string",), returns="bool"),
    )

    def __init__(self, capabilities: Capabilities) -> None:
        super().__init__(capabilities.api_versions)
        self.known = capabilities.api_version_set


class CapabilitiesObject(GoObject):
    """.Capabilities."""

    __slots__ = ("api_versions", "helm_version", "kube_version")
    go_type: ClassVar[str] = "*common.Capabilities"
    go_kind: ClassVar[str] = "ptr"
    go_fields: ClassVar[Mapping[str, str]] = {
        "KubeVersion": "kube_version", "APIVersions": "api_versions", "HelmVersion": "helm_version",
    }  # fmt: skip

    def __init__(self, capabilities: Capabilities) -> None:
        self.kube_version = KubeVersion(capabilities)
        self.api_versions = VersionSet(capabilities)
        self.helm_version = BuildInfo()

    def go_json(self) -> dict[str, Any]:
        """What toJson and toYaml show."""
        return {
            "KubeVersion": self.kube_version,
            "APIVersions": self.api_versions,
            "HelmVersion": self.helm_version,
        }

    go_methods: ClassVar[Mapping[str, Function]] = table(
        Function("Copy", lambda self: self, (), returns="*common.Capabilities"),
    )


def capabilities_object(capabilities: Capabilities) -> CapabilitiesObject:
    """.Capabilities; nothing in it can be changed, so renders share it."""
    known = capabilities.memo.get("templates")
    if known is None:
        known = capabilities.memo["templates"] = CapabilitiesObject(capabilities)
    found: CapabilitiesObject = known
    return found


class NoAnnotations(StringMap):
    """A nil map[string]string: empty, but null in JSON and YAML."""

    go_nil: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Release:
    """What .Release says."""

    name: str
    namespace: str
    revision: int
    is_upgrade: bool

    def as_map(self) -> dict[str, Any]:
        """The map that templates see."""
        return {
            "Name": self.name,
            "Namespace": self.namespace,
            "IsUpgrade": self.is_upgrade,
            "IsInstall": not self.is_upgrade,
            "Revision": self.revision,
            "Service": "Helm",
        }


def chart_map(chart: Chart, *, root: object) -> dict[str, Any]:
    """.Chart: Go's field names, every field there, an unknown one empty."""
    data = chart.metadata
    return {
        "Name": data.name,
        "Home": data.home,
        "Sources": list(data.sources),
        "Version": data.version,
        "Description": data.description,
        "Keywords": list(data.keywords),
        "Maintainers": [_maintainer(one) for one in data.maintainers if one is not None],
        "Icon": data.icon,
        "APIVersion": data.api_version,
        "Condition": data.condition,
        "Tags": data.tags,
        "AppVersion": data.app_version,
        "Deprecated": data.deprecated,
        "Annotations": StringMap(data.annotations) if data.annotations else NoAnnotations(),
        "KubeVersion": data.kube_version,
        "Dependencies": [_dependency(one) for one in data.declared],
        "Type": data.type,
        "IsRoot": bool(root),
    }


def _maintainer(one: Maintainer) -> dict[str, Any]:
    return {"Name": one.name, "Email": one.email, "URL": one.url}


def _dependency(one: Dependency) -> dict[str, Any]:
    return {
        "Name": one.name,
        "Version": one.version,
        "Repository": one.repository,
        "Condition": one.condition,
        "Tags": list(one.tags),
        "Enabled": one.enabled,
        "ImportValues": [
            StringMap(entry) if isinstance(entry, dict) else entry for entry in one.import_values
        ],
        "Alias": one.alias,
    }
