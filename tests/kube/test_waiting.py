"""Waiting on a cluster that misbehaves: watches that end, expire or are forbidden, and answers that come late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helmflow.core.clock import Deadline, SystemClock
from helmflow.core.errors import ClusterError
from helmflow.core.events import Event, ObjectWaiting
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.kube.client import KubeClient
from helmflow.kube.readiness import Patience
from helmflow.kube.transport import Request, Response
from helmflow.kube.waiting import Target, Until, Waiter, WaitReport
from tests.kube.scripted import endless, events, lost, ok, refused, served

REF = ObjectRef("v1", "Pod", "ns", "p")
GROUP = ReleaseId("", "ns", "r")


def pod(version: int, phase: str = "Pending", **metadata: Any) -> dict[str, Any]:
    """A Pod."""
    ready = [{"type": "Ready", "status": "True"}] if phase == "Running" else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "resourceVersion": str(version), **metadata},
        "status": {"phase": phase, "conditions": ready},
    }


class Cluster:
    """Watches of pods answer from a list and then stay open; other kinds are silent."""

    def __init__(
        self, *watches: Response | ClusterError, listed: list[Any] | None = None, live: Any = None
    ) -> None:
        self.watches = list(watches)
        self.listed = listed or []
        self.live = live
        self.stop = threading.Event()
        self.seen: list[tuple[str, str]] = []

    def send(self, request: Request) -> Response:
        """The answer."""
        if request.path in ("/api", "/apis"):
            return served(request.path)
        query = dict(request.query)
        if request.path.endswith("/events"):
            if query.get("watch"):
                return Response(status=200, headers={}, chunks=endless([], self.stop))
            return ok({"metadata": {"resourceVersion": "9"}, "items": []})
        if query.get("watch"):
            self.seen.append(("watch", query.get("resourceVersion", "")))
            if not self.watches:
                return Response(status=200, headers={}, chunks=endless([], self.stop))
            found = self.watches.pop(0)
            if isinstance(found, ClusterError):
                raise found
            return found
        if request.path.endswith("/pods"):
            self.seen.append(("list", ""))
            return ok({"metadata": {"resourceVersion": "50"}, "items": self.listed})
        self.seen.append(("get", request.path))
        return ok(self.live) if self.live is not None else refused(404, "NotFound")


@pytest.fixture
def wait() -> Iterator[Callable[..., tuple[WaitReport, list[Event]]]]:
    """Wait for the pod on a cluster."""
    clusters: list[Cluster] = []

    def run(
        cluster: Cluster,
        *,
        until: Until = Until.READY,
        seed: Any = None,
        seconds: float = 5.0,
        version: str = "",
        patience: Patience | None = None,
    ) -> tuple[WaitReport, list[Event]]:
        clusters.append(cluster)
        said: list[Event] = []
        client = KubeClient(cluster)
        with Waiter(client, patience=patience or Patience(look_back_s=60, gather_s=0.1)) as waiter:
            target = Target(ref=REF, until=until, seed=seed)
            report = waiter.wait(
                [target],
                deadline=Deadline(SystemClock(), seconds),
                release=GROUP,
                emit=said.append,
                resource_version=version,
            )
        return report, said

    yield run
    for cluster in clusters:
        cluster.stop.set()


def added(obj: Any, kind: str = "MODIFIED") -> dict[str, Any]:
    """One watch event."""
    return {"type": kind, "object": obj}


def test_a_wait_begins_at_its_seed_and_lists_nothing(wait: Callable[..., Any]) -> None:
    cluster = Cluster(events(added(pod(11, "Running"))))
    report, said = wait(cluster, seed=pod(10))
    assert report.ready
    assert cluster.seen[0] == ("watch", "10")
    assert [kind for kind, _ in cluster.seen if kind != "watch"] == []
    assert [(e.ready, e.reason) for e in said if isinstance(e, ObjectWaiting)] == [
        (False, "is Pending"),
        (True, ""),
    ]


def test_a_wait_without_a_seed_begins_at_the_plans_moment(wait: Callable[..., Any]) -> None:
    cluster = Cluster(events(added(pod(11, "Running"), "ADDED")))
    assert wait(cluster, version="7")[0].ready
    assert cluster.seen[0] == ("watch", "7")


def test_without_any_moment_everything_is_listed_once(wait: Callable[..., Any]) -> None:
    cluster = Cluster(listed=[pod(11, "Running")])
    assert wait(cluster)[0].ready
    assert cluster.seen[0] == ("list", "")


def test_a_watch_that_ends_goes_on_from_its_last_event(wait: Callable[..., Any]) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "20"}}}
    cluster = Cluster(events(added(pod(12)), bookmark), events(added(pod(21, "Running"))))
    assert wait(cluster, seed=pod(10))[0].ready
    assert [v for kind, v in cluster.seen if kind == "watch"][:2] == ["10", "20"]


def test_a_lost_connection_goes_on_from_the_last_event(wait: Callable[..., Any]) -> None:
    cluster = Cluster(events(added(pod(12))), lost(), lost(), events(added(pod(13, "Running"))))
    assert wait(cluster, seed=pod(10))[0].ready
    assert [v for kind, v in cluster.seen if kind == "watch"][:4] == ["10", "12", "12", "12"]


@pytest.mark.parametrize("how", ["status", "event"])
def test_an_expired_moment_is_made_good_by_one_list(wait: Callable[..., Any], how: str) -> None:
    expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    answer = refused(410, "Expired") if how == "status" else events({"type": "ERROR", "object": expired})
    cluster = Cluster(answer, listed=[pod(40, "Running")])
    assert wait(cluster, seed=pod(10))[0].ready
    assert [kind for kind, _ in cluster.seen][:2] == ["watch", "list"]


def test_an_object_that_a_list_no_longer_has_is_gone(wait: Callable[..., Any]) -> None:
    cluster = Cluster(events(added(pod(12))), refused(410, "Expired"), listed=[])
    assert wait(cluster, until=Until.GONE, seed=pod(10, deletionTimestamp="t"))[0].ready


def test_where_watching_is_forbidden_lists_do(wait: Callable[..., Any]) -> None:
    cluster = Cluster(refused(403, "Forbidden"), listed=[pod(40, "Running")])
    assert wait(cluster, seed=pod(10))[0].ready


def test_older_states_do_not_undo_newer_ones(wait: Callable[..., Any]) -> None:
    cluster = Cluster(events(added(pod(11)), added(pod(9, "Running"))))
    report, _ = wait(cluster, seed=pod(10), seconds=0.5, until=Until.READY)
    assert report.failures


def test_time_running_out_is_checked_by_reading_once_more(wait: Callable[..., Any]) -> None:
    cluster = Cluster(live=pod(40, "Running"))
    assert wait(cluster, seed=pod(10), seconds=0.3)[0].ready
    late, _ = wait(Cluster(live=pod(40)), seed=pod(10), seconds=0.3)
    (failure,) = late.failures
    assert failure.timed_out
    assert failure.why == "is Pending"


def test_a_deleted_object_is_no_longer_waited_for(wait: Callable[..., Any]) -> None:
    cluster = Cluster(events(added(pod(11), "DELETED")))
    (failure,) = wait(cluster, seed=pod(10))[0].failures
    assert failure.why == "was deleted"


def test_a_pod_that_vanished_after_it_succeeded_is_done(wait: Callable[..., Any]) -> None:
    cluster = Cluster(events(added(pod(11, "Succeeded"), "DELETED")))
    assert wait(cluster, seed=pod(10), until=Until.DONE)[0].ready


def test_an_object_made_anew_is_gone_all_the_same(wait: Callable[..., Any]) -> None:
    again = pod(12, uid="other")
    cluster = Cluster(events(added(again, "ADDED")))
    assert wait(cluster, seed=pod(10), until=Until.GONE)[0].ready


def test_why_an_image_could_not_be_pulled_outlives_the_back_off(wait: Callable[..., Any]) -> None:
    def pulling(version: int, reason: str, message: str) -> dict[str, Any]:
        found = pod(version)
        state = {"waiting": {"reason": reason, "message": message}}
        found["status"]["containerStatuses"] = [{"name": "main", "state": state}]
        return added(found)

    failed = pulling(11, "ErrImagePull", "manifest for web:9 not found")
    backing_off = pulling(12, "ImagePullBackOff", 'Back-off pulling image "web:9"')
    patience = Patience(look_back_s=60, gather_s=0.1, image_pull_s=2)

    def apart() -> Iterator[bytes]:
        yield from events(failed).chunks or ()
        time.sleep(1)  # far longer than the wait needs to look at what came
        yield from events(backing_off).chunks or ()

    cluster = Cluster(Response(status=200, headers={}, chunks=apart()))
    (failure,) = wait(cluster, seed=pod(10), patience=patience)[0].failures
    assert not failure.timed_out
    assert failure.why == (
        'pod p: container main: ImagePullBackOff: Back-off pulling image "web:9": manifest for web:9 not found'
    )


def test_closing_ends_the_readers() -> None:
    cluster = Cluster()
    waiter = Waiter(KubeClient(cluster))
    stop = time.monotonic() + 0.2
    report = waiter.wait(
        [Target(ref=REF, seed=pod(10))],
        deadline=Deadline(SystemClock(), 30),
        release=GROUP,
        emit=lambda event: None,
        cancelled=lambda: time.monotonic() > stop,
    )
    assert report.cancelled
    waiter.close()
    cluster.stop.set()
    deadline = time.monotonic() + 3
    while any(t.name.startswith("watch ") for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
