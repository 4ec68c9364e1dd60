"""PersistentVolumeClaims and PersistentVolumes: provisioning, binding, release."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded import faults, quantities
from helmflow.embedded.cluster import Cluster, copy_of
from helmflow.embedded.controllers.common import active, create, delete, event, later, set_status, update

Json = dict[str, Any]

_CLAIMS: Final = "/persistentvolumeclaims"
_VOLUMES: Final = "/persistentvolumes"
_PROTECTION: Final = "kubernetes.io/pvc-protection"
_VOLUME_PROTECTION: Final = "kubernetes.io/pv-protection"
_RETRY_S: Final = 0.5


def run_claim(cluster: Cluster, namespace: str, name: str) -> None:
    """Bind a claim, or let it go."""
    claim = cluster.get(_CLAIMS, namespace, name)
    if claim is None:
        return
    if claim["metadata"].get("deletionTimestamp"):
        _release(cluster, claim)
    elif claim["status"].get("phase") != "Bound":
        _bind(cluster, claim)
    else:
        _grow(cluster, claim)


def run_volume(cluster: Cluster, namespace: str, name: str) -> None:
    """A volume without a claim is Available; a deleted one goes when it is free."""
    volume = cluster.get(_VOLUMES, "", name)
    if volume is None:
        return
    claim = volume["spec"].get("claimRef")
    bound = (
        claim is not None
        and cluster.storage.get(_CLAIMS, claim.get("namespace", ""), claim.get("name", "")) is not None
    )
    if volume["metadata"].get("deletionTimestamp"):
        if not bound:
            _drop_finalizer(cluster, _VOLUMES, volume, _VOLUME_PROTECTION)
        return
    if volume["status"].get("phase") == "Pending" and claim is None:
        set_status(cluster, _VOLUMES, volume, {**volume["status"], "phase": "Available"})


def _bind(cluster: Cluster, claim: Json) -> None:
    namespace, name = claim["metadata"]["namespace"], claim["metadata"]["name"]
    if faults.told(claim).get("fail") == "pending":
        return
    volume = _match(cluster, claim)
    if volume is None:
        storage_class = cluster.get(
            "storage.k8s.io/storageclasses", "", claim["spec"].get("storageClassName") or ""
        )
        if storage_class is None:
            _complain(cluster, claim)
            return
        if storage_class.get("volumeBindingMode") == "WaitForFirstConsumer" and not _used(cluster, claim):
            message = "waiting for first consumer to be created before binding"
            event(cluster, claim, "Normal", "WaitForFirstConsumer", message, "persistentvolume-controller")
            return
        volume = _provision(cluster, claim, storage_class)
    changed = copy_of(volume)
    changed["spec"]["claimRef"] = {
        "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name, "uid": claim["metadata"]["uid"],
        "apiVersion": "v1", "resourceVersion": claim["metadata"]["resourceVersion"],
    }  # fmt: skip
    volume = update(cluster, _VOLUMES, volume, changed)
    set_status(cluster, _VOLUMES, volume, {**volume["status"], "phase": "Bound"})
    new = copy_of(claim)
    new["spec"]["volumeName"] = volume["metadata"]["name"]
    new["metadata"].setdefault("annotations", {}).update(
        {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
    )
    claim = update(cluster, _CLAIMS, claim, new)
    status = {
        "phase": "Bound",
        "accessModes": claim["spec"].get("accessModes"),
        "capacity": volume["spec"].get("capacity"),
    }
    set_status(cluster, _CLAIMS, claim, status)
    message = f"Successfully provisioned volume {volume['metadata']['name']} (simulated)"
    event(cluster, claim, "Normal", "ProvisioningSucceeded", message, "embedded.helmflow.dev/simulated")


def _complain(cluster: Cluster, claim: Json) -> None:
    wanted = claim["spec"].get("storageClassName")
    if wanted:
        event(
            cluster,
            claim,
            "Warning",
            "ProvisioningFailed",
            f'storageclass.storage.k8s.io "{wanted}" not found',
            "persistentvolume-controller",
        )
    else:
        message = "no persistent volumes available for this claim and no storage class is set"
        event(cluster, claim, "Normal", "FailedBinding", message, "persistentvolume-controller")
    later(cluster, _CLAIMS, claim["metadata"]["namespace"], claim["metadata"]["name"], _RETRY_S)


def _match(cluster: Cluster, claim: Json) -> Json | None:
    """A free volume that fits."""
    spec = claim["spec"]
    size = quantities.value(str(spec["resources"]["requests"]["storage"]))
    for volume in cluster.objects(_VOLUMES):
        mine = volume["spec"]
        reserved = mine.get("claimRef")
        if spec.get("volumeName"):
            if volume["metadata"]["name"] == spec["volumeName"]:
                return volume
            continue
        if reserved is not None and (reserved.get("namespace"), reserved.get("name")) != (
            claim["metadata"]["namespace"],
            claim["metadata"]["name"],
        ):
            continue
        if (mine.get("storageClassName") or "") != (spec.get("storageClassName") or ""):
            continue
        if volume["metadata"].get("deletionTimestamp") or volume["status"].get("phase") in (
            "Bound",
            "Released",
            "Failed",
        ):
            continue
        if (
            set(spec.get("accessModes") or ()) <= set(mine.get("accessModes") or ())
            and quantities.value(str(mine["capacity"]["storage"])) >= size
        ):
            return volume
    return None


def _provision(cluster: Cluster, claim: Json, storage_class: Json) -> Json:
    name = f"pvc-{claim['metadata']['uid']}"
    found = cluster.get(_VOLUMES, "", name)
    if found is not None:
        return found
    return create(cluster, _VOLUMES, {
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": storage_class["provisioner"]}},
        "spec": {
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]}, "accessModes": claim["spec"].get("accessModes"),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"], "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
            "csi": {"driver": storage_class["provisioner"], "volumeHandle": name},
        },
    })  # fmt: skip


def _grow(cluster: Cluster, claim: Json) -> None:
    wanted = claim["spec"]["resources"]["requests"]["storage"]
    have = (claim["status"].get("capacity") or {}).get("storage", "0")
    if quantities.value(str(wanted)) > quantities.value(str(have)):
        volume = cluster.get(_VOLUMES, "", claim["spec"].get("volumeName", ""))
        if volume is not None:
            new = copy_of(volume)
            new["spec"]["capacity"] = {"storage": wanted}
            update(cluster, _VOLUMES, volume, new)
        set_status(cluster, _CLAIMS, claim, {**claim["status"], "capacity": {"storage": wanted}})


def _used(cluster: Cluster, claim: Json) -> bool:
    """Whether a pod mounts the claim."""
    name = claim["metadata"]["name"]
    return any(
        (volume.get("persistentVolumeClaim") or {}).get("claimName") == name
        for pod in cluster.view("/pods", claim["metadata"]["namespace"])
        if active(pod)
        for volume in pod["spec"].get("volumes") or ()
    )


def _release(cluster: Cluster, claim: Json) -> None:
    """A claim goes when no pod uses it; its volume follows its reclaim policy."""
    namespace, name = claim["metadata"]["namespace"], claim["metadata"]["name"]
    if _PROTECTION in (claim["metadata"].get("finalizers") or ()):
        if _used(cluster, claim):
            later(cluster, _CLAIMS, namespace, name, _RETRY_S)
            return
        _drop_finalizer(cluster, _CLAIMS, claim, _PROTECTION)
    volume = cluster.get(_VOLUMES, "", claim["spec"].get("volumeName") or "")
    if volume is None or cluster.storage.get(_CLAIMS, namespace, name) is not None:
        return
    if volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
        delete(cluster, _VOLUMES, volume)
    else:
        set_status(cluster, _VOLUMES, volume, {**volume["status"], "phase": "Released"})


def _drop_finalizer(cluster: Cluster, key: str, value: Json, name: str) -> None:
    new = copy_of(value)
    new["metadata"]["finalizers"] = [f for f in new["metadata"].get("finalizers") or () if f != name]
    if not new["metadata"]["finalizers"]:
        del new["metadata"]["finalizers"]
    update(cluster, key, value, new)
