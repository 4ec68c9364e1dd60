"""Reading manifests: ref, labels, annotations, owners, conditions; nothing here changes an object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from helmflow.core.ids import ObjectRef

KubeObject = dict[str, Any]


def ref(obj: Mapping[str, Any], *, namespace: str | None = None) -> ObjectRef:
    """The identity of an object; `namespace` overrides the one written in it."""
    metadata = meta(obj)
    where = namespace if namespace is not None else metadata.get("namespace") or ""
    return ObjectRef(
        str(obj.get("apiVersion") or ""),
        str(obj.get("kind") or ""),
        str(where),
        str(metadata.get("name") or ""),
    )


def meta(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """`metadata`, empty where it is absent or no mapping."""
    found = obj.get("metadata")
    return found if isinstance(found, Mapping) else {}


def at(obj: Mapping[str, Any], *path: str) -> Any:
    """The value under nested mapping keys, None where any is missing."""
    value: Any = obj
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """`metadata.labels`."""
    found = meta(obj).get("labels")
    return found if isinstance(found, Mapping) else {}


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """`metadata.annotations`."""
    found = meta(obj).get("annotations")
    return found if isinstance(found, Mapping) else {}


def uid(obj: Mapping[str, Any]) -> str:
    """`metadata.uid`, "" before the server has seen the object."""
    return str(meta(obj).get("uid") or "")


def resource_version(obj: Mapping[str, Any]) -> str:
    """`metadata.resourceVersion`, "" before the server has seen the object."""
    return str(meta(obj).get("resourceVersion") or "")


def owner_uids(obj: Mapping[str, Any]) -> Iterator[str]:
    """The uids of everything that owns this object, its controller first."""
    found = meta(obj).get("ownerReferences")
    owners = [o for o in found if isinstance(o, Mapping)] if isinstance(found, list) else []
    for owner in sorted(owners, key=lambda o: not o.get("controller")):
        yield str(owner.get("uid") or "")


def condition(obj: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The status condition of a type, None where the object has none."""
    found = at(obj, "status", "conditions")
    for entry in found if isinstance(found, list) else ():
        if isinstance(entry, Mapping) and entry.get("type") == kind:
            return entry
    return None
