"""What a run asks of repositories and registries again, and what happens where the answer has changed meanwhile."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from helmflow.core import yaml_dialect
from helmflow.helm.chart import package, records
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.charts.oci import RegistryClient
from helmflow.providers.http import NO_CREDENTIALS
from tests.charts import archive_of, chart_of
from tests.providers import project as projects
from tests.providers.http_parts import Site, serving
from tests.providers.project import Project, packed

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {from: CONTENT}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return projects.new(tmp_path)


@pytest.mark.parametrize("at", ["release", "helmDefaults", "flag"])
def test_repositories_are_not_asked_again_where_files_say_so(
    project: Project, tmp_path: Path, at: str
) -> None:
    with serving(Site(packed(tmp_path, ("web", "1.0.0")))) as site:
        head = f"repositories: [{{name: r, url: '{site.url}'}}]\n"
        if at == "helmDefaults":
            head += "helmDefaults: {skipRefresh: true}\n"
        own = ", skipRefresh: true" if at == "release" else ""
        project.write(f"{head}releases: [{{name: a, chart: r/web{own}}}]\n")
        words = ("template", *(["--skip-refresh"] if at == "flag" else []))
        project.run(*words)  # what is not cached is fetched all the same
        assert len(site.asked("/index.yaml")) == 1
        site.files.update(packed(tmp_path, ("web", "2.0.0")))
        assert "web/templates/a.yaml" in project.run(*words)
        assert len(site.asked("/index.yaml")) == 1
        project.write(
            f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases: [{{name: a, chart: r/web}}]\n"
        )
        project.run("template")
        assert len(site.asked("/index.yaml")) == 2
        assert len(site.asked("/web-2.0.0.tgz")) == 1


def test_one_release_that_wants_the_newest_has_them_all_asked_for(project: Project, tmp_path: Path) -> None:
    with serving(Site(packed(tmp_path, ("web", "1.0.0")))) as site:
        project.write(
            f"repositories: [{{name: r, url: '{site.url}'}}]\n"
            "releases: [{name: a, chart: r/web, skipRefresh: true}, {name: b, chart: r/web}]\n"
        )
        project.run("template")
        project.run("template")
        assert len(site.asked("/index.yaml")) == 2


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("apiVersion: v2\nname: web\nversion: 1.0.0\n\tdescription: a tab\n", "Chart.yaml:4:1"),
        ("apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: {a: b}\n", "Chart.yaml:4:1"),
    ],
)
def test_mistakes_in_an_archive_have_the_place_in_its_member(project: Project, text: str, place: str) -> None:
    project.write("releases: [{name: a, chart: ./web-1.0.0.tgz}]\n")
    (project.folder / "web-1.0.0.tgz").write_bytes(archive_of({"web/Chart.yaml": text}))
    assert f"--> web-1.0.0.tgz/{place}\n" in project.run("template", code=1)


def push(registry: str, content: str, tmp_path: Path) -> str:
    """Push another chart under the same tag; its digest."""
    chart = chart_of({"templates/a.yaml": CONFIG.replace("CONTENT", content)})
    client = RegistryClient(ChartCache(tmp_path / f"pushed-{content}"))
    _, archive = package.archive(chart)
    about = records.metadata(chart.metadata)
    return client.push(archive, about, f"oci://{registry}/moved", NO_CREDENTIALS, plain_http=True)


def test_a_tag_that_moves_between_plan_and_apply_deploys_nothing_else(
    project: Project, oci_registry: str, tmp_path: Path
) -> None:
    first = push(oci_registry, "first", tmp_path)
    project.write(
        f"repositories: [{{name: r, url: {oci_registry}/moved, oci: true, plainHttp: true}}]\n"
        "releases: [{name: a, namespace: default, chart: r/c, version: 1.2.3}]\n"
    )
    cluster = ("--kube-context", "embedded")
    project.run("deps")
    assert first in (project.folder / "helmflow.lock").read_text()
    project.run("plan", "--out", "later.plan", *cluster)
    second = push(oci_registry, "second", tmp_path)
    assert second != first
    for words in (("plan",), ("apply",), ("sync",)):  # a plan of its own: the lock refuses what is there now
        said = project.run(*words, *cluster, code=1)
        assert "error[lock.digest]" in said
        assert first in said
        assert second in said
    assert "deployed" not in project.run("status", *cluster)
    project.run("apply", "later.plan", *cluster)  # what was looked at, and nothing else
    manifest = project.run("release", "get", "manifest", "a", "-n", "default", *cluster)
    assert "first" in manifest
    assert "second" not in manifest


def test_charts_of_plain_registries_are_shown(project: Project, oci_registry: str, tmp_path: Path) -> None:
    push(oci_registry, "shown", tmp_path)
    chart = f"oci://{oci_registry}/moved/c"
    shown = project.run("chart", "show", "chart", chart, "--version", "1.2.3", "--plain-http")
    assert "version: 1.2.3" in shown
    words = ("chart", "show", "values", chart, "--plain-http", "--verify")
    assert "error[" in project.run(*words, code=1)  # nobody signed it
    assert "error[" in project.run("chart", "show", "chart", chart, "--version", "1.2.3", code=1)


@pytest.mark.nightly
def test_an_index_of_fifty_megabytes_is_read_within_bounds(project: Project, tmp_path: Path) -> None:
    files = packed(tmp_path, ("web", "1.0.0"))
    head, _, entry = yaml_dialect.dump(json.loads(files["/index.yaml"])).partition("entries:\n")
    lines = [head, "entries:\n"]
    filler = "    description: " + "a chart of many " * 20 + "\n"
    size, number = 0, 0
    while size < 50 * 1024 * 1024:
        one = f"  made-{number:06}:\n" + "".join(
            f"  - apiVersion: v2\n    name: made-{number:06}\n    version: {minor}.0.0\n{filler}"
            f"    digest: {'a' * 64}\n    created: '2024-01-01T00:00:00Z'\n    urls:\n    - made-{number}-{minor}.tgz\n"
            for minor in range(10)
        )
        lines.append(one)
        size += len(one)
        number += 1
    files["/index.yaml"] = "".join([*lines, entry]).encode()
    with serving(Site(files)) as site:
        project.write(
            f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases: [{{name: a, chart: r/web}}]\n"
        )
        first, peak = measured(project)
        again, peak_again = measured(project)
    print(f"first {first:.1f} s and {peak} MiB, again {again:.1f} s and {peak_again} MiB")
    assert peak < 400
    assert peak_again < 200
    assert first < 120
    assert again < first / 3


def measured(project: Project) -> tuple[float, int]:
    """Seconds of `helmflow template` in a process of its own, and its peak in MiB."""
    began = time.monotonic()
    words = [sys.executable, "-m", "helmflow", "template"]
    pid = os.fork()
    if pid == 0:
        os.chdir(project.folder)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execve(sys.executable, words, project.environment())
    _, status, used = os.wait4(pid, 0)
    assert status == 0
    return time.monotonic() - began, used.ru_maxrss // 1024
