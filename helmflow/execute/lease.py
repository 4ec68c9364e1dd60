"""Leases: one per release that is written, kept alive while it is, recognised as stale when its holder died."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

from helmflow.core.clock import Clock, Deadline
from helmflow.core.errors import ClusterError, HelmflowError, Mistake
from helmflow.core.events import Emit, ObjectWaiting, Warned
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass, field
from helmflow.execute.cancel import CancelToken
from helmflow.kube import errors
from helmflow.kube.client import JSON_PATCH, KubeClient
from helmflow.kube.objects import KubeObject, at, resource_version

API: Final = "coordination.k8s.io/v1"
PREFIX: Final = "helmflow."
ENVIRONMENT_PREFIX: Final = "helmflow-environment."
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
CLOCK_MARGIN_S: Final = 120.0  # how far the clocks of two hosts may be apart
POLL_S: Final = 0.25
LOCK_TIMEOUT_S: Final = (
    900.0  # how long another run is waited for: longer than Helm's own longest usual upgrade
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease: a run of a process on a host."""

    host: str
    pid: int
    run: str

    @classmethod
    def this_process(cls) -> Holder:
        """A new run of this process."""
        return cls(socket.gethostname(), os.getpid(), secrets.token_hex(4))

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """What `str` wrote; None for somebody else's form."""
        host, _, rest = text.rpartition("/")
        pid, _, run = rest.partition("-")
        return cls(host, int(pid), run) if host and pid.isdecimal() and run else None

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}-{self.run}"

    @property
    def dead(self) -> bool:
        """Whether this is certain: a process of this host that no longer runs."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


def lease_ref(namespace: str, release: str) -> ObjectRef:
    """The lease of a release."""
    return ObjectRef(API, "Lease", namespace, PREFIX + release)


def holder_of(lease: KubeObject) -> str:
    """The identity written in a lease."""
    return str(at(lease, "spec", "holderIdentity") or "")


def is_stale(lease: KubeObject, clock: Clock) -> bool:
    """Whether nobody can be at work any more: the holder is dead, or gone for good by the lease's own times.

    Times are compared with ours only with a generous margin, because clocks differ; `hold` judges exactly.
    """
    holder = Holder.parse(holder_of(lease))
    if holder is not None and holder.dead:
        return True
    renewed = _time(at(lease, "spec", "renewTime"))
    duration = float(at(lease, "spec", "leaseDurationSeconds") or 0)
    margin = 0.0 if holder is not None and holder.host == socket.gethostname() else CLOCK_MARGIN_S
    return renewed is not None and (clock.now() - renewed).total_seconds() > duration + margin


@dataclass(frozen=True, slots=True)
class Leases:
    """Every lease of helmflow's in a cluster: those of releases by (namespace, name), those of environments."""

    releases: Mapping[tuple[str, str], KubeObject] = field(default_factory=dict)
    environments: tuple[KubeObject, ...] = ()


def leases(client: KubeClient) -> Leases:
    """All of them in one LIST; none where that is not allowed."""
    try:
        found = client.list(API, "Lease", label_selector=f"{MANAGED_BY}=helmflow").items
    except ClusterError:
        return Leases()
    names = [str(at(lease, "metadata", "name")) for lease in found]
    return Leases(
        {
            (str(at(lease, "metadata", "namespace")), name.removeprefix(PREFIX)): lease
            for lease, name in zip(found, names, strict=True)
            if name.startswith(PREFIX)
        },
        tuple(lease for lease, name in zip(found, names, strict=True) if name.startswith(ENVIRONMENT_PREFIX)),
    )


def drop(client: KubeClient, owner: ReleaseId, holder: str) -> None:
    """Delete the lease of a dead run, unless somebody else holds it by now."""
    ref = lease_ref(owner.namespace, owner.name)
    while (lease := client.find(ref)) is not None and holder_of(lease) == holder:
        with suppress(errors.NotFound, errors.Conflict):  # gone, renewed or taken over since it was read
            client.delete(ref, resource_version=resource_version(lease))
            return


@dataclass(slots=True)
class Held:
    """A lease while it is held. `waited`: somebody else had it before, so that plans have to be made anew.

    `keep` leaves it behind, to end by its own times: the record could not be brought to an end either, and a pending
    one without a lease would be taken for another tool's at work.
    """

    waited: bool
    keep: bool = False


@dataclass(slots=True, eq=False)
class _Ours:
    """A lease of ours: in which cluster, as whose, and its newest version that we know. `warned`: nobody may renew it."""

    ref: ObjectRef
    client: KubeClient
    release: ReleaseId
    emit: Emit
    version: str
    warned: bool = False


@dataclass(slots=True)
class LeaseKeeper:
    """The leases of one run. A thread renews what is held; it ends with `close`.

    A process that slept may find that another run has taken its lease over: then it stops, and leaves that lease alone.
    """

    clock: Clock
    cancel: CancelToken
    duration_s: float
    holder: Holder = field(default_factory=Holder.this_process)
    _held: set[_Ours] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @contextmanager
    def hold(self, client: KubeClient, namespace: str, release: ReleaseId, emit: Emit) -> Iterator[Held]:
        """Hold the release's lease.

        Where leases are forbidden, one warning says so and the release goes on without.
        """
        ref = lease_ref(namespace, release.name)
        try:
            waited, version = self._acquire(client, ref, release, emit)
        except errors.Forbidden as forbidden:
            emit(Warned(warning=_unlocked(forbidden), release=release))
            yield Held(waited=False)
            return
        held, ours = Held(waited=waited), _Ours(ref, client, release, emit, version)
        with self._guard:
            self._held.add(ours)
            self._start()
        try:
            yield held
        finally:
            if self._forget(ours) and not held.keep:
                self._let_go(ours)

    def close(self) -> None:
        """Stop renewing."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _forget(self, held: _Ours) -> bool:
        """Renew it no longer; whether it was ours until now."""
        with self._guard:
            ours = held in self._held
            self._held.discard(held)
        return ours

    def _let_go(self, held: _Ours) -> None:
        """Delete the lease, unless it is not ours any more."""
        with suppress(ClusterError):
            try:
                held.client.delete(held.ref, resource_version=held.version)
            except errors.Conflict:  # renewed at this moment, or taken over
                drop(held.client, ReleaseId("", held.ref.namespace, held.release.name), str(self.holder))

    def _acquire(
        self, client: KubeClient, ref: ObjectRef, release: ReleaseId, emit: Emit
    ) -> tuple[bool, str]:
        """Whether somebody else was waited for, and the version of the lease that is ours now."""
        waited = ""
        deadline = Deadline(self.clock, LOCK_TIMEOUT_S)
        seen, seen_at = "", 0.0
        lease: KubeObject | None = None
        while True:
            self.cancel.check()
            if lease is None:
                with suppress(errors.AlreadyExists):
                    return bool(waited), resource_version(client.create(self._lease(ref, 0)))
            lease = client.find(ref)
            if lease is None:
                continue
            moment = f"{holder_of(lease)} {at(lease, 'spec', 'renewTime')}"
            if moment != seen:
                seen, seen_at = moment, self.clock.monotonic()
            unchanged_s = self.clock.monotonic() - seen_at
            duration_s = float(at(lease, "spec", "leaseDurationSeconds") or 0)
            if is_stale(lease, self.clock) or unchanged_s > duration_s:
                if version := self._take_over(client, ref, lease):
                    return True, version
                continue
            if waited != holder_of(lease):
                waited = holder_of(lease)
                reason = f"another run holds this release: {waited}"
                emit(ObjectWaiting(release=release, ref=ref, ready=False, reason=reason))
            if deadline.passed():
                raise HelmflowError(
                    f"another run still holds {release}: {holder_of(lease)}",
                    error_id="release.locked",
                    hint="wait until it is done",
                )
            self.cancel.wait(POLL_S)

    def _take_over(self, client: KubeClient, ref: ObjectRef, lease: KubeObject) -> str:
        """The version of the lease that is ours now; "" where somebody else was quicker."""
        transitions = int(at(lease, "spec", "leaseTransitions") or 0) + 1
        body = self._lease(ref, transitions)
        body["metadata"]["resourceVersion"] = at(lease, "metadata", "resourceVersion")
        try:
            return resource_version(client.replace(body))
        except (errors.Conflict, errors.NotFound):
            return ""

    def _lease(self, ref: ObjectRef, transitions: int) -> dict[str, Any]:
        now = _micro_time(self.clock.now())
        return {
            "apiVersion": API,
            "kind": "Lease",
            "metadata": {
                "name": ref.name,
                "namespace": ref.namespace,
                "labels": {MANAGED_BY: "helmflow"},
            },
            "spec": {
                "holderIdentity": str(self.holder),
                "leaseDurationSeconds": max(1, round(self.duration_s)),
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew, name="helmflow-leases", daemon=True)
            self._thread.start()

    def _renew(self) -> None:
        while not self._done.wait(self.duration_s / 3):
            with self._guard:
                all_held = tuple(self._held)
            for held in all_held:
                with suppress(ClusterError):
                    self._renew_one(held)

    def _renew_one(self, held: _Ours) -> None:
        """Say that we are alive; where the lease is somebody else's by now, stop the run: two would write at once."""
        body = [
            {"op": "test", "path": "/spec/holderIdentity", "value": str(self.holder)},
            {"op": "replace", "path": "/spec/renewTime", "value": _micro_time(self.clock.now())},
        ]
        try:
            held.version = resource_version(held.client.patch(held.ref, JSON_PATCH, body))
            return
        except errors.Forbidden as forbidden:
            if not held.warned:
                held.warned = True
                held.emit(Warned(warning=_unlocked(forbidden), release=held.release))
            return
        except (errors.Invalid, errors.NotFound, errors.BadRequest):
            lease = held.client.find(held.ref)
        by = holder_of(lease) if lease is not None else ""
        if by == str(self.holder) or not self._forget(held):
            return
        lost = (
            f"the lease of {held.release} was taken over by {by}"
            if by
            else f"the lease of {held.release} is gone"
        )
        hint = "this process did not renew it in time: it slept, or did not reach the cluster"
        held.emit(Warned(warning=Mistake(lost, "release.lease-lost", hint=hint), release=held.release))
        self.cancel.cancel("the loss of its lease")


def _unlocked(forbidden: ClusterError) -> Mistake:
    return Mistake(
        f"releases are not locked: {forbidden.message}",
        "release.no-lease",
        hint="allow create, get, update, patch and delete of leases.coordination.k8s.io",
    )


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: object) -> datetime | None:
    from helmflow.helm.release.record import parse_time

    return parse_time(str(text)) if text else None
