"""The lock file beside a state file: which version each repository chart was resolved to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass
from helmflow.core.source import Span
from helmflow.state.context import Context
from helmflow.state.reading import values_text


@dataclass(frozen=True, slots=True)
class LockFile:
    """Resolved dependencies in file order: (chart name, version)."""

    path: Path
    entries: tuple[tuple[str, str], ...]

    def version(self, chart: str, constraint: str, span: Span | None) -> str:
        """The first locked version of `chart` that satisfies `constraint`. Raises ConfigError `lock.missing`."""
        from helmflow.core.semver import Constraint, SemverError, Version

        try:
            wanted = Constraint.parse(constraint or "*")
        except SemverError:
            wanted = None
        for name, version in self.entries:
            if name != chart:
                continue
            if wanted is None:
                if version == constraint:
                    return version
                continue
            try:
                if wanted.check(Version.parse(version)):
                    return version
            except SemverError:
                continue
        raise ConfigError(
            f'no resolved dependency found for "{chart}", running "helmflow deps" may resolve the issue',
            error_id="lock.missing",
            span=span,
            hint=f"{self.path.name} has no version of {chart} that satisfies {constraint or '*'}",
        )


def path_of(state_file: Path, configured: str, base_dir: Path) -> Path:
    """Where the lock file of a state file is: `lockFilePath`, or its name with .lock instead of .yaml[.gotmpl]."""
    if configured:
        return base_dir / configured
    name = state_file.name.removesuffix(".gotmpl")
    for suffix in (".yaml", ".yml"):
        name = name.removesuffix(suffix)
    return state_file.with_name(f"{name}.lock")


def read(context: Context, path: Path) -> LockFile | None:
    """The lock file, None where there is none. Raises ConfigError `values.yaml`."""
    if not path.is_file():
        return None
    content: dict[str, Any] = values_text(context.read_text(path), str(path))
    entries = content.get("dependencies") or []
    found = [
        (str(entry.get("name", "")), str(entry.get("version", "")))
        for entry in entries
        if isinstance(entry, dict)
    ]
    return LockFile(path, tuple(found))
