"""Services and Ingresses: endpoints of ready pods, addresses of load balancers."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from helmflow.embedded import faults
from helmflow.embedded.cluster import Cluster, copy_of
from helmflow.embedded.controllers.common import (
    active,
    create,
    event,
    later,
    ready,
    reference,
    set_status,
    update,
)

Json = dict[str, Any]

_BALANCER_S: Final = 0.2
_KEY: Final = "/services"
_SLICES: Final = "discovery.k8s.io/endpointslices"


def run(cluster: Cluster, namespace: str, name: str) -> None:
    """Reconcile a Service's load balancer."""
    service = cluster.get(_KEY, namespace, name)
    if (
        service is None
        or service["spec"].get("type") != "LoadBalancer"
        or service["metadata"].get("deletionTimestamp")
    ):
        return
    if service["status"]["loadBalancer"].get("ingress"):
        return
    told = faults.told(service)
    if told.get("load-balancer") == "pending":
        return
    events = cluster.storage.records("/events", namespace)
    asked = any(
        '"EnsuringLoadBalancer"' in e.body and f'"{service["metadata"]["uid"]}"' in e.body for e in events
    )
    if not asked:
        event(
            cluster, service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer", "service-controller"
        )
        later(cluster, _KEY, namespace, name, _BALANCER_S)
        return
    status = {"loadBalancer": {"ingress": [{"ip": _address(service), "ipMode": "VIP"}]}}
    service = set_status(cluster, _KEY, service, status)
    event(cluster, service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer", "service-controller")


def run_ingress(cluster: Cluster, namespace: str, name: str) -> None:
    """Give an Ingress its address."""
    ingress = cluster.get("networking.k8s.io/ingresses", namespace, name)
    if (
        ingress is None
        or ingress["metadata"].get("deletionTimestamp")
        or ingress["status"]["loadBalancer"].get("ingress")
    ):
        return
    if faults.told(ingress).get("load-balancer") == "pending":
        return
    set_status(
        cluster, "networking.k8s.io/ingresses", ingress, {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    )
    event(cluster, ingress, "Normal", "Sync", "Scheduled for sync (simulated)", "embedded-ingress-controller")


def _address(service: Json) -> str:
    """An address of TEST-NET-1, which nobody routes."""
    digest = hashlib.sha256(
        f"{service['metadata']['namespace']}/{service['metadata']['name']}".encode()
    ).digest()
    return f"192.0.2.{digest[0] % 253 + 1}"


def run_endpoints(cluster: Cluster, namespace: str, _: str) -> None:
    """Reconcile Endpoints and EndpointSlices of a namespace's Services."""
    services = [s for s in cluster.view(_KEY, namespace) if s["spec"].get("selector")]
    if not services:
        return
    pods = [p for p in cluster.view("/pods", namespace) if active(p) and (p.get("status") or {}).get("podIP")]
    for service in services:
        selector = service["spec"].get("selector")
        if (
            not selector
            or service["spec"].get("type") == "ExternalName"
            or service["metadata"].get("deletionTimestamp")
        ):
            continue
        chosen = [
            p
            for p in pods
            if all((p["metadata"].get("labels") or {}).get(k) == v for k, v in selector.items())
        ]
        _write_endpoints(cluster, service, chosen)
        _write_slice(cluster, service, chosen)


def _port_number(pod: Json, port: Json) -> int | None:
    target = port.get("targetPort")
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for declared in container.get("ports") or ():
            if declared.get("name") == target and declared.get("protocol", "TCP") == port.get(
                "protocol", "TCP"
            ):
                return int(declared["containerPort"])
    return None


def _ports(service: Json, pod: Json) -> list[Json]:
    found = []
    for port in service["spec"].get("ports") or ():
        number = _port_number(pod, port)
        if number is not None:
            entry = {"port": number, "protocol": port.get("protocol", "TCP")}
            if port.get("name"):
                entry["name"] = port["name"]
            found.append(entry)
    return found


def _target(pod: Json) -> Json:
    return {
        "kind": "Pod",
        "namespace": pod["metadata"]["namespace"],
        "name": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
    }


def _write_endpoints(cluster: Cluster, service: Json, pods: list[Json]) -> None:
    early = bool(service["spec"].get("publishNotReadyAddresses"))
    groups: dict[str, Json] = {}
    for pod in pods:
        ports = _ports(service, pod)
        subset = groups.setdefault(str(ports), {"ports": ports})
        entry = {
            "ip": pod["status"]["podIP"],
            "nodeName": pod["spec"].get("nodeName"),
            "targetRef": _target(pod),
        }
        subset.setdefault("addresses" if early or ready(pod) else "notReadyAddresses", []).append(entry)
    metadata = service["metadata"]
    annotations = {"endpoints.kubernetes.io/last-change-trigger-time": cluster.now()}
    body: Json = {
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"],
            "labels": {**(metadata.get("labels") or {}), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}, "annotations": annotations,
        },
    }  # fmt: skip
    if groups:
        body["subsets"] = list(groups.values())
    old = cluster.get("/endpoints", metadata["namespace"], metadata["name"])
    if old is None:
        create(cluster, "/endpoints", body)
    elif old.get("subsets") != body.get("subsets"):
        new = copy_of(old)
        new.pop("subsets", None)
        if groups:
            new["subsets"] = body["subsets"]
        new["metadata"].setdefault("annotations", {}).update(annotations)
        update(cluster, "/endpoints", old, new)


def _write_slice(cluster: Cluster, service: Json, pods: list[Json]) -> None:
    metadata = service["metadata"]
    early = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoints = [
        {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": early or ready(pod), "serving": ready(pod), "terminating": False},
            "nodeName": pod["spec"].get("nodeName"),
            "targetRef": _target(pod),
        }
        for pod in pods
    ]
    ports = [{"name": "", **p} for p in (_ports(service, pods[0]) if pods else ())]
    name = f"{metadata['name']}-{hashlib.sha256(metadata['uid'].encode()).hexdigest()[:5]}"
    old = cluster.get(_SLICES, metadata["namespace"], name)
    if old is None:
        labels = {
            **(metadata.get("labels") or {}),
            "kubernetes.io/service-name": metadata["name"],
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }
        if service["spec"].get("clusterIP") == "None":
            labels["service.kubernetes.io/headless"] = ""
        create(cluster, _SLICES, {
            "metadata": {"name": name, "generateName": metadata["name"] + "-", "namespace": metadata["namespace"], "labels": labels,
                         "ownerReferences": [reference(cluster.resource(_KEY), service)]},
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        })  # fmt: skip
        return
    new = copy_of(old)
    new |= {"endpoints": endpoints, "ports": ports or None}
    if (old.get("endpoints") or []) != endpoints or (old.get("ports") or []) != ports:
        update(cluster, _SLICES, old, new)
