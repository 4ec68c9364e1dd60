"""RealCluster: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and a node stand-in on loopback."""

from __future__ import annotations

import base64
import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helmflow.core.errors import ClusterError
from helmflow.core.ids import ObjectRef
from helmflow.kube import kubeconfig
from helmflow.kube.client import KubeClient
from helmflow.kube.http import HttpTransport
from tests.apiserver.binaries import Binaries
from tests.apiserver.certificates import Authority, Pair, service_account_key

TOKEN = "test-admin-token"
READER_TOKEN = "test-reader-token"
START_S = 90.0


@dataclass
class RealCluster:
    """A running control plane. `kubeconfig` has the contexts real (certificate), token and reader (may only read)."""

    folder: Path
    server: str
    kubeconfig: Path
    audit_log: Path
    etcd: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    data: Path | None = None

    @classmethod
    def start(cls, binaries: Binaries, folder: Path) -> RealCluster:
        """Start everything and return once pods can run."""
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority(folder)
        ports = _free_ports(6)
        cluster = cls(
            folder=folder,
            server=f"https://127.0.0.1:{ports[2]}",
            kubeconfig=folder / "kubeconfig",
            audit_log=folder / "audit.log",
            etcd=f"http://127.0.0.1:{ports[0]}",
        )
        cluster._write_kubeconfigs(authority)
        try:
            cluster._start_etcd(binaries, ports)
            cluster._start_apiserver(binaries, authority, ports)
            cluster._until("kube-apiserver is ready", lambda: cluster.client().raw("/readyz") == b"ok")
            cluster._start_controllers(binaries, authority, ports)
            cluster._start_node()
            cluster._until("a node is ready and pods may start", cluster._can_run_pods)
        except BaseException:
            cluster.stop()
            raise
        return cluster

    def client(self, context: str = "real", **options: Any) -> KubeClient:
        """A client of its own transport."""
        return KubeClient(HttpTransport(kubeconfig.load([self.kubeconfig], context)), **options)

    def requests(self, user_agent: str) -> list[dict[str, Any]]:
        """What the audit log says a client with this user agent (its beginning) has asked."""
        time.sleep(0.2)
        events = map(json.loads, self.audit_log.read_text(encoding="utf-8").splitlines())
        return [e for e in events if str(e.get("userAgent", "")).startswith(user_agent)]

    def remember(self, path: str, obj: dict[str, Any]) -> None:
        """Put an object into etcd as an older API server left it there: nothing checks it. `path`: RESOURCE/NAME."""
        key, value = (
            base64.b64encode(text.encode()).decode() for text in (f"/registry/{path}", json.dumps(obj))
        )
        body = json.dumps({"key": key, "value": value}).encode()
        urllib.request.urlopen(f"{self.etcd}/v3/kv/put", data=body, timeout=10).close()

    def stop(self) -> None:
        """End every process; nothing here is worth an orderly end."""
        for process in reversed(self.processes):
            process.kill()
        for process in self.processes:
            process.wait()
        self.processes.clear()
        if self.data is not None:
            shutil.rmtree(self.data, ignore_errors=True)

    def __enter__(self) -> RealCluster:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _start_etcd(self, binaries: Binaries, ports: list[int]) -> None:
        memory = Path("/dev/shm")
        self.data = Path(tempfile.mkdtemp(prefix="helmflow-etcd-", dir=memory if memory.is_dir() else None))
        client, peer = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"
        self._run(
            "etcd",
            binaries.etcd,
            f"--data-dir={self.data}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )

    def _start_apiserver(self, binaries: Binaries, authority: Authority, ports: list[int]) -> None:
        serving, signing = authority.server("apiserver"), service_account_key(self.folder)
        authority.server("node")
        kubelet_client = authority.client("kube-apiserver-kubelet-client", "system:masters")
        tokens = self.folder / "tokens.csv"
        tokens.write_text(
            f'{TOKEN},admin,admin,"system:masters"\n{READER_TOKEN},reader,reader,"readers"\n',
            encoding="utf-8",
        )
        policy = self.folder / "audit.json"
        rules = [{"level": "Metadata", "omitStages": ["RequestReceived", "ResponseStarted"]}]
        policy.write_text(
            json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}), encoding="utf-8"
        )
        self._run(
            "kube-apiserver",
            binaries.command("kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{ports[0]}",
            "--bind-address=127.0.0.1",
            f"--secure-port={ports[2]}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={authority.path}",
            f"--token-auth-file={tokens}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={signing.certificate}",
            f"--service-account-signing-key-file={signing.key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
            "--endpoint-reconciler-type=none",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={kubelet_client.certificate}",
            f"--kubelet-client-key={kubelet_client.key}",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log}",
            "--max-requests-inflight=800",
            "--max-mutating-requests-inflight=400",
            f"--cert-dir={self.folder}",
        )

    def _start_controllers(self, binaries: Binaries, authority: Authority, ports: list[int]) -> None:
        quick = (
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
        )
        self._run(
            "kube-controller-manager",
            binaries.command("kube-controller-manager"),
            f"--kubeconfig={self._own_kubeconfig(authority, 'system:kube-controller-manager')}",
            f"--service-account-private-key-file={self.folder / 'sa.key'}",
            f"--root-ca-file={authority.path}",
            "--use-service-account-credentials=true",
            "--controllers=*,-horizontal-pod-autoscaler-controller",
            f"--secure-port={ports[3]}",
            f"--cert-dir={self.folder}",
            *quick,
        )
        self._run(
            "kube-scheduler",
            binaries.command("kube-scheduler"),
            f"--kubeconfig={self._own_kubeconfig(authority, 'system:kube-scheduler')}",
            f"--secure-port={ports[4]}",
            f"--cert-dir={self.folder}",
            *quick,
        )

    def _start_node(self) -> None:
        self._run(
            "node", Path(sys.executable), "-m", "tests.apiserver.node", str(self.kubeconfig), str(self.folder)
        )

    def _run(self, name: str, command: Path, *arguments: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        root = Path(__file__).parents[2]
        self.processes.append(
            subprocess.Popen(
                [str(command), *arguments],
                stdout=log,
                stderr=log,
                cwd=root,
                stdin=subprocess.DEVNULL,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        )
        log.close()

    def _can_run_pods(self) -> bool:
        client = self.client()
        client.get(ObjectRef("v1", "ServiceAccount", "default", "default"))
        nodes = client.list("v1", "Node").items
        return any(
            c.get("type") == "Ready" and c.get("status") == "True"
            for n in nodes
            for c in n["status"].get("conditions", [])
        )

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                if holds():
                    return
            except ClusterError:
                pass
            for process in self.processes:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args!r} ended with {process.returncode}: see {self.folder}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {START_S:g} s: {what}; see the logs in {self.folder}")
            time.sleep(0.1)

    def _write_kubeconfigs(self, authority: Authority) -> None:
        admin = authority.client("admin", "system:masters")
        users = {"real": _certificate(admin), "token": {"token": TOKEN}, "reader": {"token": READER_TOKEN}}
        self.kubeconfig.write_text(
            json.dumps(_kubeconfig(self.server, authority.path, users)), encoding="utf-8"
        )

    def _own_kubeconfig(self, authority: Authority, user: str) -> Path:
        path = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        users = {user: _certificate(authority.client(user))}
        path.write_text(json.dumps(_kubeconfig(self.server, authority.path, users)), encoding="utf-8")
        return path


def _end_with_parent() -> None:
    """In the child: die when the test run is killed and cannot clean up."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _certificate(pair: Pair) -> dict[str, str]:
    return {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}


def _kubeconfig(server: str, authority: Path, users: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(users)),
        "clusters": [
            {"name": "real", "cluster": {"server": server, "certificate-authority": str(authority)}}
        ],
        "contexts": [{"name": name, "context": {"cluster": "real", "user": name}} for name in users],
        "users": [{"name": name, "user": user} for name, user in users.items()],
    }


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]
    finally:
        for found in sockets:
            found.close()
