"""HorizontalPodAutoscalers and PodDisruptionBudgets: their statuses, and sizes within the autoscaler's bounds."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded import selectors, writing
from helmflow.embedded.cluster import Cluster, copy_of
from helmflow.embedded.controllers.common import (
    MANAGER,
    active,
    event,
    owner_of,
    ready,
    resolve,
    set_status,
    with_condition,
)

Json = dict[str, Any]

_KEY: Final = "autoscaling/horizontalpodautoscalers"
_BUDGETS: Final = "policy/poddisruptionbudgets"


def run_all(cluster: Cluster, namespace: str, _: str) -> None:
    """Reconcile every autoscaler of a namespace."""
    for record in cluster.storage.records(_KEY, namespace):
        run(cluster, namespace, record.name)


def run(cluster: Cluster, namespace: str, name: str) -> None:
    """Keep the target within bounds; there are no metrics, and the conditions say so."""
    value = cluster.get(_KEY, namespace, name)
    if value is None or value["metadata"].get("deletionTimestamp"):
        return
    spec = value["spec"]
    ref = spec["scaleTargetRef"]
    resource = cluster.registry.by_kind(ref.get("apiVersion", "apps/v1"), ref["kind"])
    target = cluster.get(resource.key, namespace, ref["name"]) if resource is not None else None
    now = cluster.now()
    status = copy_of(value.get("status") or {})
    conditions = status.get("conditions")
    if resource is None or target is None:
        group = f"{ref['kind'].lower()}s.{ref.get('apiVersion', '').rpartition('/')[0]}"
        message = f'the HPA controller was unable to get the target\'s current scale: {group} "{ref["name"]}" not found'
        status["conditions"] = with_condition(
            conditions, now, "AbleToScale", "False", "FailedGetScale", message
        )
        status.setdefault("desiredReplicas", 0)
        value = set_status(cluster, _KEY, value, status)
        event(
            cluster,
            value,
            "Warning",
            "FailedGetScale",
            message.split(": ", 1)[1],
            "horizontal-pod-autoscaler",
        )
        return
    current = target["spec"].get("replicas", 1)
    wanted = min(max(current, spec.get("minReplicas", 1)), spec["maxReplicas"]) if current else 0
    if wanted != current:
        changed = copy_of(target)
        changed["spec"]["replicas"] = wanted
        writing.update(cluster, resource, target, changed, MANAGER, subresource="scale")
        status["lastScaleTime"] = now
        why = "below Spec.MinReplicas" if wanted > current else "above Spec.MaxReplicas"
        event(
            cluster,
            value,
            "Normal",
            "SuccessfulRescale",
            f"New size: {wanted}; reason: Current number of replicas {why}",
            "horizontal-pod-autoscaler",
        )
    conditions = with_condition(
        conditions,
        now,
        "AbleToScale",
        "True",
        "SucceededGetScale",
        "the HPA controller was able to get the target's current scale",
    )
    if current:
        message = "the HPA was unable to compute the replica count: the embedded cluster has no metrics"
        conditions = with_condition(
            conditions, now, "ScalingActive", "False", "FailedGetResourceMetric", message
        )
    else:
        message = "scaling is disabled since the replica count of the target is zero"
        conditions = with_condition(conditions, now, "ScalingActive", "False", "ScalingDisabled", message)
    status |= {
        "conditions": conditions,
        "currentReplicas": current,
        "desiredReplicas": wanted,
        "currentMetrics": status.get("currentMetrics"),
    }
    set_status(cluster, _KEY, value, status)


def run_budgets(cluster: Cluster, namespace: str, _: str) -> None:
    """Reconcile every budget of a namespace."""
    for record in cluster.storage.records(_BUDGETS, namespace):
        run_budget(cluster, namespace, record.name)


def run_budget(cluster: Cluster, namespace: str, name: str) -> None:
    """Count healthy pods and say how many may be evicted."""
    value = cluster.get(_BUDGETS, namespace, name)
    if value is None or value["metadata"].get("deletionTimestamp"):
        return
    spec = value["spec"]
    match = selectors.label_object(spec.get("selector"))
    pods = [
        p for p in cluster.view("/pods", namespace) if active(p) and match(p["metadata"].get("labels") or {})
    ]
    expected = _expected(cluster, pods, namespace)
    if spec.get("maxUnavailable") is not None:
        desired = max(expected - resolve(spec["maxUnavailable"], expected, up=True), 0)
    elif isinstance(spec.get("minAvailable"), int):
        desired, expected = spec["minAvailable"], len(pods)
    else:
        desired = resolve(spec.get("minAvailable"), expected, up=True, default=1)
    healthy = sum(1 for p in pods if ready(p))
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    status: Json = {
        "observedGeneration": value["metadata"].get("generation", 1),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
    }
    reason, ok = ("SufficientPods", "True") if allowed else ("InsufficientPods", "False")
    status["conditions"] = with_condition(
        (value.get("status") or {}).get("conditions"), cluster.now(), "DisruptionAllowed", ok, reason, "",
        observedGeneration=status["observedGeneration"],
    )  # fmt: skip
    set_status(cluster, _BUDGETS, value, status)


def _expected(cluster: Cluster, pods: list[Json], namespace: str) -> int:
    """The sizes of the pods' controllers."""
    total = 0
    seen: set[str] = set()
    for pod in pods:
        owner = owner_of(pod)
        if owner is None:
            total += 1
        elif owner["uid"] not in seen:
            seen.add(owner["uid"])
            found = cluster.storage.by_uid(owner["uid"])
            if found is not None:
                value = found[1].parse()
                parent = owner_of(value)
                top = cluster.storage.by_uid(parent["uid"]) if parent is not None else None
                if top is not None:
                    if parent is not None and parent["uid"] in seen:
                        continue
                    seen.add(parent["uid"] if parent is not None else "")
                    value = top[1].parse()
                total += value["spec"].get("replicas", 1)
    return total
