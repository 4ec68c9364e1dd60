"""CronJobs: start Jobs on schedule, keep a few of them."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded import cron
from helmflow.embedded.cluster import Cluster, copy_of, seconds, stamp
from helmflow.embedded.controllers.common import create, delete, event, owned, reference, set_status, task
from helmflow.embedded.status import ApiError

Json = dict[str, Any]

_KEY: Final = "batch/cronjobs"
_COMPONENT: Final = "cronjob-controller"
_MAX_MISSED: Final = 100  # the real controller gives up counting there


def run(cluster: Cluster, namespace: str, name: str) -> None:
    """Reconcile a CronJob."""
    value = cluster.get(_KEY, namespace, name)
    if value is None or value["metadata"].get("deletionTimestamp"):
        return
    jobs = owned(cluster, value, "batch/jobs")
    status = copy_of(value.get("status") or {})
    _note_finished(value, jobs, status)
    spec = value["spec"]
    now = cluster.clock.now().timestamp()
    if not spec.get("suspend"):
        due = _latest(
            spec, seconds(status.get("lastScheduleTime") or value["metadata"]["creationTimestamp"]), now
        )
        if due is not None and _allowed(cluster, value, jobs, due, now):
            made = _start(cluster, value, due)
            if made is not None:
                status["lastScheduleTime"] = stamp(due)
                jobs.append(made)
        following = cron.following(spec["schedule"], now, spec.get("timeZone") or "")
        if following is not None:
            cluster.storage.enqueue(task(_KEY, namespace, name), following)
    active = [j for j in jobs if not _outcome(j)]
    status.pop("active", None)
    if active:
        status["active"] = [_object_reference(cluster, j) for j in active]
    _prune(cluster, spec, jobs)
    set_status(cluster, _KEY, value, status)


def _outcome(job: Json) -> str:
    found = [
        c["type"]
        for c in (job.get("status") or {}).get("conditions") or ()
        if c["status"] == "True" and c["type"] in ("Complete", "Failed")
    ]
    return found[0] if found else ""


def _note_finished(value: Json, jobs: list[Json], status: Json) -> None:
    times = [
        j["status"]["completionTime"]
        for j in jobs
        if _outcome(j) == "Complete" and j["status"].get("completionTime")
    ]
    if times:
        status["lastSuccessfulTime"] = max([*times, status.get("lastSuccessfulTime", "")])


def _latest(spec: Json, since: float, now: float) -> float | None:
    """The latest missed time of the schedule."""
    found: float | None = None
    at = since
    for _ in range(_MAX_MISSED):
        following = cron.following(spec["schedule"], at, spec.get("timeZone") or "")
        if following is None or following > now:
            return found
        found = at = following
    span = max(at - since, 60.0) / _MAX_MISSED
    return _latest(spec, now - 2 * span, now) or found


def _allowed(cluster: Cluster, value: Json, jobs: list[Json], due: float, now: float) -> bool:
    spec = value["spec"]
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None and due + deadline < now:
        event(
            cluster,
            value,
            "Warning",
            "MissSchedule",
            f"Missed scheduled time to start a job: {stamp(due)}",
            _COMPONENT,
        )
        return False
    active = [j for j in jobs if not _outcome(j)]
    if active and spec.get("concurrencyPolicy") == "Forbid":
        event(
            cluster,
            value,
            "Normal",
            "JobAlreadyActive",
            "Not starting job because prior execution is running and concurrency policy is Forbid",
            _COMPONENT,
        )
        return False
    if spec.get("concurrencyPolicy") == "Replace":
        for job in active:
            delete(cluster, "batch/jobs", job)
            event(
                cluster,
                value,
                "Normal",
                "SuccessfulDelete",
                f"Deleted job {job['metadata']['name']}",
                _COMPONENT,
            )
    return True


def _start(cluster: Cluster, value: Json, due: float) -> Json | None:
    template = copy_of(value["spec"]["jobTemplate"])
    metadata = template.get("metadata") or {}
    annotations = {
        **(metadata.get("annotations") or {}),
        "batch.kubernetes.io/cronjob-scheduled-timestamp": stamp(due),
    }
    body = {
        "metadata": {
            "name": f"{value['metadata']['name']}-{int(due // 60)}",
            "namespace": value["metadata"]["namespace"],
            "labels": metadata.get("labels") or {},
            "annotations": annotations,
            "ownerReferences": [reference(cluster.resource(_KEY), value)],
        },
        "spec": template["spec"],
    }
    try:
        made = create(cluster, "batch/jobs", body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            event(
                cluster, value, "Warning", "FailedCreate", f"Error creating job: {error.message}", _COMPONENT
            )
        return None
    event(cluster, value, "Normal", "SuccessfulCreate", f"Created job {made['metadata']['name']}", _COMPONENT)
    return made


def _object_reference(cluster: Cluster, job: Json) -> Json:
    metadata = job["metadata"]
    return {
        "kind": "Job", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"],
        "apiVersion": "batch/v1", "resourceVersion": metadata["resourceVersion"],
    }  # fmt: skip


def _prune(cluster: Cluster, spec: Json, jobs: list[Json]) -> None:
    for outcome, limit in (
        ("Complete", spec.get("successfulJobsHistoryLimit", 3)),
        ("Failed", spec.get("failedJobsHistoryLimit", 1)),
    ):
        ended = sorted(
            (j for j in jobs if _outcome(j) == outcome), key=lambda j: j["status"].get("startTime", "")
        )
        for job in ended[: max(len(ended) - limit, 0)]:
            delete(cluster, "batch/jobs", job)
