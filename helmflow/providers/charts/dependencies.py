"""Charts that a local chart declares but does not have in charts/: fetched and put in place in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from helmflow.core.errors import ChartError
from helmflow.core.records import replace
from helmflow.core.source import SourceText, Span
from helmflow.helm.chart import load
from helmflow.helm.chart.model import Chart, Dependency

MAX_DEPTH = 50  # a chart whose file:// dependency leads back to itself has no end


class DependencySource(Protocol):
    """Where a declared dependency comes from."""

    def dependency(self, name: str, version: str, repository: str, base_dir: Path) -> Path:
        """The chart's folder or archive; raises ChartError."""


def complete(chart: Chart, path: Path, source: DependencySource, *, depth: int = 0) -> Chart:
    """`chart`, loaded from `path`, with every declared dependency that is missing in charts/ and names a repository.

    Versions are those of the lock file where there is one. The user's folder is not written to. What names no
    repository stays missing: rendering says so with Helm's text.
    """
    if not path.is_dir():
        return chart
    if depth > MAX_DEPTH:
        raise ChartError(f"the dependencies of {path} never end", error_id="chart.dependency-cycle")
    present = {dependency.metadata.name for dependency in chart.dependencies}
    missing = [
        declared
        for declared in chart.metadata.declared
        if declared.name not in present and declared.repository
    ]
    if not missing:
        return chart
    found = list(chart.dependencies)
    for declared in {(item.name, item.version, item.repository): item for item in missing}.values():
        try:
            where = source.dependency(
                declared.name, _locked(chart, declared) or declared.version, declared.repository, path
            )
        except ChartError as error:
            error.span = error.span or _span(path, declared)
            raise
        loaded = load.load(where)
        if loaded.metadata.name != declared.name:
            raise ChartError(
                f"the dependency {declared.name!r} of {path} is a chart called {loaded.metadata.name!r}",
                error_id="chart.dependency-name",
                span=_span(path, declared),
            )
        found.append(complete(loaded, where, source, depth=depth + 1))
    return replace(chart, dependencies=tuple(found))


def _locked(chart: Chart, declared: Dependency) -> str:
    """The version that the lock file pins, "" without one."""
    if chart.lock is None:
        return ""
    return next(
        (
            locked.version
            for locked in chart.lock.dependencies
            if locked.name == declared.name and locked.repository == declared.repository
        ),
        "",
    )


def _span(path: Path, declared: Dependency) -> Span | None:
    file = path / "Chart.yaml"
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    for number, line in enumerate(text.split("\n"), 1):
        column = line.find(declared.name)
        if "name:" in line and column >= 0:
            return Span(SourceText(str(file), text), number, column + 1, len(declared.name))
    return Span(SourceText(str(file), text), 1)
