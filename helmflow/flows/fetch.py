"""helmflow fetch: the charts of the releases as folders below an output folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from helmflow.core.errors import ChartError
from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, replace
from helmflow.flows import prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.providers.charts.fetch import FetchedChart
from helmflow.state import views
from helmflow.state.model import DesiredState, Presence, Release

if TYPE_CHECKING:
    from helmflow.helm.chart.model import ChartFile

# One folder per release, chart and version, so that two releases never share one.
DEFAULT_TEMPLATE: Final = (
    "{{ .OutputDir }}/{{ with .Release.Namespace }}{{ . }}/{{ end }}{{ with .Release.KubeContext }}{{ . }}/{{ end }}"
    '{{ .Release.Name }}/{{ base .Release.Chart }}/{{ .Release.Version | default "latest" }}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedRelease:
    """A release's chart on this disk. `unpacked` is False for a chart that is a local folder and stays there."""

    id: ReleaseId
    chart: str
    version: str
    path: Path
    unpacked: bool


def fetch(
    options: RunOptions,
    emit: Emit,
    output_dir: Path,
    template: str = "",
    given: Session | None = None,
) -> tuple[DesiredState, tuple[FetchedRelease, ...]]:
    """Unpack every wanted release's chart; the state that comes back names those folders as the charts.

    Raises ChartError for a chart that cannot be had or written.
    """
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "fetch")
        fetcher = prepare.fetcher(session, desired)
        done: dict[int, FetchedRelease] = {}
        for index, release in enumerate(desired.releases):
            if not release.selected or release.presence is not Presence.PRESENT:
                continue
            session.cancel.check()
            chart = fetcher.fetch(
                release.chart, release.version, release.base_dir, devel=bool(release.options.devel)
            )
            target = views.output_path(
                desired, release, template or DEFAULT_TEMPLATE, str(output_dir.absolute())
            )
            done[index] = _unpacked(release, chart, target)
        return _pointing_there(desired, done), tuple(done.values())


def _unpacked(release: Release, chart: FetchedChart, target: Path) -> FetchedRelease:
    if chart.path.is_dir():
        return FetchedRelease(
            id=release.id, chart=release.chart, version=release.version, path=chart.path, unpacked=False
        )
    from helmflow.helm.chart import archive, load

    data = chart.path.read_bytes()
    loaded = load.load_archive(data)
    folder = target / loaded.metadata.name
    try:
        for path, content in _members(archive.read(data), folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as cause:
        raise ChartError(f"cannot write {folder}: {cause.strerror}", error_id="chart.write") from cause
    return FetchedRelease(
        id=release.id, chart=release.chart, version=loaded.metadata.version, path=folder, unpacked=True
    )


def _members(files: list[ChartFile], folder: Path) -> Iterator[tuple[Path, bytes]]:
    """The archive's files; their names are clean already (no `..`, not absolute)."""
    for file in files:
        yield folder / file.name, file.data


def _pointing_there(desired: DesiredState, done: dict[int, FetchedRelease]) -> DesiredState:
    releases = list(desired.releases)
    for index, fetched in done.items():
        if fetched.unpacked:
            release = releases[index]
            spec = {key: value for key, value in release.spec.items() if key != "version"}
            releases[index] = replace(release, spec={**spec, "chart": str(fetched.path)})
    return replace(desired, releases=tuple(releases))
