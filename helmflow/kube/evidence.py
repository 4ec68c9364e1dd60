"""Why an object is not ready: owner -> pod -> container -> reason -> last log lines, and the events that say more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from helmflow.core.errors import ClusterError
from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass
from helmflow.kube import objects, readiness
from helmflow.kube.client import KubeClient
from helmflow.kube.objects import KubeObject, at, condition

LOG_LINES: Final = 20
MAX_PODS: Final = 3  # of one object: what befell the first explains the others
MAX_EVENTS: Final = 10
REVISION: Final = "deployment.kubernetes.io/revision"
HASH_LABEL: Final = "controller-revision-hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvidence:
    """A container in trouble: owner (Deployment/web), pod, container, reason, message and its last log lines."""

    owner: str
    pod: str
    container: str
    reason: str
    message: str
    exit_code: int | None = None
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A workload and what its controllers made of its newest generation; `stale` are pods of older ones."""

    pods: tuple[KubeObject, ...] = ()
    stale: tuple[KubeObject, ...] = ()
    uids: frozenset[str] = frozenset()


Owned = Callable[[str], Iterable[KubeObject]]
"""The objects that the one with a uid owns."""


def family(obj: Mapping[str, Any], replica_sets: Owned, pods: Owned) -> Family:
    """The pods that belong to the newest generation of an object (a Pod is its own)."""
    uid = objects.uid(obj)
    kind = str(obj.get("kind"))
    if kind == "Pod":
        return Family(pods=(dict(obj),), uids=frozenset({uid}))
    if kind == "Deployment":
        return _of_deployment(obj, replica_sets, pods)
    owned = list(pods(uid))
    fresh, stale = owned, list[KubeObject]()
    if kind == "StatefulSet":
        newest = at(obj, "status", "updateRevision")
        fresh, stale = _split(
            owned, lambda pod: not newest or objects.labels_of(pod).get(HASH_LABEL) == newest
        )
    elif kind == "DaemonSet":
        generation = objects.annotations_of(obj).get("deprecated.daemonset.template.generation")
        fresh, stale = _split(
            owned, lambda pod: objects.labels_of(pod).get("pod-template-generation", generation) == generation
        )
    uids = frozenset({uid, *map(objects.uid, owned)})
    return Family(pods=tuple(fresh), stale=tuple(stale) if kind == "StatefulSet" else (), uids=uids)


def _split(
    pods: list[KubeObject], newest: Callable[[KubeObject], bool]
) -> tuple[list[KubeObject], list[KubeObject]]:
    fresh = [pod for pod in pods if newest(pod)]
    return fresh, [pod for pod in pods if pod not in fresh]


def _of_deployment(obj: Mapping[str, Any], replica_sets: Owned, pods: Owned) -> Family:
    uid = objects.uid(obj)
    revision = objects.annotations_of(obj).get(REVISION)
    current = [
        objects.uid(rs)
        for rs in replica_sets(uid)
        if revision and objects.annotations_of(rs).get(REVISION) == revision
    ]
    found = [pod for owner in current for pod in pods(owner)]
    return Family(pods=tuple(found), uids=frozenset({uid, *current, *map(objects.uid, found)}))


def containers(client: KubeClient, owner: str, pods: Iterable[KubeObject]) -> Iterator[ContainerEvidence]:
    """The containers in trouble of the first few pods, with what they wrote last."""
    shown = 0
    for pod in sorted(pods, key=lambda p: str(objects.meta(p).get("name"))):
        troubled = list(_troubled(pod))
        if not troubled:
            continue
        shown += 1
        if shown > MAX_PODS:
            return
        ref = objects.ref(pod)
        for name, reason, message, code, log in troubled:
            lines = _log(client, ref, name, log) if log is not None else ()
            yield ContainerEvidence(
                owner=owner,
                pod=ref.name,
                container=name,
                reason=reason,
                message=message,
                exit_code=code,
                log=lines,
            )


def _troubled(pod: KubeObject) -> Iterator[tuple[str, str, str, int | None, bool | None]]:
    """(container, reason, message, exit code, whether the log of the previous run is wanted; None: it never ran)."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False":
        yield "", str(scheduled.get("reason") or "Pending"), str(scheduled.get("message") or ""), None, None
        return
    for status in readiness.container_statuses(pod):
        name = str(status.get("name") or "")
        waiting, ended = at(status, "state", "waiting"), at(status, "state", "terminated")
        last = at(status, "lastState", "terminated")
        if isinstance(waiting, Mapping):
            ran = isinstance(last, Mapping)
            code = last.get("exitCode") if isinstance(last, Mapping) else None
            message = str(
                waiting.get("message") or (last.get("reason") if isinstance(last, Mapping) else "") or ""
            )
            yield name, str(waiting.get("reason") or "Waiting"), message, code, True if ran else None
        elif isinstance(ended, Mapping) and ended.get("exitCode") != 0:
            yield (
                name,
                str(ended.get("reason") or "Error"),
                str(ended.get("message") or ""),
                ended.get("exitCode"),
                False,
            )
        elif isinstance(at(status, "state", "running"), Mapping) and not status.get("ready"):
            yield name, "NotReady", "runs, but its readiness check does not pass", None, False


def _log(client: KubeClient, pod: ObjectRef, container: str, previous: bool) -> tuple[str, ...]:
    try:
        text = client.logs(pod, container, tail_lines=LOG_LINES, previous=previous)
    except ClusterError:
        return ()
    return tuple(text.splitlines()[-LOG_LINES:])


def warnings(events: Iterable[KubeObject], uids: frozenset[str]) -> tuple[str, ...]:
    """What the cluster's Warning events say about these objects, the latest last."""
    about = [e for e in events if str(at(e, "involvedObject", "uid") or "") in uids]
    about.sort(key=_when)
    said: dict[str, None] = {}
    for event in about:
        subject = f"{at(event, 'involvedObject', 'kind')} {at(event, 'involvedObject', 'name')}"
        times = event.get("count") or at(event, "series", "count") or 1
        line = f"{subject}: {event.get('reason')}: {str(event.get('message') or '').strip()}"
        said[line + (f" ({times} times)" if isinstance(times, int) and times > 1 else "")] = None
    return tuple(said)[-MAX_EVENTS:]


def _when(event: KubeObject) -> str:
    series = at(event, "series", "lastObservedTime")
    return str(
        series
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or objects.meta(event).get("creationTimestamp")
        or ""
    )
