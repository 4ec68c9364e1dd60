"""What a run calls itself: the project of its files, the person, the commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from helmflow.flows import prepare
from helmflow.flows.identity import commit_of, mark_of, who
from helmflow.flows.options import RunOptions, StateOptions
from helmflow.flows.session import Session
from helmflow.helm.release.marks import Mark

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _repository(folder: Path, remote: str = "") -> None:
    git = folder / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    (git / "refs/heads/main").write_text(COMMIT + "\n", encoding="utf-8")
    config = '[core]\n\tbare = false\n[remote "other"]\n\turl = https://x/y.git\n'
    if remote:
        config += f'[remote "origin"]\n\turl = {remote}\n\tfetch = +refs/heads/*\n'
    (git / "config").write_text(config, encoding="utf-8")


def _mark(folder: Path, text: str = "releases: [{name: a, chart: ./c}]\n") -> Mark | None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "helmflow.yaml").write_text(text, encoding="utf-8")
    session = Session(options=RunOptions(state=StateOptions(cwd=folder)), emit=lambda _: None)
    return mark_of(session, prepare.load(session, "list"))


def _project(folder: Path, text: str = "releases: [{name: a, chart: ./c}]\n") -> str:
    mark = _mark(folder, text)
    assert mark is not None
    return mark.project


def test_a_file_says_its_name_itself(tmp_path: Path) -> None:
    assert _mark(tmp_path, "project: My Shop\nreleases: [{name: a, chart: ./c}]\n") == Mark(
        project="My-Shop", environment="default"
    )


def test_every_checkout_of_a_repository_has_the_same_name(tmp_path: Path) -> None:
    names = set()
    remotes = (
        "https://git.example.org/team/shop.git",
        "https://user:token@git.example.org/team/shop",
        "git@git.example.org:team/shop.git",
        "ssh://git@git.example.org/team/shop.git",
    )
    for index, remote in enumerate(remotes):
        folder = tmp_path / str(index)
        _repository(folder, remote)
        names.add(_project(folder / "deploy"))
    (name,) = names
    assert name.startswith("shop-")
    assert "token" not in name
    assert _project(tmp_path / "0" / "other") not in names


def test_without_a_remote_the_path_is_the_name(tmp_path: Path) -> None:
    _repository(tmp_path / "one")
    first, second = _project(tmp_path / "one/deploy"), _project(tmp_path / "two/deploy")
    assert first != second
    assert first.startswith("deploy-")


def test_a_text_has_no_name() -> None:
    text = "releases: [{name: a, chart: ./c}]\n"
    session = Session(options=RunOptions(state=StateOptions(file="-", text=text)), emit=lambda _: None)
    assert mark_of(session, prepare.load(session, "list")) is None


def test_the_commit_is_found_wherever_git_keeps_it(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == ""
    _repository(tmp_path)
    (tmp_path / "deep/er").mkdir(parents=True)
    assert commit_of(tmp_path / "deep/er") == COMMIT
    git = tmp_path / ".git"
    (git / "refs/heads/main").unlink()
    (git / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n", encoding="utf-8")
    assert commit_of(tmp_path) == COMMIT
    (git / "HEAD").write_text(COMMIT + "\n", encoding="utf-8")
    assert commit_of(tmp_path) == COMMIT
    (git / "HEAD").write_text("something else\n", encoding="utf-8")
    assert commit_of(tmp_path) == ""


def test_a_linked_worktree_has_its_own_commit(tmp_path: Path) -> None:
    _repository(tmp_path / "main")
    own = tmp_path / "main/.git/worktrees/side"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    (own / "commondir").write_text("../..\n", encoding="utf-8")
    (tmp_path / "side").mkdir()
    (tmp_path / "side/.git").write_text(f"gitdir: {own}\n", encoding="utf-8")
    assert commit_of(tmp_path / "side") == COMMIT


@pytest.mark.parametrize(
    ("environ", "person"),
    [({"GITHUB_ACTOR": "alice"}, "alice"), ({"GITLAB_USER_LOGIN": "bob", "USER": "runner"}, "bob")],
)
def test_the_person_behind_a_ci_run_is_named(environ: dict[str, str], person: str) -> None:
    assert who(environ) == person
    assert who({})
