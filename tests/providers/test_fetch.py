"""Charts come from folders and repositories, each fetched once, and credentials stay at home."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helmflow.core.errors import ChartError
from helmflow.helm.chart import load
from helmflow.providers.charts import dependencies, serve
from helmflow.providers.charts.fetch import ChartFetcher
from helmflow.state.model import Repository
from tests.providers.http_parts import Site, serving


def chart_folder(root: Path, name: str, version: str) -> Path:
    folder = root / f"{name}-{version}"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: {version}\n")
    (folder / "templates" / "a.yaml").write_text("kind: A\n")
    return folder


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    root = tmp_path / "charts"
    for name, version in (("web", "1.2.3"), ("web", "1.3.0"), ("web", "2.0.0-rc.1"), ("db", "0.1.0")):
        chart_folder(root, name, version)
    return dict(serve.build(root).files)


def fetcher(tmp_path: Path, *repositories: Repository, offline: bool = False) -> ChartFetcher:
    return ChartFetcher(repositories, cache_dir=tmp_path / "cache", offline=offline)


@pytest.mark.parametrize(
    ("range_", "version"), [("", "1.3.0"), ("1.2.3", "1.2.3"), ("~1.2", "1.2.3"), (">=1.0.0-0", "2.0.0-rc.1")]
)
def test_a_range_chooses_what_helm_chooses(
    tmp_path: Path, files: dict[str, bytes], range_: str, version: str
) -> None:
    with serving(Site(files)) as site:
        found = fetcher(tmp_path, Repository(name="r", url=site.url)).fetch("r/web", range_, tmp_path)
    assert found.version == version
    assert found.path.read_bytes() == files[f"/web-{version}.tgz"]


def test_many_releases_make_one_download_and_one_index_request(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    with serving(Site(files)) as site:
        charts = fetcher(tmp_path, Repository(name="r", url=site.url))
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda i: charts.fetch("r/web" if i % 2 else "r/db", "", tmp_path), range(100)))
        assert sorted(path for path, _ in site.requests) == ["/db-0.1.0.tgz", "/index.yaml", "/web-1.3.0.tgz"]
        site.requests.clear()
        again = fetcher(tmp_path, Repository(name="r", url=site.url)).fetch("r/web", "", tmp_path)
        assert again.cached
        assert [path for path, _ in site.requests] == ["/index.yaml"]
        assert "if-none-match" in site.requests[0][1]


def test_offline_uses_the_cache_and_says_what_is_missing(tmp_path: Path, files: dict[str, bytes]) -> None:
    with serving(Site(files)) as site:
        repository = Repository(name="r", url=site.url)
        fetcher(tmp_path, repository).fetch("r/web", "", tmp_path)
    offline = fetcher(tmp_path, repository, offline=True)
    assert offline.fetch("r/web", "", tmp_path).version == "1.3.0"
    with pytest.raises(ChartError) as failure:
        offline.fetch("r/db", "", tmp_path)
    assert failure.value.error_id == "chart.offline"


def test_an_archive_that_is_not_what_the_index_promises_is_refused(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    files["/web-1.3.0.tgz"] = b"something else"
    with serving(Site(files)) as site, pytest.raises(ChartError) as failure:
        fetcher(tmp_path, Repository(name="r", url=site.url)).fetch("r/web", "", tmp_path)
    assert failure.value.error_id == "chart.digest-mismatch"
    assert list((tmp_path / "cache" / "blobs" / "sha256").iterdir()) == []


def test_credentials_reach_their_own_host_only(tmp_path: Path, files: dict[str, bytes]) -> None:
    archive = files.pop("/web-1.3.0.tgz")
    with serving(Site({"/moved.tgz": archive})) as elsewhere:
        home = Site(files, user=("ann", "s3cret"), redirects={"/web-1.3.0.tgz": f"{elsewhere.url}/moved.tgz"})
        with serving(home) as site:
            repository = Repository(name="r", url=site.url, username="ann", password="s3cret")
            assert fetcher(tmp_path, repository).fetch("r/web", "", tmp_path).path.read_bytes() == archive
        assert all("authorization" in headers for _, headers in home.requests)
        assert all("authorization" not in headers for _, headers in elsewhere.requests)


def test_an_archive_on_another_host_gets_no_credentials(tmp_path: Path, files: dict[str, bytes]) -> None:
    with serving(Site({"/web.tgz": files["/web-1.3.0.tgz"]})) as elsewhere:
        index = json.loads(files["/index.yaml"])
        for entry in index["entries"]["web"]:
            entry["urls"] = [f"{elsewhere.url}/web.tgz"]
        files["/index.yaml"] = json.dumps(index).encode()
        with serving(Site(files, user=("ann", "s3cret"))) as site:
            repository = Repository(name="r", url=site.url, username="ann", password="s3cret")
            fetcher(tmp_path, repository).fetch("r/web", "1.3.0", tmp_path)
        assert elsewhere.requests
        assert all("authorization" not in headers for _, headers in elsewhere.requests)


def test_wrong_credentials_are_said_without_showing_them(tmp_path: Path, files: dict[str, bytes]) -> None:
    with serving(Site(files, user=("ann", "right"))) as site, pytest.raises(ChartError) as failure:
        fetcher(tmp_path, Repository(name="r", url=site.url, username="ann", password="wr0ng!")).fetch(
            "r/web", "", tmp_path
        )
    assert failure.value.error_id == "http.unauthorized"
    assert "wr0ng!" not in str(failure.value) + failure.value.hint


def test_a_server_that_is_busy_for_a_moment_is_asked_again(tmp_path: Path, files: dict[str, bytes]) -> None:
    with serving(Site(files, failures=2)) as site:
        assert (
            fetcher(tmp_path, Repository(name="r", url=site.url)).fetch("r/db", "", tmp_path).version
            == "0.1.0"
        )


@pytest.mark.parametrize(
    ("chart", "version", "error_id", "hint"),
    [
        ("r/wob", "", "chart.not-in-repository", "did you mean 'web'?"),
        ("r/web", "9.x", "chart.no-such-version", "the newest are 2.0.0-rc.1, 1.3.0, 1.2.3"),
        ("r/web", "not a range", "chart.bad-version-range", ""),
        ("s/web", "", "chart.unknown-repository", "declared repositories: r; a local chart starts with ./"),
        ("./nowhere", "", "chart.missing", "local charts are relative to the file that names them"),
    ],
)
def test_mistakes_name_what_was_looked_for(
    tmp_path: Path, files: dict[str, bytes], chart: str, version: str, error_id: str, hint: str
) -> None:
    with serving(Site(files)) as site, pytest.raises(ChartError) as failure:
        fetcher(tmp_path, Repository(name="r", url=site.url)).fetch(chart, version, tmp_path)
    assert failure.value.error_id == error_id
    assert failure.value.hint.startswith(hint)


@pytest.mark.parametrize("index", [b"", b"<html>", b"a: [", b"entries: {}", b"apiVersion: v1\nentries: 3\n"])
def test_what_is_no_index_is_said(tmp_path: Path, index: bytes) -> None:
    with serving(Site({"/index.yaml": index})) as site, pytest.raises(ChartError) as failure:
        fetcher(tmp_path, Repository(name="r", url=site.url)).fetch("r/web", "", tmp_path)
    assert failure.value.error_id == "repository.bad-index"


def test_a_local_chart_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    folder = chart_folder(tmp_path, "web", "1.0.0")
    assert fetcher(tmp_path).fetch("./web-1.0.0", "", tmp_path).path == folder


def test_missing_dependencies_are_fetched_without_touching_the_folder(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    parent = chart_folder(tmp_path, "parent", "1.0.0")
    chart_folder(tmp_path, "sibling", "3.0.0")
    with serving(Site(files)) as site:
        (parent / "Chart.yaml").write_text(
            "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n"
            f"- {{name: web, version: ~1.2, repository: '{site.url}'}}\n"
            "- {name: db, version: '*', repository: '@r'}\n"
            "- {name: sibling, version: 3.0.0, repository: 'file://../sibling-3.0.0'}\n"
        )
        before = sorted(parent.rglob("*"))
        source = fetcher(tmp_path, Repository(name="r", url=site.url))
        chart = dependencies.complete(load.load(parent), parent, source)
    assert [(d.metadata.name, d.metadata.version) for d in chart.dependencies] == [
        ("web", "1.2.3"), ("db", "0.1.0"), ("sibling", "3.0.0")
    ]  # fmt: skip
    assert sorted(parent.rglob("*")) == before


def test_dependencies_that_lead_back_to_the_chart_end_in_an_error(tmp_path: Path) -> None:
    folder = chart_folder(tmp_path, "snake", "1.0.0")
    (folder / "Chart.yaml").write_text(
        "apiVersion: v2\nname: snake\nversion: 1.0.0\ndependencies:\n"
        "- {name: snake, version: 1.0.0, repository: 'file://../snake-1.0.0'}\n"
    )
    with pytest.raises(ChartError) as failure:
        dependencies.complete(load.load(folder), folder, fetcher(tmp_path))
    assert failure.value.error_id == "chart.dependency-cycle"
