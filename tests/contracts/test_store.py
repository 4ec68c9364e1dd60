"""Stored releases, on every cluster and with both of Helm's drivers in it."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from helmflow.core.errors import HelmflowError, Refusal
from helmflow.core.ids import ObjectRef
from helmflow.helm.release import storage
from helmflow.helm.release.record import ReleaseStatus
from helmflow.helm.release.storage import Driver
from helmflow.helm.release.store import ReleaseStore
from helmflow.kube.client import MERGE_PATCH, KubeClient
from tests.revisions import CHART, revision


@pytest.fixture(params=[Driver.SECRET, Driver.CONFIGMAP])
def releases(client: KubeClient, namespace: str, request: pytest.FixtureRequest) -> ReleaseStore:
    """An empty store."""
    return ReleaseStore(client, namespace, request.param)


def test_a_revision_is_stored_and_read(releases: ReleaseStore) -> None:
    made = revision(releases.namespace, labels={"team": "blue"})
    releases.create(made)
    read = releases.get("web", 1)
    assert replace(read, chart=CHART) == made
    (stored,) = releases.history("web")
    assert (stored.name, stored.namespace, stored.number, stored.status) == (
        "web",
        releases.namespace,
        1,
        ReleaseStatus.DEPLOYED,
    )
    assert stored.labels == {"team": "blue"}


def test_the_stored_object_is_helms(client: KubeClient, namespace: str) -> None:
    releases = ReleaseStore(client, namespace)
    releases.create(revision(namespace, status="pending-install", labels={"team": "blue"}))
    ref = ObjectRef("v1", "Secret", namespace, "sh.helm.release.v1.web.v1")
    live = client.get(ref)
    labels = dict(live["metadata"]["labels"])
    assert labels.pop("createdAt").isdecimal()
    assert labels == {
        "name": "web",
        "owner": "helm",
        "status": "pending-install",
        "version": "1",
        "team": "blue",
    }
    assert live["type"] == "helm.sh/release.v1"
    assert list(live["data"]) == ["release"]
    releases.update(revision(namespace, labels={"team": "blue"}))
    labels = dict(client.get(ref)["metadata"]["labels"])
    assert labels.pop("modifiedAt").isdecimal()
    assert labels == {"name": "web", "owner": "helm", "status": "deployed", "version": "1", "team": "blue"}
    assert {e["manager"] for e in client.get(ref)["metadata"]["managedFields"]} == {"Helm"}


def test_a_number_is_taken_once(releases: ReleaseStore) -> None:
    releases.create(revision(releases.namespace))
    with pytest.raises(HelmflowError) as taken:
        releases.create(revision(releases.namespace))
    assert taken.value.error_id == "release.exists"


def test_what_is_not_stored_is_not_found(releases: ReleaseStore) -> None:
    with pytest.raises(HelmflowError) as absent:
        releases.get("web", 1)
    assert absent.value.error_id == "release.not-found"
    with pytest.raises(HelmflowError) as absent:
        releases.update(revision(releases.namespace))
    assert absent.value.error_id == "release.not-found"
    releases.delete("web", 1)


def test_one_list_tells_of_every_revision(releases: ReleaseStore) -> None:
    for name, number, status in [
        ("web", 2, "deployed"),
        ("web", 1, "superseded"),
        ("db", 1, "failed"),
        ("web", 10, "failed"),
    ]:
        releases.create(revision(releases.namespace, name, number, status))
    client = releases._client
    before = client.counter.requests
    found = releases.list()
    assert [(r.name, r.number, str(r.status)) for r in found] == [
        ("db", 1, "failed"),
        ("web", 1, "superseded"),
        ("web", 2, "deployed"),
        ("web", 10, "failed"),
    ]
    assert client.counter.requests == before + 1
    assert [r.number for r in releases.list(names=("web", "other"))] == [1, 2, 10]
    assert {r.namespace for r in releases.list(namespace="")} >= {releases.namespace}


def test_payloads_of_many_revisions_come_with_one_list(releases: ReleaseStore) -> None:
    for name in ("a", "b", "c"):
        releases.create(revision(releases.namespace, name))
    client = releases._client
    stored = releases.list()
    before = client.counter.requests
    found = releases.get_many(stored[:2])
    assert client.counter.requests == before + 1
    assert sorted(name for _, name, _ in found) == ["a", "b"]
    assert found[releases.namespace, "a", 1].manifest.startswith("---")
    assert releases.get_many(()) == {}


def test_a_damaged_payload_is_left_out_of_many(
    releases: ReleaseStore, client: KubeClient, namespace: str
) -> None:
    """One of them must not keep lists and histories from showing the others: helm leaves it out, too."""
    for name in ("db", "web", "cache"):
        releases.create(revision(namespace, name))
    kind, text = ("Secret", "Z2FyYmFnZQ==") if releases._driver is Driver.SECRET else ("ConfigMap", "garbage")
    ref = ObjectRef("v1", kind, namespace, "sh.helm.release.v1.db.v1")
    client.patch(ref, MERGE_PATCH, {"data": {"release": text}})
    listed = releases.list()
    assert sorted(name for _, name, _ in releases.get_many(listed)) == ["cache", "web"]
    assert releases.get_many([one for one in listed if one.name == "db"]) == {}
    with pytest.raises(HelmflowError) as damaged:
        releases.get("db", 1)
    assert damaged.value.error_id == "release.unreadable"


def test_a_deleted_revision_is_gone(releases: ReleaseStore) -> None:
    releases.create(revision(releases.namespace))
    releases.delete("web", 1)
    assert releases.list() == ()


def test_what_only_looks_like_a_release_is_left_out(client: KubeClient, namespace: str) -> None:
    labels = {"owner": "helm", "name": "x", "version": "1", "status": "deployed"}
    client.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "other", "namespace": namespace, "labels": labels},
        }
    )
    assert ReleaseStore(client, namespace).list() == ()


def test_a_record_that_does_not_fit_is_refused_with_its_parts(client: KubeClient, namespace: str) -> None:
    noise = os.urandom(600_000).hex()
    with pytest.raises(Refusal) as refused:
        ReleaseStore(client, namespace).create(revision(namespace, manifest=noise * 2))
    assert refused.value.error_id == "release.too-large"
    assert "manifest" in refused.value.message


@pytest.mark.parametrize(
    ("word", "driver"), [("", Driver.SECRET), ("secrets", Driver.SECRET), ("ConfigMap", Driver.CONFIGMAP)]
)
def test_drivers_are_named_as_helm_names_them(word: str, driver: Driver) -> None:
    assert Driver.named(word) is driver


def test_an_unknown_driver_is_refused() -> None:
    with pytest.raises(HelmflowError) as unknown:
        Driver.named("floppy")
    assert unknown.value.error_id == "release.driver"
    assert storage.not_found("x").error_id == "release.not-found"
