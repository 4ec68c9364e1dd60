"""Remote state and values files: plain HTTP, and git through the git command, kept in the cache."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from helmflow.core import process
from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.core.limits import MAX_STATE_FILE_BYTES
from helmflow.core.paths import cache_home
from helmflow.state import remote_urls
from helmflow.state.remote_urls import RemoteUrl

_lock = threading.Lock()


class RemoteFiles:
    """The RemoteSource of state.ports. What was fetched is not fetched again, unless the URL says ?cache=false."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache or cache_home() / "remote"

    def locate(self, url: str, base_dir: Path) -> Path:
        """A local file with the content of `url`. Raises ConfigError as state.ports says."""
        parsed = remote_urls.parse(url)
        folder = self._cache / parsed.cache_key
        with _lock:
            if parsed.parameters.get("cache") == "false" and folder.exists():
                shutil.rmtree(folder)
            if parsed.getter == "git" or parsed.scheme in ("git", "ssh"):
                return _inside(self._cloned(parsed, folder), parsed)
            if parsed.scheme in ("http", "https") and parsed.getter in ("normal", "http", "https"):
                return self._downloaded(parsed, folder)
        raise ConfigError(
            f"helmflow cannot fetch {parsed.getter}::{parsed.scheme} URLs", error_id="remote.failed",
            hint="it fetches https://... and git::https://...@path?ref=...",
        )  # fmt: skip

    def _cloned(self, url: RemoteUrl, folder: Path) -> Path:
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        self._git(["clone", "--quiet", "--no-checkout", "--", url.repository, str(partial)], url)
        # Everything after -- or behind origin/ is data, and the URL's parts were checked before.
        wanted = url.ref or "HEAD"
        try:
            self._git(["-C", str(partial), "checkout", "--quiet", "--detach", wanted, "--"], url)
        except ConfigError:
            try:
                self._git(
                    ["-C", str(partial), "checkout", "--quiet", "--detach", f"origin/{wanted}", "--"], url
                )
            except ConfigError as error:
                shutil.rmtree(partial, ignore_errors=True)
                raise ConfigError(
                    f"git ref {url.ref!r} does not exist in {url.host}{url.directory}",
                    error_id="remote.missing-ref",
                ) from error
        partial.rename(folder)
        return folder

    def _git(self, arguments: list[str], url: RemoteUrl) -> None:
        env = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file"}
        try:
            finished = process.run(["git", *arguments], env=env, timeout_s=300)
        except HelmflowError as error:
            raise ConfigError(error.message, error_id="remote.failed", hint="install git") from error
        if finished.status:
            lines = finished.stderr.strip().splitlines()
            raise ConfigError(
                f"git failed for {url.host}{url.directory}: {lines[-1] if lines else finished.status}",
                error_id="remote.failed",
            )

    def _downloaded(self, url: RemoteUrl, folder: Path) -> Path:
        path = folder / (url.file or "index")
        if path.is_file():
            return path
        import urllib3

        user = f"{url.user}@" if url.user else ""
        joined = "/".join(part for part in (url.directory.strip("/"), url.file) if part)
        query = "&".join(f"{name}={value}" for name, value in url.parameters.items() if name != "cache")
        address = f"{url.scheme}://{user}{url.host}/{joined}" + (f"?{query}" if query else "")
        try:
            with urllib3.PoolManager(timeout=60, retries=3) as pool:
                answer = pool.request("GET", address, preload_content=False)
                content = answer.read(MAX_STATE_FILE_BYTES + 1)
                status = answer.status
                answer.release_conn()
        except urllib3.exceptions.HTTPError as cause:
            raise ConfigError(
                f"cannot reach {url.host}: {type(cause).__name__}", error_id="remote.failed"
            ) from None
        if status == 404:
            raise ConfigError(f"{url.host}/{joined} does not exist", error_id="remote.not-found")
        if status != 200:
            raise ConfigError(f"{url.host}/{joined}: status {status}", error_id="remote.failed")
        if len(content) > MAX_STATE_FILE_BYTES:
            raise ConfigError(f"{url.host}/{joined} is too large", error_id="file.too-large")
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(content)
        partial.rename(path)
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
