"""One chart and one release without a state file: what people do with helm, with helmflow alone."""

from __future__ import annotations

import json

import pytest

from helmflow.cli.main import build_app, settle_booleans
from tests.scenarios.shop import Shop

WHERE = ("--kube-context", "embedded", "-n", "lab")


def test_a_chart_lives_its_life(shop: Shop) -> None:
    def run(*words: str, code: int = 0) -> str:
        done = shop.run(*words)
        assert "Traceback" not in done.err, done.err
        assert done.code == code, done.err + done.out
        return done.out + done.err

    run("chart", "create", "demo")
    for words in (("status",), ("status", "-o", "json"), ("history",), ("history", "-o", "yaml")):
        assert run("release", words[0], "web", *words[1:], *WHERE, code=1).startswith(
            "error[release.not-found]"
        )
    assert "release.not-deployed" in run("release", "upgrade", "web", "demo", *WHERE, code=1)
    assert "NOTES of lab/web" in run(
        "release", "upgrade", "--install", "web", "demo", *WHERE, "--wait", "--create-namespace"
    )
    assert "release.name-in-use" in run("release", "install", "web", "demo", *WHERE, code=1)
    run("release", "upgrade", "web", "demo", *WHERE, "--set", "replicaCount=2", "--timeout", "1m")
    assert run("release", "get", "values", "web", *WHERE) == "replicaCount: 2\n"
    assert run("release", "get", "values", "web", *WHERE, "--revision", "1") == "{}\n"
    assert "replicas: 2" in run("release", "get", "manifest", "web", *WHERE)
    assert "test-connection" in run("release", "get", "hooks", "web", *WHERE)
    assert json.loads(run("release", "get", "metadata", "web", *WHERE, "-o", "json"))["revision"] == 2
    assert "Phase:          Succeeded" in run("release", "test", "web", *WHERE)
    run("release", "rollback", "web", *WHERE)
    rows = json.loads(run("release", "history", "web", *WHERE, "-o", "json"))
    assert [row["status"] for row in rows] == ["superseded", "superseded", "deployed"]
    assert run("release", "get", "values", "web", *WHERE) == "{}\n"
    run("release", "uninstall", "web", *WHERE, "--keep-history")
    assert "STATUS: uninstalled" in run("release", "status", "web", *WHERE)
    run("release", "install", "web", "demo", *WHERE)


@pytest.mark.parametrize(
    ("typed", "settled"),
    [
        ("sync --skip-needs=false -q", "sync --no-skip-needs -q"),
        ("sync --wait=true --debug=false", "sync --wait"),
        ("sync --concurrency=1 -- --wait=true", "sync --concurrency=1 -- --wait=true"),
        ("sync --skip-needs=maybe", "sync --skip-needs=maybe"),
    ],
)
def test_booleans_may_be_written_as_go_writes_them(typed: str, settled: str) -> None:
    import typer

    assert settle_booleans(typed.split(), typer.main.get_command(build_app("sync"))) == settled.split()
