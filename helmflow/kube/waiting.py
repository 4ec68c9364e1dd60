"""Watch until objects are ready, gone or done, against a Deadline; collect the evidence of failures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from helmflow.core.clock import Deadline
from helmflow.core.events import Emit
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.kube.client import KubeClient
from helmflow.kube.objects import KubeObject


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

    def __init__(self, client: KubeClient) -> None:
        self._client = client

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
        raise NotImplementedError

    def close(self) -> None:
        """Stop every watch."""

    def __enter__(self) -> Waiter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
