"""helmflow search: charts of the known repositories by words, found and ranked as Helm does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cmp_to_key
from typing import Any

from helmflow.core import semver
from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass
from helmflow.providers.charts.fetch import ChartFetcher
from helmflow.providers.charts.repository import IndexEntry
from helmflow.state.model import Repository

_THRESHOLD = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One chart version that matches; a lower score is a better match."""

    name: str
    entry: IndexEntry
    score: int


def search(
    repositories: Iterable[Repository],
    fetcher: ChartFetcher,
    words: str,
    *,
    regexp: bool = False,
    versions: bool = False,
    devel: bool = False,
    version: str = "",
) -> list[Found]:
    """Best match first. Raises ConfigError for an expression or range that is none."""
    try:
        allowed = semver.Constraint.parse(version or (">0.0.0-0" if devel else ">0.0.0"))
    except ValueError as cause:
        raise ConfigError(
            f"an invalid version/constraint format: {cause}", error_id="chart.bad-version-range"
        ) from cause
    matches = _matcher(words, regexp=regexp)
    found = []
    for repository in repositories:
        if repository.oci:
            continue
        index = fetcher.index(repository)
        for chart in index.charts:
            name = f"{repository.name}/{chart}"
            for entry in index.charts[chart]:
                if not allowed.check(semver.Version.parse(entry.version)):
                    continue
                line = "\v".join((chart, name, entry.description, " ".join(entry.keywords)))
                at = matches(line)
                score = _score(at, line if regexp else line.lower())
                if at >= 0 and score < _THRESHOLD:
                    found.append(Found(name=name, entry=entry, score=score if words else 0))
                if not versions:
                    break  # only the newest that is allowed counts
    return sorted(found, key=cmp_to_key(_order))


def _matcher(words: str, *, regexp: bool) -> Callable[[str], int]:
    if not regexp:
        wanted = words.lower()
        return lambda line: line.lower().find(wanted)
    import re2

    try:
        expression: Any = re2.compile(words)  # type: ignore[no-untyped-call]
    except re2.error as cause:
        raise ConfigError(
            f"{words!r} is no regular expression: {cause}", error_id="search.bad-regexp"
        ) from cause

    def at(line: str) -> int:
        match = expression.search(line)
        return match.start() if match else -1

    return at


def _score(at: int, line: str) -> int:
    """Which field of the line the match is in: 0 the chart's name, 1 its full name, 2 the description, 3 keywords."""
    return line.count("\v", 0, max(at, 0))


def _order(left: Found, right: Found) -> int:
    if (left.score, left.name) != (right.score, right.name):
        return -1 if (left.score, left.name) < (right.score, right.name) else 1
    return semver.Version.parse(right.entry.version).compare(semver.Version.parse(left.entry.version))
