"""Kind <-> URL path and scope: one aggregated discovery per cluster, kept on disk and revalidated by ETag."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from helmflow.core.errors import ClusterError
from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass, field

ACCEPT = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json"
)
CACHE_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Resource:
    """A served kind: where it lives and what can be asked of it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()
    short_names: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()

    @property
    def root(self) -> str:
        """The URL path of its group and version."""
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of a collection (without a name), an object or a subresource."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Discovery:
    """Everything a cluster serves. `stale` names groups whose own server did not answer."""

    resources: Mapping[tuple[str, str], Resource]
    versions: tuple[str, ...] = ()
    stale: tuple[str, ...] = field(default=())

    def find(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a kind, None where it is not served."""
        return self.resources.get((api_version, kind))

    def resource(self, api_version: str, kind: str) -> Resource:
        """The resource of a kind; ClusterError `cluster.unknown-kind` where it is not served."""
        found = self.find(api_version, kind)
        if found is None:
            raise unknown_kind(api_version, kind, self)
        return found

    def path(self, ref: ObjectRef, subresource: str = "") -> str:
        """The URL path of an object."""
        return self.resource(ref.api_version, ref.kind).path(ref.namespace, ref.name, subresource)

    def api_versions(self) -> tuple[str, ...]:
        """What `.Capabilities.APIVersions` holds: every group version, and every group version with each kind."""
        kinds = {f"{api_version}/{kind}" for api_version, kind in self.resources}
        return tuple(sorted({*self.versions, *kinds}))

    def preferred(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind in the first served version of its group, None where no version has it."""
        for version in self.versions:
            if (version.rpartition("/")[0] if "/" in version else "") == group:
                found = self.find(version, kind)
                if found is not None:
                    return found
        return None


def unknown_kind(api_version: str, kind: str, served: Discovery) -> ClusterError:
    """The error for a kind that the cluster does not serve, naming the versions that it does serve."""
    group = api_version.rpartition("/")[0] if "/" in api_version else ""
    others = sorted(v for (v, k) in served.resources if k == kind)
    hint = (
        f"this cluster serves {kind} as {', '.join(others)}"
        if others
        else "install the CustomResourceDefinition first"
    )
    if group in served.stale or api_version in served.stale:
        hint = f"the server behind {group or api_version} does not answer (its APIService is not available)"
    return ClusterError(
        f'no matches for kind "{kind}" in version "{api_version}"',
        error_id="cluster.unknown-kind",
        status=404,
        hint=hint,
    )


Fetch = Callable[[str, Mapping[str, str]], tuple[int, Mapping[str, str], bytes]]
"""(path, headers) -> (status, headers, body); raises for anything but 200, 304 and 406."""


def fetch(
    get: Fetch,
    cache: DiscoveryCache | None = None,
    each: Callable[[list[Callable[[], Any]]], list[Any]] | None = None,
) -> Discovery:
    """Ask the cluster what it serves: /api and /apis, aggregated, with the cached copies' ETags."""
    known = cache.load() if cache else {}
    fresh: dict[str, Any] = {}
    for root in ("/api", "/apis"):
        etag, body = known.get(root, ("", None))
        status, headers, raw = get(
            root, {"Accept": ACCEPT, **({"If-None-Match": etag} if etag and body is not None else {})}
        )
        if status == 304:
            fresh[root] = (etag, body)
        else:
            fresh[root] = (headers.get("etag", ""), json.loads(raw))
    bodies = [fresh[root][1] for root in ("/api", "/apis")]
    if all(str(body.get("kind")) == "APIGroupDiscoveryList" for body in bodies):
        if cache and fresh != known:
            cache.save(fresh)
        return _aggregated(bodies)
    return _legacy(get, bodies, each or (lambda calls: [call() for call in calls]))


def _aggregated(bodies: Iterable[Mapping[str, Any]]) -> Discovery:
    resources: dict[tuple[str, str], Resource] = {}
    versions: list[str] = []
    stale: list[str] = []
    for body in bodies:
        for group in body.get("items") or ():
            name = str((group.get("metadata") or {}).get("name") or "")
            for version in group.get("versions") or ():
                api_version = f"{name}/{version['version']}" if name else str(version["version"])
                versions.append(api_version)
                if version.get("freshness") == "Stale":
                    stale.append(api_version)
                for entry in version.get("resources") or ():
                    _add_aggregated(resources, api_version, entry)
    return Discovery(resources, tuple(versions), tuple(stale))


def _add_aggregated(
    resources: dict[tuple[str, str], Resource], api_version: str, entry: Mapping[str, Any]
) -> None:
    kind = str((entry.get("responseKind") or {}).get("kind") or "")
    if not kind:
        return
    resources.setdefault(
        (api_version, kind),
        Resource(
            api_version,
            kind,
            str(entry["resource"]),
            entry.get("scope") == "Namespaced",
            frozenset(entry.get("verbs") or ()),
            tuple(entry.get("shortNames") or ()),
            frozenset(str(s.get("subresource")) for s in entry.get("subresources") or ()),
        ),
    )


def _legacy(
    get: Fetch, bodies: list[Mapping[str, Any]], each: Callable[[list[Callable[[], Any]]], list[Any]]
) -> Discovery:
    """Servers before 1.26 answer with group lists only: one more request per group version."""
    core, groups = bodies
    versions = [str(v) for v in core.get("versions") or ()]
    for group in groups.get("groups") or ():
        preferred = str((group.get("preferredVersion") or {}).get("groupVersion") or "")
        listed = [str(v["groupVersion"]) for v in group.get("versions") or ()]
        versions += sorted(listed, key=lambda v, p=preferred: v != p)  # type: ignore[misc]
    answers = each([lambda v=v: _legacy_version(get, v) for v in versions])  # type: ignore[misc]
    resources: dict[tuple[str, str], Resource] = {}
    stale: list[str] = []
    for api_version, answer in zip(versions, answers, strict=True):
        if answer is None:
            stale.append(api_version)
            continue
        for entry in answer.get("resources") or ():
            if "/" not in entry["name"]:
                subresources = frozenset(
                    e["name"].partition("/")[2]
                    for e in answer["resources"]
                    if e["name"].startswith(entry["name"] + "/")
                )
                resources.setdefault(
                    (api_version, str(entry["kind"])),
                    Resource(
                        api_version,
                        str(entry["kind"]),
                        str(entry["name"]),
                        bool(entry.get("namespaced")),
                        frozenset(entry.get("verbs") or ()),
                        tuple(entry.get("shortNames") or ()),
                        subresources,
                    ),
                )
    return Discovery(resources, tuple(versions), tuple(stale))


def _legacy_version(get: Fetch, api_version: str) -> Any:
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    try:
        return json.loads(get(root, {"Accept": "application/json"})[2])
    except ClusterError:
        return None


class DiscoveryCache:
    """What one cluster last answered, with its ETags, in one file named after the cluster's identity."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"

    def load(self) -> dict[str, tuple[str, Any]]:
        """Root path -> (ETag, body); empty where nothing usable is stored."""
        try:
            stored = json.loads(self._path.read_bytes())
            if stored["format"] != CACHE_FORMAT:
                return {}
            return {root: (str(etag), body) for root, (etag, body) in stored["answers"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def save(self, answers: Mapping[str, tuple[str, Any]]) -> None:
        """Publish by rename; a cache that cannot be written is no failure."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"format": CACHE_FORMAT, "answers": answers}, file)
            os.replace(temporary, self._path)
        except OSError:
            return
