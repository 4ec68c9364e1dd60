"""Charts are made, packed and indexed so that the real Helm takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helmflow.core import yaml_dialect
from helmflow.core.errors import ChartError, Refusal
from helmflow.helm.chart import create, load, package
from helmflow.providers.charts import indexing

helm_python = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")


def test_a_new_chart_is_one_that_helm_renders_without_complaint(tmp_path: Path) -> None:
    folder = create.create("shiny", tmp_path)
    messages = helm_python.lint(str(folder))
    assert "ERROR" not in json.dumps(messages, default=str)
    chart = helm_python.Chart.load(str(folder))
    assert chart


def test_a_starter_gets_the_new_name(tmp_path: Path) -> None:
    starter = create.create("starter", tmp_path)
    (starter / "templates" / "extra.yaml").write_text("name: <CHARTNAME>\n")
    made = create.create("web", tmp_path / "out", starter)
    assert load.load(made).metadata.name == "web"
    assert (made / "templates" / "extra.yaml").read_text() == "name: web\n"


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 251, "ü"])
def test_names_that_are_no_chart_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ChartError) as failure:
        create.create(name, tmp_path)
    assert failure.value.error_id == "chart.bad-name"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "mine").write_text("x")
    with pytest.raises(Refusal):
        create.create("web", tmp_path)


def test_packages_are_reproducible_and_helm_loads_them(tmp_path: Path) -> None:
    chart = load.load(create.create("web", tmp_path))
    name, content = package.archive(package.versioned(chart, "2.0.0+b1", "9"))
    assert (name, content) == package.archive(package.versioned(chart, "2.0.0+b1", "9"))
    (tmp_path / name).write_bytes(content)
    metadata = load.load(tmp_path / name).metadata
    assert (metadata.version, metadata.app_version) == ("2.0.0+b1", "9")
    assert helm_python.Chart.load(str(tmp_path / name))


def test_an_index_merges_as_helm_does(tmp_path: Path) -> None:
    chart = load.load(create.create("web", tmp_path))
    repo = tmp_path / "repo"
    repo.mkdir()
    for version in ("1.0.0", "1.10.0", "1.9.0"):
        name, content = package.archive(package.versioned(chart, version))
        (repo / name).write_bytes(content)
    index = indexing.of_folder(repo, url="https://charts.example/x/")
    assert [entry["version"] for entry in index["entries"]["web"]] == ["1.10.0", "1.9.0", "1.0.0"]
    assert index["entries"]["web"][0]["urls"] == ["https://charts.example/x/web-1.10.0.tgz"]
    older = tmp_path / "old.yaml"
    older.write_text(
        yaml_dialect.dump({**index, "entries": {"web": [{**index["entries"]["web"][1], "digest": "kept"}]}})
    )
    merged = indexing.merged(index, older)
    assert [(e["version"], e["digest"] == "kept") for e in merged["entries"]["web"]] == [
        ("1.10.0", False), ("1.9.0", True), ("1.0.0", False)
    ]  # fmt: skip
