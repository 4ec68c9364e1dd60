"""charts/ and the lock file: Helm builds from our locks, we build from Helm's, and both fetch the same."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from helmflow.core.errors import ChartError
from helmflow.core.sensitive import SecretText
from helmflow.helm.chart import load, package
from helmflow.providers.charts import chart_lock, indexing, trust
from helmflow.providers.charts.dependency_source import CheckedSource
from helmflow.providers.charts.openpgp import Keyring
from tests.charts import chart_of, write_chart
from tests.providers.http_parts import Site, serving
from tests.providers.keys import Keys

helm = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")


@pytest.fixture(autouse=True)
def _clean_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("HELM", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HELMFLOW_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def site() -> Iterator[Site]:
    """A repository with db 1.0.0, 1.2.0, 2.0.0 and cache 0.3.0."""
    index = indexing.empty()
    files: dict[str, bytes] = {}
    for name, version in (("db", "1.0.0"), ("db", "1.2.0"), ("db", "2.0.0"), ("cache", "0.3.0")):
        chart = chart_of({"Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n"})
        file_name, content = package.archive(chart)
        indexing.add(index, indexing.entry(chart, file_name, content))
        files[f"/{file_name}"] = content
    files["/index.yaml"] = json.dumps(index).encode()
    with serving(Site(files)) as served:
        yield served


def parent(folder: Path, dependencies: str, *, old: bool = False) -> Path:
    if old:
        write_chart(folder, {"Chart.yaml": "apiVersion: v1\nname: web\nversion: 1.0.0\n"})
        write_chart(folder, {"requirements.yaml": f"dependencies:\n{dependencies}"})
        return folder
    about = f"apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n{dependencies}"
    return write_chart(folder, {"Chart.yaml": about})


def declared(site: Site) -> str:
    return (
        f"- {{name: db, version: '>=1.0.0 <2', repository: '{site.url}', condition: db.enabled, tags: [a, b]}}\n"
        f"- {{name: cache, version: 0.x.x, repository: '{site.url}', alias: fast, import-values: [x, {{child: a, parent: b}}]}}\n"
        "- {name: near, version: '*', repository: 'file://../near'}\n"
    )


def update(path: Path, **options: object) -> list[str]:
    said: list[str] = []
    chart_lock.update(path, CheckedSource(**options), {}, said.append)  # type: ignore[arg-type]
    return said


def names(path: Path) -> list[str]:
    return sorted(one.name for one in (path / "charts").iterdir())


@pytest.mark.parametrize("old", [False, True])
def test_locks_are_helms_and_helm_builds_from_them(site: Site, tmp_path: Path, old: bool) -> None:
    write_chart(tmp_path / "near", {"Chart.yaml": "apiVersion: v2\nname: near\nversion: 3.1.4\n"})
    ours = parent(tmp_path / "ours", declared(site), old=old)
    theirs = parent(tmp_path / "theirs", declared(site), old=old)
    said = update(ours)
    helm.dependency_update(theirs)
    assert said[0] == "Saving 3 charts"
    assert f"Downloading db from repo {site.url}" in said
    assert names(ours) == names(theirs) == ["cache-0.3.0.tgz", "db-1.2.0.tgz", "near-3.1.4.tgz"]
    one, other = load.load(ours).lock, load.load(theirs).lock
    assert one is not None
    assert other is not None
    assert (one.digest, one.dependencies) == (other.digest, other.dependencies)
    for path in (ours, theirs):
        for archive in (path / "charts").iterdir():
            archive.unlink()
    helm.dependency_build(ours)
    chart_lock.build(theirs, CheckedSource(), {}, lambda _: None)
    assert names(ours) == names(theirs)
    assert (ours / "charts" / "db-1.2.0.tgz").read_bytes() == site.files["/db-1.2.0.tgz"]


def test_a_lock_that_would_be_the_same_is_not_written(site: Site, tmp_path: Path) -> None:
    path = parent(tmp_path / "web", f"- {{name: db, version: 1.x, repository: '{site.url}'}}\n")
    update(path)
    before = (path / "Chart.lock").read_bytes()
    update(path)
    assert (path / "Chart.lock").read_bytes() == before


def test_what_is_no_dependency_any_more_goes(site: Site, tmp_path: Path) -> None:
    path = parent(tmp_path / "web", f"- {{name: db, version: 1.x, repository: '{site.url}'}}\n")
    write_chart(path / "charts" / "folder", {"Chart.yaml": "apiVersion: v2\nname: folder\nversion: 1.0.0\n"})
    (path / "charts" / "db-1.0.0.tgz").write_bytes(site.files["/db-1.0.0.tgz"])
    (path / "charts" / "cache-0.3.0.tgz").write_bytes(site.files["/cache-0.3.0.tgz"])
    (path / "charts" / "_notes.txt").write_text("mine")
    update(path)
    assert names(path) == ["_notes.txt", "db-1.2.0.tgz", "folder"]


def failure(path: Path, **options: object) -> ChartError:
    with pytest.raises(ChartError) as raised:
        update(path, **options)
    return raised.value


@pytest.mark.parametrize(
    ("line", "error_id"),
    [
        ("{name: db, version: 9.x, repository: URL}", "chart.no-such-version"),
        ("{name: db, version: '?', repository: URL}", "chart.bad-version-range"),
        ("{name: nothing, version: 1.x, repository: URL}", "chart.not-in-repository"),
        ("{name: db, version: 1.x, repository: 'ftp://x'}", "chart.unsupported-source"),
        ("{name: db, version: 1.x, repository: '@mine'}", "chart.unknown-repository"),
        ("{name: db, version: 1.x}", "chart.not-found"),
        ("{name: near, version: 9.x, repository: 'file://../near'}", "chart.no-such-version"),
        ("{name: other, version: 3.x, repository: 'file://../near'}", "chart.dependency-name"),
    ],
)
def test_what_cannot_be_had_leaves_everything_as_it_was(
    site: Site, tmp_path: Path, line: str, error_id: str
) -> None:
    write_chart(tmp_path / "near", {"Chart.yaml": "apiVersion: v2\nname: near\nversion: 3.1.4\n"})
    good = f"- {{name: cache, version: 0.x, repository: '{site.url}'}}\n"
    path = parent(tmp_path / "web", f"{good}- {line.replace('URL', repr(site.url))}\n")
    assert failure(path).error_id == error_id
    assert not (path / "charts").exists()
    assert not (path / "Chart.lock").exists()


def test_a_lock_of_other_dependencies_is_refused_in_helms_words(site: Site, tmp_path: Path) -> None:
    path = parent(tmp_path / "web", f"- {{name: db, version: 1.x, repository: '{site.url}'}}\n")
    update(path)
    parent(path, f"- {{name: db, version: 2.x, repository: '{site.url}'}}\n")
    with pytest.raises(ChartError) as ours:
        chart_lock.build(path, CheckedSource(), {}, lambda _: None)
    with pytest.raises(helm.HelmError) as theirs:
        helm.dependency_build(path)
    assert ours.value.error_id == "chart.lock-mismatch"
    assert ours.value.message in str(theirs.value)


@pytest.mark.parametrize("kind", ["file outside", "dangling", "folder"])
def test_a_lock_file_that_is_no_file_is_never_written_through(site: Site, tmp_path: Path, kind: str) -> None:
    """CVE-2025-53547."""
    path = parent(tmp_path / "web", f"- {{name: db, version: 1.x, repository: '{site.url}'}}\n")
    victim = tmp_path / "victim"
    match kind:
        case "file outside":
            victim.write_text("precious")
            (path / "Chart.lock").symlink_to(victim)
        case "dangling":
            (path / "Chart.lock").symlink_to(victim)
        case _:
            (path / "Chart.lock").mkdir()
    assert failure(path).error_id.startswith("chart.")
    assert victim.exists() == (kind == "file outside")
    assert not victim.exists() or victim.read_text() == "precious"


def test_an_aliased_repository_is_locked_by_its_address(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helmflow.providers.charts.dependency_source import aliases

    known = tmp_path / "repositories.yaml"
    known.write_text(f"repositories: [{{name: mine, url: '{site.url}'}}]\n")
    monkeypatch.setenv("HELM_REPOSITORY_CONFIG", str(known))
    path = parent(tmp_path / "web", "- {name: db, version: 1.x, repository: '@mine'}\n")
    chart_lock.update(path, CheckedSource(), aliases(), lambda _: None)
    lock = load.load(path).lock
    assert lock is not None
    assert lock.dependencies[0].repository == site.url
    helm.dependency_list(path)
    chart_lock.build(path, CheckedSource(), aliases(), lambda _: None)


def test_dependencies_may_have_to_be_signed(site: Site, keys: Keys, tmp_path: Path) -> None:
    path = parent(tmp_path / "web", f"- {{name: db, version: 1.x, repository: '{site.url}'}}\n")
    ring = str(keys.file("ann.pub.gpg"))
    assert failure(path, keyring=ring).error_id == "provenance.missing"
    archive = tmp_path / "db-1.2.0.tgz"
    archive.write_bytes(site.files["/db-1.2.0.tgz"])
    prov = trust.sign_archive(
        archive, Keyring.load(keys.file("ann.sec.gpg")), "ann", lambda _: SecretText("")
    )
    site.files["/db-1.2.0.tgz.prov"] = prov.read_bytes()
    update(path, keyring=ring)
    assert names(path) == ["db-1.2.0.tgz"]


@pytest.mark.parametrize("case", ["ok", "unpacked", "missing", "wrong", "corrupt", "misnamed", "many"])
def test_the_status_of_dependencies_is_helms(site: Site, tmp_path: Path, case: str) -> None:
    path = parent(tmp_path / "web", f"- {{name: db, version: ~1.2, repository: '{site.url}'}}\n")
    charts = path / "charts"
    charts.mkdir()
    match case:
        case "ok":
            (charts / "db-1.2.0.tgz").write_bytes(site.files["/db-1.2.0.tgz"])
        case "unpacked":
            write_chart(charts / "db", {"Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.2.9\n"})
        case "wrong":
            (charts / "db-2.0.0.tgz").write_bytes(site.files["/db-2.0.0.tgz"])
        case "misnamed":
            (charts / "db-1.2.0.tgz").write_bytes(site.files["/cache-0.3.0.tgz"])
        case "many":
            for version in ("1.0.0", "1.2.0"):
                (charts / f"db-{version}.tgz").write_bytes(site.files[f"/db-{version}.tgz"])
    if case == "corrupt":
        archive = tmp_path / "whole.tgz"
        archive.write_bytes(package.archive(load.load(path))[1])
        (charts / "db-1.2.0.tgz").write_bytes(b"\x1f\x8b\x08 no archive")
        with pytest.raises(ChartError):
            chart_lock.listing(path)
        with pytest.raises(helm.HelmError):
            helm.dependency_list(path)
        return
    ours = [
        {"name": row.name, "version": row.version, "repository": row.repository, "status": row.status}
        for row in chart_lock.listing(path)
    ]
    assert ours == helm.dependency_list(path)
