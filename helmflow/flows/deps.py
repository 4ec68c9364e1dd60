"""helmflow deps: resolve the chart versions of the files and write the lock file beside each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from helmflow.core.errors import ConfigError
from helmflow.core.events import Emit
from helmflow.flows import prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.state.model import DesiredState, Presence, StateFileView

if TYPE_CHECKING:
    from helmflow.providers.charts.fetch import ChartFetcher

LOCK_VERSION: Final = "v1.7.4"  # the Helmfile whose format this is


def deps(options: RunOptions, emit: Emit, given: Session | None = None) -> Iterator[Path]:
    """Write every state file's lock; yields the files that were written. Releases without a repository have no entry."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "deps")
        fetcher = prepare.fetcher(session, desired)
        for file in desired.files:
            entries = _entries(desired, file, fetcher)
            if entries:
                path = _lock_path(file)
                _write(path, entries, session)
                yield path


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


def _write(path: Path, entries: list[dict[str, str]], session: Session) -> None:
    from helmflow.core import yaml_dialect

    digest = hashlib.sha256(json.dumps(entries, separators=(",", ":")).encode()).hexdigest()
    document = {
        "version": LOCK_VERSION,
        "dependencies": entries,
        "digest": f"sha256:{digest}",
        "generated": session.clock.now().isoformat(),
    }
    try:
        path.write_text(yaml_dialect.dump(document), encoding="utf-8")
    except OSError as cause:
        raise ConfigError(f"cannot write {path}: {cause.strerror}", error_id="lock.write") from cause
