"""--changed-since REF: the releases whose values files, chart or entry in the state files changed since a git ref."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import HelmflowError
from helmflow.core.ids import ReleaseId
from helmflow.core.records import replace
from helmflow.state import files
from helmflow.state.load import LoadRequest, load_desired
from helmflow.state.model import DesiredState, Release
from helmflow.state.values import layer

if TYPE_CHECKING:
    from helmflow.providers.git_tree import GitTree

# What a release says by paths, which are compared as files.
_PATH_KEYS = ("values", "secrets", "jsonPatches", "strategicMergePatches", "transformers")


def limit(request: LoadRequest, desired: DesiredState, ref: str) -> DesiredState:
    """The same state with only those releases selected whose inputs are not what they were at `ref`.

    Their files are compared first. Where other files changed too (state files, environments, templates), the state
    of that commit is loaded beside this one and every release's entry and values are compared; where it cannot be
    loaded, every release counts as changed. Raises ConfigError for an unknown ref.
    """
    from helmflow.providers.git_tree import GitTree

    tree = GitTree.at(request.cwd, ref)
    changed: set[int] = set()
    explained: set[Path] = set()
    for index, release in enumerate(desired.releases):
        paths = list(_inputs(release))
        explained.update(paths)
        if any(tree.changed(path) for path in paths):
            changed.add(index)
    if _others(tree, desired, explained):
        changed |= _by_content(tree, request, desired)
    releases = tuple(
        release if index in changed else replace(release, selected=False)
        for index, release in enumerate(desired.releases)
    )
    return replace(desired, releases=releases, limited=True)


def _inputs(release: Release) -> Iterator[Path]:
    """The files and folders in the working tree that a release names."""
    sources = release.sources
    for key in _PATH_KEYS:
        for entry in release.spec.get(key) or ():
            prefix = sources.path_prefix if key in ("values", "secrets") else ""
            if isinstance(entry, str) and not files.is_remote(entry):
                yield from files.expand(release.base_dir, prefix + entry) or [
                    files.under(release.base_dir, prefix + entry)
                ]
    for entry in (*sources.sets, *sources.set_strings):
        if entry.get("file"):
            yield files.under(release.base_dir, str(entry["file"]))
    for chart in (release.chart, *(str(extra.get("chart", "")) for extra in release.patches.dependencies)):
        if chart and not files.is_remote(chart):
            folder = files.under(release.base_dir, chart)
            if folder.exists():
                yield folder


def _others(tree: GitTree, desired: DesiredState, explained: set[Path]) -> bool:
    """Whether a file changed that belongs to no release alone."""
    folders = [path for path in explained if path.is_dir()]
    read = [path for path in desired.context.texts if tree.changed(path)]
    for path in (*tree.changes(), *read):
        if path not in explained and not any(path.is_relative_to(folder) for folder in folders):
            return True
    return False


def _by_content(tree: GitTree, request: LoadRequest, desired: DesiredState) -> set[int]:
    """The indexes of releases that the commit does not have, or not like this."""
    with tempfile.TemporaryDirectory(prefix="helmflow-") as folder:
        tree.write(Path(folder))
        try:
            before = load_desired(_moved(request, tree.root, Path(folder)), lambda event: None)
        except HelmflowError:
            return set(range(len(desired.releases)))
        known: dict[ReleaseId, list[Release]] = defaultdict(list)
        for release in reversed(before.releases):
            known[release.id].append(release)
        changed = set()
        for index, release in enumerate(desired.releases):
            old = known[release.id].pop() if known[release.id] else None
            if old is None or not _same(before, old, desired, release):
                changed.add(index)
        return changed


def _same(before: DesiredState, old: Release, desired: DesiredState, new: Release) -> bool:
    if _said(old) != _said(new):
        return False
    try:
        return layer(before, old).values == layer(desired, new).values
    except HelmflowError:
        return False  # the run itself will say what is wrong


def _said(release: Release) -> tuple[Any, ...]:
    return (release.spec, release.chart, release.version, release.presence, release.options)


def _moved(request: LoadRequest, root: Path, folder: Path) -> LoadRequest:
    """The request, for the same files below `folder`."""

    def moved(name: str) -> str:
        if not os.path.isabs(name) or not Path(name).resolve().is_relative_to(root):
            return name
        return str(folder / Path(name).resolve().relative_to(root))

    return replace(
        request,
        file=moved(request.file),
        state_values_files=tuple(moved(name) for name in request.state_values_files),
        cwd=Path(moved(str(request.cwd.absolute()))),
        need_releases=False,
    )
