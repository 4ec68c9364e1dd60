"""Remote state and values files: plain HTTP, and git, kept in the cache beside the charts."""

from __future__ import annotations

import threading
from pathlib import Path
from urllib.parse import unquote

from helmflow.core.errors import ChartError, ConfigError
from helmflow.core.limits import MAX_STATE_FILE_BYTES
from helmflow.core.paths import cache_home
from helmflow.core.sensitive import SecretText
from helmflow.providers import mirrors
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.git_source import GitSource, Repository
from helmflow.providers.http import Credentials, HttpSession
from helmflow.state import remote_urls
from helmflow.state.remote_urls import RemoteUrl


class RemoteFiles:
    """The RemoteSource of state.ports. What was fetched is not fetched again, unless the URL says ?cache=false."""

    def __init__(self, cache: ChartCache | Path | None = None, *, offline: bool = False) -> None:
        self._cache = cache if isinstance(cache, ChartCache) else ChartCache(cache or cache_home() / "charts")
        self._offline = offline
        self._lock = threading.Lock()

    def locate(self, url: str, base_dir: Path) -> Path:
        """A local file with the content of `url`. Raises ConfigError as state.ports says."""
        parsed = remote_urls.parse(url)
        fresh = parsed.parameters.get("cache") == "false"
        with self._lock:
            try:
                if parsed.getter == "git" or parsed.scheme in ("git", "ssh"):
                    return self._in_git(parsed, fresh=fresh)
                if parsed.scheme in ("http", "https") and parsed.getter in ("normal", "http", "https"):
                    return self._downloaded(parsed, fresh=fresh)
            except ChartError as failure:
                missing = failure.error_id in ("cache.write", "http.too-large")
                raise ConfigError(
                    failure.message,
                    error_id=failure.error_id if missing else "remote.failed",
                    hint=failure.hint,
                ) from failure
        raise ConfigError(
            f"helmflow cannot fetch {parsed.getter}::{parsed.scheme} URLs", error_id="remote.failed",
            hint="it fetches https://... and git::https://...@path?ref=...",
        )  # fmt: skip

    def _in_git(self, url: RemoteUrl, *, fresh: bool) -> Path:
        source = GitSource(self._cache, offline=self._offline, refresh=False, mirrors=mirrors.configured({}))
        where = f"{url.scheme}://{url.host}{url.directory}"
        tree = source.tree(Repository(url=where, user=url.user), url.ref, fresh=fresh)
        return _inside(tree.folder, url)

    def _downloaded(self, url: RemoteUrl, *, fresh: bool) -> Path:
        joined = "/".join(part for part in (url.directory.strip("/"), url.file) if part)
        query = "&".join(f"{name}={value}" for name, value in url.parameters.items() if name != "cache")
        address = f"{url.scheme}://{url.host}/{joined}" + (f"?{query}" if query else "")
        name = Path(url.file).name or "index"
        key = f"file {address}"
        note = self._cache.note(key)
        known = self._cache.blob(str(note["digest"])) if note else None
        if note is not None and known is not None and (self._offline or not fresh):
            return self._named(str(note["digest"]), name)
        if self._offline:
            raise ConfigError(
                f"{url.host}/{joined} is not in the cache and --offline forbids fetching it",
                error_id="remote.offline",
                hint="run once without --offline, or `helmflow vendor`",
            )
        user, _, password = url.user.partition(":")
        answer = HttpSession(mirrors=mirrors.configured({})).get(
            address,
            max_bytes=MAX_STATE_FILE_BYTES,
            credentials=Credentials(username=unquote(user), password=SecretText(unquote(password))),
        )
        if answer.status == 404:
            raise ConfigError(f"{url.host}/{joined} does not exist", error_id="remote.not-found")
        if answer.status != 200:
            raise ConfigError(f"{url.host}/{joined}: status {answer.status}", error_id="remote.failed")
        digest, _ = self._cache.add_blob(answer.body)
        self._cache.add_note(key, {"digest": digest})
        return self._named(digest, name)

    def _named(self, digest: str, name: str) -> Path:
        """The content under its own name, which says what kind of file it is."""
        from helmflow.providers.charts.cache import publish

        blob = self._cache.blob(digest)
        assert blob is not None
        path = self._cache.folder / "files" / digest / name
        content = blob.read_bytes()
        if not path.is_file() or path.read_bytes() != content:
            publish(path, content)
        return path


def _inside(folder: Path, url: RemoteUrl) -> Path:
    """The file in what was fetched, which a symbolic link must not lead out of."""
    path = (folder / url.file.lstrip("/")).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ConfigError(f"{url.file} leads out of the repository", error_id="remote.traversal")
    if not path.exists():
        raise ConfigError(
            f"{url.file} does not exist in {url.host}{url.directory}", error_id="remote.not-found"
        )
    return path
