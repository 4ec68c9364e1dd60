"""Watch until objects are ready, gone or done, against a Deadline; say why where they are not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final

from helmflow.core.clock import Deadline
from helmflow.core.errors import ClusterError
from helmflow.core.events import Emit, ObjectWaiting
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass, field, replace
from helmflow.kube import evidence, objects, readiness
from helmflow.kube.client import KubeClient
from helmflow.kube.evidence import ContainerEvidence, Family
from helmflow.kube.feeds import EVERYTHING, Feed, Scope, newer
from helmflow.kube.objects import KubeObject, at
from helmflow.kube.readiness import Failed, Patience, Progressing, Readiness, Ready, Signal

TICK_S: Final = 0.1
FEW: Final = 8
GATHER_EVENTS_S: Final = 0.03  # with many objects under way, look at them once per batch of events
RESTARTED_BY_JOB: Final = frozenset({"Job"})
WITH_PODS: Final = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "Pod"}
)
WARNINGS: Final = "type=Warning"


class Until(StrEnum):
    """What is waited for."""

    READY = "ready"  # kstatus' rules; a Job is ready once it has started
    DONE = "done"  # READY, and a Job or Pod has completed: hooks, tests, waitForJobs
    GONE = "gone"  # the object, with this uid where one is known, does not exist any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One object to wait for. `seed` is the object as the last write or read showed it: no request is made for it."""

    ref: ObjectRef
    until: Until = Until.READY
    seed: KubeObject | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFailure:
    """An object that failed, or was not ready in time (`timed_out`); with everything that explains it."""

    ref: ObjectRef
    why: str
    timed_out: bool = False
    containers: tuple[ContainerEvidence, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitReport:
    """How a wait ended. `objects` holds the last seen state of every target that still exists."""

    failures: tuple[ObjectFailure, ...] = ()
    cancelled: bool = False
    notes: tuple[tuple[ObjectRef, str], ...] = ()
    objects: tuple[tuple[ObjectRef, KubeObject], ...] = field(default=())

    @property
    def ready(self) -> bool:
        """Every target got there."""
        return not self.failures and not self.cancelled


class Waiter:
    """The watches of one run, shared by every wait in it: one per kind and scope. Close it when the run ends."""

    def __init__(self, client: KubeClient, *, patience: Patience | None = None) -> None:
        self.client = client
        self.patience = patience or Patience()
        self._changed = threading.Condition()
        self._feeds: dict[Scope, Feed] = {}
        self._late_binding: dict[str, bool] = {}
        self._closed = False

    def wait(
        self,
        targets: Sequence[Target],
        *,
        deadline: Deadline,
        release: ReleaseId,
        emit: Emit,
        cancelled: Callable[[], bool] = lambda: False,
        resource_version: str = "",
    ) -> WaitReport:
        """Block until every target got there, one failed for good, the deadline passed or `cancelled` says so.

        `resource_version` is a moment before the targets were written (a LIST's): watches start there.
        """
        return _Wait(self, targets, deadline, release, emit, cancelled, resource_version).run()

    def close(self) -> None:
        """Stop every watch."""
        with self._changed:
            self._closed = True
            feeds = list(self._feeds.values())
        for feed in feeds:
            feed.close()

    def __enter__(self) -> Waiter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def feed(self, scope: Scope, start: str) -> Feed:
        """The feed of a scope, begun at `start` where there is none yet."""
        with self._changed:
            found = self._feeds.get(scope)
            if found is None:
                found = self._feeds[scope] = Feed(self.client, scope, start, self._changed)
                if not self._closed:
                    found.begin()
            return found

    @property
    def changed(self) -> threading.Condition:
        """Notified after each change of any feed; held while a feed is read."""
        return self._changed

    def binds_late(self, claim: KubeObject) -> bool:
        """Whether a claim's storage class waits for the first pod that uses it."""
        name = at(claim, "spec", "storageClassName")
        if not isinstance(name, str) or not name:
            return False
        if name not in self._late_binding:
            try:
                found = self.client.find(ObjectRef("storage.k8s.io/v1", "StorageClass", "", name))
            except ClusterError:
                found = None
            self._late_binding[name] = at(found or {}, "volumeBindingMode") == "WaitForFirstConsumer"
        return self._late_binding[name]


@dataclass(slots=True)
class _Watched:
    """One target and what is known of it."""

    target: Target
    object: KubeObject | None
    deadline: Deadline | None
    uid: str = ""
    gone: bool = False
    state: Readiness = field(default_factory=lambda: Progressing("has not been seen"))
    said: tuple[bool, str] | None = None
    began: dict[str, float] = field(default_factory=dict)
    events: dict[str, tuple[float, str]] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    family: Family = field(default_factory=Family)
    failure: str = ""
    timed_out: bool = False

    @property
    def pending(self) -> bool:
        return isinstance(self.state, Progressing) and not self.failure


class _Wait:
    """One call of Waiter.wait."""

    def __init__(
        self,
        waiter: Waiter,
        targets: Sequence[Target],
        deadline: Deadline,
        release: ReleaseId,
        emit: Emit,
        cancelled: Callable[[], bool],
        resource_version: str,
    ) -> None:
        self._waiter = waiter
        self._client = waiter.client
        self._patience = waiter.patience
        self._deadline = deadline
        self._release = release
        self._emit = emit
        self._cancelled = cancelled
        self._version = resource_version
        self._began = self._client.clock.monotonic()
        self._all = [self._watched(target) for target in targets]

    def run(self) -> WaitReport:
        for watched in self._all:
            if watched.object is None and watched.target.until is Until.GONE:
                self._read_once_more(watched)
            self._judge(watched)
        self._open_feeds()
        stop_at: float | None = None
        while not self._cancelled():
            for watched in self._all:
                if watched.pending:
                    self._refresh(watched)
            pending = [watched for watched in self._all if watched.pending]
            now = self._client.clock.monotonic()
            if any(w.failure for w in self._all) and stop_at is None:
                stop_at = now + self._patience.gather_s
            if not pending or (stop_at is not None and now >= stop_at):
                return self._report()
            if self._expire(pending):
                stop_at = now if stop_at is None else stop_at
                continue
            with self._waiter.changed:
                self._waiter.changed.wait(TICK_S)
            if len(pending) > FEW:
                self._client.clock.sleep(GATHER_EVENTS_S)
        return self._report(cancelled=True)

    def _watched(self, target: Target) -> _Watched:
        own = None if target.timeout_s is None else Deadline(self._client.clock, target.timeout_s)
        return _Watched(target, target.seed, own, objects.uid(target.seed) if target.seed else "")

    def _open_feeds(self) -> None:
        """One watch per kind and namespace of what is not ready yet; pods and warnings beside workloads."""
        by_scope: dict[Scope, list[_Watched]] = {}
        for watched in self._all:
            if watched.pending:
                ref = watched.target.ref
                by_scope.setdefault(Scope(ref.api_version, ref.kind, ref.namespace), []).append(watched)
        for scope, group in by_scope.items():
            self._waiter.feed(scope, self._start(group))
            if scope.kind in WITH_PODS and any(w.target.until is not Until.GONE for w in group):
                for beside in _beside(scope):
                    self._waiter.feed(beside, self._start(group))

    def _start(self, group: Sequence[_Watched]) -> str:
        """A moment before anything happened that is waited for."""
        seeds = [objects.resource_version(w.object) for w in group if w.object]
        if self._version:
            return self._version
        known = [v for v in seeds if v.isdecimal()]
        return min(known, key=int) if known and len(seeds) == len(group) else EVERYTHING

    def _refresh(self, watched: _Watched) -> None:
        """Take the newest state from the feed and judge it; look at the pods of what is not ready."""
        ref = watched.target.ref
        feed = self._waiter.feed(Scope(ref.api_version, ref.kind, ref.namespace), EVERYTHING)
        with self._waiter.changed:
            seen = feed.newest(ref.name)
            if seen is not None and newer(seen.object, watched.object):
                watched.object, watched.gone = seen.object, seen.gone
            failure = feed.failure
        if failure is not None:
            watched.failure = failure.message
            return
        self._judge(watched)
        if watched.pending and watched.object is not None and watched.target.until is not Until.GONE:
            self._look_for_trouble(watched, watched.object)

    def _judge(self, watched: _Watched) -> None:
        watched.state = self._state(watched)
        state = watched.state
        if isinstance(state, Failed):
            watched.failure = state.why
        said = (True, state.note) if isinstance(state, Ready) else (False, state.why)
        if said != watched.said:
            watched.said = said
            self._emit(
                ObjectWaiting(release=self._release, ref=watched.target.ref, ready=said[0], reason=said[1])
            )

    def _state(self, watched: _Watched) -> Readiness:
        found, until = watched.object, watched.target.until
        if until is Until.GONE:
            return _goneness(watched)
        if found is None:
            return Progressing("does not exist")
        state = readiness.evaluate(found, finish=until is Until.DONE)
        if watched.gone:
            succeeded = isinstance(state, Ready) or bool(at(found, "status", "succeeded"))
            return Ready("was deleted after it had ended") if succeeded else Failed("was deleted")
        if (
            isinstance(state, Progressing)
            and found.get("kind") == "PersistentVolumeClaim"
            and self._waiter.binds_late(found)
        ):
            return Ready("waits for its first consumer")
        if isinstance(state, Ready) and self._speechless(watched, found):
            return Progressing("its controller has not said anything yet")
        return state

    def _speechless(self, watched: _Watched, found: KubeObject) -> bool:
        """A custom resource without a status, though its kind has one: its controller gets a moment to start."""
        ref = watched.target.ref
        if "status" in found or "." not in ref.group or ref.group.endswith(".k8s.io"):
            return False
        waited = self._client.clock.monotonic() - self._began
        if waited >= self._patience.first_status_s:
            return False
        resource = self._client.discovery().find(ref.api_version, ref.kind)
        return resource is not None and "status" in resource.subresources

    def _look_for_trouble(self, watched: _Watched, found: KubeObject) -> None:
        """Count each sign of trouble from when it was first seen; one that outlasts its grace is a failure."""
        now = self._client.clock.monotonic()
        if now - self._began > self._patience.look_back_s:
            self._complete(watched.target.ref)
        present: set[str] = set()
        for key, signal, pod in self._signals(watched, found):
            present.add(key)
            since = watched.began.setdefault(key, now)
            if signal.cause:
                watched.causes[key] = signal.cause
            if now - since >= signal.grace_s and not self._scaling_up(signal, pod):
                cause = watched.causes.get(key, "")
                why = signal.why if cause in signal.why else f"{signal.why}: {cause}"
                watched.failure = why if pod is None else f"pod {objects.meta(pod).get('name')}: {why}"
                self._emit(
                    ObjectWaiting(
                        release=self._release, ref=watched.target.ref, ready=False, reason=watched.failure
                    )
                )
                return
        for key in watched.began.keys() - present:
            del watched.began[key]

    def _signals(
        self, watched: _Watched, found: KubeObject
    ) -> Iterable[tuple[str, Signal, KubeObject | None]]:
        ref = watched.target.ref
        for signal in readiness.object_signals(found, self._patience):
            yield signal.key, signal, None
        if ref.kind == "Service":
            yield from self._service_signals(watched, found)
        if ref.kind not in WITH_PODS:
            return
        watched.family = self._family(ref, found)
        for pod in (*watched.family.pods, *watched.family.stale):
            stale = pod in watched.family.stale
            for signal in readiness.pod_signals(
                pod, self._patience, restarts_count=ref.kind not in RESTARTED_BY_JOB
            ):
                if stale:
                    why = f"{signal.why} (a pod of the old revision, which the rollout waits for: delete it)"
                    signal = replace(signal, why=why)
                yield f"{objects.uid(pod)}/{signal.key}", signal, pod
        yield from self._creation_signals(watched, found)

    def _family(self, ref: ObjectRef, found: KubeObject) -> Family:
        scope = Scope(ref.api_version, ref.kind, ref.namespace)
        feeds = {beside.kind: self._waiter.feed(beside, EVERYTHING) for beside in _beside(scope)}
        with self._waiter.changed:
            sets = feeds["ReplicaSet"].of if "ReplicaSet" in feeds else lambda uid: ()
            return evidence.family(found, sets, feeds["Pod"].of)

    def _complete(self, ref: ObjectRef) -> None:
        """Pods and warnings from before the watches began: wanted only where something goes wrong."""
        for beside in _beside(Scope(ref.api_version, ref.kind, ref.namespace)):
            self._waiter.feed(beside, EVERYTHING).make_complete()

    def _creation_signals(
        self, watched: _Watched, found: KubeObject
    ) -> Iterable[tuple[str, Signal, KubeObject | None]]:
        """A quota, a policy or a webhook keeps pods from being made: kinds without a ReplicaFailure condition say it by event."""
        if found.get("kind") == "Deployment" or _made_all_pods(found):
            return
        for event in self._events(found, "FailedCreate"):
            why = f"its pods cannot be created: {event.get('message') or ''}"
            yield from self._recurring(watched, event, "create", why, self._patience.replica_failure_s)

    def _service_signals(
        self, watched: _Watched, found: KubeObject
    ) -> Iterable[tuple[str, Signal, KubeObject | None]]:
        for event in self._events(found, "SyncLoadBalancerFailed"):
            why = f"its load balancer cannot be made: {event.get('message') or ''}"
            yield from self._recurring(watched, event, "balancer", why, self._patience.load_balancer_s)

    def _recurring(
        self, watched: _Watched, event: KubeObject, key: str, why: str, grace_s: float
    ) -> Iterable[tuple[str, Signal, KubeObject | None]]:
        """An event tells of a moment: it counts only once it has come again after its grace."""
        now, version = self._client.clock.monotonic(), objects.resource_version(event)
        since, first = watched.events.setdefault(objects.uid(event), (now, version))
        if version != first and now - since >= grace_s:
            yield key, Signal(key=key, why=why, grace_s=0.0), None

    def _events(self, found: KubeObject, reason: str) -> list[KubeObject]:
        namespace = str(objects.meta(found).get("namespace") or "")
        feed = self._waiter.feed(Scope("v1", "Event", namespace, WARNINGS), EVERYTHING)
        uid = objects.uid(found)
        with self._waiter.changed:
            return [
                e for e in feed.all() if e.get("reason") == reason and at(e, "involvedObject", "uid") == uid
            ]

    def _scaling_up(self, signal: Signal, pod: KubeObject | None) -> bool:
        """Whether a cluster autoscaler is adding a node for an unschedulable pod."""
        if signal.key != "unschedulable" or pod is None:
            return False
        selector = f"involvedObject.uid={objects.uid(pod)},reason=TriggeredScaleUp"
        try:
            return bool(
                self._client.list("v1", "Event", objects.ref(pod).namespace, field_selector=selector).items
            )
        except ClusterError:
            return False

    def _expire(self, pending: Sequence[_Watched]) -> bool:
        """Look once more, by reading, at what has run out of time; True where something did."""
        late = [
            w for w in pending if self._deadline.passed() or (w.deadline is not None and w.deadline.passed())
        ]
        for watched in late:
            self._read_once_more(watched)
            if isinstance(watched.state, Progressing) and not watched.failure:
                watched.timed_out, watched.failure = True, watched.state.why
        return bool(late)

    def _read_once_more(self, watched: _Watched) -> None:
        try:
            live = self._client.find(watched.target.ref)
        except ClusterError:
            return
        if live is None:
            watched.gone = True
        else:
            watched.object = live
        self._judge(watched)

    def _report(self, *, cancelled: bool = False) -> WaitReport:
        failed = [w for w in self._all if w.failure]
        return WaitReport(
            failures=tuple(self._failure(w) for w in failed),
            cancelled=cancelled,
            notes=tuple(
                (w.target.ref, w.state.note) for w in self._all if isinstance(w.state, Ready) and w.state.note
            ),
            objects=tuple((w.target.ref, w.object) for w in self._all if w.object is not None and not w.gone),
        )

    def _failure(self, watched: _Watched) -> ObjectFailure:
        ref, found = watched.target.ref, watched.object
        if found is None or ref.kind not in WITH_PODS or watched.target.until is Until.GONE:
            return ObjectFailure(
                ref=ref, why=watched.failure, timed_out=watched.timed_out, events=self._warnings(watched)
            )
        self._complete(ref)
        watched.family = self._family(ref, found)
        pods = (*watched.family.pods, *watched.family.stale)
        shown = tuple(evidence.containers(self._client, f"{ref.kind}/{ref.name}", pods))
        return ObjectFailure(
            ref=ref,
            why=watched.failure,
            timed_out=watched.timed_out,
            containers=shown,
            events=self._warnings(watched),
        )

    def _warnings(self, watched: _Watched) -> tuple[str, ...]:
        ref, found = watched.target.ref, watched.object
        if found is None:
            return ()
        uids = watched.family.uids | {objects.uid(found)}
        if ref.kind in WITH_PODS:
            feed = self._waiter.feed(Scope("v1", "Event", ref.namespace, WARNINGS), EVERYTHING)
            with self._waiter.changed:
                return evidence.warnings(list(feed.all()), uids)
        try:
            listed = self._client.list(
                "v1", "Event", ref.namespace, field_selector=f"involvedObject.uid={objects.uid(found)}"
            )
        except ClusterError:
            return ()
        return evidence.warnings(listed.items, uids)


def _beside(scope: Scope) -> Iterable[Scope]:
    """What else is watched beside workloads: pods, ReplicaSets between them, and warnings."""
    if scope.kind in WITH_PODS:
        yield Scope("v1", "Pod", scope.namespace)
        yield Scope("v1", "Event", scope.namespace, WARNINGS)
    if scope.kind == "Deployment":
        yield Scope(scope.api_version, "ReplicaSet", scope.namespace)


def _goneness(watched: _Watched) -> Readiness:
    found = watched.object
    if watched.gone or (found is not None and watched.uid and objects.uid(found) != watched.uid):
        return Ready()
    if found is None:
        return Progressing("is being looked for")
    state = readiness.evaluate(found)
    return (
        state
        if isinstance(state, Progressing) and objects.meta(found).get("deletionTimestamp")
        else Progressing("still exists")
    )


def _made_all_pods(found: KubeObject) -> bool:
    match found.get("kind"):
        case "StatefulSet" | "ReplicaSet" | "ReplicationController":
            return int(at(found, "status", "replicas") or 0) >= int(at(found, "spec", "replicas") or 1)
        case "DaemonSet":
            return int(at(found, "status", "currentNumberScheduled") or 0) >= int(
                at(found, "status", "desiredNumberScheduled") or 0
            )
        case "Job":
            return bool(at(found, "status", "active") or at(found, "status", "succeeded"))
    return True
