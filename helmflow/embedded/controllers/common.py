"""What all controllers share: children, statuses, conditions, events, the pace of things."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from helmflow.embedded import faults, writing
from helmflow.embedded.cluster import Cluster, copy_of, random_suffix
from helmflow.embedded.kinds import Resource
from helmflow.embedded.writing import DeleteOptions, WriteOptions

Json = dict[str, Any]

REACTION_S: Final = 0.01  # how long a controller takes to notice a change
MANAGER: Final = WriteOptions(manager="kube-controller-manager")
KUBELET: Final = WriteOptions(manager="kubelet")
SCHEDULER: Final = WriteOptions(manager="kube-scheduler")
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"


def task(controller: str, namespace: str, name: str) -> str:
    """A queue entry."""
    return f"{controller}|{namespace}|{name}"


def later(cluster: Cluster, controller: str, namespace: str, name: str, delay: float) -> None:
    """Look at an object again after `delay` seconds."""
    cluster.storage.enqueue(task(controller, namespace, name), cluster.moment() + delay)


def create(cluster: Cluster, key: str, value: Json, options: WriteOptions = MANAGER) -> Json:
    """Create an object as a controller would. Raises ApiError."""
    resource = cluster.resource(key)
    value = {"apiVersion": resource.api_version, "kind": resource.kind, **value}
    return writing.create(cluster, resource, writing.decode(resource, value, options), options)


def update(
    cluster: Cluster, key: str, old: Json, new: Json, options: WriteOptions = MANAGER, subresource: str = ""
) -> Json:
    """Replace an object as a controller would."""
    return writing.update(cluster, cluster.resource(key), old, new, options, subresource=subresource)


def set_status(cluster: Cluster, key: str, old: Json, status: Json, options: WriteOptions = MANAGER) -> Json:
    """Write an object's status if it differs."""
    if old.get("status") == status:
        return old
    new = copy_of(old)
    new["status"] = status
    return update(cluster, key, old, new, options, "status")


def delete(
    cluster: Cluster, key: str, value: Json, *, grace: int | None = None, propagation: str = ""
) -> None:
    """Delete an object as a controller would."""
    writing.delete(cluster, cluster.resource(key), value, DeleteOptions(grace=grace, propagation=propagation))


def owner_of(value: Json) -> Json | None:
    """The reference to the controller that owns an object."""
    return next((o for o in value["metadata"].get("ownerReferences") or () if o.get("controller")), None)


def reference(resource: Resource, owner: Json) -> Json:
    """An owner reference that makes `owner` the controller."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned(cluster: Cluster, owner: Json, key: str) -> list[Json]:
    """The objects of one resource that `owner` controls, in name order."""
    uid = owner["metadata"]["uid"]
    found = []
    for resource, namespace, name in cluster.storage.owned_by(uid):
        if resource == key:
            value = cluster.get(resource, namespace, name)
            reference = owner_of(value) if value is not None else None
            if value is not None and reference is not None and reference["uid"] == uid:
                found.append(value)
    return found


def adopt(cluster: Cluster, owner: Json, owner_key: str, key: str) -> None:
    """Take over what an owner that is gone left behind: objects that the selector finds and that nobody controls."""
    if "observedGeneration" in (owner.get("status") or {}) or owner["metadata"].get("deletionTimestamp"):
        return
    wanted = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    for value in cluster.objects(key, owner["metadata"]["namespace"]):
        labels = value["metadata"].get("labels") or {}
        fits = bool(wanted) and wanted.items() <= labels.items()
        if fits and owner_of(value) is None and not value["metadata"].get("deletionTimestamp"):
            new = copy_of(value)
            references = new["metadata"].setdefault("ownerReferences", [])
            references.append(reference(cluster.resource(owner_key), owner))
            cluster.write(key, value, new)


def pod_from(template: Json, owner: Json, resource: Resource, **metadata: Any) -> Json:
    """A pod made from a workload's template, with the workload's fault annotations."""
    body = copy_of(template)
    meta = body.setdefault("metadata", {})
    annotations = {**faults.inherited(owner), **(meta.get("annotations") or {})}
    if annotations:
        meta["annotations"] = annotations
    meta["namespace"] = owner["metadata"]["namespace"]
    meta["ownerReferences"] = [reference(resource, owner)]
    meta.update(metadata)
    return {"metadata": meta, "spec": body["spec"]}


def active(pod: Json) -> bool:
    """Whether a pod still counts as a replica."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") and not pod["metadata"].get(
        "deletionTimestamp"
    )


def ready(pod: Json) -> bool:
    """Whether a pod's Ready condition is true."""
    return condition_of(pod, "Ready").get("status") == "True"


def condition_of(value: Json, kind: str) -> Json:
    """One condition of an object's status, {} without it."""
    return next((c for c in (value.get("status") or {}).get("conditions") or () if c["type"] == kind), {})


def available(cluster: Cluster, pod: Json, min_ready_s: int) -> bool:
    """Whether a pod has been ready for `min_ready_s`."""
    from helmflow.embedded.cluster import seconds

    if not ready(pod):
        return False
    since = condition_of(pod, "Ready").get("lastTransitionTime")
    return not min_ready_s or (since is not None and seconds(since) + min_ready_s <= cluster.moment())


def with_condition(
    conditions: list[Json] | None, now: str, kind: str, status: str, reason: str, message: str, **more: Any
) -> list[Json]:
    """Conditions with one of them set; its transition time moves only when its status does."""
    kept = list(conditions or ())
    for index, old in enumerate(kept):
        if old["type"] == kind:
            same = old["status"] == status
            new = {**old, **more, "status": status, "reason": reason, "message": message}
            if not same:
                new["lastTransitionTime"] = now
            kept[index] = new
            return kept
    return [
        *kept,
        {
            "type": kind,
            "status": status,
            **more,
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        },
    ]


def hash_of(value: Any, length: int = 10) -> str:
    """A short hash in the alphabet of pod-template-hash."""
    digest = hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()
    return "".join(_ALPHABET[b % len(_ALPHABET)] for b in digest[:length])


def event(
    cluster: Cluster, value: Json, kind: str, reason: str, message: str, component: str, field_path: str = ""
) -> None:
    """Emit a core/v1 Event; a repeated one only counts up."""
    metadata = value["metadata"]
    namespace = metadata.get("namespace") or "default"
    involved = {
        "kind": value["kind"], "namespace": metadata.get("namespace", ""), "name": metadata["name"], "uid": metadata.get("uid", ""),
        "apiVersion": value["apiVersion"], "resourceVersion": metadata.get("resourceVersion", ""),
    }  # fmt: skip
    if field_path:
        involved["fieldPath"] = field_path
    name = f"{metadata['name']}.{hash_of([metadata.get('uid'), reason, message, field_path], 16)}"
    now = cluster.now()
    old = cluster.get("/events", namespace, name)
    if old is not None:
        new = copy_of(old)
        new["count"] = old.get("count", 1) + 1
        new["lastTimestamp"] = now
        cluster.write("/events", old, new)
        return
    body = {
        "metadata": {"name": name, "namespace": namespace}, "involvedObject": {k: v for k, v in involved.items() if v},
        "reason": reason, "message": message, "source": {"component": component}, "firstTimestamp": now, "lastTimestamp": now,
        "count": 1, "type": kind, "reportingComponent": component, "reportingInstance": "",
    }  # fmt: skip
    space = cluster.get("/namespaces", "", namespace)
    if space is not None and not space["metadata"].get("deletionTimestamp"):
        create(cluster, "/events", body, WriteOptions(manager=component))


def resolve(value: int | str | None, total: int, *, up: bool, default: int = 0) -> int:
    """An int-or-percentage of `total`."""
    if value is None:
        return default
    if isinstance(value, int):
        return value
    percent = int(value.rstrip("%") or 0)
    return -(-percent * total // 100) if up else percent * total // 100


__all__ = [
    "KUBELET", "MANAGER", "REACTION_S", "SCHEDULER", "active", "available", "condition_of", "create", "delete", "event", "hash_of",
    "later", "owned", "owner_of", "pod_from", "random_suffix", "ready", "reference", "resolve", "set_status", "task", "update",
    "with_condition",
]  # fmt: skip
