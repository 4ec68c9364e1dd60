"""Namespaces: their default objects, their end; ResourceQuota usage."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded import quotas, writing
from helmflow.embedded.cluster import Cluster, copy_of
from helmflow.embedded.controllers.common import create, later, set_status, with_condition
from helmflow.embedded.writing import DeleteOptions

Json = dict[str, Any]

_KEY: Final = "/namespaces"
_QUOTAS: Final = "/resourcequotas"
_RETRY_S: Final = 0.2
_CERTIFICATE: Final = "# simulated by helmflow: the embedded cluster has no certificate authority\n"


def run(cluster: Cluster, _: str, name: str) -> None:
    """Fill a new namespace, empty a terminating one."""
    namespace = cluster.get(_KEY, "", name)
    if namespace is None:
        return
    if namespace["metadata"].get("deletionTimestamp"):
        _purge(cluster, namespace)
        return
    if cluster.storage.get("/serviceaccounts", name, "default") is None:
        create(cluster, "/serviceaccounts", {"metadata": {"name": "default", "namespace": name}})
    if cluster.storage.get("/configmaps", name, "kube-root-ca.crt") is None:
        note = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
        metadata = {
            "name": "kube-root-ca.crt",
            "namespace": name,
            "annotations": {"kubernetes.io/description": note},
        }
        create(cluster, "/configmaps", {"metadata": metadata, "data": {"ca.crt": _CERTIFICATE}})


def _purge(cluster: Cluster, namespace: Json) -> None:
    name = namespace["metadata"]["name"]
    for key in cluster.storage.resources_in(name):
        resource = cluster.registry.by_key(key)
        if resource is None:
            continue
        for value in cluster.objects(key, name):
            if not value["metadata"].get("deletionTimestamp"):
                options = DeleteOptions(propagation="Background", grace=0 if key == "/pods" else None)
                writing.delete(cluster, resource, value, options)
    left = _left(cluster, name)
    if left:
        _report(cluster, namespace, left)
        later(cluster, _KEY, "", name, _RETRY_S)
        return
    if not namespace["metadata"].get("finalizers"):
        gone = copy_of(namespace)
        gone["spec"] = {}
        cluster.remove(_KEY, gone)


def _left(cluster: Cluster, name: str) -> dict[str, list[Json]]:
    """What is still there."""
    return {key: cluster.objects(key, name) for key in cluster.storage.resources_in(name)}


def _report(cluster: Cluster, namespace: Json, left: dict[str, list[Json]]) -> None:
    now = cluster.now()
    held: dict[str, int] = {}
    for values in left.values():
        for value in values:
            for finalizer in value["metadata"].get("finalizers") or ():
                held[finalizer] = held.get(finalizer, 0) + 1
    counts = ", ".join(
        f"{key.rpartition('/')[2]}.{key.rpartition('/')[0]} has {len(v)} resource instances"
        for key, v in sorted(left.items())
    )
    status = copy_of(namespace.get("status") or {})
    conditions = status.get("conditions")
    for kind, reason, message in (
        ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
    ):
        conditions = with_condition(conditions, now, kind, "False", reason, message)
    conditions = with_condition(
        conditions,
        now,
        "NamespaceContentRemaining",
        "True",
        "SomeResourcesRemain",
        f"Some resources are remaining: {counts}",
    )
    if held:
        names = ", ".join(f"{k} in {v} resource instances" for k, v in sorted(held.items()))
        message = f"Some content in the namespace has finalizers remaining: {names}"
        conditions = with_condition(
            conditions, now, "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", message
        )
    status["conditions"] = conditions
    set_status(cluster, _KEY, namespace, status)


def run_quotas(cluster: Cluster, namespace: str, _: str) -> None:
    """Recount every quota of a namespace."""
    for record in cluster.storage.records(_QUOTAS, namespace):
        run_quota(cluster, namespace, record.name)


def run_quota(cluster: Cluster, namespace: str, name: str) -> None:
    """Count what a quota's namespace uses."""
    value = cluster.get(_QUOTAS, namespace, name)
    if value is None or value["metadata"].get("deletionTimestamp"):
        return
    hard = (value.get("spec") or {}).get("hard") or {}
    used = quotas.used_in(cluster, namespace, set(hard))
    set_status(
        cluster, _QUOTAS, value, {"hard": hard, "used": {k: quotas.shown(used[k]) for k in sorted(hard)}}
    )
