"""The real kustomize for tests: on PATH, or built once by Go into the user's cache (`python -m tests.kustomize`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VERSION = "v5.7.1"  # the newest that Go 1.26 builds


def folder() -> Path:
    """Where it is built to."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "helmflow-tests" / f"kustomize-{VERSION}"


def binary() -> str:
    """Its path; skips the test, visibly, where there is none."""
    found = shutil.which("kustomize") or shutil.which("kustomize", path=str(folder()))
    if not found:
        pytest.skip("no kustomize: `python -m tests.kustomize` builds it with Go (a minute, once)")
    return found


def main() -> int:
    """Build it."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    folder().mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GOBIN": str(folder()), "CGO_ENABLED": "0"}
    return subprocess.call([go, "install", f"sigs.k8s.io/kustomize/kustomize/v5@{VERSION}"], env=env)


if __name__ == "__main__":
    sys.exit(main())
