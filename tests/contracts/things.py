"""Small objects that contracts create."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
Maker = Callable[[str], Object]
Path = tuple[Any, ...]
FAULT = "embedded.helmflow.dev/"


def config_map(
    namespace: str, name: str = "settings", labels: dict[str, str] | None = None, **data: str
) -> Object:
    """A ConfigMap."""
    metadata = {"name": name, "namespace": namespace, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def secret(namespace: str, name: str = "password", **data: str) -> Object:
    """A Secret given in clear text."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": data,
    }


def template(name: str, told: dict[str, str] | None = None, restart: str = "Always", **more: Any) -> Object:
    """A pod template; `told` are annotations that say what its pods do."""
    metadata: Object = {"labels": {"app": name}}
    if told:
        metadata["annotations"] = {FAULT + key: value for key, value in told.items()}
    return {
        "metadata": metadata,
        "spec": {
            "containers": [{"name": "main", "image": "example/app:1", **more}],
            "restartPolicy": restart,
        },
    }


def deployment(
    namespace: str, name: str = "web", replicas: int = 2, told: dict[str, str] | None = None, **more: Any
) -> Object:
    """A Deployment."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, told, **more),
        },
    }


def stateful_set(
    namespace: str, name: str = "db", replicas: int = 2, told: dict[str, str] | None = None
) -> Object:
    """A StatefulSet with a claim per pod."""
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceName": name,
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, told),
            "volumeClaimTemplates": [claim],
        },
    }


def daemon_set(namespace: str, name: str = "agent", told: dict[str, str] | None = None) -> Object:
    """A DaemonSet."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name, told)},
    }


def job(
    namespace: str, name: str = "migrate", told: dict[str, str] | None = None, backoff: int = 0
) -> Object:
    """A Job."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"backoffLimit": backoff, "template": template(name, told, restart="Never")},
    }


def pod(
    namespace: str, name: str = "one", told: dict[str, str] | None = None, restart: str = "Always"
) -> Object:
    """A Pod."""
    made = template(name, told, restart)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **made["metadata"]},
        "spec": made["spec"],
    }


def service(namespace: str, name: str = "web", kind: str = "ClusterIP") -> Object:
    """A Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": kind, "selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def claim(namespace: str, name: str = "data", storage_class: str | None = None) -> Object:
    """A PersistentVolumeClaim."""
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def definition(group: str, kind: str = "Gadget") -> Object:
    """A CustomResourceDefinition with a default, a required field, a keyed list and a status."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 1},
                    "colour": {"type": "string", "default": "grey"},
                    "parts": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
                        },
                    },
                },
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
