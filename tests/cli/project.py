"""A small project of its own and the real command line on an embedded cluster, for tests of the files that people write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHART = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/values.yaml": "port: 80\ncolour: red\n",
    "web/templates/a.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
        "data:\n  colour: {{ .Values.colour }}\n  first: '1'\n  last: '2'\n  port: {{ .Values.port | quote }}\n"
    ),
}


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str


@dataclass
class Project:
    """A folder with the chart `web`, and how to run helmflow in it."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.home / "work"

    def write(self, files: dict[str, str | bytes]) -> None:
        """Write files, by their path below the folder."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def run(self, *words: str, stdin: str | bytes = "") -> Ran:
        """Run helmflow to its end; no traceback is ever right."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HELM", "KUBE", "XDG"))}
        done = subprocess.run(
            [sys.executable, "-m", "helmflow", *words],
            cwd=self.folder,
            env={**kept, "HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state"), **self.environ},
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in ran.err, ran.err
        return ran

    def journal(self, *words: str) -> list[dict[str, Any]]:
        """Run with a journal; its lines."""
        path = self.home / "journal.jsonl"
        path.unlink(missing_ok=True)
        ran = self.run(*words, "--journal", str(path))
        assert ran.code == 0, ran.err
        return [json.loads(line) for line in path.read_text().splitlines()]


def project(home: Path, files: dict[str, str | bytes]) -> Project:
    """A project of these files beside the chart `web`."""
    made = Project(home)
    made.write({**CHART, **files})
    return made
