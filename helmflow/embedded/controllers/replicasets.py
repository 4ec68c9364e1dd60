"""ReplicaSets and ReplicationControllers: keep the wanted number of pods and report them."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded.cluster import Cluster, copy_of
from helmflow.embedded.controllers.common import (
    active,
    adopt,
    available,
    create,
    delete,
    event,
    later,
    owned,
    pod_from,
    ready,
    set_status,
    with_condition,
)
from helmflow.embedded.status import ApiError

Json = dict[str, Any]

_BATCH: Final = 500  # the real controller's burst
_RETRY_S: Final = 1.0


def run(cluster: Cluster, namespace: str, name: str) -> None:
    """Reconcile a ReplicaSet."""
    _reconcile(cluster, "apps/replicasets", "replicaset-controller", namespace, name)


def run_controller(cluster: Cluster, namespace: str, name: str) -> None:
    """Reconcile a ReplicationController."""
    _reconcile(cluster, "/replicationcontrollers", "replication-controller", namespace, name)


def _reconcile(cluster: Cluster, key: str, component: str, namespace: str, name: str) -> None:
    owner = cluster.get(key, namespace, name)
    if owner is None:
        return
    adopt(cluster, owner, key, "/pods")
    pods = [p for p in owned(cluster, owner, "/pods") if active(p)]
    failure = ""
    if not owner["metadata"].get("deletionTimestamp"):
        failure = _scale(cluster, key, component, owner, pods)
        pods = [p for p in owned(cluster, owner, "/pods") if active(p)]
    _report(cluster, key, owner, pods, failure)


def _scale(cluster: Cluster, key: str, component: str, owner: Json, pods: list[Json]) -> str:
    """Create or delete pods; returns why creating failed."""
    wanted = owner["spec"].get("replicas", 1)
    for _ in range(min(wanted - len(pods), _BATCH)):
        metadata = {"generateName": owner["metadata"]["name"] + "-"}
        try:
            made = create(
                cluster,
                "/pods",
                pod_from(owner["spec"]["template"], owner, cluster.resource(key), **metadata),
            )
        except ApiError as error:
            event(cluster, owner, "Warning", "FailedCreate", f"Error creating: {error.message}", component)
            later(cluster, key, owner["metadata"]["namespace"], owner["metadata"]["name"], _RETRY_S)
            return error.message
        event(
            cluster,
            owner,
            "Normal",
            "SuccessfulCreate",
            f"Created pod: {made['metadata']['name']}",
            component,
        )
    surplus = len(pods) - wanted
    if surplus > 0:
        for pod in sorted(pods, key=_worth)[:surplus]:
            delete(cluster, "/pods", pod)
            event(
                cluster,
                owner,
                "Normal",
                "SuccessfulDelete",
                f"Deleted pod: {pod['metadata']['name']}",
                component,
            )
    return ""


def _worth(pod: Json) -> tuple[bool, bool, int]:
    """Pods to delete first: unscheduled, unready, youngest."""
    return bool(pod["spec"].get("nodeName")), ready(pod), -int(pod["metadata"]["resourceVersion"])


def _report(cluster: Cluster, key: str, owner: Json, pods: list[Json], failure: str) -> None:
    min_ready = owner["spec"].get("minReadySeconds") or 0
    status = copy_of(owner.get("status") or {})
    counts = {
        "replicas": len(pods),
        "fullyLabeledReplicas": len(pods),
        "readyReplicas": sum(1 for p in pods if ready(p)),
        "availableReplicas": sum(1 for p in pods if available(cluster, p, min_ready)),
    }
    for name, count in counts.items():
        status.pop(name, None)
        if count or name == "replicas":
            status[name] = count
    status["observedGeneration"] = owner["metadata"].get("generation", 1)
    conditions = [c for c in status.get("conditions") or () if c["type"] != "ReplicaFailure"]
    if failure and len(conditions) < len(status.get("conditions") or ()):
        # As the real controller: the first failure's text stays, for each attempt would name another pod.
        conditions = status["conditions"]
    elif failure:
        conditions = with_condition(
            status.get("conditions"), cluster.now(), "ReplicaFailure", "True", "FailedCreate", failure
        )
    status.pop("conditions", None)
    if conditions:
        status["conditions"] = conditions
    set_status(cluster, key, owner, status)
    if counts["readyReplicas"] > counts["availableReplicas"]:
        later(cluster, key, owner["metadata"]["namespace"], owner["metadata"]["name"], 1.0)
