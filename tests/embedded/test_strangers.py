"""Clients that know nothing of helmflow: the real kubectl and the real Helm SDK, over loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helmflow.embedded import loopback
from helmflow.embedded.server import ApiServer
from tests.apiserver import binaries

Run = Callable[..., str]

_MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: COLOR}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "nginx:COLOR", ports: [{containerPort: 80}]}]}
"""
_HOOKS = """
apiVersion: batch/v1
kind: Job
metadata:
  name: "{{ .Release.Name }}-prepare"
  annotations: {"helm.sh/hook": pre-install, "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded"}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: "prepare:1"}]}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: "{{ .Release.Name }}-check"
  annotations: {"helm.sh/hook": test, "embedded.helmflow.dev/log": "all fine"}
spec: {restartPolicy: Never, containers: [{name: main, image: "check:1"}]}
"""


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig of a running embedded cluster."""
    started = loopback.serve(ApiServer()).start()
    path = tmp_path_factory.mktemp("strangers") / "kubeconfig"
    loopback.write_kubeconfig(path, started)
    yield path
    started.stop()


@pytest.fixture
def kubectl(listening: Path, tmp_path: Path) -> Run:
    """Runs kubectl, the system's or the one built for tests, with a home of its own; skips where there is none."""
    binary = shutil.which("kubectl") or shutil.which("kubectl", path=str(binaries.cache_folder()))
    if binary is None:
        pytest.skip("kubectl is not installed: install it to test the embedded cluster with it")
    environment = {"KUBECONFIG": str(listening), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}

    def run(*arguments: str, stdin: str = "", fails: bool = False) -> str:
        done = subprocess.run(
            [binary, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_kubectl_applies_waits_and_deletes(kubectl: Run) -> None:
    kubectl("create", "namespace", "client")
    blue = _MANIFEST.replace("COLOR", "blue")
    assert kubectl("-n", "client", "apply", "-f", "-", stdin=blue).count("created") == 3
    kubectl("-n", "client", "rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl("-n", "client", "apply", "-f", "-", stdin=blue).count("unchanged") == 3
    green = kubectl("-n", "client", "apply", "-f", "-", stdin=_MANIFEST.replace("COLOR", "green"))
    assert (green.count("configured"), green.count("unchanged")) == (2, 1)
    kubectl("-n", "client", "rollout", "status", "deployment/web", "--timeout=30s")
    assert "2/2" in kubectl("-n", "client", "get", "deployment", "web")
    images = kubectl("-n", "client", "get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}")
    assert images.split() == ["nginx:green", "nginx:green"]
    kubectl("-n", "client", "wait", "--for=condition=Available", "deployment/web", "--timeout=10s")
    kubectl("-n", "client", "delete", "deployment", "web", "--timeout=30s")
    kubectl("delete", "namespace", "client", "--timeout=30s")
    assert "NotFound" in kubectl("get", "namespace", "client", fails=True)


def test_kubectl_applies_server_side(kubectl: Run) -> None:
    kubectl("create", "namespace", "server")
    blue = _MANIFEST.replace("COLOR", "blue")
    assert (
        kubectl("-n", "server", "apply", "--server-side", "-f", "-", stdin=blue).count("serverside-applied")
        == 3
    )
    kubectl("-n", "server", "scale", "deployment", "web", "--replicas=3")
    refused = kubectl("-n", "server", "apply", "--server-side", "-f", "-", stdin=blue, fails=True)
    assert 'conflict with "kubectl" with subresource "scale"' in refused
    kubectl("-n", "server", "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=blue)
    wrong = blue.replace("replicas: 2", "replica: 2")
    assert 'unknown field "spec.replica"' in kubectl(
        "-n", "server", "apply", "-f", "-", stdin=wrong, fails=True
    )
    kubectl("delete", "namespace", "server", "--timeout=30s")


def test_kubectl_reads(kubectl: Run) -> None:
    assert "deployments" in kubectl("api-resources")
    assert "v1.36.0" in kubectl("version")
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "rollingUpdate" in kubectl("explain", "deployment.spec.strategy")
    kubectl("run", "one", "--image=x", "--restart=Never", "--annotations=embedded.helmflow.dev/log=hello")
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/one", "--timeout=10s")
    assert kubectl("logs", "one") == "hello\n"
    assert "Succeeded (simulated)" in kubectl("describe", "pod", "one")
    kubectl("delete", "pod", "one", "--timeout=10s")


@pytest.fixture
def helm(listening: Path) -> Any:
    """A configuration of the real Helm SDK."""
    sdk = pytest.importorskip(
        "helm_python", reason="the Helm SDK is not installed: pip install helm-python-sdk"
    )
    return sdk.Config(kubeconfig_path=str(listening), namespace="helm", qps=10000, burst_limit=10000)


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart with a Deployment, a hook and a test."""
    folder = tmp_path / "shop"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("color: blue\n")
    (folder / "templates" / "all.yaml").write_text(_MANIFEST.replace("COLOR", "{{ .Values.color }}"))
    (folder / "templates" / "hooks.yaml").write_text(_HOOKS)
    return folder


def test_the_real_helm_runs_a_release_s_whole_life(helm: Any, chart: Path, listening: Path) -> None:
    made = helm.install(str(chart), "shop", create_namespace=True, wait="watcher", timeout=60)
    assert (made["status"], made["revision"]) == ("deployed", 1)
    up = helm.upgrade(str(chart), "shop", values={"color": "green"}, wait="watcher", timeout=60)
    assert (up["status"], up["revision"]) == ("deployed", 2)
    assert [r["name"] for r in helm.list()] == ["shop"]
    helm.rollback("shop", wait="watcher", timeout=60)
    assert [r["status"] for r in helm.history("shop")] == ["superseded", "superseded", "deployed"]
    tested = helm.test("shop", logs=True, timeout=60)
    assert "all fine" in json.dumps(tested)
    helm.uninstall("shop", wait="watcher", timeout=60)
    assert helm.list() == []


def test_a_failing_hook_fails_the_release(helm: Any, chart: Path) -> None:
    hooks = chart / "templates" / "hooks.yaml"
    told = '"embedded.helmflow.dev/exit-code": "1", "helm.sh/hook": pre-install'
    text = (
        hooks.read_text()
        .replace('"helm.sh/hook": pre-install', told)
        .replace("spec: {template", "spec: {backoffLimit: 0, template")
    )
    hooks.write_text(text)
    with pytest.raises(Exception, match="not ready"):
        helm.install(str(chart), "broken", create_namespace=True, wait="watcher", timeout=60)
    assert [r["status"] for r in helm.history("broken")] == ["failed"]
    helm.uninstall("broken")
