"""Clusters at their worst: cut connections, throttling, lost answers, expiring tokens, ended watches, wrong clocks."""

from __future__ import annotations

import json
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.clock import SystemClock
from helmflow.core.ids import ReleaseId
from helmflow.execute.cancel import CancelToken
from helmflow.execute.lease import Holder, LeaseKeeper
from helmflow.kube import errors, kubeconfig
from helmflow.kube.client import KubeClient
from helmflow.kube.http import HttpTransport
from helmflow.kube.transport import Request, Response, Transport
from tests.flows import charts
from tests.flows.test_crash import EVERY, _converges, _crash_at
from tests.flows.town import WRITES, Killed, Town

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
Trouble = Callable[["Storm", Request], Response | None]


@dataclass
class Storm:
    """A transport in front of a cluster that goes wrong as `trouble` says: it answers itself, raises, or lets through."""

    inner: Transport
    trouble: Trouble
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    seen: int = 0
    hits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, request: Request) -> Response:
        with self.lock:
            self.seen += 1
            answer = self.trouble(self, request)
            self.hits += answer is not None
        return answer or self.inner.send(request)


def status(
    code: int, reason: str, headers: Mapping[str, str] | None = None, message: str = "storm"
) -> Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "code": code,
        "message": message,
    }
    return Response(status=code, headers=dict(headers or {}), chunks=iter([json.dumps(body).encode()]))


def lost() -> errors.Unreachable:
    return errors.Unreachable("the connection was cut", error_id="cluster.unreachable")


def cut_before(storm: Storm, request: Request) -> Response | None:
    """Every ninth connection breaks before the request arrives."""
    if storm.seen % 9 == 0:
        storm.hits += 1
        raise lost()
    return None


def cut_after(storm: Storm, request: Request) -> Response | None:
    """Every seventh write is carried out, but its answer never comes."""
    if request.method in WRITES and storm.seen % 7 == 0:
        storm.inner.send(request).read()
        storm.hits += 1
        raise lost()
    return None


def throttled(storm: Storm, request: Request) -> Response | None:
    """A fifth of the requests is to come again later."""
    return status(429, "TooManyRequests", {"retry-after": "0"}) if storm.rng.random() < 0.2 else None


def failing(storm: Storm, request: Request) -> Response | None:
    """One in seven answers is a 500 or a 503; half of those writes have happened all the same."""
    if storm.rng.random() >= 0.15:
        return None
    if request.method in WRITES and storm.rng.random() < 0.5:
        storm.inner.send(request).read()
    return status(*storm.rng.choice([(500, "InternalError"), (503, "ServiceUnavailable"), (504, "Timeout")]))


def expired(storm: Storm, request: Request) -> Response | None:
    """Every watch is told at once that its moment is too old, every third one after its first event."""
    if not dict(request.query).get("watch") or storm.rng.random() < 0.3:
        return None
    told = {
        "type": "ERROR",
        "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"},
    }
    return Response(status=200, headers={}, chunks=iter([json.dumps(told).encode() + b"\n"]))


@pytest.mark.parametrize(
    "trouble", [cut_before, cut_after, throttled, failing, expired], ids=lambda t: t.__name__
)
def test_a_run_ends_well_in_a_storm(town: Town, trouble: Trouble) -> None:
    charts.five(town)
    storm = Storm(town.transport(), trouble)
    calm, town.transport = town.transport, lambda: storm
    report = town.sync()
    town.transport = calm
    assert storm.hits
    assert report.ok, [(r.id.name, r.failure) for r in report.releases if r.failure]
    _converges(town)
    for release, namespace in (("database", "data"), ("web", "apps")):
        assert town.statuses(release, namespace) == ["deployed"]


@pytest.mark.nightly  # every retry is tried
def test_a_cluster_that_goes_away_fails_the_run_and_the_next_one_converges(town: Town) -> None:
    charts.five(town)

    def gone(storm: Storm, request: Request) -> Response | None:
        if storm.seen > 60:
            raise lost()
        return None

    calm = town.transport
    town.transport = lambda: Storm(calm(), gone)
    failed = False
    try:
        failed = not town.sync().ok
    except errors.Unreachable:
        failed = True
    assert failed
    town.transport = calm
    _converges(town)


@pytest.mark.nightly
@pytest.mark.parametrize("number", EVERY)
def test_an_upgrade_that_died_anywhere_is_finished(town: Town, number: int) -> None:
    charts.five(town)
    assert town.sync().ok
    town.file("values.yaml", "color: green\nextra: true\n")
    if not _crash_at(town, number):
        pytest.skip(f"this run has fewer than {number} writes")
    _converges(town)


@pytest.mark.nightly
@pytest.mark.parametrize("number", EVERY)
def test_a_destroy_that_died_anywhere_is_finished(town: Town, number: int) -> None:
    charts.five(town)
    assert town.sync().ok
    try:
        town.destroy(kill_after=number)
    except Killed:
        pass
    else:
        pytest.skip(f"this run has fewer than {number} writes")
    assert town.destroy().ok
    for namespace in ("apps", "data"):
        assert town.names("ConfigMap", namespace) == []
        assert town.names("Deployment", namespace, "apps/v1") == []
        assert not [name for name in town.names("Secret", namespace) if name.startswith("sh.helm.release")]


class Skewed(SystemClock):
    """A clock that is `seconds` ahead."""

    def __init__(self, seconds: float) -> None:
        self.ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.mark.parametrize("seconds", [-60.0, 60.0], ids=["behind", "ahead"])
def test_a_minutes_skew_neither_breaks_nor_blocks_a_lease(town: Town, seconds: float) -> None:
    """A living holder whose clock is wrong keeps its lease; a dead one loses it after its duration, not a minute later."""
    charts.small(town)
    town.sync()
    release, namespace = ReleaseId("town", town.ns("apps"), "web"), town.ns("apps")
    theirs = LeaseKeeper(Skewed(seconds), CancelToken(), 1.0, Holder("elsewhere", 1, "a"))
    ours = LeaseKeeper(SystemClock(), CancelToken(), 1.0)
    got = threading.Event()

    def wait() -> None:
        with ours.hold(town.client, namespace, release, lambda event: None):
            got.set()

    waiting = threading.Thread(target=wait)
    with theirs.hold(town.client, namespace, release, lambda event: None):
        waiting.start()
        assert not got.wait(2.5)
        theirs.close()  # it is dead from here: nobody renews, nobody lets go
        assert got.wait(5.0)
        waiting.join()
    ours.close()


@pytest.mark.parametrize("seconds", [-60.0, 60.0], ids=["behind", "ahead"])
def test_a_run_with_a_wrong_clock_is_finished_by_one_with_a_right_clock(town: Town, seconds: float) -> None:
    charts.five(town)
    session = town.session(kill_after=20)
    session.clock = Skewed(seconds)
    from helmflow.flows import sync
    from helmflow.flows.options import accept

    with pytest.raises(Killed):
        sync.sync(session.options, session.emit, accept, session)
    _converges(town)


PLUGIN = """\
import json, pathlib, sys
calls = pathlib.Path(sys.argv[1])
number = int(calls.read_text() or 0) + 1 if calls.exists() else 1
calls.write_text(str(number))
token = "expired" if number % 2 else sys.argv[2]
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}))
"""


@pytest.fixture(params=["loopback", pytest.param("real", marks=pytest.mark.apiserver)])
def plugged(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Town, Path]]:
    """A town whose kubeconfig asks a plugin for its token; every first answer is a token that has expired."""
    script, calls, path = tmp_path / "plugin.py", tmp_path / "calls", tmp_path / "kubeconfig"
    script.write_text(PLUGIN, encoding="utf-8")
    stop: Callable[[], None]
    if request.param == "loopback":
        from helmflow.embedded.loopback import kubeconfig as document
        from helmflow.embedded.loopback import serve
        from helmflow.embedded.server import ApiServer

        listening = serve(ApiServer()).start()
        config: dict[str, Any] = document(listening.url, "", listening.certificate)
        token, stop = listening.token, listening.stop
    else:
        from tests.apiserver import fixture
        from tests.apiserver.cluster import TOKEN

        config = json.loads(fixture.cluster().kubeconfig.read_text(encoding="utf-8"))
        config["current-context"] = "token"
        config["users"] = [{"name": "token"}]
        token, stop = TOKEN, lambda: None
    config["users"][-1]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(script), str(calls), token],
            "interactiveMode": "Never",
        }
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    town = Town(tmp_path, lambda: HttpTransport(kubeconfig.load([path])))
    yield town, calls
    town.close()
    stop()


def test_an_expired_token_is_renewed(plugged: tuple[Town, Path]) -> None:
    town, calls = plugged
    charts.small(town)
    report = town.sync()
    assert report.ok, [release.failure for release in report.releases if release.failure]
    assert calls.read_text() == "2"
    assert KubeClient(town.transport()).server_version().major == "1"
