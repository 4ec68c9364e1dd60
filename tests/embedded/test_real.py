"""The same requests to the embedded server and to a real kube-apiserver: equal answers, managedFields included."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from helmflow.embedded.server import ApiServer
from helmflow.embedded.transport import InProcessTransport
from helmflow.kube import kubeconfig
from helmflow.kube.http import HttpTransport
from helmflow.kube.transport import Request, Transport
from tests.apiserver import fixture
from tests.embedded.api import APPLY, MERGE, STRATEGIC, config_map, deployment

pytestmark = pytest.mark.apiserver
Json = dict[str, Any]
Answers = tuple[tuple[int, Json], tuple[int, Json]]

_SPACE = "same-requests"
_ROUNDS = 6


class Pair:
    """Both servers behind one call."""

    def __init__(self, real: Transport, embedded: Transport) -> None:
        self.transports = (real, embedded)

    def call(
        self, method: str, path: str, body: Json | None = None, kind: str = "application/json", **query: str
    ) -> Answers:
        first, second = (send(t, method, path, body, kind, query) for t in self.transports)
        return first, second

    def same(
        self, method: str, path: str, body: Json | None = None, kind: str = "application/json", **query: str
    ) -> int:
        """Assert that both answer alike; returns their status."""
        (real_status, real), (our_status, ours) = self.call(method, path, body, kind, **query)
        assert (our_status, plain(ours)) == (real_status, plain(real))
        return our_status


def send(
    transport: Transport, method: str, path: str, body: Json | None, kind: str, query: dict[str, str]
) -> tuple[int, Json]:
    headers = {"content-type": kind, "user-agent": "tests/1", "accept": "application/json"}
    payload = json.dumps(body).encode() if body is not None else b""
    response = transport.send(
        Request(method=method, path=path, query=tuple(query.items()), headers=headers, body=payload)
    )
    return response.status, json.loads(response.read())


def plain(value: Any) -> Any:
    """An answer without what differs from run to run: identities, times, addresses, the order in which conflicts are told."""
    if isinstance(value, dict):
        out = {
            k: plain(v)
            for k, v in value.items()
            if k not in ("uid", "resourceVersion", "creationTimestamp", "time", "status")
        }
        out.pop("nodePort", None)
        if value.get("reason") == "Conflict":
            out.pop("message", None)
            out["details"]["causes"] = sorted(out["details"].get("causes", ()), key=json.dumps)
        # The controllers of both write it, each at its own time.
        out.pop("deployment.kubernetes.io/revision", None)
        if out.get("annotations") == {}:
            del out["annotations"]
        entries = out.get("managedFields")
        if entries is not None:
            out["managedFields"] = sorted(
                (e for e in entries if e["manager"] != "kube-controller-manager"), key=json.dumps
            )
        return out
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, str):
        value = re.sub(r"10\.\d+\.\d+\.\d+", "ADDRESS", value)
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", value)
    return value


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A real and an embedded cluster with the same namespace."""
    real = HttpTransport(kubeconfig.load([fixture.cluster().kubeconfig]))
    server = ApiServer()
    made = Pair(real, InProcessTransport(server))
    made.call(
        "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _SPACE}}
    )
    yield made
    made.call("DELETE", f"/api/v1/namespaces/{_SPACE}")
    server.close()


def samples() -> list[tuple[str, Json]]:
    """Objects as charts have them, with their collection's path."""
    core, apps = f"/api/v1/namespaces/{_SPACE}", f"/apis/apps/v1/namespaces/{_SPACE}"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{_SPACE}"
    labels = {"app": "web"}
    pod = {"containers": [{"name": "db", "image": "db:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                           "livenessProbe": {"tcpSocket": {"port": 1}}, "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}]}  # fmt: skip
    template = {"metadata": {"labels": labels}, "spec": pod}
    selector = {"matchLabels": labels}
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    return [
        (f"{apps}/deployments", deployment(replicas=0)),
        (f"{apps}/statefulsets", {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"}, "spec": {"replicas": 0, "serviceName": "db", "selector": selector, "template": template}}),
        (f"{core}/configmaps", config_map(a="1", b="2", c="3")),
        (f"{core}/secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}, "stringData": {"a": "b"}}),
        (f"{core}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": labels}, "spec": {"selector": labels, "ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443, "targetPort": "tls"}]}}),
        (f"{core}/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}, "imagePullSecrets": [{"name": "pull"}]}),
        (f"{rbac}/roles", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "web"}, "rules": [rule]}),
        (f"{rbac}/rolebindings", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "web"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"}, "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": _SPACE}]}),
        (f"/apis/batch/v1/namespaces/{_SPACE}/cronjobs", {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web"}, "spec": {"suspend": True, "schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", **pod}}}}}}),
        (f"/apis/networking.k8s.io/v1/namespaces/{_SPACE}/ingresses", {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {"rules": [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}),
        (f"/apis/policy/v1/namespaces/{_SPACE}/poddisruptionbudgets", {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": {"minAvailable": 1, "selector": selector}}),
        (f"/apis/autoscaling/v2/namespaces/{_SPACE}/horizontalpodautoscalers", {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}}}}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body"), samples(), ids=lambda v: v.rsplit("/", 1)[-1] if isinstance(v, str) else ""
)
def test_creating_and_applying(pair: Pair, path: str, body: Json) -> None:
    pair.same("POST", path, body, dryRun="All", fieldManager="helm", fieldValidation="Strict")
    name = f"{path}/{body['metadata']['name']}"
    assert pair.same("PATCH", name, body, APPLY, fieldManager="helm", dryRun="All") == 201


@pytest.mark.parametrize(
    ("path", "body"), samples(), ids=lambda v: v.rsplit("/", 1)[-1] if isinstance(v, str) else ""
)
def test_a_life_of_changes(pair: Pair, path: str, body: Json) -> None:
    """Labels, annotations and data move between managers; refusals and conflicts are equal too."""
    name = f"{path}/{body['metadata']['name']}"
    pair.call("DELETE", name)
    assert pair.same("PATCH", name, body, APPLY, fieldManager="helm") == 201
    for round_ in range(_ROUNDS):
        rng = random.Random(f"{path}{round_}")
        changed = changed_copy(body, rng)
        pair.same(
            "PATCH",
            name,
            changed,
            APPLY,
            fieldManager=rng.choice(["helm", "other"]),
            force=rng.choice(["true", "false"]),
        )
        pair.same(
            "PATCH",
            name,
            {"metadata": changed_copy(body, rng)["metadata"]},
            rng.choice([MERGE, STRATEGIC]),
            fieldManager="kubectl-edit",
        )
    pair.same("PATCH", name, body, APPLY, fieldManager="helm")
    pair.same("PATCH", name, body, APPLY, fieldManager="helm", force="true")
    pair.same("GET", name)
    pair.call("DELETE", name)


def changed_copy(body: Json, rng: random.Random) -> Json:
    changed = copy.deepcopy(body)
    metadata = changed["metadata"]
    for section in ("labels", "annotations"):
        metadata[section] = {k: rng.choice("xyz") for k in rng.sample(["a", "b", "c"], rng.randint(0, 3))}
        if not metadata[section]:
            del metadata[section]
    containers = (((changed.get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers")
    if containers:
        containers[0]["image"] = rng.choice(["x:1", "x:2"])
        names = rng.sample(["A", "B", "C"], rng.randint(1, 3))
        containers[0]["env"] = [{"name": n, "value": rng.choice("12")} for n in names]
    if "data" in changed:
        changed["data"] = {k: rng.choice("12") for k in rng.sample(["a", "b", "c", "d"], 2)}
    return changed


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "A_b"}}),
        ("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a b": "1"}}),
        ("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "not valid!"}}}),
        ("services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {}}),
        ("services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}, {"port": 81}]}}),
        ("secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "type": "kubernetes.io/tls"}),
        ("persistentvolumeclaims", {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {}}),
    ],
)  # fmt: skip
def test_refusals(pair: Pair, path: str, body: Json) -> None:
    assert pair.same("POST", f"/api/v1/namespaces/{_SPACE}/{path}", body, dryRun="All") == 422
