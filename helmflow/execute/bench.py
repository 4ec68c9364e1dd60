"""Workbench: what the steps of one release work with, and what they have done so far."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from helmflow.core.clock import Clock
from helmflow.core.errors import HelmflowError
from helmflow.core.events import Emit
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass, field
from helmflow.execute.cancel import CancelToken
from helmflow.execute.report import PodOutput, TestResult
from helmflow.plan.model import ReleasePlan

if TYPE_CHECKING:
    from helmflow.helm.release.marks import Mark
    from helmflow.helm.release.record import Revision
    from helmflow.helm.release.storage import RevisionStore
    from helmflow.kube.client import KubeClient
    from helmflow.kube.objects import KubeObject
    from helmflow.kube.waiting import Waiter

FireLocalHooks = Callable[[ReleasePlan, str, "str | None", Emit], None]
"""(release, event, the error so far, emit): run the user's commands for an event; raises where one fails."""


class StepFailed(HelmflowError):
    """A step of a release failed; the message is what the release's record and its user get."""


class Once:
    """Things that are done once in a run, whoever comes first; the others wait until it is done. Thread-safe."""

    def __init__(self) -> None:
        self._done: set[str] = set()
        self._lock = threading.Lock()

    def do(self, name: str, work: Callable[[], None]) -> None:
        """Call `work` unless it was done under this name before."""
        with self._lock:
            if name not in self._done:
                work()
                self._done.add(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What is shared by all releases of one cluster. `mark` gives what a release's records are labelled with."""

    client: KubeClient
    waiter: Waiter
    store: Callable[[str], RevisionStore]
    clock: Clock
    cancel: CancelToken
    fire: FireLocalHooks
    mark: Callable[[ReleasePlan], Mark | None] = lambda _: None
    namespaces: Once = field(default_factory=Once)


@dataclass(slots=True, kw_only=True)
class Bench:
    """One release's work. `revision` is what is stored of this run so far; `applied` the objects written by it.

    `unsettled` says that the record may be left pending. `definitions` counts the steps that bring definitions and are not done; after the last, `established` is called.
    """

    plan: ReleasePlan
    tools: Tools
    emit: Emit
    revision: Revision | None = None
    stored: bool = False
    unsettled: bool = False
    created: list[ObjectRef] = field(default_factory=list)
    applied: dict[ObjectRef, KubeObject] = field(default_factory=dict)
    kept: list[ObjectRef] = field(default_factory=list)
    tests: list[TestResult] = field(default_factory=list)
    logs: dict[str, list[PodOutput]] = field(default_factory=dict)
    ran_crds: bool = False
    definitions: int = 0
    established: Callable[[], None] = lambda: None
    failed_step: str = ""

    @property
    def id(self) -> ReleaseId:
        """The release."""
        return self.plan.id

    @property
    def store(self) -> RevisionStore:
        """Where the release's revisions are."""
        return self.tools.store(self.plan.owner.namespace)
