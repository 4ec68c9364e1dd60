"""A protected environment over its life, by the real command line: confirmed, changed, taken back, pruned."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.shop import Done, Shop

FILE = """\
environments:
  prod:
    protected: true
    kubeContext: CONTEXT
    cluster: {context: "CONTEXT*"}
---
project: town
releases:
"""
CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {color: '{{ .Values.color }}'}\n"


@pytest.fixture
def town(shop: Shop) -> Shop:
    (shop.folder / "web/templates").mkdir(parents=True)
    (shop.folder / "web/Chart.yaml").write_text(CHART, encoding="utf-8")
    (shop.folder / "web/templates/config.yaml").write_text(CONFIG, encoding="utf-8")
    _releases(shop, "red", "one", "two")
    return shop


def _releases(shop: Shop, color: str, *names: str) -> None:
    listed = "".join(
        f"  - {{name: {name}, namespace: town, chart: ./web, values: [{{color: {color}}}]}}\n"
        for name in names
    )
    text = FILE.replace("CONTEXT", shop.context) + listed
    (shop.folder / "helmflow.yaml").write_text(text, encoding="utf-8")


def _ok(done: Done) -> Done:
    assert done.code == 0, done.err + done.out
    return done


def _colors(shop: Shop) -> dict[str, str]:
    found = shop.cluster().list("v1", "ConfigMap", "town").items
    return {o["metadata"]["name"]: o["data"]["color"] for o in found if "color" in o.get("data", {})}


def test_a_protected_environment_over_its_life(town: Shop) -> None:
    refused = town.run("sync", "-e", "prod")
    assert refused.code == 1
    assert "env.protected" in refused.err
    assert "--confirm prod" in refused.err
    _ok(town.run("sync", "-e", "prod", "--confirm", "prod"))
    _releases(town, "green", "one", "two", "three")
    _ok(town.run("sync", "-e", "prod", "--confirm", "prod"))
    assert _colors(town) == {"one": "green", "two": "green", "three": "green"}

    listed = json.loads(_ok(town.run("runs", "-e", "prod", "-o", "json")).out)
    assert [[one["revision"] for one in run["releases"]] for run in listed] == [[2, 1, 2], [1, 1]]
    table = _ok(town.run("runs", "-e", "prod")).out.splitlines()
    assert table[0].split() == ["RUN", "STARTED", "COMMAND", "BY", "COMMIT", "OUTCOME", "RELEASES"]
    assert listed[0]["id"] in table[1]

    unconfirmed = town.run("rollback", "-e", "prod", "--run", listed[0]["id"])
    assert unconfirmed.code == 1
    _ok(town.run("rollback", "-e", "prod", "--run", listed[0]["id"], "--confirm", "prod"))
    assert _colors(town) == {"one": "red", "two": "red"}

    _releases(town, "red", "one")
    shown = _ok(town.run("diff", "-e", "prod"))
    assert "town/two left the files" in shown.err
    _ok(town.run("sync", "-e", "prod", "--prune", "--confirm", "prod"))
    assert _colors(town) == {"one": "red"}
    _ok(town.run("destroy", "-e", "prod", "--confirm", "prod"))
    assert _colors(town) == {}


def test_another_cluster_is_refused_and_typos_are_explained(town: Shop) -> None:
    town.edit("helmflow.yaml", f"{town.context}*", "prod-*")
    refused = town.run("diff", "-e", "prod")
    assert refused.code == 1
    assert "env.other-cluster" in refused.err
    town.edit("helmflow.yaml", "protected", "protectd")
    assert "did you mean 'protected'?" in town.run("diff", "-e", "prod").err
    typo = town.run("sync", "-e", "prod", "--on-failure", "stopp")
    assert "did you mean stop?" in typo.err
    assert "Traceback" not in typo.err
