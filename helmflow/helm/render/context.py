"""What dot is in a chart's templates: Chart, Release, Capabilities, Values, Files, Subcharts, Template."""

from __future__ import annotations

from helmflow.core.records import dataclass
from helmflow.gotemplate.functions import Function, table
from helmflow.gotemplate.gotypes import GoObject, StringMap, StringSlice
from helmflow.helm.chart.behaviour import HELM_3, HELM_4, Behaviour
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


class KubeVersion3(KubeVersion):
    """The same in Helm 3, whose package has another name."""

    __slots__ = ()
    go_type: ClassVar[str] = f"{HELM_3.capabilities_package}.KubeVersion"


class VersionSet3(VersionSet):
    """The same in Helm 3."""

    go_type: ClassVar[str] = f"{HELM_3.capabilities_package}.VersionSet"


class CapabilitiesObject3(CapabilitiesObject):
    """The same in Helm 3."""

    __slots__ = ()
    go_type: ClassVar[str] = f"*{HELM_3.capabilities_package}.Capabilities"

    def __init__(self, capabilities: Capabilities) -> None:
        super().__init__(capabilities)
        self.kube_version = KubeVersion3(capabilities)
        self.api_versions = VersionSet3(capabilities)


def capabilities_object(capabilities: Capabilities, behaviour: Behaviour = HELM_4) -> CapabilitiesObject:
    """.Capabilities; nothing in it can be changed, so renders share it."""
    made = CapabilitiesObject3 if behaviour is HELM_3 else CapabilitiesObject
    known = capabilities.memo.get(made.__name__)
    if known is None:
        known = capabilities.memo[made.__name__] = made(capabilities)
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


class _Struct(GoObject):
    """A Go struct with the fields that a map has; `json_keys` are their names in JSON, where what is empty is left out."""

    json_keys: ClassVar[Mapping[str, str]] = {}

    def __init__(self, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            setattr(self, name, value)

    def go_json(self) -> dict[str, Any]:
        """What toJson and toYaml show."""
        shown = {key: getattr(self, name) for name, key in self.json_keys.items()}
        return {key: value for key, value in shown.items() if value or key == "IsRoot"}


def _keys(*names: str, **odd: str) -> dict[str, str]:
    return {name: name[0].lower() + name[1:] for name in names} | odd


class MaintainerStruct(_Struct):
    """One of .Chart.Maintainers in Helm 3."""

    go_type: ClassVar[str] = "*chart.Maintainer"
    go_kind: ClassVar[str] = "ptr"
    json_keys: ClassVar[Mapping[str, str]] = _keys("Name", "Email", URL="url")
    go_fields: ClassVar[Mapping[str, str]] = {name: name for name in json_keys}


class DependencyStruct(_Struct):
    """One of .Chart.Dependencies in Helm 3."""

    go_type: ClassVar[str] = "*chart.Dependency"
    go_kind: ClassVar[str] = "ptr"
    json_keys: ClassVar[Mapping[str, str]] = _keys(
        "Name", "Version", "Repository", "Condition", "Tags", "Enabled", "Alias", ImportValues="import-values"
    )
    go_fields: ClassVar[Mapping[str, str]] = {name: name for name in json_keys}


class ChartStruct(_Struct):
    """.Chart in Helm 3: a struct, in which an unknown name is a mistake."""

    go_type: ClassVar[str] = "struct { chart.Metadata; IsRoot bool }"
    json_keys: ClassVar[Mapping[str, str]] = _keys(
        *(
            "Name",
            "Home",
            "Sources",
            "Version",
            "Description",
            "Keywords",
            "Maintainers",
            "Icon",
            "Condition",
        ),
        *("Tags", "AppVersion", "Deprecated", "Annotations", "KubeVersion", "Dependencies", "Type"),
        APIVersion="apiVersion",
        IsRoot="IsRoot",
    )
    go_fields: ClassVar[Mapping[str, str]] = {name: name for name in json_keys}


def chart_struct(chart: Chart, *, root: object) -> ChartStruct:
    """.Chart as Helm 3 has it."""
    fields = chart_map(chart, root=root)
    fields["Maintainers"] = [MaintainerStruct(one) for one in fields["Maintainers"]]
    fields["Dependencies"] = [DependencyStruct(one) for one in fields["Dependencies"]]
    return ChartStruct(fields)


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
