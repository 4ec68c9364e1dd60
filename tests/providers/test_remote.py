"""Remote state and values files: URL rules, hostile URLs, HTTP and git for real on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helmflow.core.errors import ConfigError
from helmflow.providers.charts import serve
from helmflow.providers.state_ports import state_ports
from helmflow.providers.values.remote import RemoteFiles
from helmflow.state import remote_urls
from helmflow.state.load import LoadRequest, load_desired
from tests import conformance


def test_recorded_urls() -> None:
    rows = conformance.data("helmfile/vectors/remote-remote_test__TestParse__testcases.json")["rows"]
    for row in rows:
        if row.get("err"):
            with pytest.raises(ConfigError) as caught:
                remote_urls.parse(row["input"])
            assert caught.value.message == row["err"]
            continue
        found = remote_urls.parse(row["input"])
        got = (found.getter, found.scheme, found.directory, found.file, found.query)
        assert got == tuple(row.get(key, "") for key in ("getter", "scheme", "dir", "file", "query")), row
    conformance.report("helmfile/vectors (remote URLs)", passed=len(rows))


@pytest.mark.parametrize(
    ("url", "error_id"),
    [
        ("git::https://example.com/r.git@../../etc/passwd?ref=main", "remote.traversal"),
        ("git::https://example.com/r.git@a/%2e%2e/b?ref=main", "remote.traversal"),
        ("https://example.com/a/../../b.yaml", "remote.traversal"),
        ("git::https://example.com/r.git@a.yaml?ref=--upload-pack=touch%20x", "remote.option-injection"),
        ("git::https://example.com/r.git@a.yaml?ref=-b", "remote.option-injection"),
        ("git::ssh://-oProxyCommand=id/r.git@a.yaml", "remote.option-injection"),
        ("git::ext://sh%20-c%20id/r.git@a.yaml", "remote.option-injection"),
        ("git::https://example.com/r.git@--config?ref=main", "remote.option-injection"),
    ],
)
def test_hostile_urls_are_refused_before_anything_runs(url: str, error_id: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        RemoteFiles(tmp_path).locate(url, tmp_path)
    assert caught.value.error_id == error_id
    assert list(tmp_path.iterdir()) == []


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "upstream.git"
    folder.mkdir()
    _git(folder, "init", "--quiet")
    (folder / "env").mkdir()
    (folder / "env" / "base.yaml").write_text("commonLabels: {from: git}\n", encoding="utf-8")
    (folder / "out").symlink_to("/etc/hostname")
    _git(folder, "add", ".")
    _git(folder, "commit", "--quiet", "-m", "one")
    _git(folder, "tag", "v1")
    (folder / "env" / "base.yaml").write_text("commonLabels: {from: later}\n", encoding="utf-8")
    _git(folder, "commit", "--quiet", "-am", "two")
    return folder


def test_a_base_from_git(repository: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "helmfile.yaml").write_text(
        f"bases: ['git::file://{repository}@env/base.yaml?ref=v1']\n---\nreleases:\n- {{name: a, chart: ./c}}\n",
        encoding="utf-8",
    )
    ports = state_ports(remote=RemoteFiles(tmp_path / "cache"))
    desired = load_desired(LoadRequest(cwd=project, env={}, ports=ports), lambda event: None)
    assert desired.releases[0].labels["from"] == "git"


@pytest.mark.parametrize(
    ("tail", "error_id"),
    [
        ("env/none.yaml?ref=v1", "remote.not-found"),
        ("env/base.yaml?ref=nope", "remote.missing-ref"),
        ("out?ref=v1", "remote.not-found"),  # a link that leaves the repository is not unpacked
    ],
)
def test_what_a_repository_does_not_have(tail: str, error_id: str, repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        RemoteFiles(tmp_path / "cache").locate(f"git::file://{repository}@{tail}", tmp_path)
    assert caught.value.error_id == error_id


def test_a_values_file_over_http(tmp_path: Path) -> None:
    with serve.serving(serve.Repository({"/v/values.yaml": b"a: 1\n"}, 0)) as url:
        remote = RemoteFiles(tmp_path)
        path = remote.locate(f"{url}/v/values.yaml", tmp_path)
        assert path.read_text(encoding="utf-8") == "a: 1\n"
        with pytest.raises(ConfigError) as caught:
            remote.locate(f"{url}/v/none.yaml", tmp_path)
        assert caught.value.error_id == "remote.not-found"
    assert remote.locate(f"{url}/v/values.yaml", tmp_path) == path  # from the cache, the server is gone
    with pytest.raises(ConfigError):
        remote.locate(f"{url}/v/values.yaml?cache=false", tmp_path)
