"""A chart's charts/ folder and lock file: which dependency is there, resolved to which version, with Helm's digest."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from helmflow.core import go_json, semver, yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.core.go_json import go_quote
from helmflow.core.records import dataclass, replace
from helmflow.helm.chart import load, package, records
from helmflow.helm.chart.model import Chart, Dependency, Lock

Say = Callable[[str], None]
_ALIASES: Final = ("@", "alias:")


class Source(Protocol):
    """Where a dependency's archive comes from."""

    def dependency(self, name: str, version: str, repository: str, base_dir: Path) -> Path:
        """The chart's folder or archive in the newest version that fits; raises ChartError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One declared dependency and what charts/ has of it, in Helm's words: ok, missing, unpacked, wrong version..."""

    name: str
    version: str
    repository: str
    status: str


def digest(requirements: Iterable[Dependency], locked: Iterable[Dependency]) -> str:
    """Helm's digest of what is declared (repositories as URLs) and what it was resolved to."""
    return _sha256(f"[{_json(requirements)},{_json(locked)}]")


def helm_2_digest(requirements: Iterable[Dependency]) -> str:
    """What Helm 2 wrote into requirements.lock."""
    return _sha256(f'{{"dependencies":{_json(requirements)}}}')


def listing(path: Path) -> tuple[Status, ...]:
    """Every declared dependency of the chart at `path`. Raises ChartError where it does not load."""
    chart = load.load(path)
    return tuple(
        Status(
            name=one.name,
            version=one.version,
            repository=one.repository,
            status=_status(path, one, chart),
        )
        for one in chart.metadata.declared
    )


def undeclared(path: Path, declared: Sequence[Status]) -> Iterator[str]:
    """Helm's warnings about what is in charts/ besides."""
    names = {one.name for one in declared}
    for entry in sorted((path / "charts").glob("*")):
        if not entry.is_dir() and entry.suffix != ".tgz":
            continue
        try:
            found = load.load(entry)
        except ChartError:
            yield f"WARNING: {go_quote(str(entry))} is not a chart."
        else:
            if found.name not in names:
                yield f"WARNING: {go_quote(str(entry))} is not in Chart.yaml."


def update(path: Path, source: Source, aliases: Mapping[str, str], say: Say) -> None:
    """Fetch the newest version of every dependency that fits into charts/, and write the lock where it changed.

    `aliases`: URLs of the repositories that may be named @NAME. Raises ChartError; charts/ then is as it was.
    """
    chart = _folder(path)
    if not chart.metadata.dependencies:
        return
    lock_path = _lock_path(path, chart)
    _require_plain(lock_path)
    declared = _by_url(chart.metadata.declared, aliases)
    locked = _fetch(path, chart, chart.metadata.declared, source, say)
    pinned = tuple(
        Dependency(name=one.name, version=version, repository=one.repository)
        for one, version in zip(declared, locked, strict=True)
    )
    found = digest(declared, pinned)
    if chart.lock is not None and chart.lock.digest == found:
        return
    _write_lock(lock_path, Lock(generated=_now(), digest=found, dependencies=pinned))


def build(path: Path, source: Source, aliases: Mapping[str, str], say: Say) -> None:
    """Fetch exactly what the lock file names into charts/; without one, `update`. Raises ChartError where the lock is
    not that of the declared dependencies."""
    chart = _folder(path)
    if chart.lock is None:
        update(path, source, aliases, say)
        return
    declared = _by_url(chart.metadata.declared, aliases)
    if digest(declared, chart.lock.dependencies) != chart.lock.digest:
        is_old = chart.metadata.api_version == "v1"
        if not is_old or helm_2_digest(chart.metadata.declared) != chart.lock.digest:
            files = ("requirements.lock", "requirements.yaml") if is_old else ("Chart.lock", "Chart.yaml")
            raise ChartError(
                f"the lock file ({files[0]}) is out of sync with the dependencies file ({files[1]}). "
                "Please update the dependencies",
                error_id="chart.lock-mismatch",
                hint=f"helmflow chart dependency update {path}",
            )
    _fetch(path, chart, chart.lock.dependencies, source, say)


def _fetch(
    path: Path, chart: Chart, wanted: Sequence[Dependency], source: Source, say: Say
) -> tuple[str, ...]:
    """Put every wanted dependency into charts/; their versions. Nothing changes before all of them are at hand."""
    charts = path / "charts"
    if charts.exists() and not charts.is_dir():
        raise ChartError(f"{go_quote(str(charts))} is not a directory", error_id="chart.write")
    say(f"Saving {len(wanted)} charts")
    files: dict[str, bytes] = {}
    versions: list[str] = []
    local: set[str] = set()
    for one in wanted:
        if not one.repository:
            say(
                f"Dependency {one.name} did not declare a repository. Assuming it exists in the charts directory"
            )
            local.add(one.name)
            versions.append(_in_charts(path, one))
            continue
        if not one.repository.startswith("file://"):
            say(f"Downloading {one.name} from repo {one.repository}")
        where = source.dependency(one.name, one.version, one.repository, path)
        loaded = load.load(where)
        _require_fit(one, loaded, path)
        name, content = package.archive(loaded)
        files[name] = where.read_bytes() if where.is_file() else content
        versions.append(loaded.metadata.version)
    try:
        charts.mkdir(exist_ok=True)
        for name, content in files.items():
            _publish(charts / name, content)
        say("Deleting outdated charts")
        _delete_outdated(charts, set(files), local, say)
    except OSError as cause:
        raise ChartError(f"cannot write {charts}: {cause.strerror}", error_id="chart.write") from cause
    return tuple(versions)


def _require_fit(wanted: Dependency, found: Chart, path: Path) -> None:
    if found.metadata.name != wanted.name:
        raise ChartError(
            f"the dependency {wanted.name!r} of {path} is a chart called {found.metadata.name!r}",
            error_id="chart.dependency-name",
        )
    try:
        fits = semver.Constraint.parse(wanted.version or "*").check(
            semver.Version.parse(found.metadata.version)
        )
    except ValueError as cause:
        raise ChartError(
            f"dependency {go_quote(wanted.name)} has an invalid version/constraint format: {cause}",
            error_id="chart.bad-version-range",
        ) from cause
    if not fits and wanted.version != found.metadata.version:
        raise ChartError(
            f"can't get a valid version for dependency {wanted.name}: {found.metadata.version} is not in "
            f"{wanted.version}. Try changing the version constraint in Chart.yaml",
            error_id="chart.no-such-version",
        )


def _in_charts(path: Path, wanted: Dependency) -> str:
    """The declared version of a dependency that lives in charts/, if what is there fits it."""
    folder = path / "charts" / wanted.name
    try:
        found = load.load(folder)
    except ChartError as cause:
        raise ChartError(
            f"unable to load chart '{folder}': {cause.message}", error_id=cause.error_id, hint=cause.hint
        ) from cause
    _require_fit(wanted, found, path)
    return wanted.version


def _delete_outdated(charts: Path, kept: set[str], local: set[str], say: Say) -> None:
    """Archives that are no dependency's any more; folders and files that are no charts stay."""
    for entry in sorted(charts.iterdir()):
        if entry.name in kept or entry.suffix != ".tgz" or not entry.is_file():
            continue
        try:
            found = load.load(entry)
        except ChartError as cause:
            say(f"Could not verify {entry} for deletion: {cause.message} (Skipping)")
            continue
        if found.name not in local:
            entry.unlink()


def _status(path: Path, wanted: Dependency, parent: Chart) -> str:
    archives = sorted((path / "charts").glob(f"{_literal(wanted.name)}-*.tgz"))
    if len(archives) > 1:
        archives = [one for one in archives if _is_version(one.name[len(wanted.name) + 1 : -len(".tgz")])]
        if len(archives) > 1:
            return "too many matches"
    for archive in archives:
        try:
            found = load.load(archive)
        except ChartError:
            return "corrupt"
        if found.name != wanted.name:
            return "misnamed"
        return _version_status(wanted, found) or "ok"
    inside = next((one for one in parent.dependencies if one.name == wanted.name), None)
    if inside is None:
        return "missing"
    return _version_status(wanted, inside) or "unpacked"


def _version_status(wanted: Dependency, found: Chart) -> str:
    if found.metadata.version == wanted.version:
        return ""
    try:
        fits = semver.Constraint.parse(wanted.version).check(semver.Version.parse(found.metadata.version))
    except ValueError:
        return "invalid version"
    return "" if fits else "wrong version"


def _is_version(text: str) -> bool:
    try:
        semver.Version.parse_strict(text)
    except ValueError:
        return False
    return True


def _literal(name: str) -> str:
    """A name inside a glob pattern."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def _by_url(declared: Iterable[Dependency], aliases: Mapping[str, str]) -> tuple[Dependency, ...]:
    """The dependencies with @NAME and alias:NAME resolved: that is how Helm hashes and locks them."""
    found = []
    for one in declared:
        for prefix in _ALIASES:
            if one.repository.startswith(prefix):
                name = one.repository.removeprefix(prefix)
                if name not in aliases:
                    raise ChartError(
                        f"no repository definition for {one.repository}. Please add the missing repos via 'helm repo add'",
                        error_id="chart.unknown-repository",
                        hint=f"helmflow repo add {name} URL",
                    )
                one = replace(one, repository=aliases[name])
        found.append(one)
    return tuple(found)


def _folder(path: Path) -> Chart:
    if not path.exists():
        raise ChartError(f"could not find {path}", error_id="chart.not-found")
    if not path.is_dir():
        raise ChartError("only unpacked charts can be updated", error_id="chart.not-a-folder")
    return load.load(path)


def _lock_path(path: Path, chart: Chart) -> Path:
    return path / ("requirements.lock" if chart.metadata.api_version == "v1" else "Chart.lock")


def _require_plain(path: Path) -> None:
    """A lock file that leads elsewhere would be written there (CVE-2025-53547)."""
    if path.is_symlink():
        raise ChartError(
            f"the {path.name} file is a symlink to {go_quote(os.readlink(path))}",
            error_id="chart.lock-symlink",
            hint="delete the link; the lock file is written by this command",
        )
    if path.exists() and not path.is_file():
        raise ChartError(f"{path} is no file", error_id="chart.lock-symlink")


def _write_lock(path: Path, lock: Lock) -> None:
    _require_plain(path)
    try:
        _publish(path, yaml_dialect.dump(records.lock(lock)).encode())
    except OSError as cause:
        raise ChartError(f"cannot write {path}: {cause.strerror}", error_id="chart.write") from cause


def _publish(path: Path, content: bytes) -> None:
    """All of it or nothing; a link at the place is replaced, never followed."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _json(dependencies: Iterable[Dependency]) -> str:
    """The dependencies as Go writes them: fields in its order, not by name."""
    texts = []
    for one in dependencies:
        fields = (records.dependency(one) or {}).items()
        texts.append("{" + ",".join(f'"{key}":{go_json.dumps(value)}' for key, value in fields) + "}")
    return f"[{','.join(texts)}]"


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
