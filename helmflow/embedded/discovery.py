"""Discovery: which groups, versions and resources are served, aggregated (v2) and legacy."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from helmflow.embedded.kinds import Registry, Resource

Json = dict[str, Any]

VERSION: Final[Json] = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none (simulated by helmflow)",
    "compiler": "none",
    "platform": "embedded/simulated",
}
_ADDRESSES: Final = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:0"}]


def aggregated_version(accept: str) -> str:
    """The aggregated form's version that a client asks for first, "" for the legacy form."""
    for part in accept.split(","):
        options = dict(p.strip().split("=", 1) for p in part.split(";")[1:] if "=" in p)
        if options.get("g") == "apidiscovery.k8s.io" and options.get("as") == "APIGroupDiscoveryList":
            if options.get("v") in ("v2", "v2beta1"):
                return str(options["v"])
        elif part.split(";")[0].strip() in ("application/json", "*/*"):
            return ""
    return ""


def aggregated(registry: Registry, version: str, *, core: bool) -> Json:
    """/api or /apis with everything below it."""
    items = []
    for group, versions in registry.groups.items():
        if bool(group) is core:
            continue
        items.append(
            {
                "metadata": {"name": group, "creationTimestamp": None}
                if group
                else {"creationTimestamp": None},
                "versions": [
                    {
                        "version": name,
                        "resources": [_aggregated(r) for r in resources.values()],
                        "freshness": "Current",
                    }
                    for name, resources in versions.items()
                ],
            }
        )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated(resource: Resource) -> Json:
    made: Json = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        made["shortNames"] = list(resource.short_names)
    if resource.categories:
        made["categories"] = list(resource.categories)
    if resource.subresources:
        made["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {
                    "group": sub.group or resource.group,
                    "version": sub.version or resource.version,
                    "kind": sub.kind,
                },
                "verbs": list(sub.verbs),
            }
            for sub in resource.subresources.values()
        ]
    return made


def legacy_core() -> Json:
    """/api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": _ADDRESSES}


def legacy_groups(registry: Registry) -> Json:
    """/apis."""
    groups = [legacy_group(registry, name) for name in registry.groups if name]
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{k: v for k, v in g.items() if k not in ("kind", "apiVersion")} for g in groups if g],
    }


def legacy_group(registry: Registry, name: str) -> Json | None:
    """/apis/GROUP."""
    versions = registry.groups.get(name)
    if not versions:
        return None
    entries = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": entries,
        "preferredVersion": entries[0],
    }


def legacy_resources(registry: Registry, group: str, version: str) -> Json | None:
    """/api/v1 or /apis/GROUP/VERSION."""
    served = registry.groups.get(group, {}).get(version)
    if served is None:
        return None
    entries: list[Json] = []
    for resource in served.values():
        entry: Json = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        if resource.hash:
            entry["storageVersionHash"] = resource.hash
        entries.append(entry)
        for sub in resource.subresources.values():
            made: Json = {
                "name": f"{resource.plural}/{sub.name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": sub.kind,
                "verbs": list(sub.verbs),
            }
            if sub.group:
                made["group"] = sub.group
            if sub.version:
                made["version"] = sub.version
            entries.append(made)
    shown = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": shown, "resources": entries}


def etag(document: Json) -> str:
    """A strong validator of a document."""
    plain = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    return f'"{hashlib.sha256(plain).hexdigest().upper()}"'
