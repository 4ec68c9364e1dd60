"""Whether a chart's version says that its content changed since a git commit."""

from __future__ import annotations

import tempfile
from pathlib import Path

from helmflow.core import semver
from helmflow.core.errors import ChartError, ConfigError
from helmflow.core.records import replace
from helmflow.helm.chart import load, package
from helmflow.helm.chart.model import Chart


def version_problem(path: Path, ref: str) -> str:
    """What is wrong with the version of the chart at `path`, "" where it is right: what would be packed is what was
    packed at `ref`, or the version is a later one. Raises ConfigError where git knows no such commit."""
    from helmflow.providers.git_tree import GitTree

    folder = path.resolve()
    if not folder.is_dir():
        raise ConfigError(f"{path} is no folder: --since compares files", error_id="cli.usage")
    tree = GitTree.at(folder, ref)
    with tempfile.TemporaryDirectory(prefix="helmflow-since-") as before:
        tree.write(Path(before))
        then = Path(before) / folder.relative_to(tree.root)
        if not (then / "Chart.yaml").is_file():
            return ""
        try:
            old = load.load(then)
        except ChartError:
            return ""  # what did not load was never published
        new = load.load(folder)
    if _content(old) == _content(new):
        return ""
    was, now = old.metadata.version, new.metadata.version
    if semver.Version.parse(now).compare(semver.Version.parse(was)) > 0:
        return ""
    what = "is still" if now == was else f"went from {was} to"
    return f"the chart changed since {ref}, but its version {what} {now}: raise it"


def _content(chart: Chart) -> bytes:
    """What is packed, but for the version itself."""
    return package.archive(replace(chart, metadata=replace(chart.metadata, version="0.0.0")))[1]
