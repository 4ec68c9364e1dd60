"""Conversion between the version in which an object is served and the one in which it is stored."""

from __future__ import annotations

import json
from typing import Any, Final

from helmflow.embedded.kinds import Resource

Json = dict[str, Any]

_METRICS: Final = "autoscaling.alpha.kubernetes.io/metrics"
_BEHAVIOR: Final = "autoscaling.alpha.kubernetes.io/behavior"
_EVENT: Final = (
    ("note", "message"), ("regarding", "involvedObject"), ("deprecatedCount", "count"), ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"), ("deprecatedLastTimestamp", "lastTimestamp"),
    ("reportingController", "reportingComponent"),
)  # fmt: skip


def to_stored(resource: Resource, served: Json) -> Json:
    """The stored form of a served object."""
    if resource.api_version == resource.stored_version:
        return served
    value = {**served, "apiVersion": resource.stored_version}
    if resource.plural == "horizontalpodautoscalers":
        return _autoscaler_up(value)
    if resource.group == "events.k8s.io":
        return _renamed(value, dict(_EVENT))
    return value


def to_served(resource: Resource, stored: Json) -> Json:
    """The served form of a stored object."""
    if resource.api_version == resource.stored_version:
        return stored
    value = {**stored, "apiVersion": resource.api_version}
    if resource.plural == "horizontalpodautoscalers":
        return _autoscaler_down(value)
    if resource.group == "events.k8s.io":
        return _renamed(value, {old: new for new, old in _EVENT})
    return value


def _renamed(value: Json, names: dict[str, str]) -> Json:
    return {names.get(key, key): item for key, item in value.items()}


def _autoscaler_up(value: Json) -> Json:
    spec, metadata = dict(value["spec"]), dict(value["metadata"])
    annotations = dict(metadata.get("annotations") or {})
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    metrics = json.loads(annotations.pop(_METRICS, "[]"))
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}, *metrics]
    if metrics:
        spec["metrics"] = metrics
    if _BEHAVIOR in annotations:
        spec["behavior"] = json.loads(annotations.pop(_BEHAVIOR))
    metadata["annotations"] = annotations
    if not annotations:
        del metadata["annotations"]
    status = dict(value.get("status") or {})
    status.pop("currentCPUUtilizationPercentage", None)
    return {
        **value,
        "metadata": metadata,
        "spec": spec,
        "status": {"desiredReplicas": 0, "currentMetrics": None, **status},
    }


def _autoscaler_down(value: Json) -> Json:
    spec, metadata = dict(value["spec"]), dict(value["metadata"])
    others = []
    for metric in spec.pop("metrics", None) or ():
        resource = metric.get("resource") or {}
        target = resource.get("target") or {}
        if resource.get("name") == "cpu" and target.get("type") == "Utilization":
            spec["targetCPUUtilizationPercentage"] = target.get("averageUtilization")
        else:
            others.append(metric)
    annotations = dict(metadata.get("annotations") or {})
    if others:
        annotations[_METRICS] = json.dumps(others, separators=(",", ":"))
    behavior = spec.pop("behavior", None)
    if behavior is not None:
        annotations[_BEHAVIOR] = json.dumps(behavior, separators=(",", ":"))
    if annotations:
        metadata["annotations"] = annotations
    status = value.get("status") or {}
    kept = {
        k: status[k]
        for k in ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")
        if k in status
    }
    return {
        **value,
        "metadata": metadata,
        "spec": spec,
        "status": {"currentReplicas": 0, "desiredReplicas": 0, **kept},
    }
