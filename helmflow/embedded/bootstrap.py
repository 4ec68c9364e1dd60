"""What a fresh cluster holds: its namespaces, node, storage class, priority classes and the kubernetes Service."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded import strategies, writing
from helmflow.embedded.cluster import Cluster
from helmflow.embedded.writing import WriteOptions

Json = dict[str, Any]

_OPTIONS: Final = WriteOptions(manager="kube-apiserver")
_NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
_CAPACITY: Final = {"cpu": "64", "memory": "256Gi", "pods": "10000", "ephemeral-storage": "1Ti"}
_ROLES: Final = ("cluster-admin", "admin", "edit", "view")


def fill(cluster: Cluster) -> None:
    """Make the objects that a new file lacks."""
    if cluster.storage.get("/namespaces", "", "default") is not None:
        return
    for name in _NAMESPACES:
        _make(cluster, "v1", "Namespace", {"metadata": {"name": name}})
    _make(cluster, "storage.k8s.io/v1", "StorageClass", {
        "metadata": {"name": strategies.DEFAULT_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "embedded.helmflow.dev/simulated", "allowVolumeExpansion": True,
    })  # fmt: skip
    for name, value in (("system-cluster-critical", 2000000000), ("system-node-critical", 2000001000)):
        _make(cluster, "scheduling.k8s.io/v1", "PriorityClass", {"metadata": {"name": name}, "value": value})
    for name in _ROLES:
        rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        _make(
            cluster,
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            {"metadata": {"name": name}, "rules": rules},
        )
    _make_node(cluster)
    port = {"name": "https", "port": 443, "targetPort": 6443}
    _make(cluster, "v1", "Service", {
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"clusterIP": "10.96.0.1", "ports": [port]},
    })  # fmt: skip


def _make_node(cluster: Cluster) -> None:
    node = _make(cluster, "v1", "Node", {
        "metadata": {"name": strategies.NODE, "labels": {
            "kubernetes.io/hostname": strategies.NODE, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "node-role.kubernetes.io/control-plane": "", "embedded.helmflow.dev/simulated": "true",
        }},
    })  # fmt: skip
    now = cluster.now()
    condition = {
        "type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now,
        "reason": "Simulated", "message": "no containers run on this node; it is simulated by helmflow",
    }  # fmt: skip
    node["status"] = {
        "capacity": dict(_CAPACITY), "allocatable": dict(_CAPACITY), "conditions": [condition],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": strategies.NODE}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": {
            "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "simulated by helmflow",
            "containerRuntimeVersion": "none", "kubeletVersion": "v1.36.0", "kubeProxyVersion": "", "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }  # fmt: skip
    cluster.write("/nodes", node, node)


def _make(cluster: Cluster, api_version: str, kind: str, body: Json) -> Json:
    resource = cluster.registry.by_kind(api_version, kind)
    assert resource is not None
    value = writing.decode(resource, {"apiVersion": api_version, "kind": kind, **body}, _OPTIONS)
    return writing.create(cluster, resource, value, _OPTIONS)
