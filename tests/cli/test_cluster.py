"""The embedded cluster, served so that kubectl can look at it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.scenarios.shop import Shop

KUBECTL = shutil.which("kubectl")


def test_start_kubectl_stop(shop: Shop) -> None:
    assert shop.run("sync", "--env", "dev", "-l", "name=queue").code == 0
    assert shop.run("cluster", "kubeconfig").code == 1
    started = shop.run("cluster", "start")
    try:
        assert started.code == 0, started.err
        assert "serving at https://127.0.0.1:" in started.out
        assert "already serving" in shop.run("cluster", "start").out
        kubeconfig = shop.home / "state" / "embedded" / "kubeconfig"
        assert kubeconfig.stat().st_mode & 0o077 == 0
        if KUBECTL is None:
            pytest.skip("kubectl is not installed")
        done = subprocess.run(
            [KUBECTL, "get", "deployments", "-A", "-o", "name", "--request-timeout=20s"],
            env={**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(shop.home)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == "deployment.apps/queue\n", done.stderr
        # A run in another process writes to the same cluster.
        assert shop.run("destroy", "--env", "dev", "-l", "name=queue").code == 0
    finally:
        assert shop.run("cluster", "stop").code == 0
    assert "not serving" in shop.run("cluster", "stop").out
    assert shop.run("cluster", "reset").code == 0
    assert not list((shop.home / "state" / "embedded").glob("cluster.db*"))
