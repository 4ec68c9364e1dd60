"""helmflow lint: every mistake of charts and values at once, without a cluster."""

from __future__ import annotations

from helmflow.core.errors import HelmflowError, Mistake
from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass
from helmflow.flows import local_hooks, prepare, rendering
from helmflow.flows.journal import Journal
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What linting found in one release's chart."""

    id: ReleaseId
    chart: str
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[Mistake, ...] = ()


def lint(options: RunOptions, emit: Emit, given: Session | None = None) -> tuple[LintReport, ...]:
    """Every selected release's chart, checked."""
    reports = []
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "lint")
        chosen = prepare.choose(session, desired, counting=prepare.RENDERED)
        preparation = prepare.prepare(session, chosen, "lint")
        journal = Journal(session, desired, preparation)
        for release in chosen.order:
            prepared = preparation.prepared.get(release)
            if prepared is None:
                continue
            reports.append(_lint(session, prepared, desired.file_of(prepared.release).kube_version))
            journal.record("lint", prepared.release)
            local_hooks.fire(session, desired, prepared.release, "cleanup", "lint", None, emit)
        local_hooks.fire_global(session, desired, "cleanup", "lint")
    return tuple(reports)


def _lint(session: Session, prepared: prepare.Prepared, kube_version: str) -> LintReport:
    release = prepared.release
    owner = ReleaseId(release.context, release.namespace or "default", release.name)
    try:
        rendered = rendering.render(
            session,
            prepared,
            owner,
            rendering.offline_capabilities(session, prepared, kube_version),
            lint=True,
        )
        rendered.crds  # noqa: B018 - parses them, which raises for what is no YAML
    except HelmflowError as failure:
        return LintReport(id=release.id, chart=release.chart, mistakes=failure.mistakes)
    return LintReport(id=release.id, chart=release.chart, warnings=rendered.warnings)
