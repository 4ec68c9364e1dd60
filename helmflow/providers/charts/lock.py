"""helmflow.lock: what every remote chart was resolved to, with the digest of its content, and what differs from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass, field, replace

NAME: Final = "helmflow.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """One remote chart as it was asked for, and what it turned out to be.

    `chart` as the file writes it; `constraint` the version that was asked for; `repository` the URL behind a name;
    `digest` of the archive, of the manifest (OCI), or of the tree (git, which has its `commit` too).
    """

    chart: str
    constraint: str = ""
    repository: str = ""
    version: str = ""
    digest: str = ""
    commit: str = ""
    environments: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What was asked for."""
        return self.chart, self.constraint, self.repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A chart that is not what the lock says, in words."""

    chart: str
    what: str
    locked: str
    found: str


@dataclass(frozen=True, slots=True)
class Lock:
    """The content of helmflow.lock."""

    path: Path
    charts: tuple[Resolution, ...] = ()
    rest: Mapping[str, Any] = field(default_factory=dict)

    def find(self, chart: str, asked: str, repository: str) -> Resolution | None:
        """The entry for a chart: by the constraint that was asked for, or the version that it was resolved to."""
        for one in self.charts:
            if (one.chart, one.repository) == (chart, repository) and one.constraint == asked:
                return one
        return next(
            (
                one
                for one in self.charts
                if (one.chart, one.repository, one.version) == (chart, repository, asked)
            ),
            None,
        )

    def differences(self, found: Iterable[Resolution]) -> list[Difference]:
        """Everything that is not exactly as locked, sorted by chart."""
        out: list[Difference] = []
        for one in sorted(found, key=lambda resolution: resolution.key):
            locked = self.find(one.chart, one.constraint, one.repository)
            if locked is None:
                others = [each for each in self.charts if each.chart == one.chart]
                was = ", ".join(sorted({each.constraint or each.version for each in others})) or "-"
                out.append(
                    Difference(
                        chart=one.chart, what="not locked", locked=was, found=one.constraint or one.version
                    )
                )
                continue
            out.extend(
                Difference(chart=one.chart, what=what, locked=was or "-", found=now or "-")
                for what, was, now in (
                    ("version", locked.version, one.version),
                    ("commit", locked.commit, one.commit),
                    ("digest", locked.digest, one.digest),
                )
                if was != now
            )
        return out

    def merged(self, found: Iterable[Resolution], environment: str) -> Lock:
        """The lock after `environment` was resolved anew; what only other environments use stays."""
        kept = {
            one.key: replace(one, environments=rest)
            for one in self.charts
            if (rest := tuple(name for name in one.environments if name != environment))
        }
        for one in found:
            before = kept.get(one.key)
            names = {environment, *(before.environments if before else ())}
            kept[one.key] = replace(one, environments=tuple(sorted(names)))
        return replace(self, charts=tuple(kept[key] for key in sorted(kept)))


def read(path: Path) -> Lock | None:
    """The lock at `path`; None where there is none or it holds no digests. Raises ConfigError `lock.malformed`."""
    from helmflow.core import yaml_dialect
    from helmflow.core.limits import MAX_STATE_FILE_BYTES

    if path.is_symlink() or not path.is_file():
        if path.is_symlink() or path.is_dir():
            raise ConfigError(f"{path} is no regular file", error_id="lock.malformed", hint="remove it")
        return None
    try:
        if path.stat().st_size > MAX_STATE_FILE_BYTES:
            raise ValueError("it is too large")
        document = yaml_dialect.load_native(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("it is no map")
        if "charts" not in document:
            return None
        charts = tuple(_entry(one) for one in document["charts"] or ())
    except (ValueError, OSError) as cause:
        raise ConfigError(
            f"{path} cannot be read: {cause}",
            error_id="lock.malformed",
            hint="`helmflow deps` writes it anew",
        ) from cause
    return Lock(path, charts, {key: value for key, value in document.items() if key != "charts"})


def entries(lock: Lock) -> list[dict[str, Any]]:
    """The charts as the file has them: without what is empty."""
    return [
        {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(one).items()
            if value
        }
        for one in lock.charts
    ]


def _entry(written: Any) -> Resolution:
    if not isinstance(written, dict) or not isinstance(written.get("chart"), str):
        raise ValueError("an entry of charts names no chart")
    known = {
        name: written.get(name, "") for name in ("constraint", "repository", "version", "digest", "commit")
    }
    if any(not isinstance(value, str) for value in known.values()):
        raise ValueError(f"the entry of {written['chart']} has a field that is no text")
    names = written.get("environments") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"the entry of {written['chart']} has environments that are no list of names")
    return Resolution(chart=written["chart"], environments=tuple(names), **known)
