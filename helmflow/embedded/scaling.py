"""The /scale subresource of workloads and custom resources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from helmflow.embedded import writing
from helmflow.embedded.cluster import Cluster, copy_of
from helmflow.embedded.kinds import Resource
from helmflow.embedded.status import MODIFIED, ApiError, conflict

if TYPE_CHECKING:
    from helmflow.embedded.requests import Answer, Call

Json = dict[str, Any]


def answer(cluster: Cluster, call: Call) -> Answer:
    """GET, PUT or PATCH of /scale."""
    from helmflow.embedded import requests

    old = requests.existing(cluster, call)
    paths = _paths(call.resource)
    before = _scale(call.resource, old, paths)
    if call.verb == "get":
        return requests.Answer(200, json.dumps(before).encode())
    if call.verb == "patch" and requests.patch_kind(call) == "apply":
        wanted = {**before, **call.body()}
    else:
        wanted = requests.patched(call, before) if call.verb == "patch" else call.body()
    revision = (wanted.get("metadata") or {}).get("resourceVersion")
    if revision and revision != old["metadata"]["resourceVersion"]:
        raise conflict(call.resource.group, call.resource.plural, call.name, MODIFIED)
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        raise ApiError(
            422,
            f'Scale.autoscaling "{call.name}" is invalid: spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0',
        )
    new = copy_of(old)
    _set(new, paths[0], replicas)
    updated = writing.update(cluster, call.resource, old, new, call.options, subresource="scale")
    return requests.Answer(200, json.dumps(_scale(call.resource, updated, paths)).encode())


def _paths(resource: Resource) -> tuple[str, str, str]:
    declared = ((resource.crd_version or {}).get("subresources") or {}).get("scale") or {}
    return (
        declared.get("specReplicasPath", ".spec.replicas"),
        declared.get("statusReplicasPath", ".status.replicas"),
        declared.get(
            "labelSelectorPath", ".status.selector" if resource.crd is not None else ".spec.selector"
        ),
    )


def _scale(resource: Resource, value: Json, paths: tuple[str, str, str]) -> Json:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Json = {"replicas": _get(value, paths[1]) or 0}
    selector = _get(value, paths[2])
    if isinstance(selector, dict):
        labels = (
            selector.get("matchLabels", selector)
            if "matchExpressions" not in selector
            else selector.get("matchLabels") or {}
        )
        selector = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: value["metadata"][k] for k in kept if k in value["metadata"]},
        "spec": {"replicas": _get(value, paths[0]) or 0},
        "status": status,
    }


def _get(value: Any, path: str) -> Any:
    for key in path.strip(".").split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _set(value: Json, path: str, number: int) -> None:
    keys = path.strip(".").split(".")
    for key in keys[:-1]:
        value = value.setdefault(key, {})
    value[keys[-1]] = number
