"""A copy of the shop, its repository on a free port, a fresh embedded (or the real) cluster, and the real command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from helmflow.embedded.server import ApiServer
from helmflow.embedded.transport import InProcessTransport
from helmflow.kube.client import KubeClient
from helmflow.kube.transport import Transport
from helmflow.providers.charts import serve

EXAMPLE = Path(__file__).parents[2] / "examples" / "environments"


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str


@dataclass
class Shop:
    """The working copy and how to run helmflow in it."""

    folder: Path
    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    context: str = "embedded"
    transport: Callable[[], Transport] | None = None

    def command(self, *words: str) -> list[str]:
        """The command line of one run."""
        return [sys.executable, "-m", "helmflow", *words]

    def environment(self) -> dict[str, str]:
        """A clean environment: nothing of the developer's own."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("HELM", "KUBE", "XDG"))
        }
        return {
            **kept,
            "HOME": str(self.home),
            "HELMFLOW_STATE_HOME": str(self.home / "state"),
            "HELMFLOW_CACHE_HOME": str(self.home / "cache"),
            **self.environ,
        }

    def run(self, *words: str, stdin: str = "") -> Done:
        """Run helmflow to its end."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60 if self.transport is None else 180,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def cluster(self) -> KubeClient:
        """The cluster's content, as any client sees it."""
        if self.transport is not None:
            return KubeClient(self.transport())
        server = ApiServer(self.home / "state" / "embedded" / "cluster.db")
        return KubeClient(InProcessTransport(server))

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one text in one file."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="session")
def repository_url() -> Iterator[str]:
    """The shop's own repository over HTTP."""
    with serve.serving(serve.build(EXAMPLE / "repository")) as url:
        yield url


@pytest.fixture
def shop(tmp_path: Path, repository_url: str) -> Shop:
    """A fresh copy with a fresh home."""
    return make(tmp_path, repository_url)


def make(tmp_path: Path, repository_url: str) -> Shop:
    """A copy of the example whose charts come from `repository_url`."""
    folder = tmp_path / "shop"
    shutil.copytree(EXAMPLE, folder)
    home = tmp_path / "home"
    home.mkdir()
    made = Shop(folder, home)
    made.edit("helmflow.yaml", "http://127.0.0.1:8879", repository_url)
    return made
