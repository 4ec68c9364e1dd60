"""helmflow outdated and update: which charts have newer versions, and writing those into the files that name them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from helmflow.core import semver
from helmflow.core.errors import ChartError, ConfigError
from helmflow.core.events import Emit
from helmflow.core.records import dataclass
from helmflow.flows import deps, prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.state.model import DesiredState, Release

if TYPE_CHECKING:
    from helmflow.core.yaml_locate import Node
    from helmflow.providers.charts.fetch import ChartFetcher

_ACTION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# A version, or one behind ^ or ~: what can be written anew without guessing.
_SIMPLE: Final = re.compile(
    r"(?P<operator>[\^~]?) ?v?\d+(\.(\d+|[xX*])){0,2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdated:
    """One chart: what is used, the newest that its constraint allows, the newest there is.

    `owner` is the release, or the Chart.yaml that declares it as a dependency. `failure` where it could not be asked.
    """

    owner: str
    chart: str
    constraint: str
    current: str
    wanted: str
    latest: str
    failure: str = ""

    @property
    def behind(self) -> bool:
        """Whether there is something newer."""
        return not self.failure and self.latest not in ("", self.current)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One version that was written anew, or why it was not (`refused`)."""

    owner: str
    chart: str
    file: Path
    old: str
    new: str
    refused: str = ""


def outdated(options: RunOptions, emit: Emit, given: Session | None = None) -> list[Outdated]:
    """Every chart of the chosen releases that has versions, in the order of the files."""
    from helmflow.providers.charts import lock

    with session_for(options, emit, given) as session:
        locked = {release.id: release.version for release in prepare.load(session, "outdated").releases}
        digests = lock.read(prepare.root_folder(session) / lock.NAME)
    with session_for(deps.unlocked(options), emit, given) as session:
        desired = prepare.load(session, "outdated")
        for release in desired.releases:
            where = release.repository.url if release.repository is not None else ""
            pin = digests.find(release.chart, release.version, where) if digests is not None else None
            if pin is not None:
                locked[release.id] = pin.version
            elif not _is_version(locked.get(release.id, "")):
                locked.pop(release.id, None)  # nothing is locked: what would be used is what is wanted
        fetcher = prepare.fetcher(session, desired)
        return [row for _, row in _rows(desired, fetcher, locked)]


def _is_version(text: str) -> bool:
    try:
        semver.Version.parse_strict(text.removeprefix("v"))
    except ValueError:
        return False
    return True


def update(
    options: RunOptions,
    emit: Emit,
    names: tuple[str, ...],
    *,
    dry_run: bool = False,
    given: Session | None = None,
) -> list[Change]:
    """Write the newest versions into the state files and Chart.yaml; all else in them stays byte for byte."""
    with session_for(deps.unlocked(options), emit, given) as session:
        desired = prepare.load(session, "update")
        known = {release.name for release in desired.releases}
        for name in names:
            if name not in known:
                raise ConfigError(f"no release is called {name!r}", error_id="update.no-release")
        fetcher = prepare.fetcher(session, desired)
        texts: dict[Path, str] = {}
        changes = []
        for release, row in _rows(desired, fetcher, {}):
            if (names and release.name not in names) or not row.latest:
                continue
            change = _changed(desired, release, row, texts, session)
            if change is not None:
                changes.append(change)
        if not dry_run:
            for path in {change.file for change in changes if not change.refused}:
                try:
                    path.write_text(texts[path], encoding="utf-8", newline="")
                except OSError as cause:
                    raise ConfigError(
                        f"cannot write {path}: {cause.strerror}", error_id="update.write"
                    ) from cause
        return list(dict.fromkeys(changes))


def _rows(
    desired: DesiredState, fetcher: ChartFetcher, locked: dict[Any, str]
) -> Iterator[tuple[Release, Outdated]]:
    from helmflow.providers.charts.fetch import local_path

    for release in desired.releases:
        if not deps.wanted(release):
            continue
        folder = local_path(release.chart, release.base_dir)
        devel = bool(release.options.devel)
        if folder is None:
            asked = locked.get(release.id, "")
            yield release, _row(fetcher, release.name, release.chart, release.version, asked, devel=devel)
        elif folder.is_dir() and (folder / "Chart.yaml").is_file():
            yield from ((release, row) for row in _dependencies(fetcher, folder))


def _dependencies(fetcher: ChartFetcher, folder: Path) -> Iterator[Outdated]:
    from helmflow.helm.chart import load

    chart = load.load(folder)
    locks = {one.name: one.version for one in (chart.lock.dependencies if chart.lock else ())}
    for one in chart.metadata.declared:
        source = one.repository
        if source.startswith(("oci://", "@", "alias:")):
            name = source.removeprefix("@").removeprefix("alias:")
            yield _row(
                fetcher,
                str(folder / "Chart.yaml"),
                f"{name}/{one.name}",
                one.version,
                locks.get(one.name, ""),
            )
        elif source.startswith(("http://", "https://")):
            yield _row(
                fetcher,
                str(folder / "Chart.yaml"),
                one.name,
                one.version,
                locks.get(one.name, ""),
                url=source,
            )


def _row(
    fetcher: ChartFetcher,
    owner: str,
    chart: str,
    constraint: str,
    locked: str,
    *,
    devel: bool = False,
    url: str = "",
) -> Outdated:
    try:
        offered = fetcher.offered(chart, devel=devel, url=url)
    except ChartError as failure:
        return Outdated(
            owner=owner, chart=chart, constraint=constraint, current=locked or constraint, wanted="", latest="",
            failure=failure.message,
        )  # fmt: skip
    try:
        check = semver.Constraint.parse(constraint or "*")
        wanted = next((one for one in offered if check.check(semver.Version.parse(one))), "")
    except ValueError:
        wanted = ""
    latest = offered[0] if offered else ""
    return Outdated(
        owner=owner,
        chart=chart,
        constraint=constraint,
        current=locked or wanted,
        wanted=wanted,
        latest=latest,
    )


def _changed(
    desired: DesiredState, release: Release, row: Outdated, texts: dict[Path, str], session: Session
) -> Change | None:
    """The change for a row, applied to `texts`; None where the newest is asked for already."""
    if not row.constraint:
        return None  # no version is written: the newest is used anyway
    try:
        if semver.Constraint.parse(row.constraint).check(semver.Version.parse(row.latest)):
            return None
    except ValueError:
        return None
    in_chart = row.owner.endswith("Chart.yaml")
    path = Path(row.owner) if in_chart else _file_of(desired, release, session)
    simple = _SIMPLE.fullmatch(row.constraint)
    new = f"{simple['operator']}{row.latest}" if simple else ""
    why = ""
    if simple is None:
        why = f"{row.constraint!r} is a range of its own making"
    elif (offset := _place(path, texts, release, row, in_chart=in_chart)) is None:
        why = "its version is not written literally there"
    else:
        text = texts[path]
        texts[path] = text[:offset] + new + text[offset + len(row.constraint) :]
    return Change(owner=row.owner, chart=row.chart, file=path, old=row.constraint, new=new, refused=why)


def _file_of(desired: DesiredState, release: Release, session: Session) -> Path:
    cwd = session.options.state.cwd or Path.cwd()
    written = cwd / release.span.source.name if release.span else None
    return written if written is not None and written.is_file() else Path(desired.file_of(release).path)


def _place(
    path: Path, texts: dict[Path, str], release: Release, row: Outdated, *, in_chart: bool
) -> int | None:
    """Where the version's text begins in the file, None where it is not there as such."""
    from helmflow.core.source import SourceText
    from helmflow.core.yaml_locate import locate_all
    from helmflow.core.yaml_nodes import YamlError

    if path not in texts:
        with path.open(encoding="utf-8", newline="") as file:
            texts[path] = file.read()
    text = texts[path]
    # What templates write is not ours: actions become letters of the same length, lines of actions comments.
    masked = _ACTION.sub(lambda found: re.sub(r"[^\n]", "x", found[0]), text)
    masked = "\n".join(
        "#" * len(new) if old != new and not new.strip("x \r") else new
        for old, new in zip(text.split("\n"), masked.split("\n"), strict=True)
    )
    source = SourceText(str(path), text)
    try:
        roots = list(locate_all(masked, source))
    except YamlError:
        return None
    for root in roots:
        node = _version_node(root, release, row, in_chart=in_chart)
        if node is None:
            continue
        lines = text.split("\n")
        line = lines[node.span.line - 1]
        start = sum(len(one) + 1 for one in lines[: node.span.line - 1]) + line.find(
            row.constraint, node.span.column - 1
        )
        if text[start : start + len(row.constraint)] == row.constraint:
            return start
    return None


def _version_node(root: Node, release: Release, row: Outdated, *, in_chart: bool) -> Node | None:
    """The node of the version that belongs to a row, where it says what the row says."""
    listed = root.get("dependencies" if in_chart else "releases")
    name = row.chart.rpartition("/")[2] if in_chart else release.name
    for item in listed.items if listed is not None else ():
        named, version = item.get("name"), item.get("version")
        if named is None or named.text != name:
            continue
        if version is not None and version.text == row.constraint:
            return version
        for inherited in _templates(item):
            version = root.get("templates", inherited, "version")
            if version is not None and version.text == row.constraint:
                return version
    return None


def _templates(item: Node) -> list[str]:
    inherit = item.get("inherit")
    nodes = inherit.items if inherit is not None else ()
    return [one.text for node in nodes if (one := node.get("template")) is not None]
