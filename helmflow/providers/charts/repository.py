"""Charts from an index.yaml repository: the index, its compact cache, and which version satisfies a range."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from helmflow.core import limits, semver
from helmflow.core.errors import ChartError
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.http import Answer, Credentials, HttpSession

INDEX_FORMAT: Final = 2  # of the compact form in the cache; another number is not read


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One version of a chart in a repository. `digest` is a sha256 in hex or ""; `url` is absolute."""

    name: str
    version: str
    url: str
    digest: str = ""
    app_version: str = ""
    description: str = ""
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """What a repository offers: entries per chart name, newest first. `cached`: the server said "not modified"."""

    url: str
    charts: Mapping[str, tuple[IndexEntry, ...]]
    cached: bool

    def find(self, chart: str, version: str, *, devel: bool = False) -> IndexEntry:
        """Helm's choice: the exact version text, else the newest that satisfies the range ("" is any release)."""
        entries = self.charts.get(chart)
        if not entries:
            near = get_close_matches(chart, self.charts, n=1)
            raise ChartError(
                f"chart {chart!r} is not in the repository {self.url}",
                error_id="chart.not-in-repository",
                hint=f"did you mean {near[0]!r}?"
                if near
                else f"the repository has {len(self.charts)} charts",
            )
        for entry in entries:
            if entry.version == version:
                return entry
        wanted = version or (">0.0.0-0" if devel else "*")
        try:
            constraint = semver.Constraint.parse(wanted)
        except ValueError as cause:
            raise ChartError(
                f"chart {chart!r}: {version!r} is not a version or a range: {cause}",
                error_id="chart.bad-version-range",
            ) from cause
        for entry in entries:
            if constraint.check(semver.Version.parse(entry.version)):
                return entry
        offered = ", ".join(entry.version for entry in entries[:5])
        raise ChartError(
            f"no version of chart {chart!r} in {self.url} satisfies {wanted!r}",
            error_id="chart.no-such-version",
            hint=f"the newest are {offered}" + ("; pre-releases need devel: true" if not version else ""),
        )


class RepositoryClient:
    """Reads repositories: one conditional index request per repository and run, each archive at most once.

    Thread-safe: the first caller for a repository fetches its index, the others wait for it. Without `refresh` an
    index in the cache is not asked about again; `offline` asks for nothing at all.
    """

    def __init__(
        self, session: HttpSession, cache: ChartCache, *, offline: bool = False, refresh: bool = True
    ) -> None:
        self._session = session
        self._cache = cache
        self._offline = offline
        self._refresh = refresh
        self._indexes: dict[str, Index] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def index(self, url: str, credentials: Credentials) -> Index:
        """The repository's index, from the server or, unchanged, from the cache."""
        with self._guard:
            lock = self._locks.setdefault(url, threading.Lock())
        with lock:
            if url not in self._indexes:
                self._indexes[url] = self._read_index(url, credentials)
            return self._indexes[url]

    def archive(self, url: str, digest: str, credentials: Credentials) -> tuple[str, Any, bool]:
        """A chart archive: its sha256, its file, and whether it was in the cache already.

        With a `digest` anything else is refused; without one the server is asked whether its file changed.
        """
        if digest:
            found = self._cache.blob(digest)
            if found is not None:
                return digest, found, True
        key = f"archive {url}"
        note = {} if digest else (self._cache.note(key) or {})
        known = self._cache.blob(str(note.get("digest", ""))) if note else None
        if self._offline:
            if known is not None:
                return str(note["digest"]), known, True
            raise ChartError(
                f"{url} is not in the cache and --offline forbids fetching it",
                error_id="chart.offline",
                hint="run once without --offline",
            )
        answer = self._session.get(
            url,
            max_bytes=limits.MAX_CHART_BYTES,
            credentials=credentials,
            headers=_conditions(note) if known is not None else None,
        )
        if answer.status == 304 and known is not None:
            return str(note["digest"]), known, True
        _require_ok(answer, f"cannot fetch {url}")
        got, path = self._cache.add_blob(answer.body)
        if digest and got != digest:
            path.unlink(missing_ok=True)
            raise ChartError(
                f"{url} has sha256 {got}, its repository's index promises {digest}",
                error_id="chart.digest-mismatch",
                hint="the archive was replaced after it was indexed, or altered on the way; nothing was used",
            )
        if not digest:
            self._cache.add_note(key, {"digest": got, **_validators(answer)})
        return got, path, False

    def _read_index(self, url: str, credentials: Credentials) -> Index:
        key = f"index {url}"
        note = self._cache.note(key)
        if note is not None and note.get("format") != INDEX_FORMAT:
            note = None
        if self._offline:
            if note is None:
                raise ChartError(
                    f"the index of {url} is not in the cache and --offline forbids fetching it",
                    error_id="chart.offline",
                    hint="run `helmflow repos` once without --offline",
                )
            return _expand(url, note, cached=True)
        if note is not None and not self._refresh:
            return _expand(url, note, cached=True)
        address = url.rstrip("/") + "/index.yaml"
        answer = self._session.get(
            address,
            max_bytes=limits.MAX_INDEX_BYTES,
            credentials=credentials,
            headers=_conditions(note) if note else None,
        )
        if answer.status == 304 and note is not None:
            return _expand(url, note, cached=True)
        _require_ok(answer, f"cannot read the index of {url}")
        compact = {"format": INDEX_FORMAT, "charts": parse_index(answer.body, url), **_validators(answer)}
        self._cache.add_note(key, compact)
        return _expand(url, compact, cached=False)


def parse_index(content: bytes, url: str) -> dict[str, list[list[Any]]]:
    """An index.yaml as compact rows per chart, newest first: the fields of IndexEntry after its name.

    Entries that Helm would skip (no version, not a semantic version) are left out. Raises ChartError.
    """
    from helmflow.core import yaml_dialect

    try:
        document = yaml_dialect.load(content, name=f"{url}/index.yaml")
    except ValueError as cause:
        raise ChartError(
            f"the index of {url} cannot be read: {cause}",
            error_id="repository.bad-index",
            hint="does the address end at the folder that holds index.yaml?",
        ) from cause
    if not isinstance(document, dict) or not document.get("apiVersion"):
        raise ChartError(
            f"the index of {url} is no repository index: it has no apiVersion",
            error_id="repository.bad-index",
            hint="does the address end at the folder that holds index.yaml?",
        )
    entries = document.get("entries") or {}
    if not isinstance(entries, dict):
        raise ChartError(f"the index of {url} has no map of entries", error_id="repository.bad-index")
    charts: dict[str, list[list[Any]]] = {}
    for name, versions in entries.items():
        rows = [row for item in versions or [] if (row := _row(item, url)) is not None]
        rows.sort(key=lambda row: semver.Version.parse(row[0]), reverse=True)
        if rows:
            charts[str(name)] = rows
    return charts


def _row(item: Any, url: str) -> list[Any] | None:
    if not isinstance(item, dict) or not isinstance(item.get("version"), str):
        return None
    urls = item.get("urls")
    if not isinstance(urls, list) or not urls or not isinstance(urls[0], str):
        return None
    try:
        semver.Version.parse(item["version"])
    except ValueError:
        return None
    absolute = urljoin(url.rstrip("/") + "/", urls[0])
    if urlsplit(absolute).scheme not in ("http", "https", "oci"):
        return None
    digest = str(item.get("digest") or "").removeprefix("sha256:")
    return [
        item["version"],
        absolute,
        digest,
        str(item.get("appVersion") or ""),
        str(item.get("description") or ""),
        bool(item.get("deprecated")),
    ]


def _expand(url: str, note: Mapping[str, Any], *, cached: bool) -> Index:
    charts = {name: tuple(IndexEntry(name, *row) for row in rows) for name, rows in note["charts"].items()}
    return Index(url, charts, cached)


def _conditions(note: Mapping[str, Any] | None) -> dict[str, str]:
    """The headers that ask "has it changed?"."""
    headers: dict[str, str] = {}
    if note and note.get("etag"):
        headers["If-None-Match"] = str(note["etag"])
    if note and note.get("modified"):
        headers["If-Modified-Since"] = str(note["modified"])
    return headers


def _validators(answer: Answer) -> dict[str, str]:
    return {
        "etag": answer.headers.get("etag", ""),
        "modified": answer.headers.get("last-modified", ""),
    }


def _require_ok(answer: Answer, what: str) -> None:
    if answer.status == 200:
        return
    hints = {
        401: "set username and password, or the NAME_USERNAME and NAME_PASSWORD variables",
        403: "these credentials may not read it",
        404: "check the repository's url and the chart's name and version",
    }
    raise ChartError(
        f"{what}: the server answers {answer.status}",
        error_id="http.unauthorized" if answer.status in (401, 403) else "http.status",
        hint=hints.get(answer.status, ""),
    )
