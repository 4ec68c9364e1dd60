"""CustomResourceDefinitions become Established, APIServices Available."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded import writing
from helmflow.embedded.cluster import Cluster, copy_of
from helmflow.embedded.controllers.common import later, set_status, update, with_condition
from helmflow.embedded.kinds import CRDS
from helmflow.embedded.writing import DeleteOptions, WriteOptions

Json = dict[str, Any]

_MANAGER: Final = WriteOptions(manager="kube-apiserver")
_CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"
_ESTABLISH_S: Final = 0.02


def run(cluster: Cluster, _: str, name: str) -> None:
    """Accept names, establish, and clean up behind a deleted definition."""
    crd = cluster.get(CRDS, "", name)
    if crd is None:
        return
    if crd["metadata"].get("deletionTimestamp"):
        _clean_up(cluster, crd)
        return
    now = cluster.now()
    status = copy_of(crd["status"])
    conditions = status.get("conditions")
    problem = _conflict(cluster, crd)
    if problem:
        conditions = with_condition(conditions, now, "NamesAccepted", "False", *problem)
        conditions = with_condition(
            conditions, now, "Established", "False", "NotAccepted", "not all names are accepted"
        )
    else:
        accepted = any(c["type"] == "NamesAccepted" and c["status"] == "True" for c in conditions or ())
        conditions = with_condition(
            conditions, now, "NamesAccepted", "True", "NoConflicts", "no conflicts found"
        )
        status["acceptedNames"] = crd["spec"]["names"]
        if accepted:
            conditions = with_condition(
                conditions,
                now,
                "Established",
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted",
            )
        else:
            conditions = with_condition(
                conditions, now, "Established", "False", "Installing", "the initial names have been accepted"
            )
            later(cluster, CRDS, "", name, _ESTABLISH_S)
    status["conditions"] = conditions
    crd = set_status(cluster, CRDS, crd, status, _MANAGER)
    if not problem and _CLEANUP not in (crd["metadata"].get("finalizers") or ()):
        new = copy_of(crd)
        new["metadata"].setdefault("finalizers", []).append(_CLEANUP)
        update(cluster, CRDS, crd, new, _MANAGER, "status")


def _conflict(cluster: Cluster, crd: Json) -> tuple[str, str] | None:
    spec, names = crd["spec"], crd["spec"]["names"]
    for other in cluster.registry.crds:
        if other["metadata"]["name"] == crd["metadata"]["name"] or other["spec"]["group"] != spec["group"]:
            continue
        taken = other["spec"]["names"]
        if taken["kind"] == names["kind"]:
            return "KindConflict", f'"{names["kind"]}" is already in use'
    return None


def _clean_up(cluster: Cluster, crd: Json) -> None:
    """Delete the instances, then let the definition go."""
    spec = crd["spec"]
    key = f"{spec['group']}/{spec['names']['plural']}"
    resource = cluster.registry.by_key(key)
    now = cluster.now()
    values = cluster.objects(key)
    if resource is not None:
        for value in values:
            if not value["metadata"].get("deletionTimestamp"):
                writing.delete(cluster, resource, value, DeleteOptions())
        values = cluster.objects(key)
    if values:
        message = f"deleting {len(values)} instances"
        conditions = with_condition(
            crd["status"].get("conditions"), now, "Terminating", "True", "InstanceDeletionInProgress", message
        )
        set_status(cluster, CRDS, crd, {**crd["status"], "conditions": conditions}, _MANAGER)
        later(cluster, CRDS, "", crd["metadata"]["name"], 0.2)
        return
    if _CLEANUP in (crd["metadata"].get("finalizers") or ()):
        new = copy_of(crd)
        new["metadata"]["finalizers"] = [f for f in new["metadata"]["finalizers"] if f != _CLEANUP]
        if not new["metadata"]["finalizers"]:
            del new["metadata"]["finalizers"]
        update(cluster, CRDS, crd, new, _MANAGER, "status")


def run_service(cluster: Cluster, _: str, name: str) -> None:
    """An APIService is available when it is local or its Service exists; what it would serve is not simulated."""
    key = "apiregistration.k8s.io/apiservices"
    value = cluster.get(key, "", name)
    if value is None or value["metadata"].get("deletionTimestamp"):
        return
    service = value["spec"].get("service")
    if service is None:
        status, reason, message = "True", "Local", "Local APIServices are always available"
    elif cluster.storage.get("/services", service.get("namespace", ""), service.get("name", "")) is None:
        status, reason = "False", "ServiceNotFound"
        message = f'service/{service.get("name")} in "{service.get("namespace")}" is not present'
        later(cluster, key, "", name, 0.5)
    else:
        status, reason, message = "True", "Passed", "all checks passed (simulated)"
    conditions = with_condition(
        (value.get("status") or {}).get("conditions"), cluster.now(), "Available", status, reason, message
    )
    set_status(cluster, key, value, {"conditions": conditions}, _MANAGER)
