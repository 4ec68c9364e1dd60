"""Jobs: run pods to completion, count failures, obey deadlines, go away after their time to live."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded.cluster import Cluster, copy_of, seconds
from helmflow.embedded.controllers.common import (
    create,
    delete,
    event,
    later,
    owned,
    pod_from,
    ready,
    set_status,
    with_condition,
)
from helmflow.embedded.status import ApiError

Json = dict[str, Any]

_KEY: Final = "batch/jobs"
_COMPONENT: Final = "job-controller"
_BACKOFF_S: Final = 0.1  # the real one starts at 10 s
_MAX_BACKOFF_S: Final = 2.0
_INDEX: Final = "batch.kubernetes.io/job-completion-index"


def run(cluster: Cluster, namespace: str, name: str) -> None:
    """Reconcile a Job."""
    job = cluster.get(_KEY, namespace, name)
    if job is None or job["metadata"].get("deletionTimestamp"):
        return
    if _ended(job):
        _expire(cluster, job)
        return
    pods = owned(cluster, job, "/pods")
    if job["spec"].get("suspend"):
        _suspend(cluster, job, pods)
        return
    status = copy_of(job.get("status") or {})
    if not status.get("startTime"):
        status["startTime"] = cluster.now()
        if any(c["type"] == "Suspended" for c in status.get("conditions") or ()):
            status["conditions"] = with_condition(
                status["conditions"],
                cluster.now(),
                "Suspended",
                "False",
                "JobResumed",
                "Job resumed",
                lastProbeTime=cluster.now(),
            )
    _work(cluster, job, pods, status)


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _ended(job: Json) -> bool:
    return any(
        c["type"] in ("Complete", "Failed") and c["status"] == "True"
        for c in (job.get("status") or {}).get("conditions") or ()
    )


def _work(cluster: Cluster, job: Json, pods: list[Json], status: Json) -> None:
    spec = job["spec"]
    succeeded = [p for p in pods if _phase(p) == "Succeeded"]
    failed = [p for p in pods if _phase(p) == "Failed"]
    running = [
        p
        for p in pods
        if _phase(p) not in ("Succeeded", "Failed") and not p["metadata"].get("deletionTimestamp")
    ]
    done = len({_index(p) for p in succeeded}) if spec.get("completionMode") == "Indexed" else len(succeeded)
    reason, message = _failure(cluster, job, status, failed, running)
    if reason:
        _fail(cluster, job, status, running, (done, len(failed)), (reason, message))
        return
    wanted = spec.get("completions")
    if (wanted is not None and done >= wanted) or (wanted is None and succeeded and not running):
        _complete(cluster, job, status, (done, len(failed)))
        return
    running = [*running, *_start(cluster, job, running, succeeded, failed)]
    _count(status, len(running), sum(1 for p in running if ready(p)), done, len(failed), spec, succeeded)
    set_status(cluster, _KEY, job, status)


def _failure(
    cluster: Cluster, job: Json, status: Json, failed: list[Json], running: list[Json]
) -> tuple[str, str]:
    spec = job["spec"]
    restarts = sum(
        c.get("restartCount", 0)
        for p in running
        for c in (p.get("status") or {}).get("containerStatuses") or ()
    )
    if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        restarts = 0
    limit = spec.get("backoffLimit", 6)
    if len(failed) > limit or (restarts and restarts >= max(limit, 1)):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None:
        left = seconds(status["startTime"]) + deadline - cluster.moment()
        if left <= 0:
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        later(cluster, _KEY, job["metadata"]["namespace"], job["metadata"]["name"], left + 0.001)
    return "", ""


def _start(
    cluster: Cluster, job: Json, running: list[Json], succeeded: list[Json], failed: list[Json]
) -> list[Json]:
    """New pods as parallelism and back-off allow."""
    spec = job["spec"]
    wanted = spec.get("completions")
    left = (
        spec.get("parallelism", 1)
        if wanted is None
        else min(spec.get("parallelism", 1), wanted - len(succeeded))
    )
    if wanted is None and succeeded:
        left = 0
    missing = left - len(running)
    if missing < 0:
        for pod in running[missing:]:
            delete(cluster, "/pods", pod)
        return []
    if missing and failed:
        delay = min(_BACKOFF_S * 2 ** (len(failed) - 1), _MAX_BACKOFF_S)
        last = max(_finished(p) for p in failed)
        wait = last + delay - cluster.moment()
        if wait > 0:
            later(cluster, _KEY, job["metadata"]["namespace"], job["metadata"]["name"], wait)
            return []
    taken = {_index(p) for p in [*running, *succeeded]}
    made = []
    for _ in range(missing):
        index = (
            next(n for n in range(10**6) if n not in taken)
            if spec.get("completionMode") == "Indexed"
            else None
        )
        taken.add(index)
        new = _create(cluster, job, index)
        if new is None:
            break
        made.append(new)
    return made


def _finished(pod: Json) -> float:
    times = [
        (c.get("state") or {}).get("terminated", {}).get("finishedAt")
        for c in (pod.get("status") or {}).get("containerStatuses") or ()
    ]
    return max((seconds(t) for t in times if t), default=0.0)


def _index(pod: Json) -> Any:
    text = (pod["metadata"].get("annotations") or {}).get(_INDEX)
    return int(text) if text is not None else pod["metadata"]["name"]


def _create(cluster: Cluster, job: Json, index: int | None) -> Json | None:
    name = job["metadata"]["name"]
    pod = pod_from(job["spec"]["template"], job, cluster.resource(_KEY), generateName=f"{name}-")
    pod["metadata"].pop("name", None)
    if index is not None:
        pod["metadata"].setdefault("annotations", {})[_INDEX] = str(index)
        pod["metadata"].setdefault("labels", {})[_INDEX] = str(index)
        pod["metadata"]["generateName"] = f"{name}-{index}-"
    try:
        made = create(cluster, "/pods", pod)
    except ApiError as error:
        event(cluster, job, "Warning", "FailedCreate", f"Error creating: {error.message}", _COMPONENT)
        later(cluster, _KEY, job["metadata"]["namespace"], name, 1.0)
        return None
    event(cluster, job, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}", _COMPONENT)
    return made


def _count(
    status: Json, running: int, able: int, done: int, failed: int, spec: Json, succeeded: list[Json]
) -> None:
    for name, count in (("active", running), ("succeeded", done), ("failed", failed)):
        status.pop(name, None)
        if count:
            status[name] = count
    status["ready"] = able
    status["terminating"] = 0
    status["uncountedTerminatedPods"] = {}
    if spec.get("completionMode") == "Indexed" and succeeded:
        status["completedIndexes"] = _ranges(sorted({_index(p) for p in succeeded}))


def _ranges(numbers: list[int]) -> str:
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] + 1 == number:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" if b > a + 1 else f"{a},{b}" for a, b in parts)


def _complete(cluster: Cluster, job: Json, status: Json, counts: tuple[int, int]) -> None:
    now = cluster.now()
    message = "Reached expected number of succeeded pods"
    for kind in ("SuccessCriteriaMet", "Complete"):
        status["conditions"] = with_condition(
            status.get("conditions"), now, kind, "True", "CompletionsReached", message, lastProbeTime=now
        )
    status["completionTime"] = now
    _count(
        status,
        0,
        0,
        *counts,
        job["spec"],
        [p for p in owned(cluster, job, "/pods") if _phase(p) == "Succeeded"],
    )
    job = set_status(cluster, _KEY, job, status)
    event(cluster, job, "Normal", "Completed", "Job completed", _COMPONENT)


def _fail(
    cluster: Cluster,
    job: Json,
    status: Json,
    running: list[Json],
    counts: tuple[int, int],
    why: tuple[str, str],
) -> None:
    now = cluster.now()
    for pod in running:
        delete(cluster, "/pods", pod)
        event(
            cluster, job, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}", _COMPONENT
        )
    for kind in ("FailureTarget", "Failed"):
        status["conditions"] = with_condition(
            status.get("conditions"), now, kind, "True", *why, lastProbeTime=now
        )
    _count(status, 0, 0, counts[0], counts[1] + len(running), job["spec"], [])
    job = set_status(cluster, _KEY, job, status)
    event(cluster, job, "Warning", *why, _COMPONENT)


def _suspend(cluster: Cluster, job: Json, pods: list[Json]) -> None:
    for pod in pods:
        if _phase(pod) not in ("Succeeded", "Failed") and not pod["metadata"].get("deletionTimestamp"):
            delete(cluster, "/pods", pod)
    status = copy_of(job.get("status") or {})
    now = cluster.now()
    status["conditions"] = with_condition(
        status.get("conditions"), now, "Suspended", "True", "JobSuspended", "Job suspended"
    )
    status.pop("startTime", None)
    status.pop("active", None)
    if status != {**(job.get("status") or {})}:
        job = set_status(cluster, _KEY, job, status)
        event(cluster, job, "Normal", "Suspended", "Job suspended", _COMPONENT)


def _expire(cluster: Cluster, job: Json) -> None:
    """ttlSecondsAfterFinished."""
    life = job["spec"].get("ttlSecondsAfterFinished")
    if life is None:
        return
    ends = [
        c["lastTransitionTime"]
        for c in job["status"]["conditions"]
        if c["type"] in ("Complete", "Failed") and c["status"] == "True"
    ]
    left = seconds(ends[0]) + life - cluster.moment()
    if left > 0:
        later(cluster, _KEY, job["metadata"]["namespace"], job["metadata"]["name"], left + 0.001)
    else:
        delete(cluster, _KEY, job)
