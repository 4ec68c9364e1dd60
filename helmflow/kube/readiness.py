"""object -> Ready | Progressing(why) | Failed(why): kstatus' rules per kind, and early signs of failure; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from helmflow.core.records import dataclass
from helmflow.kube import objects
from helmflow.kube.objects import at, condition


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing is missing. `note` says what is unusual about it ("paused", "suspended")."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Progressing:
    """Not there yet; `why` says what is missing."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not become ready by itself."""

    why: str


Readiness = Ready | Progressing | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a sign of trouble may last before it counts as failure."""

    image_pull_s: float = 20.0  # registries blip
    container_config_s: float = 10.0  # a ConfigMap or Secret may still be on its way
    replica_failure_s: float = 10.0  # a new namespace's service account takes a moment
    unschedulable_s: float = 60.0  # an autoscaler may be adding a node
    load_balancer_s: float = 60.0
    crash_restarts: int = 3  # a database that is not up yet makes many programs restart once or twice
    gather_s: float = 2.0  # after the first failure, for others that have the same cause
    look_back_s: float = 5.0  # then pods that were in trouble before the wait began are looked at as well
    first_status_s: float = 5.0  # for a custom resource's controller to say its first word


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A sign of trouble that counts once it has lasted `grace_s`. `key` is the same while the trouble is the same.

    `cause` is what later signs of the same trouble no longer say: a kubelet backs off without repeating why it could not pull.
    """

    key: str
    why: str
    grace_s: float
    container: str = ""
    reason: str = ""
    cause: str = ""


def evaluate(obj: Mapping[str, Any], *, finish: bool = False) -> Readiness:
    """How an object stands. With `finish` a Job or Pod must have completed, not only started."""
    early = _prelude(obj)
    if early is not None:
        return early
    kind = str(obj.get("kind") or "")
    group = objects.ref(obj).group
    if finish and (group, kind) == ("batch", "Job"):
        return _job_end(obj)
    if finish and (group, kind) == ("", "Pod"):
        return _pod_end(obj)
    rule = _RULES.get((group, kind))
    return rule(obj) if rule else _by_ready_condition(obj)


def _prelude(obj: Mapping[str, Any]) -> Readiness | None:
    if objects.meta(obj).get("deletionTimestamp"):
        finalizers = objects.meta(obj).get("finalizers")
        held = f", held by the finalizers {', '.join(map(str, finalizers))}" if finalizers else ""
        return Progressing(f"is being deleted{held}")
    generation, observed = at(obj, "metadata", "generation"), at(obj, "status", "observedGeneration")
    if generation is not None and observed is not None and generation != observed:
        return Progressing("its controller has not seen the newest generation")
    reconciling, stalled = condition(obj, "Reconciling"), condition(obj, "Stalled")
    if reconciling is not None and reconciling.get("status") == "True":
        return Progressing(_said(reconciling, "is being reconciled"))
    if stalled is not None and stalled.get("status") == "True":
        return Failed(_said(stalled, "is stalled"))
    return None


def _by_ready_condition(obj: Mapping[str, Any]) -> Readiness:
    found = condition(obj, "Ready")
    if found is None or found.get("status") == "True":
        return Ready()
    return Progressing(_said(found, "is not ready"))


def _deployment(obj: Mapping[str, Any]) -> Readiness:
    progressing, available = condition(obj, "Progressing"), condition(obj, "Available")
    if at(obj, "spec", "paused"):
        return Ready("paused")
    if progressing is not None and progressing.get("reason") == "ProgressDeadlineExceeded":
        return Failed(_said(progressing, "exceeded its progress deadline"))
    wanted = _number(obj, "spec", "replicas", default=1)
    exist, updated, ready = (
        _number(obj, "status", f) for f in ("replicas", "updatedReplicas", "readyReplicas")
    )
    reachable = _number(obj, "status", "availableReplicas")
    missing = (
        _fewer("replicas exist", exist, wanted)
        or _fewer("replicas updated", updated, wanted)
        or (f"{exist - wanted} old replicas pending termination" if exist > wanted else "")
        or _fewer("updated replicas available", reachable, updated)
        or _fewer("replicas ready", ready, wanted)
    )
    if missing:
        return Progressing(missing)
    has_deadline = at(obj, "spec", "progressDeadlineSeconds") not in (None, 2**31 - 1)
    if has_deadline and not _is(progressing, "NewReplicaSetAvailable"):
        return Progressing("the new ReplicaSet is not available")
    if available is None or available.get("status") != "True":
        return Progressing(_said(available, "is not available"))
    return Ready()


def _stateful_set(obj: Mapping[str, Any]) -> Readiness:
    if at(obj, "spec", "updateStrategy", "type") == "OnDelete":
        return Ready("OnDelete: pods keep their revision until they are deleted")
    wanted = _number(obj, "spec", "replicas", default=1)
    exist, ready = _number(obj, "status", "replicas"), _number(obj, "status", "readyReplicas")
    missing = (
        _fewer("replicas exist", exist, wanted)
        or _fewer("replicas ready", ready, wanted)
        or (f"{exist - wanted} old replicas pending termination" if exist > wanted else "")
    )
    if missing:
        return Progressing(missing)
    updated = _number(obj, "status", "updatedReplicas")
    partition = at(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    if isinstance(partition, int) and partition > 0:
        lacking = _fewer(f"replicas updated (partition {partition})", updated, wanted - partition)
        return Progressing(lacking) if lacking else Ready()
    lacking = _fewer("replicas of the current revision", _number(obj, "status", "currentReplicas"), wanted)
    if at(obj, "status", "currentRevision") != at(obj, "status", "updateRevision"):
        return Progressing(_fewer("replicas updated", updated, wanted) or "the rollout is being completed")
    if lacking:
        return Progressing(lacking)
    if at(obj, "spec", "minReadySeconds") and at(obj, "status", "availableReplicas") is not None:
        lacking = _fewer("replicas available", _number(obj, "status", "availableReplicas"), wanted)
        if lacking:
            return Progressing(lacking)
    return Ready()


def _daemon_set(obj: Mapping[str, Any]) -> Readiness:
    if at(obj, "spec", "updateStrategy", "type") == "OnDelete":
        return Ready("OnDelete: pods keep their revision until they are deleted")
    if at(obj, "status", "observedGeneration") is None or at(obj, "status", "desiredNumberScheduled") is None:
        return Progressing("its controller has not seen it yet")
    wanted = _number(obj, "status", "desiredNumberScheduled")
    missing = (
        _fewer("pods scheduled", _number(obj, "status", "currentNumberScheduled"), wanted)
        or _fewer("pods updated", _number(obj, "status", "updatedNumberScheduled"), wanted)
        or _fewer("pods available", _number(obj, "status", "numberAvailable"), wanted)
        or _fewer("pods ready", _number(obj, "status", "numberReady"), wanted)
    )
    return Progressing(missing) if missing else Ready()


def _replica_set(obj: Mapping[str, Any]) -> Readiness:
    wanted = _number(obj, "spec", "replicas", default=1)
    failure = condition(obj, "ReplicaFailure")
    if failure is not None and failure.get("status") == "True":
        return Progressing(_said(failure, "pods cannot be created"))
    exist = _number(obj, "status", "replicas")
    missing = (
        _fewer("labelled replicas", _number(obj, "status", "fullyLabeledReplicas"), wanted)
        or _fewer("replicas available", _number(obj, "status", "availableReplicas"), wanted)
        or _fewer("replicas ready", _number(obj, "status", "readyReplicas"), wanted)
        or (f"{exist - wanted} old replicas pending termination" if exist > wanted else "")
    )
    return Progressing(missing) if missing else Ready()


def _pod(obj: Mapping[str, Any]) -> Readiness:
    phase = at(obj, "status", "phase")
    if phase == "Succeeded":
        return Ready()
    if phase == "Failed":
        return Failed(pod_failure(obj))
    ready = condition(obj, "Ready")
    if phase == "Running" and ready is not None and ready.get("status") == "True":
        return Ready()
    return Progressing(_pod_state(obj))


def _pod_end(obj: Mapping[str, Any]) -> Readiness:
    phase = at(obj, "status", "phase")
    if phase == "Succeeded":
        return Ready()
    if phase == "Failed":
        return Failed(pod_failure(obj))
    ready = condition(obj, "Ready")
    running = phase == "Running" and ready is not None and ready.get("status") == "True"
    return Progressing("is running" if running else _pod_state(obj))


def pod_failure(pod: Mapping[str, Any]) -> str:
    """Why a pod failed: what the pod itself says, and how its first container that ended badly ended."""
    said = [str(own)] if (own := at(pod, "status", "message") or at(pod, "status", "reason")) else []
    for status in container_statuses(pod):
        ended = at(status, "state", "terminated")
        if isinstance(ended, Mapping) and ended.get("exitCode"):
            reason = ended.get("reason") or "Error"
            said.append(f"container {status.get('name')} ended: {reason}, exit code {ended['exitCode']}")
            break
    return ": ".join(said) or "the pod failed"


def _pod_state(pod: Mapping[str, Any]) -> str:
    scheduled = condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False":
        return _said(scheduled, "is not scheduled")
    for status in container_statuses(pod):
        waiting = at(status, "state", "waiting")
        if isinstance(waiting, Mapping) and waiting.get("reason"):
            said = f": {waiting['message']}" if waiting.get("message") else ""
            return f"container {status.get('name')}: {waiting['reason']}{said}"
    lacking = [
        str(s.get("name")) for s in container_statuses(pod) if not s.get("ready") and not _ended_well(s)
    ]
    return (
        f"containers not ready: {', '.join(lacking)}"
        if lacking
        else f"is {at(pod, 'status', 'phase') or 'Pending'}"
    )


def _ended_well(status: Mapping[str, Any]) -> bool:
    return bool(at(status, "state", "terminated", "exitCode") == 0)


def container_statuses(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The statuses of a pod's containers, init containers first."""
    for field in ("initContainerStatuses", "containerStatuses"):
        found = at(pod, "status", field)
        for status in found if isinstance(found, list) else ():
            if isinstance(status, Mapping):
                yield status


def _job(obj: Mapping[str, Any]) -> Readiness:
    ended = _job_end(obj)
    if not isinstance(ended, Progressing):
        return ended
    return Ready("running") if at(obj, "status", "startTime") else Progressing("has not started")


def _job_end(obj: Mapping[str, Any]) -> Readiness:
    for kind in ("Complete", "Failed", "Suspended"):
        found = condition(obj, kind)
        if found is None or found.get("status") != "True":
            continue
        if kind == "Failed":
            return Failed(_said(found, "failed"))
        return Ready("suspended" if kind == "Suspended" else "")
    if not at(obj, "status", "startTime"):
        return Progressing("has not started")
    done, wanted = _number(obj, "status", "succeeded"), _number(obj, "spec", "completions", default=1)
    failed = _number(obj, "status", "failed")
    return Progressing(f"{done} of {wanted} completions" + (f", {failed} failed pods" if failed else ""))


def _claim(obj: Mapping[str, Any]) -> Readiness:
    match at(obj, "status", "phase"):
        case "Bound":
            return Ready()
        case "Lost":
            return Failed("its volume is lost")
        case phase:
            return Progressing(f"is {phase or 'Pending'}, not Bound")


def _volume(obj: Mapping[str, Any]) -> Readiness:
    match at(obj, "status", "phase"):
        case "Available" | "Bound":
            return Ready()
        case "Failed":
            return Failed(str(at(obj, "status", "message") or "the volume failed"))
        case phase:
            return Progressing(f"is {phase or 'Pending'}")


def _service(obj: Mapping[str, Any]) -> Readiness:
    kind = at(obj, "spec", "type")
    if kind == "ExternalName":
        return Ready()
    if not at(obj, "spec", "clusterIP"):
        return Progressing("has no cluster IP")
    if (
        kind == "LoadBalancer"
        and not at(obj, "spec", "externalIPs")
        and not at(obj, "status", "loadBalancer", "ingress")
    ):
        return Progressing("its load balancer has no address")
    return Ready()


def _definition(obj: Mapping[str, Any]) -> Readiness:
    names, established = condition(obj, "NamesAccepted"), condition(obj, "Established")
    if names is not None and names.get("status") == "False":
        return Failed(_said(names, "its names are taken"))
    if established is None:
        return Progressing("is not established")
    if established.get("status") == "True":
        return Ready()
    if established.get("reason") != "Installing":
        return Failed(_said(established, "is not established"))
    return Progressing(_said(established, "is not established"))


def _api_service(obj: Mapping[str, Any]) -> Readiness:
    found = condition(obj, "Available")
    if found is not None and found.get("status") == "True":
        return Ready()
    return Progressing(_said(found, "its server is not available"))


def _namespace(obj: Mapping[str, Any]) -> Readiness:
    phase = at(obj, "status", "phase")
    return Ready() if phase == "Active" else Progressing(f"is {phase or 'not active'}")


def _autoscaler(obj: Mapping[str, Any]) -> Readiness:
    bad = {"FailedGetScale", "FailedUpdateScale", "FailedGetResourceMetric", "InvalidSelector"}
    found = at(obj, "status", "conditions")
    for entry in found if isinstance(found, list) else ():
        if isinstance(entry, Mapping) and entry.get("reason") in bad and entry.get("status") == "False":
            return Ready(_said(entry, "cannot scale"))
    return Ready()


def _exists(obj: Mapping[str, Any]) -> Readiness:
    return Ready()


_RULES: Final[Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Readiness]]] = {
    ("", "Namespace"): _namespace,
    ("", "PersistentVolume"): _volume,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "ReplicationController"): _replica_set,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apiregistration.k8s.io", "APIService"): _api_service,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("batch", "Job"): _job,
    ("policy", "PodDisruptionBudget"): _exists,
}


def pod_signals(
    pod: Mapping[str, Any], patience: Patience, *, restarts_count: bool = True
) -> tuple[Signal, ...]:
    """What is wrong with a pod right now. Without `restarts_count` crashes are left to its Job's backoff limit."""
    if objects.meta(pod).get("deletionTimestamp"):
        return ()
    found: list[Signal] = []
    scheduled = condition(pod, "PodScheduled")
    if (
        scheduled is not None
        and scheduled.get("status") == "False"
        and scheduled.get("reason") == "Unschedulable"
    ):
        why = f"cannot be scheduled: {scheduled.get('message') or 'no node fits'}"
        found.append(
            Signal(key="unschedulable", why=why, grace_s=patience.unschedulable_s, reason="Unschedulable")
        )
    for status in container_statuses(pod):
        signal = _container_signal(status, patience, restarts_count=restarts_count)
        if signal is not None:
            found.append(signal)
    return tuple(found)


def _container_signal(
    status: Mapping[str, Any], patience: Patience, *, restarts_count: bool
) -> Signal | None:
    waiting = at(status, "state", "waiting")
    if not isinstance(waiting, Mapping):
        return None
    reason, name = str(waiting.get("reason") or ""), str(status.get("name") or "")
    why = f"container {name}: {reason}" + (f": {waiting['message']}" if waiting.get("message") else "")
    match reason:
        case "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" | "SignatureValidationFailed":
            return Signal(
                key=f"image/{name}",
                why=why,
                grace_s=patience.image_pull_s,
                container=name,
                reason=reason,
                cause="" if reason == "ImagePullBackOff" else str(waiting.get("message") or ""),
            )
        case "ErrImageNeverPull" | "InvalidImageName":
            return Signal(key=f"image-name/{name}", why=why, grace_s=0.0, container=name, reason=reason)
        case "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError":
            return Signal(
                key=f"config/{name}",
                why=why,
                grace_s=patience.container_config_s,
                container=name,
                reason=reason,
            )
        case "CrashLoopBackOff" if (
            restarts_count and int(status.get("restartCount") or 0) >= patience.crash_restarts
        ):
            last = at(status, "lastState", "terminated")
            code = (
                f" (exit code {last['exitCode']})" if isinstance(last, Mapping) and "exitCode" in last else ""
            )
            ended = (
                f", last ended with {last.get('reason') or 'Error'}{code}"
                if isinstance(last, Mapping)
                else ""
            )
            why = f"container {name} crashed {status.get('restartCount')} times{ended}"
            return Signal(key=f"crash/{name}", why=why, grace_s=0.0, container=name, reason=reason)
    return None


def object_signals(obj: Mapping[str, Any], patience: Patience) -> tuple[Signal, ...]:
    """What the object's own conditions say is wrong, though its controller goes on trying."""
    failure = condition(obj, "ReplicaFailure")
    if failure is not None and failure.get("status") == "True":
        why = _said(failure, "its pods cannot be created")
        return (
            Signal(
                key="replicas", why=why, grace_s=patience.replica_failure_s, reason=str(failure.get("reason"))
            ),
        )
    return ()


def _said(found: Mapping[str, Any] | None, otherwise: str) -> str:
    if found is None:
        return otherwise
    return str(found.get("message") or found.get("reason") or otherwise)


def _is(found: Mapping[str, Any] | None, reason: str) -> bool:
    return found is not None and found.get("status") == "True" and found.get("reason") == reason


def _fewer(what: str, have: int, wanted: int) -> str:
    return f"{have} of {wanted} {what}" if have < wanted else ""


def _number(obj: Mapping[str, Any], *path: str, default: int = 0) -> int:
    found = at(obj, *path)
    return int(found) if isinstance(found, int | float) else default
