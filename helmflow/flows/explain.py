"""helmflow explain: where a release's values came from, and why a subchart is on or off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helmflow.core.errors import ConfigError
from helmflow.core.events import Emit
from helmflow.core.records import dataclass
from helmflow.core.source import SourceText, Span
from helmflow.flows import prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.helm.chart import dependencies, load
from helmflow.helm.chart.model import Chart
from helmflow.state import explain as state_explain
from helmflow.state.explain import Explained
from helmflow.state.model import DesiredState, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedDependency:
    """One subchart: whether it is on, by what (condition, tags or default), which path or tags decided, and where."""

    path: str
    enabled: bool
    by: str
    because: str = ""
    where: str = ""


def values(
    options: RunOptions, emit: Emit, release: str, path: str = "", given: Session | None = None
) -> Sequence[Explained]:
    """Every value of a release at or below `path`: what holds, where it is from, what it overrode; secrets are masked."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "explain")
        wanted = _release(desired, release)
        chart = _chart(session, desired, wanted)
        command = prepare.command_values(session, wanted)
        return state_explain.explain(desired, wanted, path=path, command=command, defaults=chart.values)


def chart(
    options: RunOptions, emit: Emit, name: str, given: Session | None = None
) -> Sequence[ExplainedDependency]:
    """Every declared dependency of a chart folder or archive, or of a release's chart with the release's values."""
    if Path(name).exists():
        found = load.load(Path(name))
        return [_explained(found, one, {}) for one in dependencies.decisions(found, {})]
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "explain")
        release = _release(desired, name)
        found = _chart(session, desired, release)
        command = prepare.command_values(session, release)
        said = state_explain.explain(desired, release, command=command, defaults=found.values)
        origins = {one.name: str(one.origin) for one in said}
        from helmflow.state.values import layer

        user = layer(desired, release, command).values
        return [_explained(found, one, origins) for one in dependencies.decisions(found, user)]


def _release(desired: DesiredState, name: str) -> Release:
    """The chosen release of that name or id; raises ConfigError with the nearest name."""
    for release in desired.chosen:
        if name in (release.name, str(release.id), f"{release.namespace}/{release.name}"):
            return release
    import difflib

    near = difflib.get_close_matches(name, [release.name for release in desired.chosen], 1)
    raise ConfigError(
        f"there is no release {name!r}",
        error_id="explain.no-release",
        hint=f"did you mean {near[0]!r}?" if near else "`helmflow list` shows the releases",
    )


def _chart(session: Session, desired: DesiredState, release: Release) -> Chart:
    fetched = prepare.fetcher(session, desired).fetch(
        release.chart, release.version, release.base_dir, devel=bool(release.options.devel)
    )
    return load.load(fetched.path)


def _explained(chart: Chart, decision: dependencies.Decision, origins: dict[str, str]) -> ExplainedDependency:
    where = origins.get(decision.because, "")
    if not where and decision.because:
        span = _in_values(chart, decision.because)
        where = str(span) if span else ""
    return ExplainedDependency(
        path=decision.path, enabled=decision.enabled, by=decision.by, because=decision.because, where=where
    )


def _in_values(chart: Chart, path: str) -> Span | None:
    """Where values.yaml says something at a dotted path."""
    if chart.values_text is None:
        return None
    source = SourceText(
        f"{chart.path or chart.name}/values.yaml", chart.values_text.decode("utf-8", "replace")
    )
    indents: list[tuple[int, str]] = []
    for number, line in enumerate(source.text.split("\n"), 1):
        key = line.strip().partition(":")[0].strip("\"'")
        if not key or line.lstrip().startswith(("#", "-")):
            continue
        indent = len(line) - len(line.lstrip())
        indents = [*((i, k) for i, k in indents if i < indent), (indent, key)]
        if ".".join(k for _, k in indents) == path:
            return Span(source, number, indent + 1, len(key))
    return None
