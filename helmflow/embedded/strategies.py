"""What the API server adds to objects of particular kinds before it stores them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from helmflow.embedded.cluster import Cluster, copy_of, random_suffix
from helmflow.embedded.kinds import Resource
from helmflow.embedded.status import ApiError, denied, invalid, unprocessable

Json = dict[str, Any]

NODE: Final = "embedded"
DEFAULT_CLASS: Final = "standard"
_TOKEN_LIFE_S: Final = 3607
_NODE_PORTS: Final = (30000, 32767)

# Kinds whose generation counts changes of these fields ("*" is everything but metadata and status).
_GENERATIONS: Final = {
    ("apps", "Deployment"): ("spec", "annotations"),
    ("apps", "ReplicaSet"): ("spec",),
    ("apps", "StatefulSet"): ("spec",),
    ("apps", "DaemonSet"): ("spec",),
    ("batch", "Job"): ("spec",),
    ("batch", "CronJob"): ("spec",),
    ("", "ReplicationController"): ("spec",),
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template",),
    ("networking.k8s.io", "Ingress"): ("spec",),
    ("networking.k8s.io", "IngressClass"): ("spec",),
    ("networking.k8s.io", "NetworkPolicy"): ("spec",),
    ("policy", "PodDisruptionBudget"): ("spec",),
    ("scheduling.k8s.io", "PriorityClass"): (),
    ("discovery.k8s.io", "EndpointSlice"): ("*",),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): ("webhooks",),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): ("webhooks",),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): ("spec",),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): ("spec",),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("spec",),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): ("spec",),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): ("spec",),
}
_NEEDS_REVISION: Final = {
    ("coordination.k8s.io", "Lease"), ("policy", "PodDisruptionBudget"), ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
}  # fmt: skip


def first_generation(resource: Resource) -> int:
    """The generation of a new object, 0 where the kind has none."""
    return 1 if resource.crd is not None or (resource.group, resource.kind) in _GENERATIONS else 0


def generation_after(resource: Resource, old: Json, new: Json) -> int:
    """The generation after a change."""
    current = int(old["metadata"].get("generation", 0))
    fields: tuple[str, ...] = (
        ("*",) if resource.crd is not None else _GENERATIONS.get((resource.group, resource.kind), ())
    )
    for field in fields:
        if field == "annotations":
            moved = old["metadata"].get("annotations") != new["metadata"].get("annotations")
        elif field == "*":
            skip = ("metadata", "status") if resource.has_status or resource.crd is None else ("metadata",)
            moved = {k: v for k, v in old.items() if k not in skip} != {
                k: v for k, v in new.items() if k not in skip
            }
        else:
            moved = old.get(field) != new.get(field)
        if moved:
            return current + 1
    return current


def needs_revision(resource: Resource) -> bool:
    """Whether a PUT must name the resourceVersion that it replaces."""
    return resource.crd is not None or (resource.group, resource.kind) in _NEEDS_REVISION


def normalise(resource: Resource, value: Json) -> None:
    """What the server's conversion does to any incoming object of the kind."""
    rule = _NORMALISE.get((resource.group, resource.kind))
    if rule is not None:
        rule(value)


def prepare_create(cluster: Cluster, resource: Resource, value: Json) -> None:
    """Fill in what depends on the cluster: addresses, accounts, finalizers, generated selectors."""
    rule = _CREATE.get((resource.group, resource.kind))
    if rule is not None:
        rule(cluster, value)


def prepare_update(cluster: Cluster, resource: Resource, old: Json, new: Json) -> None:
    """Carry over what a client may leave out."""
    rule = _UPDATE.get((resource.group, resource.kind))
    if rule is not None:
        rule(cluster, old, new)


def _fold_string_data(value: Json) -> None:
    from base64 import b64encode

    for key, text in (value.pop("stringData", None) or {}).items():
        value.setdefault("data", {})[key] = b64encode(text.encode()).decode()
    if value.get("data") == {}:
        del value["data"]


def _daemon_generation(value: Json) -> None:
    value["metadata"].setdefault("annotations", {}).setdefault(
        "deprecated.daemonset.template.generation", "0"
    )


def _create_daemon_set(cluster: Cluster, value: Json) -> None:
    value["metadata"].setdefault("annotations", {})["deprecated.daemonset.template.generation"] = "1"


def _update_daemon_set(cluster: Cluster, old: Json, new: Json) -> None:
    key = "deprecated.daemonset.template.generation"
    before = int((old["metadata"].get("annotations") or {}).get(key, "0"))
    moved = old["spec"]["template"] != new["spec"]["template"]
    new["metadata"].setdefault("annotations", {})[key] = str(before + moved)


def _create_namespace(cluster: Cluster, value: Json) -> None:
    value["spec"] = {**value.get("spec", {}), "finalizers": ["kubernetes"]}
    value["status"] = {"phase": "Active"}
    value["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = value["metadata"]["name"]


def _update_namespace(cluster: Cluster, old: Json, new: Json) -> None:
    new["spec"] = old.get("spec", {})


def _create_pod(cluster: Cluster, value: Json) -> None:
    namespace, spec = value["metadata"]["namespace"], value["spec"]
    if not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"] = "default"
    account = cluster.get("/serviceaccounts", namespace, spec["serviceAccountName"])
    if account is None:
        raise denied(
            "", "pods", value["metadata"]["name"],
            f"error looking up service account {namespace}/{spec['serviceAccountName']}: serviceaccount \"{spec['serviceAccountName']}\" not found",
        )  # fmt: skip
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]
    _mount_token(value, account)
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") == key or not t.get("key") for t in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            )
    _priority(cluster, value)
    value["status"] = {"phase": "Pending", "qosClass": _quality(spec)}


def _mount_token(value: Json, account: Json) -> None:
    """The API token volume that the ServiceAccount admission mounts."""
    spec = value["spec"]
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    if not wanted or all(
        any(m.get("mountPath") == path for m in c.get("volumeMounts") or ()) for c in containers
    ):
        return
    name = f"kube-api-access-{random_suffix()}"
    for container in containers:
        mounts = container.setdefault("volumeMounts", [])
        if not any(m.get("mountPath") == path for m in mounts):
            mounts.append({"name": name, "readOnly": True, "mountPath": path})
    sources: list[Json] = [
        {"serviceAccountToken": {"expirationSeconds": _TOKEN_LIFE_S, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                ]
            }
        },
    ]
    spec.setdefault("volumes", []).append(
        {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
    )


def _priority(cluster: Cluster, value: Json) -> None:
    spec = value["spec"]
    name = spec.get("priorityClassName")
    if name:
        found = cluster.get("scheduling.k8s.io/priorityclasses", "", name)
        if found is None:
            raise denied(
                "", "pods", value["metadata"]["name"], f"no PriorityClass with name {name} was found"
            )
        spec["priority"] = found.get("value", 0)
        spec["preemptionPolicy"] = found.get("preemptionPolicy", "PreemptLowerPriority")
    else:
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _quality(spec: Json) -> str:
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    resources = [c.get("resources") or {} for c in containers]
    if not any(r.get("limits") or r.get("requests") for r in resources):
        return "BestEffort"
    for entry in resources:
        limits, requests = entry.get("limits") or {}, entry.get("requests") or {}
        if any(k not in limits or requests.get(k, limits[k]) != limits[k] for k in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"


def _create_service(cluster: Cluster, value: Json) -> None:
    _assign_addresses(cluster, value)
    _assign_node_ports(cluster, value)
    _assign_health_port(cluster, value)


def _assign_health_port(cluster: Cluster, value: Json) -> None:
    """A LoadBalancer that keeps client addresses is probed on a port of its own."""
    spec = value["spec"]
    if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
        spec.pop("healthCheckNodePort", None)
    elif not spec.get("healthCheckNodePort"):
        taken = _taken_ports(cluster, value)
        spec["healthCheckNodePort"] = _free_port(
            taken, f"{value['metadata'].get('namespace')}/{value['metadata']['name']}/health"
        )


def _taken_ports(cluster: Cluster, value: Json) -> set[int]:
    own = (value["metadata"].get("namespace"), value["metadata"]["name"])
    taken = {p["nodePort"] for p in value["spec"].get("ports") or () if p.get("nodePort")}
    for service in cluster.view("/services"):
        if (service["metadata"]["namespace"], service["metadata"]["name"]) != own:
            taken |= {p["nodePort"] for p in service["spec"].get("ports") or () if p.get("nodePort")}
            taken |= {service["spec"].get("healthCheckNodePort") or 0}
    return taken


def _free_port(taken: set[int], seed: str) -> int:
    low, high = _NODE_PORTS
    size = high - low + 1
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    found = next((p for p in (low + (start + k) % size for k in range(size)) if p not in taken), None)
    if found is None:
        raise ApiError(500, "failed to allocate a nodePort: range is full")
    return found


def _assign_addresses(cluster: Cluster, value: Json) -> None:
    spec = value["spec"]
    if spec.get("type") == "ExternalName":
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            spec.pop(key, None)
        return
    asked = spec.get("clusterIP") or (spec.get("clusterIPs") or [""])[0]
    if not asked:
        spec["clusterIP"] = _free_address(cluster, value)
    else:
        spec["clusterIP"] = asked
        if asked != "None" and _address_taken(cluster, asked, value):
            cause = invalid(
                "spec.clusterIPs", [asked], f"failed to allocate IP {asked}: provided IP is already allocated"
            )
            raise unprocessable("", "Service", value["metadata"]["name"], [cause])
    spec["clusterIPs"] = spec.get("clusterIPs") or [spec["clusterIP"]]
    if spec["clusterIP"] != "None" or spec.get("selector") or not spec.get("ipFamilies"):
        spec["ipFamilies"] = spec.get("ipFamilies") or ["IPv4"]
        spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or "SingleStack"


def _free_address(cluster: Cluster, value: Json) -> str:
    """An address of 10.96.0.0/16 that follows from the name, the next free one after a collision."""
    metadata = value["metadata"]
    digest = hashlib.sha256(f"{metadata.get('namespace', '')}/{metadata['name']}".encode()).digest()
    number = int.from_bytes(digest[:4], "big")
    taken = {s["spec"].get("clusterIP") for s in cluster.view("/services")}
    for step in range(65000):
        slot = 256 + (number + step) % 65000
        address = f"10.96.{slot >> 8}.{slot & 255}"
        if address not in taken:
            return address
    raise ApiError(500, "failed to allocate a serviceIP: range is full")


def _address_taken(cluster: Cluster, address: str, value: Json) -> bool:
    metadata = value["metadata"]
    return any(
        s["spec"].get("clusterIP") == address
        and (s["metadata"]["namespace"], s["metadata"]["name"])
        != (metadata.get("namespace"), metadata["name"])
        for s in cluster.view("/services")
    )


def _assign_node_ports(cluster: Cluster, value: Json) -> None:
    spec = value["spec"]
    kind = spec.get("type")
    if kind not in ("NodePort", "LoadBalancer") or (
        kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False
    ):
        return
    taken: set[int] | None = None
    for port in spec.get("ports") or ():
        if not port.get("nodePort"):
            taken = _taken_ports(cluster, value) if taken is None else taken
            seed = f"{value['metadata'].get('namespace')}/{value['metadata']['name']}/{port.get('port')}/{port.get('protocol')}"
            port["nodePort"] = _free_port(taken, seed)
            taken.add(port["nodePort"])


def _update_service(cluster: Cluster, old: Json, new: Json) -> None:
    before, after = old["spec"], new["spec"]
    if after.get("type") == "ExternalName":
        for key in (
            "clusterIP",
            "clusterIPs",
            "ipFamilies",
            "ipFamilyPolicy",
            "internalTrafficPolicy",
            "externalTrafficPolicy",
            "allocateLoadBalancerNodePorts",
            "healthCheckNodePort",
        ):
            if after.get(key) == before.get(key):
                after.pop(key, None)
        for port in after.get("ports") or ():
            port.pop("nodePort", None)
        return
    if before.get("type") != "ExternalName":
        if not after.get("clusterIP") and not after.get("clusterIPs"):
            after["clusterIP"], after["clusterIPs"] = before.get("clusterIP"), before.get("clusterIPs")
        elif after.get("clusterIP") == before.get("clusterIP"):
            after["clusterIPs"] = after.get("clusterIPs") or before.get("clusterIPs")
        elif after.get("clusterIPs") == before.get("clusterIPs"):
            after["clusterIPs"] = [after["clusterIP"]] if after.get("clusterIP") else before.get("clusterIPs")
        else:
            after["clusterIPs"] = after.get("clusterIPs") or [after["clusterIP"]]
        for key in ("ipFamilies", "ipFamilyPolicy"):
            after[key] = after.get(key) or before.get(key)
            if after[key] is None:
                del after[key]
    known = {(p.get("port"), p.get("protocol")): p.get("nodePort") for p in before.get("ports") or ()}
    for port in after.get("ports") or ():
        if after.get("type") in ("NodePort", "LoadBalancer"):
            earlier = known.get((port.get("port"), port.get("protocol")))
            if earlier and not port.get("nodePort"):
                port["nodePort"] = earlier
        elif port.get("nodePort") == known.get((port.get("port"), port.get("protocol"))):
            port.pop("nodePort", None)
    if after.get("type") == "ClusterIP":
        if not after.get("externalIPs"):
            after.pop("externalTrafficPolicy", None)
        after.pop("allocateLoadBalancerNodePorts", None)
        if before.get("type") == "LoadBalancer":
            new["status"] = {"loadBalancer": {}}
    elif after.get("type") == "NodePort":
        after.pop("allocateLoadBalancerNodePorts", None)
    if not after.get("clusterIP"):
        _assign_addresses(cluster, new)
    _assign_node_ports(cluster, new)
    if not after.get("healthCheckNodePort") and before.get("healthCheckNodePort"):
        after["healthCheckNodePort"] = before["healthCheckNodePort"]
    _assign_health_port(cluster, new)


def _create_job(cluster: Cluster, value: Json) -> None:
    spec, metadata = value["spec"], value["metadata"]
    if spec.get("manualSelector"):
        return
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for prefix in ("batch.kubernetes.io/", ""):
        labels[prefix + "controller-uid"] = metadata["uid"]
        labels[prefix + "job-name"] = metadata["name"]
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": metadata["uid"]}}
    if not metadata.get("labels"):
        metadata["labels"] = dict(labels)  # defaulting runs once more when the server reads the object back


def _update_job(cluster: Cluster, old: Json, new: Json) -> None:
    if new["spec"].get("selector") is None:
        new["spec"]["selector"] = old["spec"].get("selector")


def _create_claim(cluster: Cluster, value: Json) -> None:
    metadata, spec = value["metadata"], value["spec"]
    _finalize(metadata, "kubernetes.io/pvc-protection")
    value["status"] = {"phase": "Pending"}
    if spec.get("storageClassName") is None:
        for found in cluster.view("storage.k8s.io/storageclasses"):
            if (found["metadata"].get("annotations") or {}).get(
                "storageclass.kubernetes.io/is-default-class"
            ) == "true":
                spec["storageClassName"] = found["metadata"]["name"]


def _update_claim(cluster: Cluster, old: Json, new: Json) -> None:
    if new["spec"].get("storageClassName") is None and old["spec"].get("storageClassName") is not None:
        new["spec"]["storageClassName"] = old["spec"]["storageClassName"]


def _create_volume(cluster: Cluster, value: Json) -> None:
    _finalize(value["metadata"], "kubernetes.io/pv-protection")
    value["status"] = {"phase": "Pending", "lastPhaseTransitionTime": cluster.now()}


def _finalize(metadata: Json, name: str) -> None:
    if name not in metadata.setdefault("finalizers", []):
        metadata["finalizers"].append(name)


def _create_crd(cluster: Cluster, value: Json) -> None:
    stored = [v["name"] for v in value["spec"].get("versions") or () if v.get("storage")]
    value["status"] = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": stored,
    }


def _update_crd(cluster: Cluster, old: Json, new: Json) -> None:
    stored = [v["name"] for v in new["spec"].get("versions") or () if v.get("storage")]
    status = copy_of(old["status"])
    status["storedVersions"] = list(dict.fromkeys([*(status.get("storedVersions") or ()), *stored]))
    new["status"] = status


def _create_role(cluster: Cluster, value: Json) -> None:
    # Storage keeps no empty lists.
    value["rules"] = value.get("rules") or None


def _update_role(cluster: Cluster, old: Json, new: Json) -> None:
    _create_role(cluster, new)


def _update_account(cluster: Cluster, old: Json, new: Json) -> None:
    if not new.get("secrets") and old.get("secrets"):
        new["secrets"] = old["secrets"]


_NORMALISE: Final[dict[tuple[str, str], Callable[[Json], None]]] = {
    ("", "Secret"): _fold_string_data,
    ("apps", "DaemonSet"): _daemon_generation,
}
_CREATE: Final[dict[tuple[str, str], Callable[[Cluster, Json], None]]] = {
    ("", "Namespace"): _create_namespace,
    ("", "Pod"): _create_pod,
    ("", "Service"): _create_service,
    ("", "PersistentVolumeClaim"): _create_claim,
    ("", "PersistentVolume"): _create_volume,
    ("batch", "Job"): _create_job,
    ("rbac.authorization.k8s.io", "Role"): _create_role,
    ("rbac.authorization.k8s.io", "ClusterRole"): _create_role,
    ("apps", "DaemonSet"): _create_daemon_set,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _create_crd,
}
_UPDATE: Final[dict[tuple[str, str], Callable[[Cluster, Json, Json], None]]] = {
    ("", "Namespace"): _update_namespace,
    ("", "Service"): _update_service,
    ("", "PersistentVolumeClaim"): _update_claim,
    ("", "ServiceAccount"): _update_account,
    ("batch", "Job"): _update_job,
    ("rbac.authorization.k8s.io", "Role"): _update_role,
    ("rbac.authorization.k8s.io", "ClusterRole"): _update_role,
    ("apps", "DaemonSet"): _update_daemon_set,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _update_crd,
}
