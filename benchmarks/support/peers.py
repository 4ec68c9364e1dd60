"""The tools that benchmarks compare with, built by Go into the user's cache: helm 4.2.4, helmfile 1.7.4, helm-diff 3.15.11.

Where helm-diff cannot be had, a lower bound of it takes its place: a plugin that makes its calls of helm and compares two
texts. Reports say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
BOUND = Path(__file__).resolve().parent / "helm_diff_bound"
HELM, HELMFILE, HELM_DIFF = "v4.2.4", "v1.7.4", "v3.15.11"
BOUND_SAYS = "helm-diff cannot be had here: lower bound by a plugin that only makes helm-diff's helm calls"
# The form of helm-diff's own plugin.yaml, which helm 4 reads as a legacy plugin. helmfile reads the version from it.
PLUGIN = """\
name: diff
version: "{version}"
usage: "{usage}"
description: "{usage}"
platformCommand:
  - command: ${{HELM_PLUGIN_DIR}}/{binary}
"""


@dataclass(frozen=True, slots=True)
class Peers:
    """Where each tool is, and what reports say of the one that plays helm-diff."""

    helm: Path
    helmfile: Path
    plugins: Path
    diff_says: str


def folder() -> Path:
    """Where they are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "helmflow-bench"


def build(helm_diff: Path | None = None) -> Peers:
    """Build what is missing; helm and helmfile take minutes, once. `helm_diff` is a binary to use as it is."""
    made = folder() / "bin"
    made.mkdir(parents=True, exist_ok=True)
    stamp = f"-s -w -X helm.sh/helm/v4/internal/version.version={HELM}"
    helm = made / f"helm-{HELM}"
    _need(_installed(helm, f"helm.sh/helm/v4/cmd/helm@{HELM}", stamp))
    helmfile = made / f"helmfile-{HELMFILE}"
    _need(_compiled(helmfile, HERE / "helmfile", "github.com/helmfile/helmfile"))
    if helm_diff is not None:
        return Peers(helm, helmfile, _plugin(helm_diff.resolve(strict=True)), f"helm-diff: {helm_diff}")
    real = made / f"helm-diff-{HELM_DIFF}"
    refused = _installed(real, f"github.com/databus23/helm-diff/v3@{HELM_DIFF}", "-s -w")
    if refused is None:
        return Peers(helm, helmfile, _plugin(real), f"helm-diff {HELM_DIFF}")
    bound = made / "helm-diff-bound"
    bound.unlink(missing_ok=True)  # it builds in a second, and its source may have changed
    _need(_compiled(bound, BOUND, "."))
    return Peers(helm, helmfile, _plugin(bound, "A lower bound of helm-diff"), f"{BOUND_SAYS} ({refused})")


def _need(refused: str | None) -> None:
    if refused is not None:
        raise SystemExit(f"a tool to compare with cannot be built: {refused}")


def _installed(binary: Path, package: str, stamp: str) -> str | None:
    """`go install` of a released command; why it is not there, if so."""
    command = ["install", "-trimpath", f"-ldflags={stamp}", package]
    place = binary.with_name(f"{binary.name}.building")
    refused = _go(binary, command, binary.parent, {"GOBIN": str(place)})
    for made in place.glob("*"):
        made.replace(binary)
    shutil.rmtree(place, ignore_errors=True)
    return refused


def _compiled(binary: Path, module: Path, package: str) -> str | None:
    """`go build` in a module of this repository; why it is not there, if so."""
    place = binary.with_name(f"{binary.name}.building")
    refused = _go(binary, ["build", "-trimpath", "-ldflags=-s -w", "-o", str(place), package], module, {})
    if refused is None and place.is_file():
        place.replace(binary)
    return refused


def _go(binary: Path, command: list[str], where: Path, more: dict[str, str]) -> str | None:
    if binary.is_file():
        return None
    go = shutil.which("go") or "/usr/local/go/bin/go"
    began = time.monotonic()
    print(f"building {binary.name} ...", flush=True)
    env = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "auto", **more}
    try:
        done = subprocess.run([go, *command], cwd=where, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{binary.name}: {error}"
    lines = done.stderr.strip().splitlines() or [f"go ended with {done.returncode}"]
    print(f"  {'failed' if done.returncode else 'done'} after {time.monotonic() - began:.0f} s", flush=True)
    return f"{binary.name}: {lines[-1].strip()}" if done.returncode else None


def _plugin(binary: Path, usage: str = "Preview helm upgrade changes as a diff") -> Path:
    """A folder of plugins with this one in it, under the name diff."""
    plugins = folder() / "plugins"
    shutil.rmtree(plugins, ignore_errors=True)
    home = plugins / "helm-diff"
    home.mkdir(parents=True)
    shutil.copy2(binary, home / "diff")
    text = PLUGIN.format(version=HELM_DIFF[1:], usage=usage, binary="diff")
    (home / "plugin.yaml").write_text(text, encoding="utf-8")
    return plugins
