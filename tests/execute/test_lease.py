"""Leases: held, waited for, taken over, refused."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from helmflow.core.clock import SystemClock
from helmflow.core.events import Event, ObjectWaiting, Warned
from helmflow.core.ids import ReleaseId
from helmflow.embedded.server import ApiServer
from helmflow.embedded.transport import InProcessTransport
from helmflow.execute import lease
from helmflow.execute.cancel import Cancelled, CancelToken
from helmflow.execute.lease import Holder, LeaseKeeper
from helmflow.kube import errors
from helmflow.kube.client import KubeClient
from helmflow.kube.transport import Request, Response

WEB = ReleaseId("", "default", "web")
DEAD = Holder(socket.gethostname(), 2**22 + 1, "abc")  # beyond the largest process id


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.apiserver)])
def client(request: pytest.FixtureRequest) -> Iterator[KubeClient]:
    if request.param == "embedded":
        server = ApiServer()
        yield KubeClient(InProcessTransport(server))
        server.close()
        return
    from tests.apiserver import fixture

    real = fixture.cluster().client()
    yield real
    with suppress(errors.NotFound):
        real.delete(lease.lease_ref("default", "web"))


def keeper(duration_s: float = 30.0, holder: Holder | None = None) -> LeaseKeeper:
    return LeaseKeeper(SystemClock(), CancelToken(), duration_s, holder or Holder.this_process())


def ignore(event: Event) -> None:
    """Nobody listens."""


def test_a_lease_lives_as_long_as_it_is_held(client: KubeClient) -> None:
    mine = keeper()
    with mine.hold(client, "default", WEB, ignore) as held:
        assert not held.waited
        found = client.get(lease.lease_ref("default", "web"))
        assert lease.holder_of(found) == str(mine.holder)
        assert not lease.is_stale(found, SystemClock())
    assert client.find(lease.lease_ref("default", "web")) is None
    mine.close()


def test_a_lease_may_be_left_to_its_end(client: KubeClient) -> None:
    mine = keeper(1.0)
    with mine.hold(client, "default", WEB, ignore) as held:
        held.keep = True
    mine.close()
    assert client.find(lease.lease_ref("default", "web")) is not None
    with keeper().hold(client, "default", WEB, ignore) as held:
        assert held.waited
    assert client.find(lease.lease_ref("default", "web")) is None


def test_a_dead_process_of_this_host_is_taken_over_at_once(client: KubeClient) -> None:
    theirs = keeper(600, DEAD)
    with theirs.hold(client, "default", WEB, ignore):
        found = client.get(lease.lease_ref("default", "web"))
        assert lease.is_stale(found, SystemClock())
        with keeper().hold(client, "default", WEB, ignore) as held:
            assert held.waited
            taken = client.get(lease.lease_ref("default", "web"))
            assert taken["spec"]["leaseTransitions"] == 1
    theirs.close()


def test_an_expired_lease_is_taken_over_by_our_own_observation(client: KubeClient) -> None:
    elsewhere = Holder("another-host", 1, "abc")
    client.create(keeper(1.0, elsewhere)._lease(lease.lease_ref("default", "web"), 0))
    events: list[Event] = []
    with keeper().hold(client, "default", WEB, events.append) as held:
        assert held.waited
    (waiting,) = [event for event in events if isinstance(event, ObjectWaiting)]
    assert "another-host/1-abc" in waiting.reason


def test_waiting_for_a_lease_can_be_cancelled(client: KubeClient) -> None:
    client.create(keeper(600, Holder("another-host", 1, "abc"))._lease(lease.lease_ref("default", "web"), 0))
    mine = keeper()
    mine.cancel.cancel("SIGINT")
    with pytest.raises(Cancelled), mine.hold(client, "default", WEB, ignore):
        pass


def test_the_lease_of_somebody_else_is_not_dropped(client: KubeClient) -> None:
    mine = keeper()
    with mine.hold(client, "default", WEB, ignore):
        lease.drop(client, WEB, str(DEAD))
        assert client.find(lease.lease_ref("default", "web")) is not None
        lease.drop(client, WEB, str(mine.holder))
        assert client.find(lease.lease_ref("default", "web")) is None
    mine.close()


@pytest.mark.parametrize("text", ["", "somebody", "host/1", "host/x-1", "a/b/12-ff"])
def test_only_our_own_identities_are_read(text: str) -> None:
    found = Holder.parse(text)
    assert found is None or str(found) == text


def test_this_process_is_alive() -> None:
    assert not Holder.this_process().dead
    assert Holder.this_process().pid == os.getpid()
    assert DEAD.dead


def test_a_run_that_slept_stops_and_leaves_its_successors_lease_alone(client: KubeClient) -> None:
    """Another run took the lease over meanwhile: what renewed or deleted it now would let a third one in."""
    ref = lease.lease_ref("default", "web")
    successor = Holder("another-host", 7, "def")
    events: list[Event] = []
    mine = keeper(0.3)
    with mine.hold(client, "default", WEB, events.append):
        # It may be renewed at this very moment: then once more.
        client.update(ref, lambda live: {**live, "spec": {**live["spec"], "holderIdentity": str(successor)}})
        taken = client.get(ref)
        assert mine.cancel.wait(20)
        with pytest.raises(Cancelled, match="the loss of its lease"):
            mine.cancel.check()
    (warned,) = [event.warning for event in events if isinstance(event, Warned)]
    assert warned.error_id == "release.lease-lost"
    assert "another-host/7-def" in warned.message
    assert client.get(ref) == taken
    mine.close()


def test_a_lease_that_was_taken_over_since_the_last_renewal_stays(client: KubeClient) -> None:
    ref = lease.lease_ref("default", "web")
    mine = keeper(60)
    with mine.hold(client, "default", WEB, ignore):
        live = client.get(ref)
        client.replace({**live, "spec": {**live["spec"], "holderIdentity": "another-host/7-def"}})
    assert client.find(ref) is not None
    mine.close()


def test_a_lease_is_renewed_while_it_is_held(client: KubeClient) -> None:
    ref = lease.lease_ref("default", "web")
    mine = keeper(0.3)
    with mine.hold(client, "default", WEB, ignore):
        first = client.get(ref)["spec"]["renewTime"]
        deadline = time.monotonic() + 20
        while client.get(ref)["spec"]["renewTime"] == first:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert client.find(ref) is None
    mine.close()


def test_waiting_writes_nothing_and_names_every_holder(client: KubeClient) -> None:
    ref = lease.lease_ref("default", "web")
    first, second = Holder("one-host", 1, "abc"), Holder("two-host", 2, "abc")
    client.create(keeper(600, first)._lease(ref, 0))
    events: list[Event] = []
    mine = keeper()
    before = client.counter.writes

    def wait() -> None:
        with pytest.raises(Cancelled), mine.hold(client, "default", WEB, events.append):
            pass

    def until_told_of(holder: Holder) -> None:
        deadline = time.monotonic() + 20
        while not any(isinstance(event, ObjectWaiting) and str(holder) in event.reason for event in events):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    waiting = threading.Thread(target=wait)
    waiting.start()
    until_told_of(first)
    time.sleep(2 * lease.POLL_S)
    assert client.counter.writes == before + 1  # the attempt to create it
    live = client.get(ref)
    client.replace({**live, "spec": {**live["spec"], "holderIdentity": str(second)}})
    until_told_of(second)
    mine.cancel.cancel("SIGINT")
    waiting.join()
    said = [event.reason for event in events if isinstance(event, ObjectWaiting)]
    assert [reason.rpartition(" ")[2] for reason in said] == [str(first), str(second)]


def test_a_release_of_the_same_name_in_another_cluster_has_a_lease_of_its_own(client: KubeClient) -> None:
    ref = lease.lease_ref("default", "web")
    server = ApiServer()
    other = KubeClient(InProcessTransport(server))
    mine = keeper()
    with mine.hold(client, "default", WEB, ignore):
        with mine.hold(other, "default", ReleaseId("other", "default", "web"), ignore):
            assert other.find(ref) is not None
        assert other.find(ref) is None
        assert client.find(ref) is not None
    assert client.find(ref) is None
    mine.close()
    server.close()


class Forbidding:
    """A transport to a server where nobody may `method` a lease."""

    def __init__(self, server: ApiServer, method: str) -> None:
        self._inner = InProcessTransport(server)
        self._method = method

    def send(self, request: Request) -> Response:
        if request.method == self._method and "/leases" in request.path:
            return Response(status=403, headers={}, chunks=iter([b"no"]))
        return self._inner.send(request)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_who_may_not_lock_or_renew_is_told_once(method: str) -> None:
    server = ApiServer()
    client = KubeClient(Forbidding(server, method))
    events: list[Event] = []
    mine = keeper(0.03)
    with mine.hold(client, "default", WEB, events.append):
        deadline = time.monotonic() + 20
        while client.counter.snapshot().get("patch", 0) < (2 if method == "PATCH" else 0):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    mine.close()
    (warned,) = [event.warning for event in events if isinstance(event, Warned)]
    assert warned.error_id == "release.no-lease"
    assert "patch" in warned.hint
    assert not mine.cancel.cancelled
    assert client.find(lease.lease_ref("default", "web")) is None
    server.close()
