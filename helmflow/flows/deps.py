"""helmflow deps: resolve every chart of the files anew and write all lock files: those of local charts, Helmfile's, helmflow.lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.errors import ConfigError
from helmflow.core.events import Emit
from helmflow.core.records import replace
from helmflow.flows import prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.state.model import DesiredState, Presence, Release, StateFileView

if TYPE_CHECKING:
    from helmflow.providers.charts.fetch import ChartFetcher
    from helmflow.providers.charts.lock import Lock

LOCK_VERSION: Final = "v1.7.4"  # the Helmfile whose format this is
WORKERS: Final = 16


def unlocked(options: RunOptions) -> RunOptions:
    """The same options for a flow that looks past the lock files."""
    return replace(options, render=replace(options.render, use_lock=False, locked=False))


def deps(
    options: RunOptions, emit: Emit, given: Session | None = None, *, update_charts: bool = True
) -> Iterator[Path]:
    """Write every state file's lock, then helmflow.lock; yields the files that were written.

    `update_charts`: Chart.lock and charts/ of local charts first; files that are not trusted never name what is written.
    """
    from helmflow.flows import chart_updates
    from helmflow.providers.charts import lock

    with session_for(unlocked(options), emit, given) as session:
        desired = prepare.load(session, "deps")
        fetcher = prepare.fetcher(session, desired)
        if update_charts and not session.options.state.untrusted:
            folders = chart_updates.local_charts(tuple(filter(wanted, desired.releases)))
            yield from chart_updates.update(session, desired, folders, fetcher)
        fetch_all(session, desired, fetcher)
        path = prepare.root_folder(session) / lock.NAME
        known = lock.read(path) or lock.Lock(path)
        made = known.merged(fetcher.resolutions.values(), desired.environment)
        rest: Mapping[str, Any] = {}
        for file in desired.files:
            entries = _entries(desired, file, fetcher)
            if not entries:
                continue
            document = _document(entries, session)
            if _lock_path(file) == path:
                rest = document  # helmflow.yaml: one file is both
                continue
            write(_lock_path(file), document)
            yield _lock_path(file)
        if made.charts or path.is_file():
            _write_digests(path, replace(made, rest=rest), session)
            yield path


def fetch_all(session: Session, desired: DesiredState, fetcher: ChartFetcher) -> None:
    """Fetch the chart of every release that is wanted, with what it depends on; each once."""
    from helmflow.helm.chart import load
    from helmflow.providers.charts import dependencies

    def fetch(asked: tuple[str, str, Path, bool]) -> None:
        session.cancel.check()
        chart, version, base_dir, devel = asked
        found = fetcher.fetch(chart, version, base_dir, devel=devel)
        if found.path.is_dir() and not (found.path / "Chart.yaml").is_file():
            return  # a folder of manifests depends on nothing
        dependencies.complete(load.load(found.path), found.path, fetcher)

    asked = dict.fromkeys(
        one for release in desired.releases if wanted(release) for one in charts_of(release)
    )
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(fetch, asked))


def wanted(release: Release) -> bool:
    """Whether a release has a chart that matters."""
    return release.selected and release.presence is Presence.PRESENT


def charts_of(release: Release) -> Iterator[tuple[str, str, Path, bool]]:
    """What a release fetches, as a fetcher is asked: its chart, then those it adds as dependencies."""
    yield release.chart, release.version, release.base_dir, bool(release.options.devel)
    for extra in release.patches.dependencies:
        yield extra.get("chart", ""), extra.get("version", ""), release.base_dir, False


def _entries(desired: DesiredState, file: StateFileView, fetcher: ChartFetcher) -> list[dict[str, str]]:
    """One entry per chart and version, sorted as Helmfile sorts them."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for index in file.releases:
        release = desired.releases[index]
        if release.presence is Presence.DISABLED or release.repository is None or release.repository.oci:
            continue
        entry = fetcher.entry(release.chart, release.version, devel=bool(release.options.devel))
        row = {"name": entry.name, "repository": release.repository.url, "version": entry.version}
        found[(row["name"], row["repository"], row["version"])] = row
    return [found[key] for key in sorted(found)]


def _lock_path(file: StateFileView) -> Path:
    if file.lock_file is not None:
        return file.lock_file
    name = Path(file.path).name
    for suffix in (".gotmpl", ".yaml", ".yml"):
        name = name.removesuffix(suffix)
    return file.base_dir / f"{name}.lock"


def _document(entries: list[dict[str, str]], session: Session) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps(entries, separators=(",", ":")).encode()).hexdigest()
    return {
        "version": LOCK_VERSION,
        "dependencies": entries,
        "digest": f"sha256:{digest}",
        "generated": session.clock.now().isoformat(),
    }


def _write_digests(path: Path, made: Lock, session: Session) -> None:
    from helmflow.providers.charts import lock

    rest = dict(made.rest) or {"version": LOCK_VERSION, "generated": session.clock.now().isoformat()}
    write(path, {**rest, "charts": lock.entries(made)})


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write a lock file whole or not at all. A link is not followed: it could lead anywhere."""
    from helmflow.core import yaml_dialect

    if path.is_symlink():
        raise ConfigError(
            f"{path} is a symbolic link", error_id="lock.write", hint="remove it: lock files are never links"
        )
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # of a run that died, or a link as well
        with partial.open("x", encoding="utf-8") as file:
            file.write(yaml_dialect.dump(dict(document)))
        partial.replace(path)
    except OSError as cause:
        raise ConfigError(f"cannot write {path}: {cause.strerror}", error_id="lock.write") from cause
