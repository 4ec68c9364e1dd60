"""helmflow vendor: everything a state file needs from elsewhere in one folder, for sites without a network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from helmflow.core.errors import ConfigError
from helmflow.core.events import Emit
from helmflow.core.records import dataclass
from helmflow.flows import deps, prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.helm.chart import load
from helmflow.providers.charts import dependencies
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.values.remote import RemoteFiles

if TYPE_CHECKING:
    from helmflow.providers.charts.fetch import ChartFetcher, FetchedChart
    from helmflow.state.model import DesiredState


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendored:
    """What lies in the folder now."""

    folder: Path
    charts: int
    size: int


def vendor(options: RunOptions, emit: Emit, given: Session | None = None) -> Vendored:
    """Fetch every chart, dependency and remote file into `helmflow-vendor/`; the folder is replaced as a whole.

    Afterwards the same files work with --offline, on any machine that has the folder beside them.
    """
    from helmflow.providers.charts import repository

    with session_for(options, emit, given) as session:
        recorded = prepare.chart_cache(session)
        desired = prepare.load(session, "vendor")
        fetcher = prepare.fetcher(session, desired)
        deps.fetch_all(session, desired, fetcher)
        _signatures(desired, fetcher)
        _remote_values(session, desired, recorded)
        prepare.check_locked(session, fetcher)
        folder = prepare.vendor_folder(session)
        partial = folder.with_name(f".{folder.name}.partial")
        try:
            if partial.is_symlink():  # it would be written through
                partial.unlink()
            shutil.rmtree(partial, ignore_errors=True)
            made = ChartCache(partial)
            names = frozenset(one.chart.rpartition("/")[2] for one in fetcher.resolutions.values())
            for key in sorted(recorded.used_documents):
                if (document := recorded.document(key)) is not None:
                    made.add_document(key, repository.only(document, names))
            for key, note in sorted(recorded.used_notes.items()):
                made.add_note(key, note)
            for digest in sorted(recorded.used_blobs):
                if (blob := recorded.blob(digest)) is not None:
                    made.add_blob(blob.read_bytes())
            partial.mkdir(exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
        except OSError as cause:
            raise ConfigError(f"cannot write {folder}: {cause.strerror}", error_id="vendor.write") from cause
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return Vendored(folder=folder, charts=len(fetcher.resolutions), size=size)


def _signatures(desired: DesiredState, fetcher: ChartFetcher) -> None:
    """Bring what is beside charts that have to be signed."""
    for release in desired.releases:
        repository = release.repository
        asks = release.options.verify or (repository is not None and repository.verify)
        if deps.wanted(release) and (asks or release.options.cosign_key):
            for chart, version, base_dir, devel in deps.charts_of(release):
                _bring(fetcher, chart, fetcher.fetch(chart, version, base_dir, devel=devel))


def _bring(fetcher: ChartFetcher, name: str, fetched: FetchedChart) -> None:
    if not fetched.commit:
        fetcher.provenance(fetched)
        fetcher.signatures(fetched)
        return
    fetcher.git_source(name, fetched)
    if (fetched.path / "Chart.yaml").is_file():
        dependencies.complete(load.load(fetched.path), fetched.path, _Bringing(fetcher))


@dataclass(frozen=True, slots=True)
class _Bringing:
    """Hands out dependencies and brings what is beside them."""

    fetcher: ChartFetcher

    def dependency(self, name: str, version: str, repository: str, base_dir: Path) -> Path:
        """The chart's folder or archive; raises ChartError."""
        fetched = self.fetcher.fetch_dependency(name, version, repository, base_dir)
        _bring(self.fetcher, name, fetched)
        return fetched.path


def _remote_values(session: Session, desired: DesiredState, recorded: ChartCache) -> None:
    """Bring the values files that releases take from URLs."""
    remote = RemoteFiles(recorded, offline=session.options.render.offline)
    for release in desired.releases:
        if not deps.wanted(release):
            continue
        for entry in (*release.sources.values, *release.sources.secrets):
            if isinstance(entry, str) and ("://" in entry or "::" in entry):
                remote.locate(entry, release.base_dir)
