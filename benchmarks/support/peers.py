"""The tools that benchmarks compare with, built by Go into the user's cache: helm 4.2.4, helmfile 1.7.4, helm-diff 3.15.11."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
HELM, HELMFILE, HELM_DIFF = "v4.2.4", "v1.7.4", "v3.15.11"
PLUGIN = """\
name: diff
version: {version}
usage: Preview helm upgrade changes as a diff
description: Preview helm upgrade changes as a diff
command: $HELM_PLUGIN_DIR/helm-diff
platformCommand: []
"""


@dataclass(frozen=True, slots=True)
class Peers:
    """Where each tool is; None with the reason in `missing` where it could not be built."""

    helm: Path | None
    helmfile: Path | None
    plugins: Path | None
    missing: tuple[str, ...]


def folder() -> Path:
    """Where they are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "helmflow-bench"


def build() -> Peers:
    """Build what is missing; each takes minutes, once."""
    made = folder() / "bin"
    missing: list[str] = []
    made.mkdir(parents=True, exist_ok=True)
    stamp = f"-s -w -X helm.sh/helm/v4/internal/version.version={HELM}"
    helm = _installed(
        made / "helm",
        ["install", "-trimpath", f"-ldflags={stamp}", f"helm.sh/helm/v4/cmd/helm@{HELM}"],
        missing,
    )
    own = [
        "build",
        "-trimpath",
        "-ldflags=-s -w",
        "-o",
        str(made / "helmfile"),
        "github.com/helmfile/helmfile",
    ]
    helmfile = _installed(made / "helmfile", own, missing)
    plain = ["install", "-trimpath", "-ldflags=-s -w", f"github.com/databus23/helm-diff/v3@{HELM_DIFF}"]
    diff = _installed(made / "helm-diff", plain, missing)
    return Peers(helm, helmfile, _plugin(diff) if diff else None, tuple(missing))


def _installed(binary: Path, command: list[str], missing: list[str]) -> Path | None:
    if binary.is_file():
        return binary
    go = shutil.which("go") or "/usr/local/go/bin/go"
    print(f"building {binary.name} ...", flush=True)
    env = {**os.environ, "GOBIN": str(binary.parent), "CGO_ENABLED": "0", "GOTOOLCHAIN": "auto"}
    where = HERE / "helmfile" if command[0] == "build" else binary.parent
    try:
        done = subprocess.run([go, *command], cwd=where, env=env, capture_output=True, text=True, check=False)
        failure = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except OSError as error:
        failure = [str(error)]
    if failure:
        missing.append(f"{binary.name}: {failure[0].strip()}")
    return binary if binary.is_file() else None


def _plugin(binary: Path) -> Path:
    plugins = folder() / "plugins"
    home = plugins / "helm-diff"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy2(binary, home / "helm-diff")
    (home / "plugin.yaml").write_text(PLUGIN.format(version=HELM_DIFF[1:]), encoding="utf-8")
    return plugins
