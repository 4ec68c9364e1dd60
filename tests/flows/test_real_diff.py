"""Plans of a real API server: drift made with real patches, a first install with its own kinds, what a webhook puts in."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.flows.options import ShowOptions
from helmflow.kube import kubeconfig
from helmflow.kube.http import HttpTransport
from helmflow.plan.model import ActionKind, ChangeKind
from helmflow.ui import diff_view
from tests.apiserver.certificates import Authority
from tests.flows import charts
from tests.flows.test_diff import changed_lines, edit, web
from tests.flows.town import Town, plan_of

pytestmark = pytest.mark.apiserver


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Town]:
    """An empty project on the real API server."""
    from tests.apiserver import fixture

    target = kubeconfig.load([fixture.cluster().kubeconfig], "real")
    made = Town(tmp_path, lambda: HttpTransport(target))
    yield made
    made.close()


@contextmanager
def webhook(folder: Path, patch: list[dict[str, Any]], refuses: str = "") -> Iterator[dict[str, Any]]:
    """A webhook on loopback that adds `patch` to everything, or `refuses` it; gives its clientConfig."""
    authority = Authority(folder)
    pair = authority.server("webhook")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer: dict[str, Any] = {"uid": review["request"]["uid"], "allowed": not refuses}
            if refuses:
                answer["status"] = {"code": 403, "message": refuses}
            if patch:
                answer["patchType"] = "JSONPatch"
                answer["patch"] = base64.b64encode(json.dumps(patch).encode()).decode()
            body = json.dumps({**review, "request": None, "response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {
            "url": f"https://127.0.0.1:{server.server_port}/mutate",
            "caBundle": base64.b64encode(authority.path.read_bytes()).decode(),
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_a_webhook_puts_in_is_not_shown_as_ours(
    real: Town, tmp_path_factory: pytest.TempPathFactory
) -> None:
    web(real)
    patch = [{"op": "add", "path": "/metadata/labels/injected", "value": "by-webhook"}]
    with webhook(tmp_path_factory.mktemp("webhook"), patch) as reached:
        name = f"inject-{real.number}"
        real.client.create(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": name},
                "webhooks": [
                    {
                        "name": "inject.example.org",
                        "clientConfig": reached,
                        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}],
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": real.ns("apps")}},
                        "admissionReviewVersions": ["v1"],
                        "sideEffects": "None",
                    }
                ],
            }
        )  # fmt: skip
        try:
            for _ in range(50):  # until the server calls the new webhook
                edit(real, "ConfigMap", {"data": {"color": "pink"}}, manager="kubectl-patch")
                if "injected" in str(real.find("ConfigMap", "web")):
                    break
                time.sleep(0.2)
            real.file("values.yaml", "color: green\n")
            plan = plan_of(real.diff(), "web")
            change = next(c for c in plan.changes if c.ref.kind == "ConfigMap")
            assert changed_lines(change) == ["-   color: pink", "+   color: green"]
            assert "injected" not in change.before + change.after
            assert real.apply().ok
            live = real.find("ConfigMap", "web")
            assert live is not None
            assert live["metadata"]["labels"]["injected"] == "by-webhook"
            assert not real.diff().writes
        finally:
            ref = ObjectRef("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", name)
            real.client.delete(ref)


def test_what_a_webhook_would_put_in_is_counted(real: Town, tmp_path_factory: pytest.TempPathFactory) -> None:
    web(real)
    real.file("values.yaml", "color: green\n")
    patch = [{"op": "add", "path": "/data/injected", "value": "x"}]
    with webhook(tmp_path_factory.mktemp("webhook"), patch) as reached:
        name = f"count-{real.number}"
        rules = [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["configmaps"]}
        ]
        hook = {
            "name": "inject.example.org", "clientConfig": reached, "rules": rules, "sideEffects": "None",
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": real.ns("apps")}},
            "admissionReviewVersions": ["v1"],
        }  # fmt: skip
        real.client.create(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": name},
                "webhooks": [hook],
            }
        )
        try:
            change = until_injected(real)
            assert changed_lines(change) == ["-   color: red", "+   color: green"]
            assert dict(change.ignored)["set by others"] == 1
            everything = plan_of(real.diff(show=ShowOptions(show_ignored=True)), "web").changes
            assert any("injected: x" in change.after for change in everything)
        finally:
            ref = ObjectRef("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", name)
            real.client.delete(ref)


def until_injected(real: Town) -> Any:
    """The server needs a moment until it calls a new webhook."""
    change: Any = None
    for _ in range(50):
        change = next(c for c in plan_of(real.diff(), "web").changes if c.ref.kind == "ConfigMap")
        if "set by others" in dict(change.ignored):
            break
        time.sleep(0.2)
    return change


def test_drift_by_patch_and_by_edit_names_who_and_when(real: Town) -> None:
    web(real)
    edit(real, "ConfigMap", {"data": {"color": "green"}}, manager="kubectl-patch")
    edit(real, "Deployment", {"spec": {"replicas": 4}}, "apps/v1", manager="kubectl-edit")
    plan = plan_of(real.diff(), "web")
    assert plan.action.code == "drift"
    said = {change.ref.kind: diff_view.header(change, plan) for change in plan.changes}
    assert "changed in the cluster by kubectl-patch at 20" in said["ConfigMap"]
    assert "changed in the cluster by kubectl-edit at 20" in said["Deployment"]
    lines = {change.ref.kind: changed_lines(change) for change in plan.changes}
    assert lines["ConfigMap"] == ["-   color: green", "+   color: red"]
    assert lines["Deployment"] == ["-   replicas: 4", "+   replicas: 1"]


CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: GROUPPLURAL}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: Lamp, plural: lamps, singular: lamp, listKind: LampList}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [watts]
              properties:
                watts: {type: integer, minimum: 1}
                color: {type: string, enum: [red, blue]}
"""
LAMP = """\
apiVersion: GROUP/v1
kind: Lamp
metadata: {name: desk}
spec: {watts: {{ .Values.watts }}, color: red}
"""


def lamps(town: Town) -> str:
    """A chart with its own kind in crds/, an object of it, and a namespace that does not exist."""
    group = f"t{town.number.replace('-', 'x')}.example.org"
    for path, text in (
        ("crds/lamp.yaml", CRD),
        ("templates/lamp.yaml", LAMP),
        ("templates/config.yaml", charts.CONFIG),
    ):
        town.file(
            f"charts/lamps/{path}", text.replace("GROUPPLURAL", f"lamps.{group}").replace("GROUP", group)
        )
    town.chart("lamps")
    town.file(
        "helmflow.yaml",
        "releases: [{name: lamps, namespace: NS(edge), chart: ./charts/lamps, values: [values.yaml]}]\n",
    )
    town.file("values.yaml", "watts: 40\n")
    return group


def test_a_first_install_with_its_kind_and_namespace_is_planned_completely(real: Town) -> None:
    group = lamps(real)
    try:
        plan = plan_of(real.diff(), "lamps")
        assert plan.action.kind is ActionKind.INSTALL
        assert {(change.ref.kind, change.kind) for change in plan.changes} == {
            ("CustomResourceDefinition", ChangeKind.CREATE),
            ("Lamp", ChangeKind.CREATE),
            ("ConfigMap", ChangeKind.CREATE),
        }
        assert real.wire is not None
        assert real.wire.writes == []
        assert real.apply().ok
        assert not real.diff().writes
    finally:
        real.destroy()
        crd = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"lamps.{group}")
        if real.client.find(crd) is not None:
            real.client.delete(crd)


@pytest.mark.parametrize(("watts", "why"), [("0", "watts"), ("'many'", "watts")])
def test_an_object_that_its_planned_kind_forbids_is_refused_in_the_plan(
    real: Town, watts: str, why: str
) -> None:
    lamps(real)
    real.file("values.yaml", f"watts: {watts}\n")
    plan = plan_of(real.diff(), "lamps")
    assert plan.action.kind is ActionKind.REFUSE
    assert why in plan.action.reason
