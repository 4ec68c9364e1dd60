"""Which resources are served: the built-in ones and those of CustomResourceDefinitions."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from helmflow.core.records import dataclass, field
from helmflow.embedded import schema as schemas
from helmflow.embedded.schema import Schema

Json = dict[str, Any]

CRDS: Final = "apiextensions.k8s.io/customresourcedefinitions"
_ALL_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
# Kinds stored once and served in two versions or groups: served resource -> stored group and version.
_STORED_ELSEWHERE: Final = {
    ("events.k8s.io", "v1", "events"): ("", "v1"),
    ("autoscaling", "v1", "horizontalpodautoscalers"): ("autoscaling", "v2"),
}


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource: status, scale, log, ... `group`, `version` and `kind` are its body's."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One served resource in one version."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...] = _ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: dict[str, Subresource] = field(default_factory=dict)
    hash: str = ""
    type_name: str = ""
    crd: Json | None = None
    crd_version: Json | None = None
    list_kind: str = ""

    @property
    def api_version(self) -> str:
        """group/version, or version alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def key(self) -> str:
        """Where objects are stored, whichever version serves them."""
        return f"{self.stored_as[0]}/{self.plural}"

    @cached_property
    def stored_as(self) -> tuple[str, str]:
        """Group and version in which objects are stored."""
        if self.crd is not None:
            return self.group, next(v["name"] for v in self.crd["spec"]["versions"] if v.get("storage"))
        return _STORED_ELSEWHERE.get((self.group, self.version, self.plural), (self.group, self.version))

    @property
    def stored_version(self) -> str:
        """The apiVersion of stored bodies."""
        group, version = self.stored_as
        return f"{group}/{version}" if group else version

    @property
    def has_status(self) -> bool:
        """Whether /status is a subresource."""
        return "status" in self.subresources

    @cached_property
    def schema(self) -> Schema:
        """The schema of its objects."""
        if self.crd_version is not None:
            raw = (self.crd_version.get("schema") or {}).get("openAPIV3Schema")
            preserve = bool((self.crd or {}).get("spec", {}).get("preserveUnknownFields")) or raw is None
            return schemas.custom_schema(raw, preserve=preserve)
        return schemas.catalogue().type(self.type_name)

    @property
    def ignored(self) -> dict[str, Any]:
        """Fields that a write to the main resource leaves alone."""
        return {"f:status": {}} if self.has_status else {}

    def ignored_by(self, subresource: str) -> dict[str, Any]:
        """Fields that a write through `subresource` ("" is the resource itself) leaves alone."""
        if subresource == "status":
            if self.crd is not None:
                return {"f:apiVersion": {}, "f:kind": {}, "f:metadata": {}, "f:spec": {}}
            return {"f:spec": {}}
        return self.ignored


class Registry:
    """The served resources, in discovery's order. Immutable; made anew when a CRD changes."""

    def __init__(self, crds: list[Json]) -> None:
        self.groups: dict[str, dict[str, dict[str, Resource]]] = {}
        self.crds = [crd for crd in crds if _served(crd)]
        self._add_built_in()
        for crd in self.crds:
            self._add_crd(crd)

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource at a path."""
        return self.groups.get(group, {}).get(version, {}).get(plural)

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an apiVersion and kind."""
        group, slash, version = api_version.rpartition("/")
        for resource in self.groups.get(group if slash else "", {}).get(version, {}).values():
            if resource.kind == kind:
                return resource
        return None

    def by_key(self, key: str) -> Resource | None:
        """The resource whose stored objects have this key, in its storage version."""
        group, _, plural = key.rpartition("/")
        for resources in self.groups.get(group, {}).values():
            resource = resources.get(plural)
            if resource is not None and resource.stored_as == (resource.group, resource.version):
                return resource
        return None

    def _add_built_in(self) -> None:
        for group in schemas.catalogue().groups:
            for version in group["versions"]:
                served = self.groups.setdefault(group["name"], {}).setdefault(version["name"], {})
                for entry in version["resources"]:
                    served[entry["name"]] = _built_in(group["name"], version["name"], entry)

    def _add_crd(self, crd: Json) -> None:
        spec, names = crd["spec"], crd["status"].get("acceptedNames") or crd["spec"]["names"]
        for version in sorted(
            (v for v in spec["versions"] if v.get("served")), key=lambda v: version_rank(v["name"])
        ):
            served = self.groups.setdefault(spec["group"], {}).setdefault(version["name"], {})
            subresources = {}
            verbs = ("get", "patch", "update")
            declared = version.get("subresources") or {}
            if "status" in declared:
                subresources["status"] = Subresource("status", "", "", names["kind"], verbs)
            if "scale" in declared:
                subresources["scale"] = Subresource("scale", "autoscaling", "v1", "Scale", verbs)
            served[names["plural"]] = Resource(
                group=spec["group"], version=version["name"], plural=names["plural"],
                singular=names.get("singular") or names["kind"].lower(), kind=names["kind"],
                namespaced=spec["scope"] == "Namespaced", short_names=tuple(names.get("shortNames") or ()),
                categories=tuple(names.get("categories") or ()), subresources=subresources, crd=crd, crd_version=version,
                list_kind=names.get("listKind") or names["kind"] + "List",
            )  # fmt: skip
        ranked = self.groups.get(spec["group"], {})
        self.groups[spec["group"]] = dict(sorted(ranked.items(), key=lambda item: version_rank(item[0])))


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts versions as Kubernetes does: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name."""
    import re  # only CRDs with several versions need it

    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), "")


def _served(crd: Json) -> bool:
    conditions = {c["type"]: c["status"] for c in crd.get("status", {}).get("conditions") or ()}
    return conditions.get("Established") == "True"


def _built_in(group: str, version: str, entry: Json) -> Resource:
    subresources = {
        sub["name"]: Subresource(
            sub["name"], sub.get("group", ""), sub.get("version", ""), sub["kind"], tuple(sub["verbs"])
        )
        for sub in entry.get("sub", ())
    }
    return Resource(
        group=group, version=version, plural=entry["name"], singular=entry["singular"], kind=entry["kind"],
        namespaced=entry["namespaced"], verbs=tuple(entry["verbs"]), short_names=tuple(entry.get("shortNames", ())),
        categories=tuple(entry.get("categories", ())), subresources=subresources, hash=entry["hash"],
        type_name=entry["type"], list_kind=entry["kind"] + "List",
    )  # fmt: skip
