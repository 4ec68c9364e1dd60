"""What a render leaves on disk: found again, never trusted blindly."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helmflow.helm.chart.load import load
from helmflow.helm.render import engine, kept
from tests.charts import write_chart

FILES = {
    "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\nmaintainers: [{name: m}]\nannotations: {a: b}\n",
    "values.yaml": "a: 1\n",
    "templates/a.yaml": "kind: A\nmetadata: {name: {{ .Release.Name }}}\na: {{ .Values.a }}\n",
    "charts/s/Chart.yaml": "apiVersion: v2\nname: s\nversion: 1.0.0\n",
}


def test_a_chart_comes_back_as_it_was(tmp_path: Path) -> None:
    chart = write_chart(tmp_path / "c", FILES)
    things = kept.Kept(tmp_path / "kept")
    fresh = things.load_chart(chart)  # too young to be kept
    assert not (tmp_path / "kept" / "things").exists()
    time.sleep(2.1)
    assert things.load_chart(chart) == fresh
    again = kept.Kept(tmp_path / "kept").load_chart(chart)
    assert (again.metadata, again.values, again.templates) == (fresh.metadata, fresh.values, fresh.templates)
    assert [sub.name for sub in again.dependencies] == ["s"]
    (chart / "values.yaml").write_text("a: 2\n")
    assert kept.Kept(tmp_path / "kept").load_chart(chart).values == {"a": 2.0}


def test_helm_3_reads_the_values_of_a_kept_chart_in_its_own_way(tmp_path: Path) -> None:
    path = write_chart(tmp_path / "c", {**FILES, "values.yaml": "a: 1\n---\na: 2\n"})
    things = kept.Kept(tmp_path / "kept")
    time.sleep(2.1)
    for version, wanted in ((3, 1.0), (3, 1.0), (4, 2.0)):
        chart = things.load_chart(path)
        (manifest,) = engine.render(chart, {}, engine.RenderOptions(helm_version=version)).manifests
        assert manifest.body["a"] == wanted


def test_programs_and_heads_serve_the_next_process(tmp_path: Path) -> None:
    path = write_chart(tmp_path / "c", FILES)
    things = kept.Kept(tmp_path / "kept")
    options = engine.RenderOptions(release_name="r", programs=things.programs)
    chart = load(path)
    rendered = engine.render(chart, {}, options)
    engine.keep_programs(rendered.chart, things.programs)
    things.save_seen(chart, "r")
    other = kept.Kept(tmp_path / "kept")
    other.load_seen(load(path), "r")
    again = engine.render(load(path), {}, engine.RenderOptions(release_name="r", programs=other.programs))
    assert again.manifest == rendered.manifest
    assert again.manifests[0].body == {"kind": "A", "metadata": {"name": "r"}, "a": 1.0}


def test_damaged_and_foreign_entries_are_not_used(tmp_path: Path) -> None:
    things = kept.Kept(tmp_path / "kept")
    assert things.load_values(b"a: 1\n") == {"a": 1.0}
    (entry,) = (tmp_path / "kept" / "things").iterdir()
    entry.write_bytes(entry.read_bytes()[:-1] + b"x")
    assert things.load_values(b"a: 1\n") == {"a": 1.0}
    (tmp_path / "kept" / "things").chmod(0o777)
    assert things.load_values(b"a: 1\n") == {"a": 1.0}


def kept_chart(tmp_path: Path) -> tuple[Path, Path]:
    """A chart that is kept, and the folder."""
    chart = write_chart(tmp_path / "c", FILES)
    time.sleep(2.1)
    kept.Kept(tmp_path / "kept").load_chart(chart)
    assert list((tmp_path / "kept" / "things").iterdir())
    return chart, tmp_path / "kept"


def test_an_edit_that_keeps_size_and_time_is_noticed(tmp_path: Path) -> None:
    chart, folder = kept_chart(tmp_path)
    file = chart / "values.yaml"
    before = file.stat()
    file.write_text("a: 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert kept.Kept(folder).load_chart(chart).values == {"a": 2.0}


def test_another_version_of_helmflow_reads_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chart, folder = kept_chart(tmp_path)
    count = len(list((folder / "things").iterdir()))
    monkeypatch.setattr(kept, "__version__", "99")
    kept.Kept(folder).load_chart(chart)
    assert len(list((folder / "things").iterdir())) == count + 1


def test_processes_that_run_at_once_share_the_folder(tmp_path: Path) -> None:
    chart = write_chart(tmp_path / "c", FILES)
    time.sleep(2.1)
    environ = {**os.environ, "HELMFLOW_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "helmflow", "chart", "template", "r", str(chart)]
    for _ in range(2):
        running = [
            subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(4)
        ]
        ended = [process.communicate() for process in running]
        assert len(set(ended)) == 1
        assert b"a: 1" in ended[0][0]
        assert not ended[0][1]
    assert not list((tmp_path / "cache").rglob(".*"))
