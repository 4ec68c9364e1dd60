"""helmflow cache: what lies in the cache folder, and emptying it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from helmflow.core.errors import ConfigError
from helmflow.core.paths import cache_home
from helmflow.core.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRow:
    """One part of the cache: charts, remote files, compiled programs, discovery."""

    name: str
    files: int
    size: int


def info() -> tuple[Path, tuple[CacheRow, ...]]:
    """The cache folder and its parts, by name."""
    home = cache_home()
    parts = sorted(home.iterdir()) if home.is_dir() else []
    return home, tuple(_row(part) for part in parts)


def cleanup() -> tuple[Path, tuple[CacheRow, ...]]:
    """Delete what is in the cache folder, but not the folder; what was deleted."""
    home, rows = info()
    for row in rows:
        path = home / row.name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as cause:
            raise ConfigError(f"cannot delete {path}: {cause.strerror}", error_id="cache.cleanup") from cause
    return home, rows


def _row(part: Path) -> CacheRow:
    found = [part]
    if part.is_dir() and not part.is_symlink():
        found = [Path(folder, name) for folder, _, names in os.walk(part) for name in names]
    sizes = [path.lstat().st_size for path in found]
    return CacheRow(name=part.name, files=len(sizes), size=sum(sizes))
