from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from helmflow.embedded.server import ApiServer
from helmflow.kube.transport import Request
from tests.embedded.api import APPS, CORE, MERGE, Api, config_map, deployment

MAPS = f"{CORE}/configmaps"


def test_a_watch_resumes_from_a_resource_version(api: Api) -> None:
    start = api.get(MAPS)["metadata"]["resourceVersion"]
    api.ok("POST", MAPS, config_map(a="1"))
    api.ok("PATCH", f"{MAPS}/settings", {"data": {"a": "2"}}, MERGE)
    api.ok("DELETE", f"{MAPS}/settings")
    events = api.watch(MAPS, resourceVersion=start)
    assert [e["type"] for e in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert versions == sorted(set(versions))
    assert [e["type"] for e in api.watch(MAPS, resourceVersion=str(versions[0]))] == ["MODIFIED", "DELETED"]


def test_selectors_turn_transitions_into_added_and_deleted(api: Api) -> None:
    start = api.get(MAPS)["metadata"]["resourceVersion"]
    api.ok("POST", MAPS, config_map())
    for labels in ({"on": "yes"}, {"on": "yes", "x": "1"}, {"on": None}):
        api.ok("PATCH", f"{MAPS}/settings", {"metadata": {"labels": labels}}, MERGE)
    kinds = [e["type"] for e in api.watch(MAPS, resourceVersion=start, labelSelector="on=yes")]
    assert kinds == ["ADDED", "MODIFIED", "DELETED"]


def test_initial_events_end_with_a_bookmark(api: Api) -> None:
    api.ok("POST", MAPS, config_map())
    events = api.watch(
        MAPS, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true"
    )
    assert [e["type"] for e in events] == ["ADDED", "ADDED", "BOOKMARK"]
    assert events[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_without_a_version_a_watch_starts_with_what_is_there(api: Api) -> None:
    assert [e["type"] for e in api.watch(MAPS)] == ["ADDED"]


def test_bookmarks_come_with_time(api: Api) -> None:
    start = api.get(MAPS)["metadata"]["resourceVersion"]
    events = api.watch(MAPS, resourceVersion=start, allowWatchBookmarks="true", timeoutSeconds="130")
    assert [e["type"] for e in events] == ["BOOKMARK", "BOOKMARK"]


def test_a_forgotten_version_is_410(api: Api) -> None:
    for index in range(5):
        api.ok("POST", MAPS, config_map(f"c{index}"))
    api.server._storage.compact(keep=1)
    (event,) = api.watch(MAPS, resourceVersion="3")
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_a_rollout_is_seen_step_by_step(api: Api) -> None:
    start = api.get(f"{APPS}/deployments")["metadata"]["resourceVersion"]
    api.apply(f"{APPS}/deployments/web", deployment(replicas=2))
    events = api.watch(f"{APPS}/deployments", resourceVersion=start)
    ready = [e["object"].get("status", {}).get("readyReplicas", 0) for e in events]
    assert ready[0] == 0
    assert ready[-1] == 2
    pods = api.watch(f"{CORE}/pods", resourceVersion=start)
    one = pods[0]["object"]["metadata"]["name"]
    steps = [
        (s.get("phase"), next(iter((s.get("containerStatuses") or [{"state": {"": 0}}])[0]["state"])))
        for s in (e["object"]["status"] for e in pods if e["object"]["metadata"]["name"] == one)
    ]
    assert list(dict.fromkeys(steps)) == [("Pending", ""), ("Pending", "waiting"), ("Running", "running")]


def test_a_watch_can_be_closed_from_another_thread() -> None:
    server = ApiServer()
    response = server.handle(
        Request(method="GET", path=MAPS, query=(("watch", "true"), ("resourceVersion", "9")))
    )
    threading.Timer(0.2, response.close).start()
    started = time.monotonic()
    list(response.chunks)
    assert time.monotonic() - started < 5
    server.close()


def test_a_watch_sees_what_another_process_writes(tmp_path: Path) -> None:
    one, other = ApiServer(tmp_path / "c.db"), ApiServer(tmp_path / "c.db")
    response = one.handle(
        Request(
            method="GET",
            path=MAPS,
            query=(("watch", "true"), ("timeoutSeconds", "10"), ("labelSelector", "mine")),
        )
    )
    body = config_map()
    body["metadata"]["labels"] = {"mine": ""}
    write = Request(
        method="POST", path=MAPS, headers={"content-type": "application/json"}, body=json.dumps(body).encode()
    )
    threading.Timer(0.1, lambda: other.handle(write)).start()
    event = json.loads(next(response.chunks))
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "settings")
    response.close()
    one.close()
    other.close()
