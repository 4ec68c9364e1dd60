"""The controllers' queue: which change wakes which controller, and running what is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from helmflow.embedded.cluster import Cluster
from helmflow.embedded.controllers import (
    autoscaling,
    cronjobs,
    daemonsets,
    definitions,
    deployments,
    garbage,
    jobs,
    namespaces,
    nodes,
    replicasets,
    services,
    statefulsets,
    volumes,
)
from helmflow.embedded.controllers.common import REACTION_S, later, owner_of, task
from helmflow.embedded.status import ApiError

Json = dict[str, Any]
Controller = Callable[[Cluster, str, str], None]

_MAX_TASKS: Final = 20_000  # one look at the cluster never runs longer than this
_CATCH_UP_S: Final = 600.0  # after a pause nobody watched, older tasks happen ten minutes ago
_RETRY_S: Final = 1.0

_CONTROLLERS: Final[dict[str, Controller]] = {
    "/pods": nodes.run_pod,
    "/replicationcontrollers": replicasets.run_controller,
    "/services": services.run,
    "/persistentvolumeclaims": volumes.run_claim,
    "/persistentvolumes": volumes.run_volume,
    "/namespaces": namespaces.run,
    "apps/replicasets": replicasets.run,
    "apps/deployments": deployments.run,
    "apps/statefulsets": statefulsets.run,
    "apps/daemonsets": daemonsets.run,
    "batch/jobs": jobs.run,
    "batch/cronjobs": cronjobs.run,
    "networking.k8s.io/ingresses": services.run_ingress,
    "autoscaling/horizontalpodautoscalers": autoscaling.run,
    "policy/poddisruptionbudgets": autoscaling.run_budget,
    "apiextensions.k8s.io/customresourcedefinitions": definitions.run,
    "apiregistration.k8s.io/apiservices": definitions.run_service,
    "/resourcequotas": namespaces.run_quota,
    "endpoints": services.run_endpoints,
    "budgets": autoscaling.run_budgets,
    "autoscalers": autoscaling.run_all,
    "quotas": namespaces.run_quotas,
    "garbage": garbage.run,
}
_OWNERS: Final = {
    ("apps", "ReplicaSet"): "apps/replicasets",
    ("apps", "Deployment"): "apps/deployments",
    ("apps", "StatefulSet"): "apps/statefulsets",
    ("apps", "DaemonSet"): "apps/daemonsets",
    ("batch", "Job"): "batch/jobs",
    ("batch", "CronJob"): "batch/cronjobs",
    ("", "ReplicationController"): "/replicationcontrollers",
}
_SCALED: Final = ("apps/deployments", "apps/statefulsets", "apps/replicasets")


class Queue:
    """Runs due tasks whenever somebody looks."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def advance(self) -> float | None:
        """Run everything that is due by now; returns when the next task is."""
        storage = self._cluster.storage
        due = storage.next_due()
        now = self._cluster.clock.now().timestamp()
        if due is None or due > now:
            return due
        with storage.transaction():
            for _ in range(_MAX_TASKS):
                taken = storage.take(now)
                if taken is None:
                    break
                self._run(taken[0], max(taken[1], now - _CATCH_UP_S))
        return storage.next_due()

    def _run(self, entry: str, moment: float) -> None:
        name, namespace, target = entry.split("|", 2)
        with self._cluster.at(moment):
            try:
                _CONTROLLERS[name](self._cluster, namespace, target)
            except ApiError:
                # What a controller may not write now (a namespace going away, a quota) it tries again, as the real ones do.
                later(self._cluster, name, namespace, target, _RETRY_S)


def on_change(cluster: Cluster, key: str, old: Json | None, new: Json | None) -> None:
    """Wake the controllers that care about one change."""
    value = new if new is not None else old
    assert value is not None
    metadata = value["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    if key == "/pods":
        _on_pod(cluster, old, new, namespace, name)
    elif key in _CONTROLLERS and new is not None:
        _wake(cluster, key, namespace, name)
    owner = owner_of(value)
    if owner is not None:
        owner_key = _OWNERS.get((owner["apiVersion"].rpartition("/")[0], owner["kind"]))
        if owner_key is not None:
            _wake(cluster, owner_key, namespace, owner["name"])
    if key in _SCALED and cluster.storage.records("autoscaling/horizontalpodautoscalers", namespace):
        _wake(cluster, "autoscalers", namespace, "")
    if key == "/services" and (old is None or new is None or old["spec"] != new["spec"]):
        _wake(cluster, "endpoints", namespace, "")
    garbage.on_change(cluster, key, old, new)
    if new is None and namespace:
        space = cluster.storage.get("/namespaces", "", namespace)
        if space is not None and '"deletionTimestamp"' in space.body:
            _wake(cluster, "/namespaces", "", namespace)
    if (
        namespace
        and (old is None or new is None)
        and key != "/events"
        and cluster.storage.records("/resourcequotas", namespace)
    ):
        _wake(cluster, "quotas", namespace, "")


def _on_pod(cluster: Cluster, old: Json | None, new: Json | None, namespace: str, name: str) -> None:
    if new is not None:
        before = old or {"metadata": {}, "spec": None}
        born, dying = old is None, bool(new["metadata"].get("deletionTimestamp"))
        if born or (dying and before["metadata"] != new["metadata"]):
            _wake(cluster, "/pods", namespace, name)
    if _endpoint(old) != _endpoint(new):
        _wake(cluster, "endpoints", namespace, "")
        _wake(cluster, "budgets", namespace, "")


def _endpoint(pod: Json | None) -> Any:
    """What Services and budgets see of a pod."""
    if pod is None:
        return None
    status = pod.get("status") or {}
    ready = [c["status"] for c in status.get("conditions") or () if c["type"] == "Ready"]
    return (
        status.get("podIP"),
        ready,
        pod["metadata"].get("labels"),
        bool(pod["metadata"].get("deletionTimestamp")),
        status.get("phase"),
    )


def _wake(cluster: Cluster, controller: str, namespace: str, name: str) -> None:
    cluster.storage.enqueue(task(controller, namespace, name), cluster.moment() + REACTION_S)
