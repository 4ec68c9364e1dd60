"""DaemonSets: one pod on the one simulated node, replaced by a rolling update."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded import strategies
from helmflow.embedded.cluster import Cluster
from helmflow.embedded.controllers.common import (
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
)
from helmflow.embedded.controllers.statefulsets import ensure_revision
from helmflow.embedded.status import ApiError

Json = dict[str, Any]

_KEY: Final = "apps/daemonsets"
_REVISIONS: Final = "apps/controllerrevisions"
_HASH: Final = "controller-revision-hash"
_COMPONENT: Final = "daemonset-controller"


def run(cluster: Cluster, namespace: str, name: str) -> None:
    """Reconcile a DaemonSet."""
    value = cluster.get(_KEY, namespace, name)
    if value is None:
        return
    for key in (_REVISIONS, "/pods"):
        adopt(cluster, value, _KEY, key)
    revision = ensure_revision(cluster, value, _KEY)
    suffix = revision[len(name) + 1 :]
    if not value["metadata"].get("deletionTimestamp"):
        _step(cluster, value, suffix)
    _report(cluster, value, suffix)


def _step(cluster: Cluster, value: Json, suffix: str) -> None:
    pods = owned(cluster, value, "/pods")
    for pod in pods:
        if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded") and not pod["metadata"].get(
            "deletionTimestamp"
        ):
            delete(cluster, "/pods", pod, grace=0)
            return
    staying = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
    if not pods:
        _create(cluster, value, suffix)
        return
    outdated = [p for p in staying if (p["metadata"].get("labels") or {}).get(_HASH) != suffix]
    if outdated and value["spec"]["updateStrategy"].get("type") == "RollingUpdate":
        delete(cluster, "/pods", outdated[0])
        event(
            cluster,
            value,
            "Normal",
            "SuccessfulDelete",
            f"Deleted pod: {outdated[0]['metadata']['name']}",
            _COMPONENT,
        )


def _create(cluster: Cluster, value: Json, suffix: str) -> None:
    metadata = value["metadata"]
    pod = pod_from(
        value["spec"]["template"], value, cluster.resource(_KEY), generateName=metadata["name"] + "-"
    )
    labels = pod["metadata"].setdefault("labels", {})
    labels |= {_HASH: suffix, "pod-template-generation": str(metadata.get("generation", 1))}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [strategies.NODE]}]}
    pod["spec"].setdefault("affinity", {}).setdefault("nodeAffinity", {})[
        "requiredDuringSchedulingIgnoredDuringExecution"
    ] = {"nodeSelectorTerms": [term]}
    tolerations = pod["spec"].setdefault("tolerations", [])
    for key, effect in (
        ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"),
    ):  # fmt: skip
        tolerations.append({"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect})
    try:
        made = create(cluster, "/pods", pod)
    except ApiError as error:
        event(cluster, value, "Warning", "FailedCreate", f"Error creating: {error.message}", _COMPONENT)
        later(cluster, _KEY, metadata["namespace"], metadata["name"], 1.0)
        return
    event(
        cluster, value, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}", _COMPONENT
    )


def _report(cluster: Cluster, value: Json, suffix: str) -> None:
    pods = [p for p in owned(cluster, value, "/pods") if not p["metadata"].get("deletionTimestamp")]
    min_ready = value["spec"].get("minReadySeconds") or 0
    able = sum(1 for p in pods if available(cluster, p, min_ready))
    status: Json = {
        "currentNumberScheduled": len(pods),
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 1,
        "numberReady": sum(1 for p in pods if ready(p)),
        "observedGeneration": value["metadata"].get("generation", 1),
    }
    updated = sum(1 for p in pods if (p["metadata"].get("labels") or {}).get(_HASH) == suffix)
    for name, count in (
        ("updatedNumberScheduled", updated),
        ("numberAvailable", able),
        ("numberUnavailable", 1 - able),
    ):
        if count > 0:
            status[name] = count
    set_status(cluster, _KEY, value, status)
    if status["numberReady"] > able:
        later(cluster, _KEY, value["metadata"]["namespace"], value["metadata"]["name"], 1.0)
