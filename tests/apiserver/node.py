"""A stand-in for one node's kubelet: pods pass through their phases, told by the embedded cluster's annotations.

On a pod, its template or the workload that owns it (all under `embedded.helmflow.dev/`):

    ready-after: "5s"     ready this long after it was bound (default 0.1s)
    run-for: "2s"         what runs to completion takes this long (default 0.2s)
    fail: image-pull | crash-loop | oom | never-ready
    exit-code: "3"        the containers end with this code
    log: "text"           what the log says (log.NAME for one container)

On a Service: load-balancer: pending. On a PersistentVolumeClaim: fail: pending.
It also gives load balancers an address and claims a volume. Nothing runs: no probes, no exec, no volumes' content, and
the scheduler is the real one.
"""

from __future__ import annotations

import heapq
import itertools
import re
import ssl
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from helmflow.core.errors import ClusterError
from helmflow.core.ids import ObjectRef
from helmflow.kube import errors, kubeconfig, objects
from helmflow.kube.client import MERGE_PATCH, KubeClient
from helmflow.kube.http import HttpTransport
from helmflow.kube.objects import KubeObject, at

PREFIX = "embedded.helmflow.dev/"
NODE = "stand-in"
PULL_ERROR = 'failed to pull and unpack image "{image}": not found'


class Node:
    """One node and every pod that is bound to it."""

    def __init__(self, client: KubeClient, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._pool = ThreadPoolExecutor(8)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._known: set[str] = set()
        self._pods: dict[tuple[str, str], KubeObject] = {}
        self._owners: dict[str, dict[str, str]] = {}

    def run(self) -> None:
        """Register and work until killed."""
        server = self._serve_logs()
        self._register(server.server_port)
        for api_version, kind, handle in (
            ("v1", "Pod", self._pod),
            ("v1", "Service", self._service),
            ("v1", "PersistentVolumeClaim", self._claim),
        ):
            threading.Thread(target=self._watch, args=(api_version, kind, handle), daemon=True).start()
        self._later(0.0, self._heartbeat)
        while True:
            with self._wake:
                while not self._timers or self._timers[0][0] > time.monotonic():
                    self._wake.wait(min(1.0, self._timers[0][0] - time.monotonic()) if self._timers else 1.0)
                _, _, call = heapq.heappop(self._timers)
            self._pool.submit(self._guarded, call)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        with self._wake:
            heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), call))
            self._wake.notify()

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except errors.NotFound:
            return
        except ClusterError as failure:
            print(failure, flush=True)
            self._later(0.5, call)
        except Exception as bug:
            print(f"bug: {bug!r}", flush=True)
            raise

    def _watch(self, api_version: str, kind: str, handle: Callable[[str, KubeObject], None]) -> None:
        version = ""
        while True:
            try:
                if not version:
                    found = self._client.list(api_version, kind)
                    version = found.resource_version
                    for item in found.items:
                        handle("ADDED", item)
                for event in self._client.watch(api_version, kind, resource_version=version):
                    version = event.resource_version or version
                    if event.type != "BOOKMARK":
                        handle(event.type, event.object)
            except ClusterError as failure:
                print(failure, flush=True)
                version = ""
                time.sleep(0.2)

    def _register(self, port: int) -> None:
        capacity = {"cpu": "256", "memory": "1Ti", "pods": "5000", "ephemeral-storage": "1Ti"}
        status = {
            "capacity": capacity,
            "allocatable": capacity,
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": NODE},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "nodeInfo": {"kubeletVersion": "v1.36.2", "operatingSystem": "linux", "architecture": "amd64"},
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": _now()}
            ],
        }
        labels = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}}
        self._ensure(node)
        self._client.patch(
            ObjectRef("v1", "Node", "", NODE), MERGE_PATCH, {"status": status}, subresource="status"
        )
        for name, mode, default in (
            ("standard", "Immediate", "true"),
            ("late", "WaitForFirstConsumer", "false"),
        ):
            self._ensure(
                {
                    "apiVersion": "storage.k8s.io/v1",
                    "kind": "StorageClass",
                    "metadata": {
                        "name": name,
                        "annotations": {"storageclass.kubernetes.io/is-default-class": default},
                    },
                    "provisioner": "node.helmflow.dev/stand-in",
                    "volumeBindingMode": mode,
                }
            )

    def _ensure(self, obj: KubeObject) -> None:
        try:
            self._client.create(obj, manager="kubelet")
        except errors.AlreadyExists:
            return

    def _heartbeat(self) -> None:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NODE, "namespace": "kube-node-lease"},
            "spec": {
                "holderIdentity": NODE,
                "leaseDurationSeconds": 40,
                "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
        self._client.apply(lease, manager="kubelet", force=True)
        self._later(10.0, self._heartbeat)

    def _pod(self, kind: str, pod: KubeObject) -> None:
        if at(pod, "spec", "nodeName") != NODE:
            return
        ref, uid = objects.ref(pod), objects.uid(pod)
        if kind == "DELETED":
            self._known.discard(uid)
            self._pods.pop((ref.namespace, ref.name), None)
            return
        if uid not in self._known:
            self._pods[ref.namespace, ref.name] = pod
        if objects.meta(pod).get("deletionTimestamp"):
            self._later(0.0, lambda: self._end(ref, uid))
        elif uid not in self._known and at(pod, "status", "phase") in (None, "Pending"):
            self._known.add(uid)
            self._later(0.0, lambda: self._start(pod))

    def _end(self, ref: ObjectRef, uid: str) -> None:
        try:
            self._client.delete(ref, uid=uid, grace_period_s=0)
        except errors.Conflict:
            return

    def _start(self, pod: KubeObject) -> None:
        ref = objects.ref(pod)
        told = self._told_by_owners(pod, ref.namespace)
        pod["metadata"]["annotations"] = {**told, **objects.annotations_of(pod)}
        self._pods[ref.namespace, ref.name] = pod
        fail = _told(pod, "fail")
        if fail == "image-pull":
            self._pull(pod, 1)
            return
        self._show(
            pod, "Pending", [_container(c, waiting={"reason": "ContainerCreating"}) for c in _containers(pod)]
        )
        self._later(_seconds(_told(pod, "ready-after"), 0.1), lambda: self._up(pod))

    def _told_by_owners(self, obj: KubeObject, namespace: str) -> dict[str, str]:
        """What the workload above a pod is annotated with."""
        owner = next((o for o in objects.meta(obj).get("ownerReferences") or () if o.get("controller")), None)
        if owner is None:
            return {}
        if owner["uid"] not in self._owners:
            found = (
                self._client.find(ObjectRef(owner["apiVersion"], owner["kind"], namespace, owner["name"]))
                or {}
            )
            above = self._told_by_owners(found, namespace) if found else {}
            own = {k: v for k, v in objects.annotations_of(found).items() if k.startswith(PREFIX)}
            self._owners[owner["uid"]] = {**above, **own}
        return self._owners[owner["uid"]]

    def _pull(self, pod: KubeObject, attempt: int) -> None:
        states = []
        for container in _containers(pod):
            message = PULL_ERROR.format(image=container.get("image"))
            waiting = {"reason": "ErrImagePull", "message": message}
            if attempt % 2 == 0:
                waiting = {"reason": "ImagePullBackOff", "message": f"Back-off pulling image: {message}"}
            states.append(_container(container, waiting=waiting))
        self._show(pod, "Pending", states)
        if attempt == 1:
            self._warn(pod, "Failed", states[0]["state"]["waiting"]["message"])
        if objects.uid(pod) in self._known:
            self._later(min(5.0, 0.3 * attempt), lambda: self._pull(pod, attempt + 1))

    def _up(self, pod: KubeObject) -> None:
        fail = _told(pod, "fail")
        running = {"startedAt": _now()}
        if fail in ("crash-loop", "oom"):
            self._crash(pod, 0)
            return
        ready = fail != "never-ready"
        self._show(pod, "Running", [_container(c, running=running, ready=ready) for c in _containers(pod)])
        if at(pod, "spec", "restartPolicy") in ("Never", "OnFailure"):
            self._later(_seconds(_told(pod, "run-for"), 0.2), lambda: self._complete(pod))

    def _complete(self, pod: KubeObject) -> None:
        code = int(_told(pod, "exit-code") or 0)
        ended = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": _now(),
            "finishedAt": _now(),
        }
        states = [_container(c, terminated=ended) for c in _containers(pod)]
        self._show(pod, "Failed" if code else "Succeeded", states)

    def _crash(self, pod: KubeObject, restarts: int) -> None:
        killed = _told(pod, "fail") == "oom"
        code = int(_told(pod, "exit-code") or (137 if killed else 1))
        reason = "OOMKilled" if killed else "Error"
        ended = {"exitCode": code, "reason": reason, "startedAt": _now(), "finishedAt": _now()}
        message = f"back-off restarting failed container in pod {objects.meta(pod)['name']}"
        waiting = {"reason": "CrashLoopBackOff", "message": message}
        states = [
            _container(c, waiting=waiting, restarts=restarts, last={"terminated": ended})
            for c in _containers(pod)
        ]
        self._show(pod, "Running", states)
        if restarts == 1:
            self._warn(pod, "BackOff", message)
        if objects.uid(pod) in self._known:
            self._later(min(5.0, 0.2 * 2**restarts), lambda: self._crash(pod, restarts + 1))

    def _show(self, pod: KubeObject, phase: str, statuses: list[KubeObject]) -> None:
        ready = phase == "Running" and all(s["ready"] for s in statuses)
        kept = [c for c in at(pod, "status", "conditions") or [] if c["type"] == "PodScheduled"]
        moment = {"lastTransitionTime": _now()}
        unready = {"reason": "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"}
        truth = {"status": "True"} if ready else {"status": "False", **unready}
        conditions = [
            *kept,
            {"type": "Initialized", "status": "True", **moment},
            {"type": "ContainersReady", **truth, **moment},
            {"type": "Ready", **truth, **moment},
        ]
        status: dict[str, Any] = {"phase": phase, "conditions": conditions, "containerStatuses": statuses}
        if phase != "Pending":
            address = f"10.244.{hash(objects.uid(pod)) % 250}.{next(self._order) % 250 + 1}"
            status |= {
                "podIP": address,
                "podIPs": [{"ip": address}],
                "hostIP": "127.0.0.1",
                "startTime": _now(),
            }
        self._client.patch(
            objects.ref(pod), MERGE_PATCH, {"status": status}, subresource="status", manager="kubelet"
        )

    def _warn(self, pod: KubeObject, reason: str, message: str) -> None:
        ref = objects.ref(pod)
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{ref.name}.", "namespace": ref.namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": ref.name,
                "namespace": ref.namespace,
                "uid": objects.uid(pod),
            },
            "type": "Warning",
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": _now(),
            "lastTimestamp": _now(),
            "source": {"component": "kubelet", "host": NODE},
        }
        self._client.create(event, manager="kubelet")

    def _service(self, kind: str, service: KubeObject) -> None:
        if (
            kind == "DELETED"
            or at(service, "spec", "type") != "LoadBalancer"
            or at(service, "status", "loadBalancer", "ingress")
        ):
            return
        status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
        ref = objects.ref(service)
        wait = _seconds(_told(service, "ready-after"), 0.1)
        if _told(service, "load-balancer") != "pending":
            self._later(
                wait,
                lambda: _ignore(
                    self._client.patch(ref, MERGE_PATCH, {"status": status}, subresource="status")
                ),
            )

    def _claim(self, kind: str, claim: KubeObject) -> None:
        bound = at(claim, "spec", "volumeName") or at(claim, "status", "phase") == "Bound"
        if kind == "DELETED" or bound or objects.meta(claim).get("deletionTimestamp"):
            return
        if _told(claim, "fail") == "pending":
            return
        if at(
            claim, "spec", "storageClassName"
        ) == "late" and "volume.kubernetes.io/selected-node" not in objects.annotations_of(claim):
            return
        self._later(0.05, lambda: self._provide(claim))

    def _provide(self, claim: KubeObject) -> None:
        ref = objects.ref(claim)
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"pv-{objects.uid(claim)}"},
            "spec": {
                "capacity": at(claim, "spec", "resources", "requests") or {"storage": "1Gi"},
                "accessModes": at(claim, "spec", "accessModes"),
                "storageClassName": at(claim, "spec", "storageClassName") or "",
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": f"/nowhere/{objects.uid(claim)}"},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": ref.namespace,
                    "name": ref.name,
                    "uid": objects.uid(claim),
                },
            },
        }
        self._ensure(volume)

    def _serve_logs(self) -> ThreadingHTTPServer:
        pods = self._pods

        class Logs(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                match url.path.strip("/").split("/"):
                    case ["containerLogs", namespace, name, container] if (namespace, name) in pods:
                        pod = pods[namespace, name]
                        text = _told(pod, f"log.{container}") or _told(pod, "log")
                    case _:
                        self.send_error(404)
                        return
                lines = text.splitlines(keepends=True) if text else []
                if lines and not lines[-1].endswith("\n"):
                    lines[-1] += "\n"
                tail = parse_qs(url.query).get("tailLines")
                body = "".join(lines[-int(tail[0]) :] if tail else lines).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Logs)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "node.crt", self._folder / "node.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


def _told(obj: KubeObject, name: str) -> str:
    return str(objects.annotations_of(obj).get(PREFIX + name) or "")


def _containers(pod: KubeObject) -> list[KubeObject]:
    return [c for c in at(pod, "spec", "containers") or [] if isinstance(c, dict)]


def _container(
    container: KubeObject,
    *,
    waiting: dict[str, Any] | None = None,
    running: dict[str, Any] | None = None,
    terminated: dict[str, Any] | None = None,
    ready: bool = False,
    restarts: int = 0,
    last: dict[str, Any] | None = None,
) -> KubeObject:
    states = {"waiting": waiting, "running": running, "terminated": terminated}
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "ready": ready,
        "started": running is not None,
        "restartCount": restarts,
        "state": {name: state for name, state in states.items() if state is not None},
        "lastState": last or {},
    }


def _seconds(text: str, otherwise: float) -> float:
    units = {"ms": 1e-3, "s": 1.0, "m": 60.0}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m)", text)
    return sum(float(number) * units[unit] for number, unit in parts) if parts else otherwise


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ignore(value: object) -> None:
    """For calls whose answer does not matter."""


if __name__ == "__main__":
    transport = HttpTransport(kubeconfig.load([Path(sys.argv[1])]))
    Node(KubeClient(transport, user_agent="node-stand-in"), Path(sys.argv[2])).run()
