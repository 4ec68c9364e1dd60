"""Charts from an index.yaml repository: the index, its compact cache, and which version satisfies a range."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from helmflow.core import limits, semver
from helmflow.core.errors import ChartError
from helmflow.core.records import dataclass
from helmflow.providers.charts import index_file
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.http import Answer, Credentials, HttpSession, shown_url

INDEX_FORMAT: Final = 3  # of the compact form in the cache; another number is not read


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
    keywords: tuple[str, ...] = ()


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

    def archive(self, url: str, digest: str, credentials: Credentials) -> tuple[str, Path, bool]:
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
                f"{shown_url(url)} is not in the cache and --offline forbids fetching it",
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
        _require_ok(answer, f"cannot fetch {shown_url(url)}")
        got, path = self._cache.add_blob(answer.body)
        if digest and got != digest:
            self._cache.drop_blob(got)
            raise ChartError(
                f"{shown_url(url)} has sha256 {got}, its repository's index promises {digest}",
                error_id="chart.digest-mismatch",
                hint="the archive was replaced after it was indexed, or altered on the way; nothing was used",
            )
        if not digest:
            self._cache.add_note(key, {"digest": got, **_validators(answer)})
        return got, path, False

    def beside(self, url: str, suffix: str, credentials: Credentials) -> bytes:
        """A small file beside an archive (its provenance), b"" where the server has none. Kept by the archive's URL."""
        path, mark, query = url.partition("?")
        address = path + suffix + mark + query
        key = f"beside {address}"
        if self._offline:
            note = self._cache.note(key) or {}
            known = self._cache.blob(str(note.get("digest", "")))
            return known.read_bytes() if known is not None else b""
        answer = self._session.get(address, max_bytes=limits.MAX_PROVENANCE_BYTES, credentials=credentials)
        if answer.status in (404, 410):
            return b""
        _require_ok(answer, f"cannot fetch {address}")
        self._cache.add_note(key, {"digest": self._cache.add_blob(answer.body)[0]})
        return answer.body

    def _read_index(self, url: str, credentials: Credentials) -> Index:
        key = f"index {url}"
        document = self._cache.document(key)
        known = _Charts.read(document) if document is not None else None
        if self._offline and known is None:
            raise ChartError(
                f"the index of {url} is not in the cache and --offline forbids fetching it",
                error_id="chart.offline",
                hint="run `helmflow repos` once without --offline, or `helmflow vendor`",
            )
        if known is not None and (self._offline or not self._refresh):
            return Index(url, known, cached=True)
        answer = self._session.get(
            url.rstrip("/") + "/index.yaml",
            max_bytes=limits.MAX_INDEX_BYTES,
            credentials=credentials,
            headers=_conditions(known.header) if known is not None else None,
        )
        if answer.status == 304 and known is not None:
            return Index(url, known, cached=True)
        _require_ok(answer, f"cannot read the index of {url}")
        compact = compacted(index_file.parse(answer.body, url), _validators(answer))
        self._cache.add_document(key, compact)
        made = _Charts.read(compact)
        assert made is not None
        return Index(url, made, cached=False)


class _Charts(Mapping[str, tuple[IndexEntry, ...]]):
    """The charts of a compact index; each chart's versions are read when somebody asks for them."""

    def __init__(self, header: Mapping[str, Any], lines: Mapping[str, bytes]) -> None:
        self.header = header
        self._lines = lines

    @classmethod
    def read(cls, document: bytes) -> _Charts | None:
        """None for another format."""
        head, *rows = document.split(b"\n")
        header = json.loads(head)
        if header.get("format") != INDEX_FORMAT:
            return None
        return cls(header, {name.decode(): line for name, _, line in (row.partition(b"\t") for row in rows)})

    def __getitem__(self, name: str) -> tuple[IndexEntry, ...]:
        rows = json.loads(self._lines[name])
        return tuple(
            IndexEntry(name, version, url, digest, app_version, description, deprecated, tuple(keywords))
            for version, url, digest, app_version, description, deprecated, keywords in rows
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


def compacted(charts: Mapping[str, list[index_file.Row]], validators: Mapping[str, str]) -> bytes:
    """The form of an index in the cache: a header, then one line per chart."""
    lines = [json.dumps({"format": INDEX_FORMAT, **validators})]
    lines += [f"{name}\t{json.dumps(rows, separators=(',', ':'))}" for name, rows in charts.items()]
    return "\n".join(lines).encode()


def only(document: bytes, charts: frozenset[str]) -> bytes:
    """A compact index without the charts that nobody asks for."""
    head, *rows = document.split(b"\n")
    return b"\n".join([head, *(row for row in rows if row.partition(b"\t")[0].decode() in charts)])


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
