"""Which dependencies are on: conditions, tags, aliases; and which of their values the parent imports."""

from __future__ import annotations

from helmflow.core import answers, lazy
from helmflow.core.errors import ChartError
from helmflow.core.records import dataclass, replace
from helmflow.helm.chart.behaviour import HELM_4, Behaviour
from helmflow.helm.chart.model import Chart, Dependency
from helmflow.helm.values import coalesce

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from helmflow.core import semver

    Values = dict[str, Any]
    Warn = Callable[[str], None]
else:
    semver = lazy.module("helmflow.core.semver")


@dataclass(frozen=True, slots=True)
class Decision:
    """Why one dependency is on or off. `by`: condition, tags or default; `because`: the path or the tags that decided."""

    path: str
    enabled: bool
    by: str
    because: str = ""


def process(
    chart: Chart, values: Values, *, warn: Warn | None = None, behaviour: Behaviour = HELM_4
) -> tuple[Chart, Values]:
    """The chart with only its enabled dependencies, under their aliases, and with the values it imports from them.

    Pure: `chart` stays as it is, and `values` (what the user set) come back as they are: they are still to be coalesced.
    Raises ChartError.
    """
    known: dict[Any, tuple[Chart, tuple[str, ...]]] = chart.memo.setdefault("processed", {})
    key = (behaviour.major, _decisive(chart, values))
    found = known.get(key)
    if found is None:
        heard: list[str] = []
        run = _Processing(heard.append, behaviour)
        processed = run.imported(run.enabled(chart, values, ""))
        if len(known) >= _REMEMBERED:
            known.clear()
        found = known[key] = processed, tuple(heard)
    if warn is not None:
        for text in found[1]:
            warn(text)
    return found[0], values


_REMEMBERED = 16  # ways of switching one chart's dependencies that are kept


def _decisive(chart: Chart, values: Values) -> Any:
    """What in `values` can switch a dependency of the chart: what is at the paths that decide, and whether subcharts
    have tables. Equal keys mean equal results."""
    paths = chart.memo.get("decisive")
    if paths is None:
        paths = chart.memo["decisive"] = {}
        for path in dict.fromkeys(_decisive_paths(chart, ())):
            paths.setdefault(path[0], []).append(path)
    return tuple(
        [
            (path, _seen_at(values, path))
            for first, found in paths.items()
            if first in values
            for path in found
        ]
    )


def _decisive_paths(chart: Chart, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Paths from the top: tags, conditions, and every place where a subchart's table or a global may stand."""
    if not chart.metadata.declared:
        return
    if not at:
        yield ("tags", "")
    for dependency in chart.metadata.declared:
        for condition in dependency.condition.strip().split(","):
            path = (*at, *condition.split("."))
            yield path
            if "global" in path:  # a global may come from any chart above
                rest = path[path.index("global") :]
                yield from ((*path[:depth], *rest) for depth in range(path.index("global")))
    for sub in chart.dependencies:
        names = {sub.name, *(d.alias for d in chart.metadata.declared if d.name == sub.name and d.alias)}
        for name in names:
            yield (*at, name, "")
            yield from _decisive_paths(sub, (*at, name))


def _seen_at(values: Any, path: tuple[str, ...]) -> Any:
    """A hashable trace of what is along the path; the part "" stands for the whole table there, if it is tags."""
    for depth, part in enumerate(path):
        if not isinstance(values, dict):
            return depth, values is None
        if not part:
            if path[0] == "tags":
                return tuple(
                    (key, state) for key, state in sorted(values.items()) if isinstance(state, bool | None)
                )
            return None
        if part not in values:
            return depth
        values = values[part]
    if isinstance(values, bool) or values is None:
        return values, "value"
    return "table" if isinstance(values, dict) else "other"


def decisions(chart: Chart, values: Values, *, behaviour: Behaviour = HELM_4) -> tuple[Decision, ...]:
    """Every declared dependency with what turned it on or off, parents first. Raises ChartError."""
    run = _Processing(_ignore, behaviour)
    run.enabled(chart, values, "")
    return tuple(run.decisions)


def missing(chart: Chart) -> tuple[str, ...]:
    """Names of declared dependencies that are not in charts/."""
    present = {sub.name for sub in chart.dependencies}
    return tuple(dep.name for dep in chart.metadata.declared if dep.name not in present)


def check_present(chart: Chart) -> None:
    """Raises ChartError where a declared dependency is not in charts/, as install and template do."""
    if absent := missing(chart):
        raise ChartError(
            f"found in Chart.yaml, but missing in charts/ directory: {', '.join(absent)}",
            error_id="chart.dependencies-missing",
            hint="put them into charts/, or name the repository of each in Chart.yaml: it is then fetched"
            " (unless skipDeps or --skip-deps is given)",
        )


def compatible(constraint: str, version: str) -> bool:
    """Whether a version is in a range; nothing is in a range that cannot be read."""
    return bool(answers.find(_compatible, "compatible", constraint, version))


def _compatible(constraint: str, version: str) -> bool:
    try:
        return semver.Constraint.parse(constraint).check(semver.Version.parse(version))
    except semver.SemverError:
        return False


def _ignore(_: str) -> None:
    pass


class _Processing:
    """One run: collects what was decided."""

    def __init__(self, warn: Warn, behaviour: Behaviour) -> None:
        self._warn = warn
        self._behaviour = behaviour
        self.decisions: list[Decision] = []

    def enabled(self, chart: Chart, values: Values, prefix: str) -> Chart:
        """The chart without disabled dependencies, all levels. `values` are those of the level above, as they stand
        there: paths of conditions begin with `prefix`."""
        declared = chart.metadata.declared
        if not declared:
            return chart
        candidates = replace(chart, dependencies=tuple(_candidates(chart, declared)))
        renamed = tuple(replace(dep, name=dep.alias or dep.name, enabled=True) for dep in declared)
        seen = coalesce.coalesce(candidates, values, behaviour=self._behaviour)
        decided = tuple(self._decide(dep, seen, prefix) for dep in renamed)
        off = {dep.name for dep in decided if not dep.enabled}
        subcharts = tuple(
            self.enabled(sub, seen, f"{prefix}{sub.name}.")
            for sub in candidates.dependencies
            if sub.name not in off
        )
        kept = tuple(dep for dep in decided if dep.name not in off)
        return replace(chart, metadata=replace(chart.metadata, dependencies=kept), dependencies=subcharts)

    def _decide(self, dependency: Dependency, seen: Values, prefix: str) -> Dependency:
        enabled, by, because = True, "default", ""
        states = dict(self._tags(dependency, seen))
        if states:
            enabled, by = any(states.values()), "tags"
            because = ", ".join(tag for tag, state in states.items() if state == enabled)
        for path in dependency.condition.strip().split(","):
            found = _scalar_at(seen, prefix + path) if path else _NOTHING
            if isinstance(found, bool):
                enabled, by, because = found, "condition", prefix + path
                break
            if found is not _NOTHING:
                self._warn(f"condition {path} of {dependency.name} is no boolean and decides nothing")
        self.decisions.append(Decision(prefix + dependency.name, enabled, by, because))
        return replace(dependency, enabled=enabled)

    def _tags(self, dependency: Dependency, seen: Values) -> Iterator[tuple[str, bool]]:
        tags = seen.get("tags")
        if not isinstance(tags, dict):
            return
        for tag in dependency.tags:
            state = tags.get(tag, _NOTHING)
            if isinstance(state, bool):
                yield tag, state
            elif state is not _NOTHING:
                self._warn(f"tag {tag} of {dependency.name} is no boolean and decides nothing")

    def imported(self, chart: Chart) -> Chart:
        """The chart whose default values are what Helm makes of them: those of its subcharts merged in, and what
        import-values name below its own."""
        subcharts = tuple(self.imported(sub) for sub in chart.dependencies)
        chart = replace(chart, dependencies=subcharts)
        declared = chart.metadata.declared
        if not declared:
            return chart
        seen = coalesce.merge(chart, {}, behaviour=self._behaviour)
        found: Values = {}
        normalised = []
        for dependency in declared:
            imports = tuple(_import_paths(dependency))
            normalised.append(
                replace(dependency, import_values=tuple({"child": c, "parent": p} for c, p in imports))
            )
            for child, parent in imports:
                table = _table_at(seen, f"{dependency.name}.{child}")
                if table is None:
                    self._warn(f"import-values: {dependency.name} has no table {child}")
                else:
                    found = coalesce.merge_tables(found, _nested(parent, table))
        # copied even where nothing is imported: the maps inside globals are shared until then
        values = coalesce.merge_tables(coalesce.copied(seen), found)
        return replace(chart, metadata=replace(chart.metadata, dependencies=tuple(normalised)), values=values)


def _candidates(chart: Chart, declared: tuple[Dependency, ...]) -> Iterator[Chart]:
    """Charts under charts/ that nobody declared, then for each declaration the first that fits, under its alias."""
    for sub in chart.dependencies:
        if not any(_fits(sub, dep) for dep in declared):
            yield sub
    for dependency in declared:
        for sub in chart.dependencies:
            if _fits(sub, dependency):
                yield sub.named(dependency.alias) if dependency.alias else sub
                break


def _fits(sub: Chart, dependency: Dependency) -> bool:
    return sub.name == dependency.name and compatible(dependency.version, sub.metadata.version)


def _import_paths(dependency: Dependency) -> Iterator[tuple[str, str]]:
    from helmflow.gotemplate import printf

    for entry in dependency.import_values:
        if isinstance(entry, str):
            yield f"exports.{entry}", "."
        elif isinstance(entry, dict):
            yield printf.sprint(entry.get("child")), printf.sprint(entry.get("parent"))


def _nested(path: str, table: Values) -> Values:
    if path == ".":
        return table
    for part in reversed(path.split(".")):
        table = {part: table}
    return table


_NOTHING = object()


def _table_at(values: Mapping[str, Any], path: str) -> Values | None:
    current: Any = values
    for part in path.split("."):
        current = current.get(part)
        if not isinstance(current, dict):
            return None
    return dict(current) if current is values else current


def _scalar_at(values: Mapping[str, Any], path: str) -> Any:
    """What is at the path; a map counts as nothing."""
    *tables, key = path.split(".")
    current: Any = values
    for part in tables:
        current = current.get(part)
        if not isinstance(current, dict):
            return _NOTHING
    found = current.get(key, _NOTHING)
    return _NOTHING if isinstance(found, dict) else found
