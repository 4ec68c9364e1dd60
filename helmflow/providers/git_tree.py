"""A git commit's files beside those of the working tree, read in process (dulwich, the extra `helmflow[git]`)."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from helmflow.core.errors import ConfigError

if TYPE_CHECKING:
    from dulwich.repo import Repo


class _Entry(NamedTuple):
    mode: int
    sha: bytes


class GitTree:
    """The files of the commit where the branch of REF and the one checked out parted (REF itself without history)."""

    def __init__(self, repository: Repo, entries: Mapping[str, _Entry]) -> None:
        self._repository = repository
        self._entries = entries
        self.root = Path(os.fsdecode(repository.path)).resolve()
        self._changed: dict[str, bool] = {}

    @classmethod
    def at(cls, folder: Path, ref: str) -> GitTree:
        """The tree for `ref` of the repository around `folder`. Raises ConfigError where there is no such thing."""
        try:
            from dulwich.errors import NotGitRepository
            from dulwich.object_store import iter_tree_contents
            from dulwich.repo import Repo
        except ImportError:
            raise ConfigError(
                "--changed-since needs a library that reads git repositories",
                error_id="git.unavailable",
                hint='pip install "helmflow[git]"',
            ) from None
        try:
            repository = Repo.discover(os.fspath(folder))
        except NotGitRepository:
            raise ConfigError(f"{folder} is in no git repository", error_id="git.no-repository") from None
        commit = _parting(repository, ref)
        found = {
            os.fsdecode(entry.path or b""): _Entry(entry.mode or 0, entry.sha or b"")
            for entry in iter_tree_contents(repository.object_store, commit.tree)
        }
        return cls(repository, found)

    def changed(self, path: Path) -> bool:
        """Whether a file, or any file below a folder, differs from the commit; False outside of the repository."""
        name = self._name(path)
        if name is None:
            return False
        if not path.is_dir() or path.is_symlink():
            return self._differs(name)
        below = f"{name}/" if name else ""
        kept = (one for one in self._entries if one.startswith(below))
        there = (
            self._name(Path(folder, one))
            for folder, _, names in os.walk(path)
            if ".git" not in Path(folder).parts
            for one in names
        )
        return any(self._differs(one) for one in {*kept, *there} if one is not None)

    def changes(self) -> list[Path]:
        """Every file of the commit that is another or none by now. (New files are found by who reads them.)"""
        return [self.root / name for name in self._entries if self._differs(name)]

    def write(self, folder: Path) -> None:
        """The commit's files below `folder`; links that leave it and submodules are left out."""
        top = folder.resolve()
        for name, entry in self._entries.items():
            target = top / name
            if stat.S_IFMT(entry.mode) not in (stat.S_IFREG, stat.S_IFLNK):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            data = self._data(entry)
            if stat.S_ISLNK(entry.mode):
                aim = Path(os.path.normpath(target.parent / os.fsdecode(data)))
                if aim.is_relative_to(top):
                    target.symlink_to(os.fsdecode(data))
                continue
            target.write_bytes(data)
            target.chmod(0o700 if entry.mode & 0o100 else 0o600)

    def _name(self, path: Path) -> str | None:
        """A path as the repository names it; None outside of it."""
        whole = Path(os.path.normpath(path))
        parent = whole.parent.resolve() / whole.name
        if not parent.is_relative_to(self.root):
            return None
        name = parent.relative_to(self.root).as_posix()
        return "" if name == "." else name

    def _differs(self, name: str) -> bool:
        if name not in self._changed:
            self._changed[name] = self._compare(name)
        return self._changed[name]

    def _compare(self, name: str) -> bool:
        entry = self._entries.get(name)
        path = self.root / name
        if entry is None:
            return path.exists()
        try:
            if stat.S_ISLNK(entry.mode):
                now = os.fsencode(os.readlink(path))
            elif stat.S_ISREG(entry.mode):
                now = path.read_bytes()
            else:
                return False
        except OSError:
            return True
        from dulwich.objects import Blob

        blob: Any = Blob.from_string(now)
        # A checkout may have turned line ends; that is no change.
        return bool(blob.id != entry.sha) and now.replace(b"\r\n", b"\n") != self._data(entry)

    def _data(self, entry: _Entry) -> bytes:
        found: Any = self._repository[entry.sha]
        return bytes(found.data)


def _parting(repository: Repo, ref: str) -> Any:
    """The newest commit that both `ref` and HEAD have behind them."""
    from dulwich.graph import find_merge_base
    from dulwich.objects import Commit, Tag
    from dulwich.objectspec import parse_object

    try:
        found: Any = parse_object(repository, os.fsencode(ref))
        while isinstance(found, Tag):
            found = repository[found.object[1]]
    except (KeyError, ValueError):
        found = None
    if not isinstance(found, Commit):
        raise ConfigError(
            f"git knows no commit {ref!r}",
            error_id="git.unknown-ref",
            hint="a branch, a tag or a commit; in a shallow clone, fetch it first",
        )
    try:
        bases = find_merge_base(repository, [repository.head(), found.id])
    except (KeyError, ValueError):  # a shallow clone, or nothing checked out
        return found
    return repository[bases[0]] if bases else found
