"""Where every value of a release came from, and what it overrode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass
from helmflow.core.source import SourceText, Span
from helmflow.state.model import DesiredState, Release
from helmflow.state.reading import span_of
from helmflow.state.values import (
    Assignment,
    CommandValues,
    Layer,
    Origin,
    ResolvedValues,
    assign,
    layer,
    leaves,
)

Path_ = tuple[str, ...]
MASK = "***"


@dataclass(frozen=True, slots=True)
class Given:
    """One source's value for a path. A secret one is shown as ***."""

    origin: Origin
    value: Any


@dataclass(frozen=True, slots=True)
class Explained:
    """One path: the value that holds, where it is from, and what that overrode, last overridden first.

    `kept` names a chart's own default where `values` were explained with one.
    """

    path: Path_
    value: Any
    origin: Origin
    overrode: tuple[Given, ...] = ()

    @property
    def name(self) -> str:
        """The path as --set writes it."""
        return ".".join(step.replace(".", "\\.") for step in self.path)


def explain(
    desired: DesiredState,
    release: Release,
    *,
    path: str = "",
    command: CommandValues | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> list[Explained]:
    """Every value at or below `path` ("": all), in the order of paths; `defaults` are the chart's values.yaml.

    Raises ConfigError `explain.no-value` where nothing has a value there.
    """
    resolved = layer(desired, release, command)
    wanted = tuple(_split(path))
    given: dict[Path_, list[Given]] = {}
    for source in _sources(desired, release, resolved, defaults):
        for place, one in source:
            given.setdefault(place, []).append(one)
    current = dict(_flat(_over(defaults or {}, resolved.values)))
    found = [
        _explained(place, value, given, resolved)
        for place, value in sorted(current.items())
        if place[: len(wanted)] == wanted or wanted[: len(place)] == place
    ]
    if not found:
        import difflib

        names = [".".join(place) for place in current]
        close = difflib.get_close_matches(path, names, 1)
        raise ConfigError(
            f"release {release.name!r} has no value {path!r}", error_id="explain.no-value",
            hint=f"did you mean {close[0]!r}?" if close else "",
        )  # fmt: skip
    return found


def _explained(
    place: Path_, value: Any, given: Mapping[Path_, list[Given]], resolved: ResolvedValues
) -> Explained:
    said = [one for step in range(len(place), 0, -1) for one in given.get(place[:step], ())][::-1]
    exact = given.get(place) or said
    secret = place in resolved.secret_paths or any(one.origin.secret for one in exact[-1:])
    last = exact[-1].origin if exact else Origin("?")
    return Explained(
        path=place, value=MASK if secret else value, origin=last, overrode=tuple(reversed(exact[:-1]))
    )


def written_at(resolved: ResolvedValues, path: Path_) -> Span | None:
    """Where the value at `path` is written: the last file or map that says it; None for flags, defaults and secrets."""
    for one in reversed(resolved.layers):
        if one.secret or path in one.secret_paths:
            continue
        if not one.text:
            span = (
                span_of(one.written, *path)
                if one.written is not None and path in leaves(one.values)
                else None
            )
            if span is not None:
                return span
        elif line := _lines(one).get(path):
            source = SourceText(one.source, one.text)
            text = source.text.split("\n")[line - 1]
            return Span(source, line, 1 + len(text) - len(text.lstrip()), len(text.strip()))
    return None


def _split(path: str) -> list[str]:
    from helmflow.state.state_values import split_key

    return split_key(path) if path else []


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    from helmflow.state.merging import overridden

    return overridden(lower, upper)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[Path_, Any]]:
    for place in leaves(values):
        yield place, _at(values, place)


def _at(values: Any, place: Path_) -> Any:
    for step in place:
        values = values[step]
    return values


def _sources(
    desired: DesiredState, release: Release, resolved: ResolvedValues, defaults: Mapping[str, Any] | None
) -> Iterator[Iterator[tuple[Path_, Given]]]:
    """Every source from the lowest up: chart defaults, values files and maps, --set like flags."""
    if defaults:
        yield ((place, Given(Origin("chart defaults"), value)) for place, value in _flat(defaults))
    for one in resolved.layers:
        yield _of_layer(one)
    for assignment in resolved.assignments:
        yield _of_assignment(assignment, release)


def _of_layer(one: Layer) -> Iterator[tuple[Path_, Given]]:
    lines = _lines(one)
    for place, value in _flat(one.values):
        secret = one.secret or place in one.secret_paths
        line = lines.get(place, 0)
        source = one.source
        if one.span is not None and not one.text:
            source, line = one.span.source.name, line or one.span.line
        yield place, Given(Origin(source, line, secret), MASK if secret else value)


def _of_assignment(assignment: Assignment, release: Release) -> Iterator[tuple[Path_, Given]]:
    for place, value in _flat(assign({}, assignment, release.base_dir)):
        shown = MASK if assignment.secret else value
        yield place, Given(Origin(assignment.source, 0, assignment.secret), shown)


def _lines(one: Layer) -> dict[Path_, int]:
    """The line of every leaf of a values file; nothing for inline maps and secrets."""
    if not one.text:
        return _inline_lines(one)
    from helmflow.core.yaml_dialect import locate
    from helmflow.core.yaml_nodes import YamlError

    try:
        root = locate(one.text, SourceText(one.source, one.text))
    except YamlError:
        return {}
    return dict(_node_lines(root, ())) if root is not None else {}


def _inline_lines(one: Layer) -> dict[Path_, int]:
    """The line of every leaf of a map written in the state file."""
    if one.written is None:
        return {}
    from helmflow.state.reading import span_of

    found: dict[Path_, int] = {}
    for place in leaves(one.values):
        span = span_of(one.written, *place)
        if span is not None:
            found[place] = span.line
    return found


def _node_lines(node: Any, at: Path_) -> Iterator[tuple[Path_, int]]:
    if node.kind == "mapping" and node.entries:
        for key, (_, value) in node.entries.items():
            yield from _node_lines(value, (*at, key))
    elif at:
        yield at, node.span.line


def text(found: Sequence[Explained]) -> str:
    """One line per value: path, value, where it is from; below it what was overridden."""
    from helmflow.core.go_json import dumps

    def shown(value: Any) -> str:
        return value if value == MASK else dumps(value, escape_html=False)

    lines: list[str] = []
    for one in found:
        lines.append(f"{one.name} = {shown(one.value)}  # {one.origin}")
        lines += [f"    overrode {shown(before.value)}  # {before.origin}" for before in one.overrode]
    return "".join(f"{line}\n" for line in lines)
