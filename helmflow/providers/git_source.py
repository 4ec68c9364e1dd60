"""Trees of remote git repositories, fetched with the git command, kept by content: for charts and for values."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import posixpath
import re
import tarfile
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from helmflow.core import limits, process
from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.core.records import dataclass
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.mirrors import NO_MIRRORS, Mirrors

TIMEOUT_S: Final = 300.0
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Nothing that a repository or its server says may start a program here.
_SAFE: Final = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never",
    "-c", "fetch.recurseSubmodules=no", "-c", "gc.auto=0",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository to fetch from, checked by `state.remote_urls`. `user` is `NAME[:PASSWORD]`, never shown."""

    url: str
    user: str = ""

    @property
    def shown(self) -> str:
        """How errors name it."""
        return self.url.split("://", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The objects of git that may carry a signature: the commit, and the tag where the ref was one."""

    commit: bytes
    tag: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The files of a commit in a folder of the cache."""

    folder: Path
    commit: str
    digest: str
    cached: bool
    signed: Signed


class GitSource:
    """Fetches each ref at most once per run; a ref that has not moved is not fetched again.

    A whole commit id is never asked about again. Without `refresh` nothing that is in the cache is; `offline` asks
    for nothing at all. Thread-safe.
    """

    def __init__(
        self,
        cache: ChartCache,
        *,
        offline: bool = False,
        refresh: bool = True,
        mirrors: Mirrors = NO_MIRRORS,
    ) -> None:
        self._cache = cache
        self._offline = offline
        self._refresh = refresh
        self._mirrors = mirrors
        self._known: dict[tuple[str, str], Tree] = {}
        self._lock = threading.Lock()

    def tree(self, repository: Repository, ref: str, *, fresh: bool = False) -> Tree:
        """The files at `ref` ("": the default branch); `fresh` asks the server whatever is in the cache.

        Raises ConfigError `remote.missing-ref` or `remote.failed`.
        """
        with self._lock:
            found = self._known.get((repository.url, ref))
            if found is None:
                found = self._known[repository.url, ref] = self._find(repository, ref, fresh=fresh)
            return found

    def _find(self, repository: Repository, ref: str, *, fresh: bool) -> Tree:
        key = f"git {repository.url} {ref}"
        note = self._cache.note(key)
        if note is not None and self._cache.blob(str(note.get("tree", ""))) is None:
            note = None
        if note is None and self._offline:
            raise ConfigError(
                f"{repository.shown} at {ref or 'its default branch'} is not in the cache and --offline forbids fetching it",
                error_id="remote.offline",
                hint="run once without --offline, or `helmflow vendor`",
            )
        settled = self._offline or bool(_COMMIT.fullmatch(ref)) or not (self._refresh or fresh)
        if note is not None and settled:
            return self._made(note, cached=True)
        git = _Git(repository, self._mirrors.of(repository.url))
        target = git.resolve(ref)
        if note is not None and target and note["commit"] == target[0]:
            return self._made(note, cached=True)
        note = self._fetched(git, repository, ref, target)
        self._cache.add_note(key, note)
        return self._made(note, cached=False)

    def _fetched(
        self, git: _Git, repository: Repository, ref: str, target: tuple[str, str] | None
    ) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="helmflow-git-") as folder:
            work = Path(folder) / "bare"
            git.run("init", "--quiet", "--bare", str(work))
            found = git.fetch(work, ref, target)
            commit = git.text(
                work, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{found}^{{commit}}"
            )
            # A repository's own attributes must not leave files out of its archive or rewrite them.
            (work / "info").mkdir(exist_ok=True)
            (work / "info" / "attributes").write_text("* -export-ignore -export-subst\n", encoding="utf-8")
            archive = Path(folder) / "tree.tar"
            git.run(f"--git-dir={work}", "archive", "--format=tar", f"--output={archive}", commit)
            if archive.stat().st_size > limits.MAX_GIT_TREE_BYTES:
                raise ConfigError(
                    f"{repository.shown} at {ref or commit} is larger than {limits.MAX_GIT_TREE_BYTES:,} bytes",
                    error_id="remote.too-large",
                )
            content = gzip.compress(archive.read_bytes(), 6, mtime=0)
            digest, _ = self._cache.add_blob(content)
            kind = git.text(work, "cat-file", "-t", found)
            tag = git.text(work, "cat-file", "tag", found) if kind == "tag" else ""
            raw = git.text(work, "cat-file", "commit", commit)
        return {"commit": commit, "tree": digest, "object": raw, "tag": tag}

    def _made(self, note: dict[str, Any], *, cached: bool) -> Tree:
        return Tree(
            folder=self._cache.tree(note["tree"], unpack),
            commit=note["commit"],
            digest=note["tree"],
            cached=cached,
            signed=Signed(
                commit=note.get("object", "").encode("utf-8", "surrogateescape"),
                tag=note.get("tag", "").encode("utf-8", "surrogateescape"),
            ),
        )


class _Git:
    """The git command for one repository; credentials travel in its environment, never in its arguments."""

    def __init__(self, repository: Repository, address: str) -> None:
        self._repository = repository
        self._env = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
            "LC_ALL": "C",
        }
        scheme, separator, rest = address.partition("://")
        name, colon, _ = repository.user.partition(":")
        moved = address != repository.url
        if repository.user and scheme in ("http", "https") and not moved:
            pair = unquote(repository.user) if colon else f"{unquote(name)}:"
            host = rest.split("/", 1)[0]
            self._env |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{scheme}://{host}/.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}",
            }
        elif name and scheme == "ssh":
            address = f"{scheme}{separator}{name}@{rest}"
        self._address = address

    def resolve(self, ref: str) -> tuple[str, str] | None:
        """The commit and the full name of a branch or tag as the server has it; None for anything else."""
        if _COMMIT.fullmatch(ref):
            return None
        names = [f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", ref] if ref else ["HEAD"]
        asked = [name for name in names if not name.endswith("^{}")]
        answer = self.run("ls-remote", "--quiet", "--", self._address, *asked, *(f"{a}^{{}}" for a in asked))
        found: dict[str, str] = {}
        for line in answer.splitlines():
            commit, _, name = line.partition("\t")
            found[name] = commit
        for name in names:
            if name in found:
                return found[name], name.removesuffix("^{}")
        return None

    def fetch(self, work: Path, ref: str, target: tuple[str, str] | None) -> str:
        """Bring what `ref` names into `work`; how it is called there."""
        wanted = target[1] if target else ref if _COMMIT.fullmatch(ref) else ""
        if wanted:
            try:
                self._fetch(work, "--depth=1", wanted)
            except ConfigError:
                if target:
                    raise
            else:
                return self.text(work, "rev-parse", "FETCH_HEAD")
        self._fetch(work, "", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        for name in (f"{ref}^{{object}}", f"origin/{ref}^{{object}}"):
            try:
                return self.text(work, "rev-parse", "--verify", "--quiet", "--end-of-options", name)
            except ConfigError:
                continue
        raise ConfigError(
            f"git ref {ref!r} does not exist in {self._repository.shown}",
            error_id="remote.missing-ref",
            hint="a branch, a tag or a commit",
        )

    def _fetch(self, work: Path, depth: str, *specs: str) -> None:
        options = [depth] if depth else []
        self.run(f"--git-dir={work}", "fetch", "--quiet", "--no-tags", *options, "--", self._address, *specs)

    def text(self, work: Path, *arguments: str) -> str:
        """What git prints about `work`, as it is; a single line without its end."""
        out = self.run(f"--git-dir={work}", *arguments)
        return out if arguments[:2] in (("cat-file", "tag"), ("cat-file", "commit")) else out.strip()

    def run(self, *arguments: str) -> str:
        """Run git. Raises ConfigError `remote.failed` with git's last words."""
        try:
            finished = process.run(["git", *_SAFE, *arguments], env=self._env, timeout_s=TIMEOUT_S)
        except HelmflowError as error:
            raise ConfigError(error.message, error_id="remote.failed", hint="install git") from error
        if finished.status:
            lines = finished.stderr.strip().splitlines()
            said = re.sub(r"://[^/@\s]*@", "://", lines[-1]) if lines else f"status {finished.status}"
            raise ConfigError(f"git failed for {self._repository.shown}: {said}", error_id="remote.failed")
        return finished.stdout


def unpack(blob: Path, folder: Path, *, check: Callable[[str], None] | None = None) -> None:
    """The files of a gzipped tar below `folder`; links that leave it, devices and names with `..` are left out."""
    total = count = 0
    with tarfile.open(blob, "r:gz") as archive:
        for member in archive:
            name = posixpath.normpath(member.name)
            count += 1
            total += member.size
            if total > limits.MAX_GIT_TREE_BYTES or count > limits.MAX_GIT_TREE_FILES:
                raise ConfigError(f"{blob.name} unpacks to too much", error_id="remote.too-large")
            if name.startswith(("/", "..")) or name == ".":
                continue
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                aim = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
                if not aim.startswith(("/", "..")) and not os.path.lexists(target):
                    target.symlink_to(member.linkname)
            elif member.isdir():
                target.mkdir(exist_ok=True)
            elif member.isreg() and not target.parent.is_symlink():
                source = archive.extractfile(member)
                assert source is not None
                target.write_bytes(source.read())
                target.chmod(0o700 if member.mode & 0o100 else 0o600)


def object_id(kind: str, raw: bytes, *, like: str = "") -> str:
    """git's name for an object: what a commit id promises about its content; of the kind of the id `like`."""
    content = f"{kind} {len(raw)}\0".encode() + raw
    if len(like) == 64:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
