"""Whole processes on the real API server: they wait visibly, stop in order, or die, and the next one goes on at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helmflow.execute import lease
from helmflow.kube import kubeconfig
from helmflow.kube.http import HttpTransport
from tests.apiserver import fixture
from tests.apiserver.test_interop import PRUNING
from tests.flows import charts
from tests.flows.town import Town

pytestmark = pytest.mark.apiserver
SLOW = charts.PRE_INSTALL.replace(
    "    spec:\n      restartPolicy",
    "    metadata: {annotations: {embedded.helmflow.dev/run-for: {{ .Values.slow }}s}}\n    spec:\n      restartPolicy",
)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Town]:
    """A release that is deployed, and whose next upgrade takes some seconds."""
    path = fixture.cluster().kubeconfig
    town = Town(tmp_path, lambda: HttpTransport(kubeconfig.load([path], "real")))
    charts.small(town)
    town.chart("web", prepare=SLOW)
    town.file("values.yaml", "color: red\nslow: 0\n")
    assert town.sync().ok
    town.file("values.yaml", "color: green\nslow: 4\n")
    yield town
    town.close()


def start(town: Town) -> subprocess.Popen[str]:
    """`helmflow sync` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELM", "KUBE", "XDG"))}
    return subprocess.Popen(
        [sys.executable, "-m", "helmflow", "sync"],
        cwd=town.folder,
        env={**kept, "HOME": str(town.folder), "KUBECONFIG": str(fixture.cluster().kubeconfig), "HELMFLOW_CACHE_HOME": str(town.folder / "c")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def until(holds: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def at_work(town: Town) -> str:
    """Wait until the upgrade's hook runs; gives who holds the release."""
    until(lambda: town.names("Job", api="batch/v1") == ["web-prepare"])
    return lease.holder_of(town.client.get(lease.lease_ref(town.ns("apps"), "web")))


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def test_a_second_run_says_at_once_whom_it_waits_for(slow: Town) -> None:
    first = start(slow)
    holder = at_work(slow)
    assert f"/{first.pid}-" in holder
    second, third = start(slow), start(slow)
    assert third.stdout is not None
    line = next(line for line in third.stdout if "waiting for Lease" in line)
    assert holder in line
    third.send_signal(signal.SIGINT)
    code, out = ended(third)
    assert code == 130
    assert "stopped by SIGINT" in out
    assert ended(first)[0] == 0
    code, out = ended(second)
    assert code == 0, out
    assert f"another run holds this release: {holder}" in out
    assert "unchanged" in out
    assert slow.statuses("web") == ["superseded", "deployed"]
    assert slow.names("Lease", api="coordination.k8s.io/v1") == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_stopped_run_leaves_a_readable_record(slow: Town, name: str) -> None:
    running = start(slow)
    at_work(slow)
    running.send_signal(getattr(signal, name))
    code, out = ended(running)
    assert code == {"SIGINT": 130, "SIGTERM": 143}[name]
    assert f"stopped by {name}" in out
    assert slow.names("Lease", api="coordination.k8s.io/v1") == []
    assert slow.statuses("web") == ["deployed", "failed"]
    assert slow.history("web")[-1].description == f'Upgrade "web" failed: stopped by {name}'
    goes_on(slow)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM twice"])
def test_a_run_that_died_is_finished_at_once_on_the_same_host(slow: Town, how: str) -> None:
    """Its lease would last for half a minute, but its holder is a process of this host that is gone."""
    running = start(slow)
    at_work(slow)
    if how == "SIGKILL":
        running.kill()
    else:
        running.terminate()
        time.sleep(0.02)
        running.terminate()
    ended(running)
    if how == "SIGKILL":
        assert slow.statuses("web") == ["deployed", "pending-upgrade"]
        assert slow.names("Lease", api="coordination.k8s.io/v1") == ["helmflow.web"]
    goes_on(slow)


def goes_on(town: Town) -> None:
    """The next run ends well, without waiting for anything but its own hook."""
    town.file("values.yaml", "color: green\nslow: 0\n")
    began = time.monotonic()
    report = town.sync(running=PRUNING)
    assert report.ok, [one.failure for one in report.releases]
    assert time.monotonic() - began < 15
    assert town.statuses("web")[-1] == "deployed"
    assert {*town.statuses("web")[:-1]} <= {"superseded", "failed"}
    assert town.names("Lease", api="coordination.k8s.io/v1") == []
    live = town.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "green"
