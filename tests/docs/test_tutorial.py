"""docs/tutorial.md is walked: every command in its order, on the embedded cluster, with real servers, gpg and a registry."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.providers import registries

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "tutorial.md"
BLOCK = re.compile(r"^```(\w+) ?(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
ORDER = (
    "package", "index", "serve", "state file", "repos", "sync", "pre-install hook", "upgrade", "hooks", "test",
    "sign and verify", "lint", "push", "roll back", "uninstall", "destroy",
)  # fmt: skip


def sections() -> dict[str, list[tuple[str, str, str]]]:
    """The blocks of each section by its heading: (language, file name, text)."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {"before": BLOCK.findall(parts[0])}
    return found | {name: BLOCK.findall(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


@dataclass
class Walk:
    """The folder, what `export` said, and the server that runs in the second terminal."""

    folder: Path
    port: int
    registry: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    server: subprocess.Popen[str] | None = None

    def own(self, text: str) -> str:
        """A text of the page with this walk's port and registry."""
        return text.replace("8879", str(self.port)).replace(
            "localhost:5000", self.registry or "localhost:5000"
        )

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(self.own(text), encoding="utf-8")

    def run(self, line: str) -> str:
        """What one line of a shell block prints."""
        words = shlex.split(self.own(line))
        if words[0] == "export":
            self.environ |= dict([words[1].split("=", 1)])
            return ""
        if words[0] == "helmflow":
            words[:1] = [sys.executable, "-m", "helmflow"]
        if words[:5] == [sys.executable, "-m", "helmflow", "chart", "serve"]:
            return self.serve([*words, "--port", str(self.port)])
        if words[0] == "gpg" and shutil.which("gpg") is None:
            pytest.skip("no gpg: apt-get install gpg")
        redirect = words[words.index(">") + 1] if ">" in words else ""
        done = subprocess.run(
            words[: words.index(">")] if redirect else words, cwd=self.folder, env=self.environ, check=False,
            capture_output=True, timeout=120,
        )  # fmt: skip
        said = done.stderr.decode()
        if redirect:
            (self.folder / redirect).write_bytes(done.stdout)
        else:
            said = done.stdout.decode() + said
        assert done.returncode == 0, f"{line}\n{said}"
        assert "Traceback" not in said
        return said

    def serve(self, words: list[str]) -> str:
        """The second terminal: what the server says once it listens."""
        self.server = subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            assert self.server.poll() is None
            time.sleep(0.05)
        if "http.server" in words:
            return ""
        assert self.server.stdout is not None
        return self.server.stdout.readline()

    def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.communicate()
            self.server = None


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    home = tmp_path_factory.mktemp("home")
    (home / "gnupg").mkdir(mode=0o700)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("HELM", "KUBE", "XDG", "DOCKER"))}
    environ = {
        **kept, "HOME": str(home), "GNUPGHOME": str(home / "gnupg"), "HELMFLOW_CACHE_HOME": str(home / "cache"),
        "HELMFLOW_STATE_HOME": str(home / "state"),
    }  # fmt: skip
    made = Walk(tmp_path_factory.mktemp("walk"), port, environ=environ)
    yield made
    made.stop()
    subprocess.run(["gpgconf", "--kill", "all"], env=environ, check=False, capture_output=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registries.running(tmp_path_factory.mktemp("registry")) as host:
        yield host


def normal(line: str) -> str:
    return " ".join(re.sub(r"\b\d+\.\ds\b", "Ns", line).split())


@pytest.mark.parametrize("section", sections())
def test_the_walk(section: str, walk: Walk, request: pytest.FixtureRequest) -> None:
    if "registry" in section:
        walk.registry = request.getfixturevalue("registry")  # skips, visibly, where none is installed
    said = ""
    for language, name, text in sections()[section]:
        match language:
            case "yaml":
                walk.write(name, text)
            case "sh":
                said += "".join(walk.run(line) for line in text.splitlines())
            case "text":
                printed = [normal(line) for line in said.replace(str(walk.folder), "/home/you").splitlines()]
                for line in text.splitlines():
                    assert any(part.startswith(normal(walk.own(line))) for part in printed), said
            case _:
                raise AssertionError(f"a block of {language}")


def test_the_walk_has_its_order() -> None:
    headings = [heading.lower() for heading in sections()][1:]
    assert len(headings) == len(ORDER)
    assert [word in heading for word, heading in zip(ORDER, headings, strict=True)] == [True] * len(ORDER)


def test_nothing_is_left_in_the_cluster(walk: Walk) -> None:
    assert "web" not in walk.run("helmflow release list --all-namespaces")


def test_any_web_server_will_do(walk: Walk) -> None:
    (words,) = re.findall(r"`(python3 -m http.server[^`]*)`", PAGE.read_text(encoding="utf-8"))
    walk.stop()
    walk.serve([sys.executable, *shlex.split(walk.own(words))[1:]])
    assert "1 charts\tfetched" in walk.run("helmflow repos")
    assert "kind: Deployment" in walk.run("helmflow template")


@pytest.mark.parametrize("page", [PAGE, DOCS / "charts.md"], ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    found = LINK.findall(page.read_text(encoding="utf-8"))
    assert found
    for name, anchor in found:
        if name.startswith("http"):
            continue
        target = page if not name else page.parent / name
        assert target.exists(), name
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in titles}, (
                anchor
            )
