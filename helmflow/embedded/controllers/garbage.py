"""The garbage collector: dependents follow their owners, foreground and orphan deletions complete."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded import writing
from helmflow.embedded.cluster import Cluster, copy_of
from helmflow.embedded.controllers.common import REACTION_S, task
from helmflow.embedded.writing import FOREGROUND, ORPHAN, DeleteOptions

Json = dict[str, Any]

_ABSENT_OWNER_S: Final = 0.5


def on_change(cluster: Cluster, key: str, old: Json | None, new: Json | None) -> None:
    """Queue the work that one change makes."""
    moment = cluster.moment()
    if new is None:
        assert old is not None
        for dependent, namespace, name in cluster.storage.owned_by(old["metadata"].get("uid", "")):
            cluster.storage.enqueue(task("garbage", namespace, f"{dependent} {name}"), moment + REACTION_S)
        for owner in old["metadata"].get("ownerReferences") or ():
            _wake_owner(cluster, owner["uid"], moment)
        return
    metadata = new["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    if metadata.get("deletionTimestamp") and any(
        f in (FOREGROUND, ORPHAN) for f in metadata.get("finalizers") or ()
    ):
        cluster.storage.enqueue(task("garbage", namespace, f"{key} {name}"), moment + REACTION_S)
    elif old is None and any(
        cluster.storage.by_uid(o.get("uid", "")) is None for o in metadata.get("ownerReferences") or ()
    ):
        cluster.storage.enqueue(task("garbage", namespace, f"{key} {name}"), moment + _ABSENT_OWNER_S)


def _wake_owner(cluster: Cluster, uid: str, moment: float) -> None:
    found = cluster.storage.by_uid(uid)
    if found is not None and '"deletionTimestamp"' in found[1].body:
        cluster.storage.enqueue(
            task("garbage", found[1].namespace, f"{found[0]} {found[1].name}"), moment + REACTION_S
        )


def run(cluster: Cluster, namespace: str, target: str) -> None:
    """Look at one object: as an owner that is going, and as a dependent whose owners may be gone."""
    key, name = target.split(" ", 1)
    value = cluster.get(key, namespace, name)
    resource = cluster.registry.by_key(key)
    if value is None or resource is None:
        return
    finalizers = value["metadata"].get("finalizers") or []
    if value["metadata"].get("deletionTimestamp"):
        if ORPHAN in finalizers:
            _orphan(cluster, value)
            _drop(cluster, key, value, ORPHAN)
        elif FOREGROUND in finalizers and not _delete_dependents(cluster, value):
            _drop(cluster, key, value, FOREGROUND)
        return
    owners = value["metadata"].get("ownerReferences") or []
    if not owners:
        return
    alive = [o for o in owners if cluster.storage.by_uid(o.get("uid", "")) is not None]
    if not alive:
        writing.delete(cluster, resource, value, DeleteOptions(propagation="Background"))
    elif len(alive) < len(owners):
        new = copy_of(value)
        new["metadata"]["ownerReferences"] = alive
        cluster.write(key, value, new)


def _delete_dependents(cluster: Cluster, owner: Json) -> bool:
    """Delete what the owner's going waits for; says whether something is left to wait for."""
    waiting = False
    for key, namespace, name in cluster.storage.owned_by(owner["metadata"]["uid"]):
        value = cluster.get(key, namespace, name)
        resource = cluster.registry.by_key(key)
        if value is None or resource is None:
            continue
        mine: Json = next(
            (
                o
                for o in value["metadata"].get("ownerReferences") or ()
                if o["uid"] == owner["metadata"]["uid"]
            ),
            {},
        )
        if not value["metadata"].get("deletionTimestamp"):
            writing.delete(
                cluster,
                resource,
                value,
                DeleteOptions(propagation="Foreground" if key != "/pods" else "Background"),
            )
        if mine.get("blockOwnerDeletion") and cluster.storage.get(key, namespace, name) is not None:
            waiting = True
    return waiting


def _orphan(cluster: Cluster, owner: Json) -> None:
    for key, namespace, name in cluster.storage.owned_by(owner["metadata"]["uid"]):
        value = cluster.get(key, namespace, name)
        if value is None:
            continue
        new = copy_of(value)
        left = [o for o in new["metadata"]["ownerReferences"] if o["uid"] != owner["metadata"]["uid"]]
        new["metadata"]["ownerReferences"] = left
        if not left:
            del new["metadata"]["ownerReferences"]
        cluster.write(key, value, new)


def _drop(cluster: Cluster, key: str, value: Json, finalizer: str) -> None:
    new = copy_of(value)
    left = [f for f in new["metadata"]["finalizers"] if f != finalizer]
    new["metadata"]["finalizers"] = left
    if left:
        cluster.write(key, value, new)
    else:
        del new["metadata"]["finalizers"]
        cluster.remove(key, new)
