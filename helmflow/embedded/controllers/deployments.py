"""Deployments: revisions, rolling updates with their intermediate states, conditions and deadlines."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded.cluster import Cluster, copy_of, seconds
from helmflow.embedded.controllers.common import (
    adopt,
    create,
    delete,
    event,
    hash_of,
    later,
    owned,
    reference,
    resolve,
    set_status,
    update,
    with_condition,
)

Json = dict[str, Any]

_KEY: Final = "apps/deployments"
_SETS: Final = "apps/replicasets"
_REVISION: Final = "deployment.kubernetes.io/revision"
_DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
_MAX: Final = "deployment.kubernetes.io/max-replicas"
_HISTORY: Final = "deployment.kubernetes.io/revision-history"
_HASH: Final = "pod-template-hash"
_NOT_COPIED: Final = ("kubectl.kubernetes.io/last-applied-configuration", _REVISION, _HISTORY, _DESIRED, _MAX)
_COMPONENT: Final = "deployment-controller"


class _Rollout:
    """One look at a Deployment: its sets, its numbers, what it should become."""

    def __init__(self, cluster: Cluster, deployment: Json) -> None:
        self.cluster = cluster
        self.deployment = deployment
        self.spec = deployment["spec"]
        self.name = deployment["metadata"]["name"]
        self.namespace = deployment["metadata"]["namespace"]
        self.wanted: int = self.spec.get("replicas", 1)
        self.sets = owned(cluster, deployment, _SETS)
        self.new = next((s for s in self.sets if _same_template(s, deployment)), None)
        self.created = False

    @property
    def old(self) -> list[Json]:
        """The sets of earlier templates, oldest first."""
        mine = self.new["metadata"]["name"] if self.new else ""
        found = [s for s in self.sets if s["metadata"]["name"] != mine]
        return sorted(found, key=lambda s: (s["metadata"]["creationTimestamp"], s["metadata"]["name"]))

    @property
    def rolling(self) -> bool:
        """Whether the strategy is RollingUpdate."""
        return bool(self.spec["strategy"].get("type") == "RollingUpdate")

    @property
    def surge(self) -> int:
        """How many pods there may be above the wanted number."""
        if not self.rolling:
            return 0
        return resolve(
            (self.spec["strategy"].get("rollingUpdate") or {}).get("maxSurge"), self.wanted, up=True
        )

    @property
    def unavailable(self) -> int:
        """How many pods may be missing."""
        if not self.rolling:
            return 0
        rolling = self.spec["strategy"].get("rollingUpdate") or {}
        count = resolve(rolling.get("maxUnavailable"), self.wanted, up=False)
        return min(max(count, 1 if self.surge == 0 else 0), self.wanted)

    def total(self) -> int:
        """The pods that all sets want."""
        return sum(s["spec"].get("replicas", 0) for s in self.sets)

    def replace(self, updated: Json) -> None:
        """Note a set's new state."""
        self.sets = [
            updated if s["metadata"]["name"] == updated["metadata"]["name"] else s for s in self.sets
        ]
        if self.new and self.new["metadata"]["name"] == updated["metadata"]["name"]:
            self.new = updated

    def scale(self, target: Json, count: int) -> None:
        """Give one set `count` pods, with the event that tells so."""
        before = target["spec"].get("replicas", 0)
        changed = copy_of(target)
        changed["spec"]["replicas"] = count
        changed["metadata"].setdefault("annotations", {}).update(self.sizes())
        if changed == target:
            return
        self.replace(update(self.cluster, _SETS, target, changed))
        if before != count:
            way = "up" if count > before else "down"
            message = f"Scaled {way} replica set {target['metadata']['name']} from {before} to {count}"
            event(self.cluster, self.deployment, "Normal", "ScalingReplicaSet", message, _COMPONENT)

    def sizes(self) -> dict[str, str]:
        """The size annotations of every set."""
        return {_DESIRED: str(self.wanted), _MAX: str(self.wanted + self.surge)}


def run(cluster: Cluster, namespace: str, name: str) -> None:
    """Reconcile a Deployment."""
    deployment = cluster.get(_KEY, namespace, name)
    if deployment is None:
        return
    adopt(cluster, deployment, _KEY, _SETS)
    rollout = _Rollout(cluster, deployment)
    if not deployment["metadata"].get("deletionTimestamp"):
        if deployment["spec"].get("paused"):
            _resize(rollout)
        else:
            _ensure_new(rollout)
            _progress(rollout)
            _forget_old(rollout)
    _report(rollout)


def _same_template(replica_set: Json, deployment: Json) -> bool:
    mine = copy_of(replica_set["spec"]["template"])
    (mine["metadata"].get("labels") or {}).pop(_HASH, None)
    theirs = deployment["spec"]["template"]
    return mine.get("spec") == theirs.get("spec") and _bare(mine["metadata"]) == _bare(theirs["metadata"])


def _bare(metadata: Json) -> Json:
    return {k: v for k, v in metadata.items() if v}


def _revision_of(value: Json) -> int:
    text = (value["metadata"].get("annotations") or {}).get(_REVISION, "0")
    return int(text) if text.isdigit() else 0


def _ensure_new(rollout: _Rollout) -> None:
    """The set of the present template exists, carries the right revision and annotations."""
    revision = str(max((_revision_of(s) for s in rollout.old), default=0) + 1)
    annotations = {
        k: v
        for k, v in (rollout.deployment["metadata"].get("annotations") or {}).items()
        if k not in _NOT_COPIED
    }
    if rollout.new is None:
        _create_new(rollout, revision, annotations)
    else:
        changed = copy_of(rollout.new)
        marks = changed["metadata"].setdefault("annotations", {})
        before = marks.get(_REVISION)
        if int(revision) > _revision_of(rollout.new):
            if before:
                history = marks.get(_HISTORY)
                marks[_HISTORY] = f"{history},{before}" if history else before
            marks[_REVISION] = revision
        marks.update(annotations)
        changed["spec"]["minReadySeconds"] = rollout.spec.get("minReadySeconds", 0)
        if not changed["spec"]["minReadySeconds"]:
            del changed["spec"]["minReadySeconds"]
        if changed != rollout.new:
            rollout.replace(update(rollout.cluster, _SETS, rollout.new, changed))
    assert rollout.new is not None
    _mark_revision(rollout, (rollout.new["metadata"].get("annotations") or {}).get(_REVISION, revision))


def _create_new(rollout: _Rollout, revision: str, annotations: dict[str, str]) -> None:
    spec = rollout.spec
    template = copy_of(spec["template"])
    collisions = (rollout.deployment.get("status") or {}).get("collisionCount", 0)
    suffix = hash_of([template, collisions])
    template["metadata"].setdefault("labels", {})[_HASH] = suffix
    selector = copy_of(spec["selector"])
    selector.setdefault("matchLabels", {})[_HASH] = suffix
    body: Json = {
        "metadata": {
            "name": f"{rollout.name}-{suffix}",
            "namespace": rollout.namespace,
            "labels": dict(template["metadata"]["labels"]),
            "annotations": {**annotations, _REVISION: revision, **rollout.sizes()},
            "ownerReferences": [reference(rollout.cluster.resource(_KEY), rollout.deployment)],
        },
        "spec": {"replicas": _new_count(rollout, 0), "selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    rollout.new = create(rollout.cluster, _SETS, body)
    rollout.sets.append(rollout.new)
    rollout.created = True
    count = rollout.new["spec"]["replicas"]
    if count:
        message = f"Scaled up replica set {rollout.new['metadata']['name']} from 0 to {count}"
        event(rollout.cluster, rollout.deployment, "Normal", "ScalingReplicaSet", message, _COMPONENT)


def _mark_revision(rollout: _Rollout, revision: str) -> None:
    if (rollout.deployment["metadata"].get("annotations") or {}).get(_REVISION) == revision:
        return
    changed = copy_of(rollout.deployment)
    changed["metadata"].setdefault("annotations", {})[_REVISION] = revision
    rollout.deployment = update(rollout.cluster, _KEY, rollout.deployment, changed, subresource="status")


def _new_count(rollout: _Rollout, present: int) -> int:
    """How many pods the new set may have now."""
    if not rollout.rolling:
        return rollout.wanted if not _old_pods(rollout) else present
    room = rollout.wanted + rollout.surge - rollout.total()
    return present if room <= 0 else min(present + room, rollout.wanted)


def _old_pods(rollout: _Rollout) -> bool:
    """Whether pods of earlier templates still run."""
    return any(
        (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        for replica_set in rollout.old
        for pod in owned(rollout.cluster, replica_set, "/pods")
    )


def _progress(rollout: _Rollout) -> None:
    assert rollout.new is not None
    present = rollout.new["spec"].get("replicas", 0)
    if rollout.rolling:
        if present > rollout.wanted:
            rollout.scale(rollout.new, rollout.wanted)
        else:
            rollout.scale(rollout.new, _new_count(rollout, present))
        _scale_down_old(rollout)
        return
    for replica_set in rollout.old:
        if replica_set["spec"].get("replicas", 0):
            rollout.scale(replica_set, 0)
    if not _old_pods(rollout):
        rollout.scale(rollout.new, rollout.wanted)


def _available(replica_set: Json) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas", 0))


def _scale_down_old(rollout: _Rollout) -> None:
    """Remove old pods as far as availability allows: unhealthy ones first."""
    assert rollout.new is not None
    old = [s for s in rollout.old if s["spec"].get("replicas", 0)]
    if not old:
        return
    least = rollout.wanted - rollout.unavailable
    new_unavailable = rollout.new["spec"].get("replicas", 0) - _available(rollout.new)
    budget = rollout.total() - least - new_unavailable
    if budget <= 0:
        return
    for replica_set in old:
        unhealthy = min(replica_set["spec"]["replicas"] - _available(replica_set), budget)
        if unhealthy > 0:
            rollout.scale(replica_set, replica_set["spec"]["replicas"] - unhealthy)
            budget -= unhealthy
    budget = sum(_available(s) for s in rollout.sets) - least
    for replica_set in [s for s in rollout.old if s["spec"].get("replicas", 0)]:
        count = min(replica_set["spec"]["replicas"], budget)
        if count > 0:
            rollout.scale(replica_set, replica_set["spec"]["replicas"] - count)
            budget -= count


def _resize(rollout: _Rollout) -> None:
    """A paused Deployment only follows its size."""
    target = rollout.new or next((s for s in reversed(rollout.old) if s["spec"].get("replicas", 0)), None)
    if target is not None:
        others = sum(s["spec"].get("replicas", 0) for s in rollout.sets) - target["spec"].get("replicas", 0)
        rollout.scale(target, max(rollout.wanted - others, 0))


def _forget_old(rollout: _Rollout) -> None:
    limit = rollout.spec.get("revisionHistoryLimit", 10)
    done = [
        s
        for s in rollout.old
        if not s["spec"].get("replicas")
        and not (s.get("status") or {}).get("replicas")
        and not s["metadata"].get("deletionTimestamp")
    ]
    for replica_set in sorted(done, key=_revision_of)[: max(len(done) - limit, 0)]:
        delete(rollout.cluster, _SETS, replica_set)


def _report(rollout: _Rollout) -> None:
    deployment, cluster = rollout.deployment, rollout.cluster
    before = deployment.get("status") or {}
    status = copy_of(before)
    counts = {
        "replicas": sum((s.get("status") or {}).get("replicas", 0) for s in rollout.sets),
        "updatedReplicas": ((rollout.new or {}).get("status") or {}).get("replicas", 0),
        "readyReplicas": sum((s.get("status") or {}).get("readyReplicas", 0) for s in rollout.sets),
        "availableReplicas": sum(_available(s) for s in rollout.sets),
    }
    counts["unavailableReplicas"] = max(rollout.total() - counts["availableReplicas"], 0)
    for name, count in counts.items():
        status.pop(name, None)
        if count:
            status[name] = count
    status["observedGeneration"] = deployment["metadata"].get("generation", 1)
    status["conditions"] = _conditions(rollout, before, counts)
    set_status(cluster, _KEY, deployment, status)


def _conditions(rollout: _Rollout, before: Json, counts: dict[str, int]) -> list[Json]:
    now = rollout.cluster.now()
    conditions = list(before.get("conditions") or ())
    enough = counts["availableReplicas"] >= rollout.wanted - rollout.unavailable
    if enough:
        conditions = _set(
            conditions,
            now,
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    else:
        conditions = _set(
            conditions,
            now,
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    conditions = _progressing(rollout, conditions, before, counts)
    failed = next(
        (
            c
            for s in rollout.sets
            for c in (s.get("status") or {}).get("conditions") or ()
            if c["type"] == "ReplicaFailure"
        ),
        None,
    )
    conditions = [c for c in conditions if c["type"] != "ReplicaFailure"]
    if failed is not None:
        conditions = _set(conditions, now, "ReplicaFailure", "True", failed["reason"], failed["message"])
    return conditions


def _progressing(
    rollout: _Rollout, conditions: list[Json], before: Json, counts: dict[str, int]
) -> list[Json]:
    now = rollout.cluster.now()
    present = next((c for c in conditions if c["type"] == "Progressing"), None)
    deadline = rollout.spec.get("progressDeadlineSeconds")
    if rollout.spec.get("paused"):
        return _set(conditions, now, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    if deadline is None or rollout.new is None:
        return [c for c in conditions if c["type"] != "Progressing"]
    name = rollout.new["metadata"]["name"]
    if rollout.created:
        return _set(
            conditions,
            now,
            "Progressing",
            "True",
            "NewReplicaSetCreated",
            f'Created new replica set "{name}"',
        )
    wanted = rollout.wanted
    if (
        counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == wanted
        and rollout.total() == wanted
    ):
        if (
            present is not None
            and present["reason"] == "NewReplicaSetAvailable"
            and name in present["message"]
        ):
            return conditions
        return _set(
            conditions,
            now,
            "Progressing",
            "True",
            "NewReplicaSetAvailable",
            f'ReplicaSet "{name}" has successfully progressed.',
        )
    moved = (
        counts["updatedReplicas"] > before.get("updatedReplicas", 0)
        or counts["readyReplicas"] > before.get("readyReplicas", 0)
        or counts["availableReplicas"] > before.get("availableReplicas", 0)
        or counts["replicas"] - counts["updatedReplicas"]
        < before.get("replicas", 0) - before.get("updatedReplicas", 0)
    )
    if moved or present is None or present["reason"] in ("DeploymentPaused",):
        return _set(
            conditions,
            now,
            "Progressing",
            "True",
            "ReplicaSetUpdated",
            f'ReplicaSet "{name}" is progressing.',
        )
    if present["reason"] == "NewReplicaSetAvailable":
        if name not in present["message"] or before.get("observedGeneration") != rollout.deployment[
            "metadata"
        ].get("generation"):
            return _set(
                conditions,
                now,
                "Progressing",
                "True",
                "ReplicaSetUpdated",
                f'ReplicaSet "{name}" is progressing.',
            )
        return conditions
    if present["reason"] != "ProgressDeadlineExceeded":
        left = seconds(present["lastUpdateTime"]) + deadline - rollout.cluster.moment()
        if left <= 0:
            return _set(
                conditions,
                now,
                "Progressing",
                "False",
                "ProgressDeadlineExceeded",
                f'ReplicaSet "{name}" has timed out progressing.',
            )
        later(rollout.cluster, _KEY, rollout.namespace, rollout.name, left + 0.001)
    return conditions


def _set(conditions: list[Json], now: str, kind: str, status: str, reason: str, message: str) -> list[Json]:
    present = next((c for c in conditions if c["type"] == kind), None)
    if present is not None and (present["status"], present["reason"], present["message"]) == (
        status,
        reason,
        message,
    ):
        return conditions
    return with_condition(conditions, now, kind, status, reason, message, lastUpdateTime=now)
