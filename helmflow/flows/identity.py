"""What a run calls itself in clusters: the project of its files, who runs it, and the git commit it runs from."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from helmflow.flows.session import Session
from helmflow.helm.release.marks import Mark, label_text
from helmflow.state.model import DesiredState

_CI_USERS: Final = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "BUILD_REQUESTEDFOR")
_REMOTE: Final = re.compile(r'\[remote "origin"\][^\[]*?^\s*url\s*=\s*(\S+)', re.MULTILINE | re.DOTALL)
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")


def mark_of(session: Session, desired: DesiredState) -> Mark | None:
    """The inventory that the files and the environment stand for; None where nothing names them.

    The name is `project:` of the file. Without it, it is made of the git remote and the file's path in the
    repository, which are the same on every machine; without git, of the file's own path, which is not: then what
    another machine installed is not seen, rather than taken for somebody else's.
    """
    name = desired.project or _derived(session, desired)
    if not name:
        return None
    return Mark(project=label_text(name), environment=label_text(desired.environment))


def who(environ: Mapping[str, str]) -> str:
    """Who started this run: the person a CI system names, else the user of this machine."""
    for name in _CI_USERS:
        if environ.get(name):
            return environ[name]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def commit_of(folder: Path) -> str:
    """The git commit that is checked out around `folder`; "" where there is none."""
    git = _git_folder(folder)
    if git is None:
        return ""
    head = _text(git / "HEAD").strip()
    if not head.startswith("ref: "):
        return head if _COMMIT.fullmatch(head) else ""
    name = head.removeprefix("ref: ")
    shared = _shared(git)
    for place in (git, shared):
        found = _text(place / name).strip()
        if _COMMIT.fullmatch(found):
            return found
    for line in _text(shared / "packed-refs").splitlines():
        commit, _, packed = line.partition(" ")
        if packed == name and _COMMIT.fullmatch(commit):
            return commit
    return ""


def _derived(session: Session, desired: DesiredState) -> str:
    main = next((file for file in desired.files if file.depth == 0), None)
    if session.options.state.text is not None or main is None or not main.path.startswith("/"):
        return ""
    path = Path(main.path)
    git = _git_folder(path.parent)
    remote = _REMOTE.search(_text(_shared(git) / "config")) if git is not None else None
    root = _worktree(path.parent)
    if remote is not None and root is not None:
        url = re.sub(r"^\w+://(?:[^@/]*@)?|^[^@/]*@|\.git$", "", remote[1]).replace(":", "/")
        whole = f"{url}//{os.path.relpath(path, root)}"
        name = url.rsplit("/", 1)[-1]
    else:
        whole, name = str(path), path.parent.name
    return f"{name[:40]}-{hashlib.sha256(whole.encode()).hexdigest()[:10]}"


def _worktree(folder: Path) -> Path | None:
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)


def _git_folder(folder: Path) -> Path | None:
    root = _worktree(folder.absolute())
    if root is None:
        return None
    git = root / ".git"
    if git.is_dir():
        return git
    named = _text(git).strip().removeprefix("gitdir: ")  # a linked worktree or a submodule
    return root / named if named else None


def _shared(git: Path) -> Path:
    """Where branches and settings are that worktrees share."""
    common = _text(git / "commondir").strip()
    return git / common if common else git


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
