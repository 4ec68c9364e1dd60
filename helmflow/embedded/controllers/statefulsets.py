"""StatefulSets: ordered pods with stable names and claims, revisions and rolling updates."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded.cluster import Cluster, copy_of
from helmflow.embedded.controllers.common import (
    adopt,
    available,
    create,
    delete,
    event,
    hash_of,
    later,
    owned,
    pod_from,
    ready,
    reference,
    set_status,
)
from helmflow.embedded.status import ApiError

Json = dict[str, Any]

_KEY: Final = "apps/statefulsets"
_REVISIONS: Final = "apps/controllerrevisions"
_HASH: Final = "controller-revision-hash"
_COMPONENT: Final = "statefulset-controller"


def run(cluster: Cluster, namespace: str, name: str) -> None:
    """Reconcile a StatefulSet."""
    value = cluster.get(_KEY, namespace, name)
    if value is None:
        return
    for key in (_REVISIONS, "/pods"):
        adopt(cluster, value, _KEY, key)
    update_revision = ensure_revision(cluster, value, _KEY)
    status = value.get("status") or {}
    current = status.get("currentRevision") or update_revision
    pods = {_ordinal(p): p for p in owned(cluster, value, "/pods")}
    if not value["metadata"].get("deletionTimestamp"):
        _step(cluster, value, pods, current, update_revision)
    pods = {_ordinal(p): p for p in owned(cluster, value, "/pods")}
    _report(cluster, value, pods, current, update_revision)


def ensure_revision(cluster: Cluster, value: Json, key: str) -> str:
    """The name of the ControllerRevision that records the present template; makes it if needed, forgets old ones."""
    spec = value["spec"]
    recorded = {"spec": {"template": {**spec["template"], "$patch": "replace"}}}
    name = f"{value['metadata']['name']}-{hash_of(recorded)}"
    namespace = value["metadata"]["namespace"]
    kept = sorted(owned(cluster, value, _REVISIONS), key=lambda r: r.get("revision", 0))
    highest = kept[-1].get("revision", 0) if kept else 0
    found = next((r for r in kept if r["metadata"]["name"] == name), None)
    if found is None:
        labels = {**(spec["template"]["metadata"].get("labels") or {}), _HASH: name}
        metadata = {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [reference(cluster.resource(key), value)],
        }
        create(cluster, _REVISIONS, {"metadata": metadata, "data": recorded, "revision": highest + 1})
    elif found.get("revision", 0) != highest:
        changed = copy_of(found)
        changed["revision"] = highest + 1
        cluster.write(_REVISIONS, found, changed)
    live = {name, (value.get("status") or {}).get("currentRevision")}
    old = [r for r in kept if r["metadata"]["name"] not in live]
    for revision in old[: max(len(old) - spec.get("revisionHistoryLimit", 10), 0)]:
        delete(cluster, _REVISIONS, revision)
    return name


def _ordinal(pod: Json) -> int:
    tail = pod["metadata"]["name"].rpartition("-")[2]
    return int(tail) if tail.isdigit() else -1


def _gone(pod: Json) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _step(cluster: Cluster, value: Json, pods: dict[int, Json], current: str, updated: str) -> None:
    """One move: create the next pod, or remove the last surplus one, or replace the last outdated one."""
    spec = value["spec"]
    start = (spec.get("ordinals") or {}).get("start", 0)
    wanted = range(start, start + spec.get("replicas", 1))
    ordered = spec.get("podManagementPolicy") != "Parallel"
    for ordinal in wanted:
        pod = pods.get(ordinal)
        if (
            pod is not None
            and (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")
            and not _gone(pod)
        ):
            delete(cluster, "/pods", pod, grace=0)
            return
        if pod is None:
            _create(cluster, value, ordinal, _revision_for(spec, ordinal, current, updated))
            if ordered:
                return
        elif ordered and (_gone(pod) or not available(cluster, pod, spec.get("minReadySeconds") or 0)):
            if ready(pod):
                later(cluster, _KEY, value["metadata"]["namespace"], value["metadata"]["name"], 1.0)
            return
    for ordinal in sorted((o for o in pods if o not in wanted), reverse=True):
        if not _gone(pods[ordinal]):
            delete(cluster, "/pods", pods[ordinal])
            message = f"delete Pod {pods[ordinal]['metadata']['name']} in StatefulSet {value['metadata']['name']} successful"
            event(cluster, value, "Normal", "SuccessfulDelete", message, _COMPONENT)
        if ordered:
            return
    _replace_outdated(cluster, value, pods, wanted, updated)


def _revision_for(spec: Json, ordinal: int, current: str, updated: str) -> str:
    strategy = spec["updateStrategy"]
    if strategy.get("type") != "RollingUpdate":
        return current if strategy.get("type") == "OnDelete" and current != updated else updated
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    return updated if ordinal >= partition else current


def _replace_outdated(
    cluster: Cluster, value: Json, pods: dict[int, Json], wanted: range, updated: str
) -> None:
    strategy = value["spec"]["updateStrategy"]
    if strategy.get("type") != "RollingUpdate":
        return
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    for ordinal in sorted(wanted, reverse=True):
        pod = pods.get(ordinal)
        if ordinal < partition or pod is None:
            continue
        if (pod["metadata"].get("labels") or {}).get(_HASH) != updated and not _gone(pod):
            delete(cluster, "/pods", pod)
            message = (
                f"delete Pod {pod['metadata']['name']} in StatefulSet {value['metadata']['name']} successful"
            )
            event(cluster, value, "Normal", "SuccessfulDelete", message, _COMPONENT)
            return
        if _gone(pod) or not ready(pod):
            return


def _create(cluster: Cluster, value: Json, ordinal: int, revision: str) -> None:
    metadata = value["metadata"]
    name = f"{metadata['name']}-{ordinal}"
    template = value["spec"]["template"]
    recorded = cluster.get(_REVISIONS, metadata["namespace"], revision)
    if (
        recorded is not None
        and revision
        != f"{metadata['name']}-{hash_of({'spec': {'template': {**template, '$patch': 'replace'}}})}"
    ):
        template = {k: v for k, v in recorded["data"]["spec"]["template"].items() if k != "$patch"}
    pod = pod_from(template, value, cluster.resource(_KEY), name=name)
    labels = pod["metadata"].setdefault("labels", {})
    labels |= {
        _HASH: revision,
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": str(ordinal),
    }
    pod["spec"] |= {"hostname": name, "subdomain": value["spec"].get("serviceName", "")}
    _claims(cluster, value, pod, name)
    try:
        create(cluster, "/pods", pod)
    except ApiError as error:
        message = f"create Pod {name} in StatefulSet {metadata['name']} failed error: {error.message}"
        event(cluster, value, "Warning", "FailedCreate", message, _COMPONENT)
        later(cluster, _KEY, metadata["namespace"], metadata["name"], 1.0)
        return
    event(
        cluster,
        value,
        "Normal",
        "SuccessfulCreate",
        f"create Pod {name} in StatefulSet {metadata['name']} successful",
        _COMPONENT,
    )


def _claims(cluster: Cluster, value: Json, pod: Json, name: str) -> None:
    """The claims of volumeClaimTemplates, which outlive their pods."""
    namespace = value["metadata"]["namespace"]
    for template in value["spec"].get("volumeClaimTemplates") or ():
        claim = f"{template['metadata']['name']}-{name}"
        if cluster.storage.get("/persistentvolumeclaims", namespace, claim) is None:
            labels = {
                **(template["metadata"].get("labels") or {}),
                **(value["spec"]["selector"].get("matchLabels") or {}),
            }
            meta = {"name": claim, "namespace": namespace, "labels": labels}
            if template["metadata"].get("annotations"):
                meta["annotations"] = template["metadata"]["annotations"]
            create(cluster, "/persistentvolumeclaims", {"metadata": meta, "spec": copy_of(template["spec"])})
            message = f"create Claim {claim} Pod {name} in StatefulSet {value['metadata']['name']} success"
            event(cluster, value, "Normal", "SuccessfulCreate", message, _COMPONENT)
        volumes = [v for v in pod["spec"].get("volumes") or () if v["name"] != template["metadata"]["name"]]
        pod["spec"]["volumes"] = [
            *volumes,
            {"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim}},
        ]


def _report(cluster: Cluster, value: Json, pods: dict[int, Json], current: str, updated: str) -> None:
    spec = value["spec"]
    alive = [p for p in pods.values() if (p.get("status") or {}).get("phase") not in ("Failed", "Succeeded")]
    staying = [p for p in alive if not _gone(p)]

    def of(revision: str) -> int:
        return sum(1 for p in staying if (p["metadata"].get("labels") or {}).get(_HASH) == revision)

    wanted = spec.get("replicas", 1)
    counts = {
        "replicas": len(alive),
        "readyReplicas": sum(1 for p in alive if ready(p)),
        "availableReplicas": sum(1 for p in alive if available(cluster, p, spec.get("minReadySeconds") or 0)),
        "currentReplicas": of(current),
        "updatedReplicas": of(updated),
    }
    if (
        spec["updateStrategy"].get("type") == "RollingUpdate"
        and counts["updatedReplicas"] == counts["replicas"] == counts["readyReplicas"] == wanted
    ):
        current = updated
        counts["currentReplicas"] = counts["updatedReplicas"]
    status: Json = {k: v for k, v in counts.items() if v or k in ("replicas", "availableReplicas")}
    status |= {
        "observedGeneration": value["metadata"].get("generation", 1),
        "currentRevision": current,
        "updateRevision": updated,
        "collisionCount": (value.get("status") or {}).get("collisionCount", 0),
    }
    set_status(cluster, _KEY, value, status)
