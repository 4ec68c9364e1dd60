"""Lists, watches, deletion, namespaces and custom kinds, on every cluster."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.kube import errors, objects
from helmflow.kube.client import MERGE_PATCH, KubeClient
from helmflow.kube.watches import WatchEvent
from tests.contracts import things


def names(found: tuple[things.Object, ...]) -> list[str]:
    """The names of objects, sorted."""
    return sorted(objects.ref(item).name for item in found)


def eventually(holds: Callable[[], object], seconds: float = 15.0) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


@pytest.fixture
def shelf(client: KubeClient, namespace: str) -> str:
    """Six ConfigMaps: tier a or b, three of them old."""
    for n in range(6):
        labels = {"tier": "ab"[n % 2], **({"old": "yes"} if n < 3 else {})}
        client.create(things.config_map(namespace, f"m{n}", labels=labels, n=str(n)))
    return namespace


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=a", ["m0", "m2", "m4"]),
        ("tier==a,old", ["m0", "m2"]),
        ("tier!=a,tier", ["m1", "m3", "m5"]),
        ("tier in (a,b),!old", ["m3", "m4", "m5"]),
        ("tier notin (a),old=yes", ["m1"]),
        ("tier=c", []),
    ],
)
def test_label_selectors(client: KubeClient, shelf: str, selector: str, expected: list[str]) -> None:
    assert names(client.list("v1", "ConfigMap", shelf, label_selector=selector).items) == expected


def test_a_malformed_selector_is_a_bad_request(client: KubeClient, shelf: str) -> None:
    with pytest.raises(errors.BadRequest):
        client.list("v1", "ConfigMap", shelf, label_selector="a in (")


def test_field_selectors(client: KubeClient, shelf: str) -> None:
    assert names(client.list("v1", "ConfigMap", shelf, field_selector="metadata.name=m4").items) == ["m4"]
    others = client.list(
        "v1", "ConfigMap", shelf, field_selector="metadata.name!=m4", label_selector="tier=a"
    )
    assert names(others.items) == ["m0", "m2"]


def test_a_list_is_read_page_by_page(client: KubeClient, shelf: str) -> None:
    before = client.counter.snapshot().get("list", 0)
    found = client.list("v1", "ConfigMap", shelf, label_selector="tier", limit=2)
    assert names(found.items) == [f"m{n}" for n in range(6)]
    assert client.counter.snapshot()["list"] == before + 3
    assert found.resource_version.isdecimal()


def test_listed_objects_know_their_kind(client: KubeClient, shelf: str) -> None:
    assert {(i["apiVersion"], i["kind"]) for i in client.list("v1", "ConfigMap", shelf).items} == {
        ("v1", "ConfigMap")
    }


def test_metadata_alone_can_be_listed(client: KubeClient, shelf: str) -> None:
    for item in client.list("v1", "ConfigMap", shelf, label_selector="tier", metadata_only=True).items:
        assert set(item) == {"apiVersion", "kind", "metadata"}
        assert item["metadata"]["labels"]["tier"] in "ab"
        assert item["metadata"]["uid"]


def test_a_list_without_a_namespace_spans_all(client: KubeClient, shelf: str) -> None:
    found = client.list("v1", "ConfigMap", label_selector="tier").items
    assert {objects.ref(item).namespace for item in found} >= {shelf}


def collect(
    client: KubeClient, namespace: str, version: str, count: int, selector: str = ""
) -> list[WatchEvent]:
    """The first events of a watch, bookmarks left out."""
    found: list[WatchEvent] = []
    stream = client.watch(
        "v1", "ConfigMap", namespace, resource_version=version, label_selector=selector, timeout_s=20
    )
    for event in stream:
        if event.type != "BOOKMARK":
            found.append(event)
        if len(found) == count:
            stream.close()
            break
    return found


def test_a_watch_tells_what_happened_since_a_list(client: KubeClient, shelf: str) -> None:
    since = client.list("v1", "ConfigMap", shelf, label_selector="tier").resource_version
    ref = ObjectRef("v1", "ConfigMap", shelf, "new")
    client.create(things.config_map(shelf, "new", labels={"new": "yes"}, a="1"))
    client.patch(ref, MERGE_PATCH, {"data": {"a": "2"}})
    client.delete(ref)
    seen = collect(client, shelf, since, 3, "new")
    assert [(e.type, e.object["data"]["a"]) for e in seen] == [
        ("ADDED", "1"),
        ("MODIFIED", "2"),
        ("DELETED", "2"),
    ]
    versions = [int(e.resource_version) for e in seen]
    assert versions == sorted(versions)
    assert versions[0] > int(since)
    assert {(e.object["apiVersion"], e.object["kind"]) for e in seen} == {("v1", "ConfigMap")}


def test_a_watch_goes_on_while_things_happen(client: KubeClient, shelf: str) -> None:
    since = client.list("v1", "ConfigMap", shelf, label_selector="tier").resource_version
    found: list[WatchEvent] = []
    reader = threading.Thread(target=lambda: found.extend(collect(client, shelf, since, 2, "late")))
    reader.start()
    time.sleep(0.2)
    client.create(things.config_map(shelf, "late", labels={"late": "yes"}))
    client.create(things.config_map(shelf, "later", labels={"late": "yes"}))
    reader.join(10)
    assert [objects.ref(e.object).name for e in found] == ["late", "later"]


def test_a_selected_watch_sees_objects_come_and_go(client: KubeClient, shelf: str) -> None:
    since = client.list("v1", "ConfigMap", shelf).resource_version
    ref = ObjectRef("v1", "ConfigMap", shelf, "m1")
    client.patch(ref, MERGE_PATCH, {"metadata": {"labels": {"tier": "a"}}})
    client.patch(ref, MERGE_PATCH, {"metadata": {"labels": {"tier": "b"}}})
    assert [e.type for e in collect(client, shelf, since, 2, "tier=a")] == ["ADDED", "DELETED"]


def test_a_watch_ends_after_its_time(client: KubeClient, shelf: str) -> None:
    began = time.monotonic()
    since = client.list("v1", "ConfigMap", shelf, label_selector="tier").resource_version
    stream = client.watch(
        "v1", "ConfigMap", shelf, resource_version=since, label_selector="tier", timeout_s=1
    )
    assert [event for event in stream if event.type != "BOOKMARK"] == []
    assert 0.5 < time.monotonic() - began < 10


def test_a_watch_can_be_closed_from_another_thread(client: KubeClient, shelf: str) -> None:
    since = client.list("v1", "ConfigMap", shelf).resource_version
    stream = client.watch("v1", "ConfigMap", shelf, resource_version=since, timeout_s=30)
    reader = threading.Thread(target=lambda: list(stream), daemon=True)
    reader.start()
    time.sleep(0.2)
    stream.close()
    reader.join(3)
    assert not reader.is_alive()


def test_deleting_answers_none_once_it_is_gone(client: KubeClient, shelf: str) -> None:
    ref = ObjectRef("v1", "ConfigMap", shelf, "m0")
    assert client.delete(ref) is None
    assert client.find(ref) is None
    with pytest.raises(errors.NotFound):
        client.delete(ref)


def test_deleting_somebody_elses_object_conflicts(client: KubeClient, shelf: str) -> None:
    ref = ObjectRef("v1", "ConfigMap", shelf, "m0")
    with pytest.raises(errors.Conflict):
        client.delete(ref, uid="11111111-2222-3333-4444-555555555555")
    with pytest.raises(errors.Conflict):
        client.delete(ref, resource_version="1")
    live = client.get(ref)
    client.delete(ref, uid=objects.uid(live), resource_version=objects.resource_version(live))
    assert client.find(ref) is None


def test_a_dry_run_deletes_nothing(client: KubeClient, shelf: str) -> None:
    client.delete(ObjectRef("v1", "ConfigMap", shelf, "m0"), dry_run=True)
    assert client.find(ObjectRef("v1", "ConfigMap", shelf, "m0"))


def test_a_finalizer_holds_an_object(client: KubeClient, namespace: str) -> None:
    held = things.config_map(namespace, a="1")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    ref = objects.ref(client.create(held))
    dying = client.delete(ref)
    assert dying is not None
    assert dying["metadata"]["deletionTimestamp"]
    assert client.get(ref)["metadata"]["finalizers"] == ["example.com/hold"]
    client.patch(ref, MERGE_PATCH, {"metadata": {"finalizers": None}})
    assert client.find(ref) is None


def owned(namespace: str, owner: things.Object) -> things.Object:
    """A ConfigMap that another object owns."""
    made = things.config_map(namespace, "child")
    ref = objects.ref(owner)
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "name": ref.name,
            "uid": objects.uid(owner),
            "blockOwnerDeletion": True,
        }
    ]
    return made


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_what_an_object_owns_goes_with_it(client: KubeClient, namespace: str, propagation: str) -> None:
    owner = client.create(things.config_map(namespace, "owner"))
    child = objects.ref(client.create(owned(namespace, owner)))
    time.sleep(0.5)  # a real garbage collector learns of new objects by watching
    client.delete(objects.ref(owner), propagation=propagation)
    eventually(lambda: client.find(child) is None and client.find(objects.ref(owner)) is None)


def test_orphans_stay(client: KubeClient, namespace: str) -> None:
    owner = client.create(things.config_map(namespace, "owner"))
    child = objects.ref(client.create(owned(namespace, owner)))
    time.sleep(0.5)
    client.delete(objects.ref(owner), propagation="Orphan")
    eventually(lambda: client.find(objects.ref(owner)) is None)
    assert "ownerReferences" not in client.get(child)["metadata"]


def test_a_namespace_is_active_labelled_and_has_a_service_account(client: KubeClient, namespace: str) -> None:
    live = client.get(ObjectRef("v1", "Namespace", "", namespace))
    assert live["status"]["phase"] == "Active"
    assert live["metadata"]["labels"]["kubernetes.io/metadata.name"] == namespace
    eventually(lambda: client.find(ObjectRef("v1", "ServiceAccount", namespace, "default")))


def test_a_deleted_namespace_takes_everything_along(client: KubeClient) -> None:
    name = f"gone-{uuid.uuid4().hex[:8]}"
    ref = ObjectRef("v1", "Namespace", "", name)
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    held = things.config_map(name, "held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    client.create(held)
    client.create(things.secret(name))
    dying = client.delete(ref)
    assert dying is not None
    eventually(lambda: client.get(ref)["status"]["phase"] == "Terminating")
    with pytest.raises(errors.Forbidden) as refused:
        client.create(things.config_map(name, "late"))
    assert refused.value.error_id == "cluster.terminating"
    eventually(lambda: client.find(ObjectRef("v1", "Secret", name, "password")) is None)
    client.patch(objects.ref(held), MERGE_PATCH, {"metadata": {"finalizers": None}})
    eventually(lambda: client.find(ref) is None, 30)


@pytest.fixture
def gadgets(client: KubeClient) -> str:
    """A new kind, established and served: its group."""
    group = f"g{uuid.uuid4().hex[:8]}.example.com"
    ref = objects.ref(client.create(things.definition(group)))
    eventually(lambda: (objects.condition(client.get(ref), "Established") or {}).get("status") == "True")
    eventually(lambda: client.discovery(refresh=True).find(f"{group}/v1", "Gadget"))
    return group


def gadget(group: str, namespace: str, **spec: object) -> things.Object:
    """A custom resource."""
    return {
        "apiVersion": f"{group}/v1",
        "kind": "Gadget",
        "metadata": {"name": "g", "namespace": namespace},
        "spec": spec,
    }


def test_a_custom_kind_is_served_like_any_other(client: KubeClient, namespace: str, gadgets: str) -> None:
    served = client.discovery().resource(f"{gadgets}/v1", "Gadget")
    assert (served.plural, served.namespaced, "status" in served.subresources) == ("gadgets", True, True)
    applied = client.apply(gadget(gadgets, namespace, size=1, parts=[{"name": "a", "count": 1}]))
    assert applied.created
    assert applied.object["spec"]["colour"] == "grey"
    assert applied.object["metadata"]["generation"] == 1
    other = gadget(gadgets, namespace, size=1, parts=[{"name": "b"}])
    merged = client.apply(other, manager="other").object
    assert [p["name"] for p in merged["spec"]["parts"]] == ["a", "b"]
    assert names(client.list(f"{gadgets}/v1", "Gadget", namespace).items) == ["g"]
    status = client.patch(objects.ref(other), MERGE_PATCH, {"status": {"phase": "up"}}, subresource="status")
    assert status["status"] == {"phase": "up"}
    assert client.delete(objects.ref(other)) is None


def test_a_custom_resource_is_checked_against_its_schema(
    client: KubeClient, namespace: str, gadgets: str
) -> None:
    with pytest.raises(errors.Invalid) as refused:
        client.create(gadget(gadgets, namespace))
    assert "spec.size: Required value" in refused.value.message
    with pytest.raises(errors.Invalid) as refused:
        client.create(gadget(gadgets, namespace, size=0))
    assert "spec.size" in refused.value.message


def test_a_deleted_definition_takes_its_objects_along(
    client: KubeClient, namespace: str, gadgets: str
) -> None:
    client.create(gadget(gadgets, namespace, size=1))
    ref = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"gadgets.{gadgets}")
    client.delete(ref)
    eventually(lambda: client.find(ref) is None, 30)
    eventually(lambda: client.discovery(refresh=True).find(f"{gadgets}/v1", "Gadget") is None)


def test_warning_events_can_be_selected(client: KubeClient, namespace: str) -> None:
    about = {"apiVersion": "v1", "kind": "Pod", "name": "p", "namespace": namespace, "uid": "u-1"}
    for kind in ("Normal", "Warning"):
        client.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"e-{kind.lower()}", "namespace": namespace},
                "involvedObject": about,
                "type": kind,
                "reason": "Tested",
                "message": "m",
            }
        )
    assert names(client.list("v1", "Event", namespace, field_selector="type=Warning").items) == ["e-warning"]
    selector = "involvedObject.uid=u-1,reason=Tested"
    assert names(client.list("v1", "Event", namespace, field_selector=selector).items) == [
        "e-normal",
        "e-warning",
    ]
