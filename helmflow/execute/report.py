"""RunReport: what became of every release of a run."""

from __future__ import annotations

from enum import StrEnum

from helmflow.core.errors import Mistake
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass


class Outcome(StrEnum):
    """How a release ended. UNTOUCHED: the run stopped before it was its turn; ROLLED_BACK: it was done, then undone."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNTOUCHED = "untouched"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOutput:
    """What one container wrote."""

    pod: str
    container: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One test hook's run: Helm's suite name, times in RFC 3339 and phase (Succeeded, Failed, ...)."""

    suite: str
    started: str
    completed: str
    phase: str
    weight: int = 0
    logs: tuple[PodOutput, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReport:
    """What became of one release; `namespace` is the one it really went to."""

    id: ReleaseId
    action: str
    outcome: Outcome
    reason: str = ""
    because_of: ReleaseId | None = None
    chart: str = ""
    seconds: float = 0.0
    revision: int = 0
    status: str = ""
    notes: str = ""
    failed_step: str = ""
    failure: Mistake | None = None
    kept: tuple[ObjectRef, ...] = ()
    tests: tuple[TestResult, ...] = ()
    last_deployed: str = ""
    description: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What became of a run. `releases` in the plan's order; `writes` counts requests that changed the cluster;
    `signal` is what cancelled the run: SIGINT, SIGTERM, or what it was in words; `error` is why there was none: planning
    failed."""

    command: str
    environment: str
    cluster: str
    releases: tuple[ReleaseReport, ...]
    seconds: float = 0.0
    writes: int = 0
    requests: int = 0
    cancelled: bool = False
    signal: str = ""
    error: Mistake | None = None

    def having(self, outcome: Outcome) -> tuple[ReleaseReport, ...]:
        """The releases that ended this way."""
        return tuple(release for release in self.releases if release.outcome is outcome)

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing was cancelled."""
        return self.error is None and not self.cancelled and not self.having(Outcome.FAILED)
