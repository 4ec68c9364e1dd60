"""Debian's docker-registry as a real OCI registry for tests, on a free port, open or with a password."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BINARY = shutil.which("docker-registry")


@contextmanager
def running(folder: Path, user: tuple[str, str] | None = None) -> Iterator[str]:
    """HOST:PORT while the block runs; skips where there is no registry to run."""
    if BINARY is None:
        pytest.skip("no OCI registry: apt-get install docker-registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    auth = ""
    if user is not None:
        import bcrypt

        hashed = bcrypt.hashpw(user[1].encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{user[0]}:{hashed.replace('$2b$', '$2y$')}\n")
        auth = f"auth: {{htpasswd: {{realm: charts, path: {folder}/htpasswd}}}}\n"
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}, secret: x}}\n{auth}"
    )
    process = subprocess.Popen(
        [BINARY, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
