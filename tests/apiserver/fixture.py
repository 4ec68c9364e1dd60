"""The session's one real cluster: started on first use, skipped visibly where it cannot be (HELMFLOW_APISERVER=required: an error)."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

import pytest

from tests.apiserver import binaries
from tests.apiserver.cluster import RealCluster

_RUNNING: list[tuple[tempfile.TemporaryDirectory[str], RealCluster]] = []


def cluster() -> RealCluster:
    """The running cluster; skips the test with the command that would enable it."""
    if not _RUNNING:
        found = binaries.find()
        if isinstance(found, str):
            if os.environ.get("HELMFLOW_APISERVER") == "required":
                pytest.fail(found)
            pytest.skip(found)
        folder = tempfile.TemporaryDirectory(prefix="helmflow-apiserver-")
        atexit.register(stop)
        _RUNNING.append((folder, RealCluster.start(found, Path(folder.name))))
    return _RUNNING[0][1]


def stop() -> None:
    """End it with the session."""
    while _RUNNING:
        folder, running = _RUNNING.pop()
        running.stop()
        folder.cleanup()
