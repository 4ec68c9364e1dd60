"""The real helm programs for tests: built once by Go into the user's cache (`python -m tests.helm_programs`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VERSIONS = {3: "v3.21.4", 4: "v4.2.4"}


def folder(version: str) -> Path:
    """Where a version is built to."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "helmflow-tests" / f"helm-{version}"


def binary(generation: int) -> str:
    """The path of Helm 3 or 4; skips the test, visibly, where it was not built."""
    found = folder(VERSIONS[generation]) / "helm"
    if not found.is_file():
        pytest.skip(
            f"no helm {VERSIONS[generation]}: `python -m tests.helm_programs` builds it with Go (minutes, once)"
        )
    return str(found)


def main() -> int:
    """Build what is missing; tests say themselves where that was not possible."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    for generation, version in VERSIONS.items():
        if (folder(version) / "helm").is_file():
            continue
        folder(version).mkdir(parents=True, exist_ok=True)
        env = {
            **os.environ,
            "GOBIN": str(folder(version)),
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "auto",
            "GOFLAGS": "",
        }
        package = f"helm.sh/helm/v{generation}/cmd/helm@{version}"
        failed = subprocess.call([go, "install", "-trimpath", "-ldflags", "-s -w", package], env=env)
        told = "could not be built: the tests that need it will skip" if failed else "is ready"
        print(f"helm {version} {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
