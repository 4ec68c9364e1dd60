"""Chart.lock and charts/ of the local charts of releases, brought up to date as `helm dependency update` does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from helmflow.core.paths import cache_home
from helmflow.flows.session import Session
from helmflow.helm.chart import load, package
from helmflow.helm.chart.model import Chart
from helmflow.providers.charts import chart_lock, dependencies
from helmflow.providers.charts.dependency_source import aliases
from helmflow.providers.charts.fetch import ChartFetcher, local_path

if TYPE_CHECKING:
    from helmflow.state.model import DesiredState, Release


def local_charts(releases: tuple[Release, ...]) -> tuple[Path, ...]:
    """The folders of charts that lie beside the files, each once; what was fetched is never written to."""
    fetched = cache_home().resolve()
    found = (local_path(release.chart, release.base_dir) for release in releases)
    return tuple(
        dict.fromkeys(
            folder
            for folder in found
            if folder is not None
            and (folder / "Chart.yaml").is_file()
            and not folder.resolve().is_relative_to(fetched)
        )
    )


def update(
    session: Session, desired: DesiredState, folders: tuple[Path, ...], fetcher: ChartFetcher
) -> Iterator[Path]:
    """Update every chart, one after the other: one may be part of the next. Yields what was written.

    Raises ChartError; the chart it is about is as it was.
    """
    known = {**aliases(), **{one.name: one.url for one in desired.repositories}}
    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="helmflow-dependencies-")))
        for number, folder in enumerate(folders):
            session.cancel.check()
            before = _files(folder)
            chart_lock.update(folder, _Whole(fetcher, made / str(number)), known, lambda line: None)
            after = _files(folder)
            yield from (path for path in after if after[path] != before.get(path))


class _Whole:
    """Hands out folders as archives that have everything they depend on inside, so that charts/ is complete."""

    def __init__(self, fetcher: ChartFetcher, made: Path) -> None:
        self._fetcher = fetcher
        self._made = made

    def dependency(self, name: str, version: str, repository: str, base_dir: Path) -> Path:
        """The chart's folder or archive in the newest version that fits; raises ChartError."""
        where = self._fetcher.dependency(name, version, repository, base_dir)
        if not where.is_dir():
            return where
        chart = load.load(where)
        whole = dependencies.complete(chart, where, self._fetcher)
        return where if whole is chart else self._packed(whole)

    def _packed(self, chart: Chart) -> Path:
        name, content = package.archive(chart)
        self._made.mkdir(exist_ok=True)
        (self._made / name).write_bytes(content)
        return self._made / name


def _files(folder: Path) -> dict[Path, bytes]:
    """What an update may write."""
    locks = (folder / "Chart.lock", folder / "requirements.lock")
    archives = sorted((folder / "charts").glob("*.tgz"))
    return {path: path.read_bytes() for path in (*locks, *archives) if path.is_file()}
