"""A project folder with a state file and the command line in it; charts packed for servers; git."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from helmflow.cli.main import run_cli
from helmflow.providers.charts import serve

APP = "apiVersion: v2\nname: {name}\nversion: {version}\ndescription: A {name}\nkeywords: [{name}s, demo]\n"
TEMPLATE = """apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      initContainers: [{name: prepare, image: "busybox:1"}]
      containers: [{name: main, image: "web@sha256:%s"}]
""" % ("a" * 64)
HOOK = """apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: pre-install}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: hook, image: "hook:2"}]}}}
---
apiVersion: example.com/v1
kind: Database
metadata: {name: db}
spec: {image: "postgres:16", text: {image: "not a reference"}}
"""


def packed(tmp_path: Path, *wanted: tuple[str, str]) -> dict[str, bytes]:
    for name, version in wanted:
        folder = tmp_path / "made" / f"{name}-{version}"
        (folder / "templates").mkdir(parents=True)
        (folder / "Chart.yaml").write_text(APP.format(name=name, version=version))
        (folder / "templates" / "a.yaml").write_text(TEMPLATE)
        (folder / "templates" / "hook.yaml").write_text(HOOK)
    return dict(serve.build(tmp_path / "made").files)


@dataclass
class Project:
    """A folder with a state file, and the real command line in it."""

    folder: Path
    home: Path

    def write(self, text: str, name: str = "helmfile.yaml") -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text(text, newline="")

    def environment(self) -> dict[str, str]:
        """A clean environment: nothing of the developer's own."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("HELM", "KUBE", "XDG", "GIT"))}
        return {
            **kept, "HOME": str(self.home), "HELMFLOW_CACHE_HOME": str(self.home / "cache"),
            "HELMFLOW_STATE_HOME": str(self.home / "state"),
        }  # fmt: skip

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "helmflow", *words], cwd=self.folder, env=self.environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def run(self, *words: str, code: int = 0, **environ: str) -> str:
        """The command in this process, with `environ` besides; what it prints."""
        said = io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            for name in set(os.environ) - set(self.environment()):
                patch.delenv(name)
            for name, value in {**self.environment(), **environ}.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr("sys.stdin", io.StringIO())
            found = int(run_cli(list(words)))
        assert found == code, said.getvalue()
        assert "Traceback" not in said.getvalue()
        return said.getvalue()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def new(tmp_path: Path) -> Project:
    """An empty project with an empty home."""
    made = Project(tmp_path / "project", tmp_path / "home")
    made.home.mkdir()
    made.folder.mkdir()
    return made
