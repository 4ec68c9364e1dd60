"""Which releases a run works on: selectors, duplicates, needs that were not selected, and the order of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from helmflow.core.errors import ConfigError
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, replace
from helmflow.state.graph import ReleaseGraph
from helmflow.state.model import DesiredState, Presence, Release


class Needs(StrEnum):
    """What to do about needs that were not selected: ignore them, bring them in, or refuse."""

    SKIP = "skip"
    INCLUDE = "include"
    INCLUDE_TRANSITIVE = "include-transitive"
    REQUIRE = "require"


class Files(StrEnum):
    """PARALLEL: state files of a directory say nothing about each other's order (Helmfile's default)."""

    PARALLEL = "parallel"
    SEQUENTIAL = "sequential"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The releases of a run in definition order, and the graph of all releases."""

    releases: tuple[Release, ...]
    graph: ReleaseGraph


def choose(
    desired: DesiredState,
    needs: str = Needs.SKIP,
    files: str = Files.PARALLEL,
    counting: Iterable[Presence] = tuple(Presence),
) -> Chosen:
    """The chosen releases with their needs as asked for; raises ConfigError for duplicates, cycles, missing needs.

    `counting` are the presences that satisfy a need under Needs.REQUIRE: diff, template and lint count only PRESENT,
    so that a need on `installed: false` is refused there, as in Helmfile.
    """
    releases = without_repetitions(desired)
    graph = ReleaseGraph.of(releases, file_order(desired, releases, files))
    chosen = {release.id for release in releases if release.selected}
    wanted = chosen
    if needs in (Needs.INCLUDE, Needs.INCLUDE_TRANSITIVE):
        wanted = set(graph.closure(chosen))
    elif needs == Needs.REQUIRE:
        _require_selected(releases, {one.id for one in releases if one.selected and one.presence in counting})
    kept = tuple(_enabled(release) for release in releases if release.id in wanted)
    return Chosen(kept, graph)


def _enabled(release: Release) -> Release:
    """A release that is wanted as a need counts as selected, even where its condition is false (as in Helmfile)."""
    if release.selected:
        return release
    presence = Presence.PRESENT if release.installed else Presence.ABSENT
    return replace(release, selected=True, presence=presence)


def without_repetitions(desired: DesiredState) -> tuple[Release, ...]:
    """Every release once. Two files may bring the same release (a nested file named twice); two different ones of
    one id are a mistake unless only one of them is selected.
    """
    by_id: dict[ReleaseId, list[Release]] = {}
    for release in desired.releases:
        by_id.setdefault(release.id, []).append(release)
    if len(by_id) == len(desired.releases):
        return desired.releases
    kept: dict[ReleaseId, Release] = {}
    for one, found in by_id.items():
        selected = [release for release in found if release.selected]
        distinct = _distinct(selected)
        if len(distinct) > 1:
            raise ConfigError(
                f'found {len(distinct)} duplicate releases with ID "{one}"',
                error_id="state.duplicate-release",
                span=distinct[1].span,
                hint=f"the first is at {distinct[0].span}" if distinct[0].span else "",
            )
        kept[one] = distinct[0] if distinct else found[0]
    return tuple(kept.values())


def _distinct(releases: list[Release]) -> list[Release]:
    """Releases that differ; one that was read twice from the same place counts once."""
    found: list[Release] = []
    for release in releases:
        if not any(_same(release, other) for other in found):
            found.append(release)
    return found


def _same(a: Release, b: Release) -> bool:
    return a.file != b.file and replace(a, file=0) == replace(b, file=0)


def _require_selected(releases: Iterable[Release], chosen: set[ReleaseId]) -> None:
    dependents: dict[ReleaseId, list[Release]] = {}
    for release in releases:
        if release.id in chosen:
            for need in release.needs:
                if need.id not in chosen:
                    dependents.setdefault(need.id, []).append(release)
    for one, found in dependents.items():
        quoted = [f'"{release.id}"' for release in found]
        shown = " and ".join(quoted) if len(quoted) < 3 else ", ".join(quoted[:-1]) + f", and {quoted[-1]}"
        verb = "depends" if len(quoted) == 1 else "depend"
        raise ConfigError(
            f'release {shown} {verb} on "{one}" which does not match the selectors. Please add a selector like '
            f'"--selector name={one.name}", or indicate whether to skip (--skip-needs) or include (--include-needs) '
            "these dependencies",
            error_id="needs.not-selected",
            span=next((need.span for need in found[0].needs if need.id == one), None),
        )


def file_order(
    desired: DesiredState, releases: Iterable[Release], files: str
) -> Mapping[ReleaseId, tuple[ReleaseId, ...]]:
    """Helmfile's order between files where needs say nothing: nested files first, one after the other.

    The first releases of a file come after the last ones of the file before; nothing is added against a need.
    """
    if len(desired.files) < 2:
        return {}
    by_file: dict[int, list[Release]] = {}
    for release in releases:
        by_file.setdefault(release.file, []).append(release)
    roots = _roots(desired)
    across = any(
        need.id in _ids_elsewhere(by_file, release) for release in releases for need in release.needs
    )
    after: dict[ReleaseId, tuple[ReleaseId, ...]] = {}
    ends: list[ReleaseId] = []
    previous_root = -1
    for index in range(len(desired.files)):
        found = by_file.get(index, [])
        if roots[index] != previous_root and files == Files.PARALLEL:
            ends = []
        previous_root = roots[index]
        if not found:
            continue
        inside = {release.id for release in found}
        needed = {need.id for release in found for need in release.needs}
        for release in found:
            if ends and not any(need.id in inside for need in release.needs):
                after[release.id] = tuple(ends)
        ends = [release.id for release in found if release.id not in needed] or list(inside)
    return _without_contradictions(releases, after) if across else after


def _roots(desired: DesiredState) -> list[int]:
    """For each file, which of the files named on the command line it belongs to (nested ones come before it)."""
    roots = [0] * len(desired.files)
    current = len(desired.files)
    for index in range(len(desired.files) - 1, -1, -1):
        if desired.files[index].depth == 0:
            current = index
        roots[index] = current
    return roots


def _ids_elsewhere(by_file: Mapping[int, list[Release]], release: Release) -> set[ReleaseId]:
    return {other.id for file, found in by_file.items() if file != release.file for other in found}


def _without_contradictions(
    releases: Iterable[Release], after: Mapping[ReleaseId, tuple[ReleaseId, ...]]
) -> dict[ReleaseId, tuple[ReleaseId, ...]]:
    """Order edges that close no cycle with needs or with order edges kept before."""
    edges: dict[ReleaseId, set[ReleaseId]] = {}
    for release in releases:
        edges.setdefault(release.id, set()).update(need.id for need in release.needs)
    kept: dict[ReleaseId, tuple[ReleaseId, ...]] = {}
    for one, earlier in after.items():
        allowed = tuple(other for other in earlier if not _reaches(edges, other, one))
        if allowed:
            kept[one] = allowed
            edges.setdefault(one, set()).update(allowed)
    return kept


def _reaches(edges: Mapping[ReleaseId, set[ReleaseId]], start: ReleaseId, goal: ReleaseId) -> bool:
    seen = {start}
    pending = [start]
    while pending:
        current = pending.pop()
        if current == goal:
            return True
        for needed in edges.get(current, ()):
            if needed not in seen:
                seen.add(needed)
                pending.append(needed)
    return False
