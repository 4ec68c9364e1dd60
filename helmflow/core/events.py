"""The closed union of run events. Events carry ids and numbers, never sentences: wording is ui's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from helmflow.core.errors import Mistake
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run begins. `cluster` names the target as people know it; `needs` is the graph that will be walked."""

    command: str
    environment: str
    cluster: str
    releases: tuple[ReleaseId, ...]
    needs: Mapping[ReleaseId, tuple[ReleaseId, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartFetched:
    """A chart is at hand. `chart` as written in the state file; `cached`: nothing was downloaded."""

    chart: str
    version: str
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRendered:
    """A release's chart was rendered to `documents` documents."""

    release: ReleaseId
    documents: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlanned:
    """What will be done with a release and why. Counts are objects; `action` is a plan.model action word."""

    release: ReleaseId
    action: str
    reason: str
    created: int = 0
    changed: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStarted:
    """Work on a release begins."""

    release: ReleaseId
    action: str
    chart: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step of a release begins. `step` is the step's type name, `detail` its object or hook."""

    release: ReleaseId
    step: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectApplied:
    """An object was written. `operation`: created, configured, replaced, deleted, kept or unchanged."""

    release: ReleaseId
    ref: ObjectRef
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectWaiting:
    """An object's state while it is waited for. `reason` says what is missing, "" when `ready`."""

    release: ReleaseId
    ref: ObjectRef
    ready: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodLog:
    """One line that a container wrote."""

    release: ReleaseId
    pod: str
    container: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHookOutput:
    """One line that a command of the user's wrote."""

    release: ReleaseId | None
    hook_event: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step of a release ended."""

    release: ReleaseId
    step: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFinished:
    """A release ended. `outcome`: done, unchanged, failed, skipped; `reason` says why, `because_of` what blocked it."""

    release: ReleaseId
    outcome: str
    action: str
    reason: str = ""
    because_of: ReleaseId | None = None
    seconds: float = 0.0
    revision: int = 0
    notes: str = ""
    failure: Mistake | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something its user should know. `warning` is a mistake with a stable id that did not stop the run."""

    warning: Mistake
    release: ReleaseId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelling:
    """A signal asked for an orderly stop."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run ended. Counts are releases; `writes` counts requests that changed the cluster."""

    command: str
    seconds: float
    done: int
    unchanged: int
    failed: int
    skipped: int
    writes: int


Event = (
    RunStarted
    | ChartFetched
    | ReleaseRendered
    | ReleasePlanned
    | ReleaseStarted
    | StepStarted
    | ObjectApplied
    | ObjectWaiting
    | PodLog
    | LocalHookOutput
    | StepFinished
    | ReleaseFinished
    | Warned
    | Cancelling
    | RunFinished
)
Emit = Callable[[Event], None]
