"""helmflow chart test: a chart without a state file, installed on an embedded cluster of its own, tested and removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from helmflow.core.clock import SystemClock
from helmflow.core.errors import HelmflowError, RunFailed
from helmflow.core.events import Emit
from helmflow.core.records import dataclass, field
from helmflow.execute.report import RunReport
from helmflow.flows import release
from helmflow.flows.options import ClusterOptions, RenderOptions, RunOptions, TestOptions
from helmflow.flows.session import EMBEDDED, OpenedTransport, OpenTransport, Session

NAME: Final = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How to try a chart. `filters` are Helm's name=... and !name=..."""

    version: str = ""
    devel: bool = False
    namespace: str = ""
    timeout_s: int = 300
    filters: tuple[str, ...] = ()
    render: RenderOptions = field(default_factory=RenderOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReport:
    """What became of it; `tests` is None where installing failed."""

    install: RunReport
    tests: RunReport | None = None
    removal: RunReport | None = None

    @property
    def ok(self) -> bool:
        """Whether it was installed, its tests passed, and it went away."""
        return self.tests is not None and all(
            report is not None and report.ok for report in (self.install, self.tests, self.removal)
        )

    @property
    def failures(self) -> tuple[HelmflowError, ...]:
        """Why steps failed, in their order."""
        found = []
        for report in (self.install, self.tests, self.removal):
            for each in report.releases if report is not None else ():
                if each.failure is not None:
                    why = each.failure
                    found.append(RunFailed(why.message, error_id=why.error_id, span=why.span, hint=why.hint))
        return tuple(found)


def run(chart: str, trial: Trial, emit: Emit) -> TrialReport:
    """Install, test with logs, uninstall: on a cluster that nothing else uses and that is gone afterwards."""
    options = RunOptions(
        cluster=ClusterOptions(context=EMBEDDED),
        render=trial.render,
        test=TestOptions(logs=True, timeout_s=float(trial.timeout_s), filters=trial.filters),
    )
    named = release.Named(
        name=NAME,
        namespace=trial.namespace or "default",
        chart=_absolute(chart),
        version=trial.version,
        options={
            "createNamespace": True,
            "wait": True,
            "timeout": trial.timeout_s,
            **({"devel": True} if trial.devel else {}),
        },
    )
    with _empty_cluster() as opener:
        session = Session(options=options, emit=emit, opener=opener)
        installed = release.install(named, options, emit, given=session)
        if not installed.ok:
            return TrialReport(install=installed)
        tested = release.run_tests(named, options, emit, session)
        removed = release.uninstall(named, options, emit, given=session)
    return TrialReport(install=installed, tests=tested, removal=removed)


@contextmanager
def _empty_cluster() -> Iterator[OpenTransport]:
    """An API server in this process that stores nothing on disk."""
    from helmflow.embedded.server import ApiServer
    from helmflow.embedded.transport import InProcessTransport

    server = ApiServer(None, SystemClock())
    opened = OpenedTransport(
        transport=InProcessTransport(server),
        context=EMBEDDED,
        namespace="default",
        server="simulated, in this process",
    )
    try:
        yield lambda context, options: opened
    finally:
        server.close()


def _absolute(chart: str) -> str:
    """A path that means the same wherever it is read from."""
    path = Path(chart)
    return str(path.absolute()) if path.exists() else chart
