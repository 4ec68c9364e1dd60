"""docs/charts.md: every command is run in its order, with a real server, a real registry, git and keys."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from helmflow.cli.main import run_cli
from helmflow.providers.charts import serve
from tests.docs.test_tutorial import BLOCK, DOCS, normal
from tests.providers import registries
from tests.providers.keys import Keys
from tests.providers.project import git, packed

PAGE = DOCS / "charts.md"


def sections() -> dict[str, list[tuple[str, str, str]]]:
    parts = re.split(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: BLOCK.findall(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def first() -> tuple[str, str, str]:
    found: tuple[str, str, str] = BLOCK.findall(PAGE.read_text(encoding="utf-8"))[0]
    return found


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registries.running(tmp_path_factory.mktemp("oci"), user=("ci", "from the vault")) as host:
        yield host


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packed charts and the folders that they were made of."""
    folder = tmp_path_factory.mktemp("charts")
    files = packed(folder, ("web", "1.0.0"), ("web", "1.1.0"), ("db", "3.0.0"))
    for name, content in files.items():
        (folder / name.strip("/")).write_bytes(content)
    return folder


@pytest.fixture
def project(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("CACHE", "STATE"):
        monkeypatch.setenv(f"HELMFLOW_{name}_HOME", str(tmp_path / name.lower()))
    for name in ("HELM_REGISTRY_CONFIG", "HELM_CONFIG_HOME", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copytree(made / "made" / "web-1.0.0", folder / "charts" / "web")
    shutil.copy(made / "web-1.0.0.tgz", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("section", sections())
def test_every_command_of_a_section(
    section: str,
    project: Path,
    made: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "".join(content for _, _, content in sections()[section])
    with serve.serving(serve.Repository(serve.build(made).files, 3)) as url:
        own = {"http://127.0.0.1:8879": url}
        if "localhost:5000" in text:
            own["localhost:5000"] = request.getfixturevalue("registry")
        if "pubring.gpg" in text:
            own["/srv/git/charts"] = str(signed_repository(project, request.getfixturevalue("keys")))
        said = ""
        for language, name, content in [first(), *sections()[section]]:
            for before, after in own.items():
                content = content.replace(before, after)
            match language:
                case "yaml":
                    (project / name).write_text(content, encoding="utf-8")
                case "sh":
                    for line in content.splitlines():
                        monkeypatch.setattr("sys.stdin", io.StringIO("from the vault\n"))
                        code = run_cli(shlex.split(line)[1:])
                        told = capsys.readouterr()
                        assert code == 0, f"{line}\n{told.out}{told.err}"
                        said += told.out + told.err
                case _:
                    printed = [normal(line) for line in said.splitlines()]
                    for line in content.splitlines():
                        assert any(part.startswith(normal(line)) for part in printed), said


def signed_repository(project: Path, keys: Keys) -> Path:
    """The chart of `project` in a git repository whose tag v1 Ann signed; her key beside the state file."""
    folder = project.parent / "upstream"
    shutil.copytree(project / "charts", folder)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    keys.git(folder, "tag", "-s", "-u", "ann@example.com", "-m", "v1", "v1")
    shutil.copy(keys.file("ann.pub.gpg"), project / "pubring.gpg")
    return folder
