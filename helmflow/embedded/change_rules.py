"""Immutability: which changes of an object are refused, in the API server's own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from helmflow.embedded import naming, quantities
from helmflow.embedded.status import Cause, forbidden, invalid

Json = dict[str, Any]
Causes = list[Cause]

_STATEFUL_TEXT: Final = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_POD_TEXT: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_LOCKED: Final = "field is immutable when `immutable` is set"


def _immutable(path: str, old: Any, new: Any) -> Causes:
    return [] if old == new else [invalid(path, new, naming.IMMUTABLE)]


def _selector_change(old: Json, new: Json) -> Causes:
    return _immutable("spec.selector", old["spec"].get("selector"), new["spec"].get("selector"))


def _stateful_change(old: Json, new: Json) -> Causes:
    free = (
        "replicas",
        "template",
        "updateStrategy",
        "minReadySeconds",
        "ordinals",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
    )
    mine = {k: v for k, v in old["spec"].items() if k not in free}
    theirs = {k: v for k, v in new["spec"].items() if k not in free}
    return [] if mine == theirs else [forbidden("spec", _STATEFUL_TEXT)]


def _job_change(old: Json, new: Json) -> Causes:
    before, after = old["spec"], new["spec"]
    causes: Causes = []
    if before.get("completions") != after.get("completions"):
        elastic = after.get("completionMode") == "Indexed" and after.get("completions") == after.get(
            "parallelism"
        )
        if not elastic:
            causes += _immutable("spec.completions", before.get("completions"), after.get("completions"))
    for key in (
        "selector",
        "template",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ):
        if key == "template" and before.get("suspend") and not old["status"].get("startTime"):
            continue
        causes += _immutable(f"spec.{key}", before.get(key), after.get(key))
    return causes


def _pod_change(old: Json, new: Json) -> Causes:
    def fixed(pod: Json) -> Json:
        spec = {
            k: v
            for k, v in pod["spec"].items()
            if k
            not in (
                "activeDeadlineSeconds",
                "tolerations",
                "terminationGracePeriodSeconds",
                "schedulingGates",
                "nodeName",
            )
        }
        for key in ("containers", "initContainers"):
            if spec.get(key):
                spec[key] = [{k: v for k, v in c.items() if k not in ("image",)} for c in spec[key]]
        return spec

    return [] if fixed(old) == fixed(new) else [forbidden("spec", _POD_TEXT)]


def _service_change(old: Json, new: Json) -> Causes:
    before, after = old["spec"], new["spec"]
    if "ExternalName" in (before.get("type"), after.get("type")):
        return []
    causes: Causes = []
    was, now = before.get("clusterIPs") or [], after.get("clusterIPs") or []
    if was and now[:1] != was[:1]:
        causes.append(invalid("spec.clusterIPs[0]", now, "may not change once set"))
    mine, theirs = before.get("loadBalancerClass"), after.get("loadBalancerClass")
    if before.get("type") == after.get("type") == "LoadBalancer" and mine != theirs:
        causes.append(invalid("spec.loadBalancerClass", theirs, "may not change once set"))
    return causes


def _secret_change(old: Json, new: Json) -> Causes:
    return _immutable("type", old.get("type"), new.get("type")) + _locked(old, new, ("data",))


def _locked(old: Json, new: Json, fields: tuple[str, ...]) -> Causes:
    if not old.get("immutable"):
        return []
    causes = [] if new.get("immutable") else [forbidden("immutable", _LOCKED)]
    return causes + [forbidden(f, _LOCKED) for f in fields if (old.get(f) or {}) != (new.get(f) or {})]


def _claim_change(old: Json, new: Json) -> Causes:
    before, after = dict(old["spec"]), dict(new["spec"])
    if not before.get("volumeName"):
        before["volumeName"] = after.get("volumeName")
    if before.get("storageClassName") is None:
        before["storageClassName"] = after.get("storageClassName")
    bound = new["status"].get("phase") == "Bound"
    size_before = ((before.get("resources") or {}).get("requests") or {}).get("storage", "0")
    size_after = ((after.get("resources") or {}).get("requests") or {}).get("storage", "0")
    if bound:
        after["resources"] = before.get("resources")
        after["volumeAttributesClassName"] = before.get("volumeAttributesClassName")
    causes: Causes = []
    if _present(before) != _present(after):
        causes.append(
            forbidden(
                "spec",
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
            )
        )
    if quantities.value(size_after) < quantities.value(size_before):
        capacity = (old["status"].get("capacity") or {}).get("storage", "0")
        if quantities.value(size_after) <= quantities.value(capacity):
            causes.append(
                forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
            )
    return causes


def _present(value: Json) -> Json:
    return {k: v for k, v in value.items() if v not in (None, {}, "")}


def _volume_change(old: Json, new: Json) -> Causes:
    sources = (
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    )
    mine = {k: v for k, v in old["spec"].items() if k not in sources}
    theirs = {k: v for k, v in new["spec"].items() if k not in sources}
    return (
        []
        if mine == theirs
        else [
            forbidden(
                "spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"
            )
        ]
    )


def _binding_change(old: Json, new: Json) -> Causes:
    if old.get("roleRef") == new.get("roleRef"):
        return []
    ref = new.get("roleRef") or {}
    shown = {"apiGroup": ref.get("apiGroup", ""), "kind": ref.get("kind", ""), "name": ref.get("name", "")}
    return [invalid("roleRef", shown, "cannot change roleRef")]


def _fields_change(*paths: str) -> Callable[[Json, Json], Causes]:
    def change(old: Json, new: Json) -> Causes:
        causes: Causes = []
        for path in paths:
            mine: Any = old
            theirs: Any = new
            for key in path.split("."):
                mine, theirs = (mine or {}).get(key), (theirs or {}).get(key)
            causes += _immutable(path, mine, theirs)
        return causes

    return change


def _priority_change(old: Json, new: Json) -> Causes:
    causes: Causes = []
    if old.get("value") != new.get("value"):
        causes.append(forbidden("value", "may not be changed in an update."))
    return causes + _immutable("preemptionPolicy", old.get("preemptionPolicy"), new.get("preemptionPolicy"))


RULES: Final[dict[tuple[str, str], Callable[[Json, Json], Causes]]] = {
    ("apps", "Deployment"): _selector_change,
    ("apps", "ReplicaSet"): _selector_change,
    ("apps", "DaemonSet"): _selector_change,
    ("apps", "StatefulSet"): _stateful_change,
    ("batch", "Job"): _job_change,
    ("", "Pod"): _pod_change,
    ("", "Service"): _service_change,
    ("", "Secret"): _secret_change,
    ("", "ConfigMap"): lambda old, new: _locked(old, new, ("data", "binaryData")),
    ("", "PersistentVolumeClaim"): _claim_change,
    ("", "PersistentVolume"): _volume_change,
    ("rbac.authorization.k8s.io", "RoleBinding"): _binding_change,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _binding_change,
    ("storage.k8s.io", "StorageClass"): _fields_change(
        "parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"
    ),
    ("storage.k8s.io", "CSIDriver"): _fields_change("spec.attachRequired", "spec.volumeLifecycleModes"),
    ("networking.k8s.io", "IngressClass"): _fields_change("spec.controller"),
    ("node.k8s.io", "RuntimeClass"): _fields_change("handler"),
    ("scheduling.k8s.io", "PriorityClass"): _priority_change,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _fields_change(
        "spec.group", "spec.scope", "spec.names.kind", "spec.names.plural"
    ),
}
