"""Where charts come from, measured at real servers: requests, credentials, locks, git, vendored files, memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helmflow.core.errors import ChartError, ConfigError
from helmflow.providers import mirrors, netrc_file, proxies
from helmflow.providers.charts import index_file, lock
from helmflow.providers.charts.fetch import ChartFetcher
from helmflow.providers.http import NO_CREDENTIALS, Credentials
from helmflow.state.model import Repository
from tests.providers.http_parts import Site, serving
from tests.providers.project import Project, git, new, packed


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new(tmp_path)


def test_a_hundred_releases_of_ten_charts_make_ten_downloads_and_one_index_request(
    project: Project, tmp_path: Path
) -> None:
    files = packed(tmp_path, *((f"c{n}", "1.0.0") for n in range(10)))
    with serving(Site(files)) as site:
        releases = "".join(f"- {{name: r{n}, chart: r/c{n % 10}}}\n" for n in range(100))
        project.write(f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases:\n{releases}")
        assert project.start("template").communicate(timeout=90)[0]
        assert sorted(path for path, _ in site.requests) == sorted(
            files
        )  # ten archives and the index, once each
        site.requests.clear()
        assert project.start("template").communicate(timeout=90)[0]
        assert [(path, "if-none-match" in sent) for path, sent in site.requests] == [("/index.yaml", True)]


def test_two_processes_share_the_cache(project: Project, tmp_path: Path) -> None:
    with serving(Site(packed(tmp_path, *((f"c{n}", "1.0.0") for n in range(5))))) as site:
        releases = "".join(f"- {{name: r{n}, chart: r/c{n}}}\n" for n in range(5))
        project.write(f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases:\n{releases}")
        started = [project.start("template") for _ in range(2)]
        outputs = [process.communicate(timeout=90) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert not list((project.home / "cache").rglob(".tmp-*"))


def big_index(size: int) -> bytes:
    lines = ["apiVersion: v1", "entries:"]
    total = chart = 0
    while total < size:
        lines.append(f"  chart-{chart}:")
        for version in range(200, 0, -1):
            row = [
                "  - apiVersion: v2", "    annotations:", "      images: |", f"        - image: docker.io/x:{version}",
                f"    appVersion: {version}.2.1", '    created: "2024-05-01T10:00:00.000000000Z"',
                "    dependencies:", "    - name: common", "      repository: https://example.com", "      version: 2.x.x",
                f"    description: {'words ' * 60}end", f"    digest: {version:063x}a", f"    name: chart-{chart}",
                "    urls:", f"    - https://charts.example.com/chart-{chart}-{version}.0.0.tgz", f"    version: {version}.0.0",
            ]  # fmt: skip
            lines += row
            total += sum(len(line) + 1 for line in row)
        chart += 1
    return "\n".join([*lines, 'generated: "2024-05-01T10:00:00Z"', ""]).encode()


def test_an_index_of_30_mb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "index.yaml"
    path.write_bytes(big_index(30 << 20))
    script = (
        "import re, sys\nfrom pathlib import Path\nfrom helmflow.providers.charts import index_file\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024\n"
        "content = Path(sys.argv[1]).read_bytes()\nbefore = peak()\n"
        "found = index_file.parse(content, 'https://x.example')\nprint(peak() - before, sum(map(len, found.values())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    grown, versions = map(int, done.stdout.split())
    print(f"30 MB index: {versions} versions, {grown} MiB more at the peak")
    assert versions > 20_000
    assert grown < 120  # what is kept of each version, never the whole document


def test_helms_list_of_repositories_and_search(project: Project, tmp_path: Path) -> None:
    with serving(Site(packed(tmp_path, ("web", "1.0.0"), ("web", "1.1.0"), ("db", "0.1.0")))) as site:
        assert '"no repositories' not in project.run("repo", "list", code=1)
        assert project.run("repo", "add", "r", site.url) == '"r" has been added to your repositories\n'
        assert "already exists with the same configuration, skipping" in project.run(
            "repo", "add", "r", site.url
        )
        assert "please specify a different name" in project.run("repo", "add", "r", site.url + "/x", code=1)
        assert "not a valid chart repository" in project.run("repo", "add", "s", site.url + "/none", code=1)
        assert project.run("repo", "list").split() == ["NAME", "URL", "r", site.url]
        assert "Update Complete. ⎈Happy Helming!⎈" in project.run("repo", "update")
        found = json.loads(project.run("search", "repo", "WEBS", "-o", "json"))
        assert [(one["name"], one["version"]) for one in found] == [("r/web", "1.1.0")]
        assert [one["version"] for one in json.loads(project.run("search", "web", "-l", "-o", "json"))] == [
            "1.1.0",
            "1.0.0",
        ]
        assert "r/db" in project.run("search", "-r", "^d.$|d[b]")
        assert "No results found" in project.run("search", "nothing-like-it")
        assert project.run("repo", "remove", "r") == '"r" has been removed from your repositories\n'
        assert "no repo" in project.run("repo", "remove", "r", code=1)


def test_locks_pin_and_refuse_what_differs(project: Project, tmp_path: Path) -> None:
    files = packed(tmp_path, ("web", "1.0.0"))
    site = Site(files)
    with serving(site):
        project.write(
            f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases: [{{name: a, chart: r/web, version: '>=1.0.0'}}]\n"
        )
        assert "helmflow.lock" in project.run("template", "--locked", code=1)
        project.run("deps")
        lock = (project.folder / "helmflow.lock").read_text()
        assert re.search(r"digest: sha256:[0-9a-f]{64}", lock)
        assert "version: 1.0.0" in (project.folder / "helmfile.lock").read_text()
        project.run("template", "--locked")
        site.files = packed(tmp_path, ("web", "2.0.0"))  # something newer: the lock holds
        project.run("template", "--locked")
        rows = json.loads(project.run("outdated", "-o", "json"))
        assert [(one["current"], one["wanted"], one["latest"]) for one in rows] == [
            ("1.0.0", "2.0.0", "2.0.0")
        ]
        project.run("outdated", "--detailed-exitcode", code=2)
        (project.folder / "helmflow.lock").write_text(
            re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", lock)
        )
        said = project.run("template", "--locked", code=1)
        assert "lock.differs" in said
        assert "digest" in said
        assert "lock.digest" in project.run("template", code=1)


def test_update_writes_versions_and_nothing_else(project: Project, tmp_path: Path) -> None:
    with serving(Site(packed(tmp_path, ("web", "1.0.0"), ("web", "2.1.0"), ("db", "3.0.0")))) as site:
        text = (
            f"# top\r\nrepositories:\r\n  - name: r # here\r\n    url: {site.url}\r\n\r\nreleases:\r\n"
            "  - name: a\r\n    chart: r/web\r\n    version:   '1.0.0'   # pinned\r\n"
            "  - {name: b, chart: r/web, version: ^1.0}\r\n  - name: c\r\n    chart: r/web\r\n    version: '>=1 <2'\r\n"
            "  - name: d\r\n    chart: r/db\r\n    version: 3.0.0\r\n"
        )
        project.write(text)
        said = project.run("update")
        now = (project.folder / "helmfile.yaml").read_bytes().decode()
        assert now == text.replace("'1.0.0'   #", "'2.1.0'   #").replace("^1.0}", "^2.1.0}")
        assert "stays at" in said
        (project.folder / "helmfile.yaml").unlink()
        templated = (
            f"repositories: [{{name: r, url: '{site.url}'}}]\n---\nreleases:\n{{{{ if true }}}}\n- name: a\n"
            '  chart: r/web\n  version: 1.0.0\n{{ end }}\n- name: b\n  chart: r/web\n  version: {{ "1.0.0" }}\n'
        )
        project.write(templated, "helmfile.yaml.gotmpl")
        assert "not written literally" in project.run("update")
        now = (project.folder / "helmfile.yaml.gotmpl").read_text()
        assert now == templated.replace("  version: 1.0.0\n", "  version: 2.1.0\n")


def test_charts_from_git_are_pinned_to_their_commit(project: Project, tmp_path: Path) -> None:
    packed(tmp_path, ("web", "1.0.0"))
    upstream = tmp_path / "made"
    git(upstream, "init", "--quiet")
    git(upstream, "add", ".")
    git(upstream, "commit", "--quiet", "-m", "one")
    git(upstream, "tag", "-a", "v1", "-m", "v1")
    project.write(
        f"releases:\n- {{name: a, chart: 'git::file://{upstream}//web-1.0.0?ref=main'}}\n"
        f"- {{name: b, chart: 'git::file://{upstream}@web-1.0.0?ref=v1'}}\n"
    )
    project.run("template")
    project.run("deps")
    first = git(upstream, "rev-parse", "HEAD")
    assert (project.folder / "helmflow.lock").read_text().count(f"commit: {first}") == 2
    chart = upstream / "web-1.0.0" / "Chart.yaml"
    chart.write_text(chart.read_text().replace("version: 1.0.0", "version: 1.0.1"))
    git(upstream, "commit", "--quiet", "-am", "two")
    project.run("template", "--locked")
    (project.folder / "helmflow.lock").unlink()
    project.run("deps")
    assert git(upstream, "rev-parse", "HEAD") in (project.folder / "helmflow.lock").read_text()
    project.run("vendor")
    upstream.rename(tmp_path / "gone")
    subprocess.run(["rm", "-rf", str(project.home / "cache")], check=True)
    assert "busybox:1" in project.run("template", "--offline")


@pytest.mark.parametrize(
    ("chart", "error_id"),
    [
        ("git::https://example.com/r.git//a/../../b?ref=main", "remote.traversal"),
        ("git::https://example.com/r.git@a?ref=--upload-pack=x", "remote.option-injection"),
        ("git::ext://sh%20-c%20id//a", "remote.option-injection"),
        ("git::ssh://-oProxyCommand=id/r.git//a", "remote.option-injection"),
        ("github.com/org/repo//chart", "chart.missing"),
        ("s3::https://bucket/x.tgz", "chart.unsupported-source"),
        ("https://example.com/x.tgz?checksum=md5:00", "chart.bad-checksum"),
    ],
)
def test_hostile_and_foreign_references_are_refused_before_anything_runs(
    chart: str, error_id: str, tmp_path: Path
) -> None:
    with pytest.raises(ChartError) as caught:
        ChartFetcher((), cache_dir=tmp_path / "cache").fetch(chart, "", tmp_path)
    assert caught.value.error_id == error_id
    assert not (tmp_path / "cache").exists()


def test_archives_by_url_have_the_checksum_they_promise(tmp_path: Path) -> None:
    import hashlib

    files = packed(tmp_path, ("web", "1.0.0"))
    digest = hashlib.sha512(files["/web-1.0.0.tgz"]).hexdigest()
    with serving(Site(files)) as site:
        charts = ChartFetcher((), cache_dir=tmp_path / "cache")
        assert charts.fetch(f"{site.url}/web-1.0.0.tgz?checksum=sha512:{digest}", "", tmp_path).path.is_file()
        with pytest.raises(ChartError) as caught:
            charts.fetch(f"{site.url}/web-1.0.0.tgz?checksum=sha256:{'0' * 64}", "", tmp_path)
        assert caught.value.error_id == "chart.digest-mismatch"


def test_a_planted_link_is_not_vendored_through(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with serving(Site(packed(tmp_path, ("web", "1.0.0")))) as site:
        project.write(
            f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases: [{{name: a, chart: r/web}}]\n"
        )
        (project.folder / ".helmflow-vendor.partial").symlink_to(elsewhere)
        project.run("vendor")
    assert not list(elsewhere.iterdir())
    assert (project.folder / "helmflow-vendor").is_dir()
    assert not (project.folder / "helmflow-vendor").is_symlink()


def test_what_was_vendored_works_without_any_network(project: Project, tmp_path: Path) -> None:
    with serving(Site({**packed(tmp_path, ("web", "1.0.0"), ("db", "1.0.0")), "/v.yaml": b"a: 1\n"})) as site:
        project.write(
            f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases:\n"
            f"- {{name: a, chart: r/web, values: ['{site.url}/v.yaml']}}\n"
        )
        before = project.run("template")
        project.run("vendor")
    subprocess.run(["rm", "-rf", str(project.home / "cache")], check=True)
    assert project.run("template", "--offline") == before
    project.write(f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases: [{{name: a, chart: r/db}}]\n")
    assert "db" in project.run("template", "--offline", code=1)


def test_every_image_is_listed(project: Project, tmp_path: Path) -> None:
    packed(tmp_path, ("web", "1.0.0"))
    project.write(f"releases: [{{name: a, chart: {tmp_path}/made/web-1.0.0}}]\n")
    assert project.run("images").split() == ["busybox:1", "hook:2", "postgres:16", f"web@sha256:{'a' * 64}"]
    rows = {one["image"]: one for one in json.loads(project.run("images", "-o", "json"))}
    assert rows[f"web@sha256:{'a' * 64}"]["digest"] == f"sha256:{'a' * 64}"
    assert rows["postgres:16"]["guessed"]


def test_mirrors_are_asked_instead_and_get_no_credentials(project: Project, tmp_path: Path) -> None:
    with serving(Site(packed(tmp_path, ("web", "1.0.0")))) as site:
        project.write(
            f"mirrors: {{'https://charts.example.invalid/x': '{site.url}'}}\n"
            "repositories: [{name: r, url: 'https://charts.example.invalid/x', username: u, password: p}]\n"
            "releases: [{name: a, chart: r/web}]\n"
        )
        project.run("template")
        assert site.requests
        assert all("authorization" not in sent for _, sent in site.requests)


def test_the_longest_prefix_wins_and_ends_at_a_part() -> None:
    found = mirrors.Mirrors({"https://a.io": "http://m", "https://a.io/x/": "http://n/y"})
    assert found.of("https://a.io/x/i.yaml") == "http://n/y/i.yaml"
    assert found.of("https://a.io/z") == "http://m/z"
    assert found.of("https://a.io.evil.com/z") == "https://a.io.evil.com/z"


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("charts.io", "", False), ("localhost", "", True), ("127.0.0.9", "", True), ("charts.io", "*", True),
        ("a.charts.io", "charts.io", True), ("charts.io", ".charts.io", False), ("xcharts.io", "charts.io", False),
        ("10.1.2.3", "10.0.0.0/8", True), ("charts.io", "charts.io:8443", False), ("charts.io", "x, charts.io:443", True),
    ],
)  # fmt: skip
def test_no_proxy_has_gos_rules(host: str, no_proxy: str, direct: bool) -> None:
    assert proxies.bypassed(host, 443, no_proxy) is direct


def test_a_proxys_password_is_in_its_header_only() -> None:
    found = proxies.for_url("https://x.io/a", {"HTTPS_PROXY": "http://u:p%40ss@proxy:3128"})
    assert found.url == "http://proxy:3128"
    assert found.headers["proxy-authorization"].startswith("Basic ")
    assert "ss" not in repr(found)


def test_netrc_gives_credentials_to_its_own_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine a.io login ann password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert netrc_file.completed(NO_CREDENTIALS, "a.io").username == "ann"
    assert netrc_file.completed(Credentials(), "b.io").username == ""
    (tmp_path / "netrc").write_text("machine a.io hunter2 ann\n")
    with pytest.raises(ChartError) as caught:
        netrc_file.completed(NO_CREDENTIALS, "a.io")
    assert caught.value.error_id == "http.bad-netrc"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("index", "charts"),
    [
        ("apiVersion: v1\nentries:\n  a:\n  - null\n  - {version: 1.0.0, urls: [a.tgz]}\n", {"a": ["1.0.0"]}),
        ("apiVersion: v1\nentries: {a: null, b: [], c: [{}]}\n", {}),
        ("apiVersion: v1\nentries:\n  a:\n", {}),
        ("apiVersion: v1\nentries:\n  a: !!python/object:os.system\n", {}),
        ("apiVersion: v1\nentries:\n  a:\n  - version: ../..\n    urls: [a.tgz]\n", {}),
        ("apiVersion: v1\nentries:\n  a:\n  - version: 1.0.0\n    urls: ['file:///etc/passwd']\n", {}),
        ("apiVersion: v1\nentries:\n  a:\n  - version: 1.0.0\n    urls: []\n", {}),
        ('{"apiVersion": "v1", "entries": {"a": [{"version": "1.0.0", "urls": ["a.tgz"]}, null]}}', {"a": ["1.0.0"]}),
        ("apiVersion: v1\nentries:\n  a:\n  - {version: 1.0.0, urls: [p]}\n  - {version: 2.0.0, urls: [q]}\n", {"a": ["2.0.0", "1.0.0"]}),
    ],
)  # fmt: skip
def test_entries_that_helm_would_skip_are_skipped(index: str, charts: dict[str, list[str]]) -> None:
    found = index_file.parse(index.encode(), "https://x.io/r")
    assert {name: [row[0] for row in rows] for name, rows in found.items()} == charts


@pytest.mark.parametrize(
    "index",
    [
        "apiVersion: v1\nentries:\n  a:\n  - version: 1.0.0\n    version: 2.0.0\n    urls: [a]\n",
        "apiVersion: v1\nentries:\n  a: []\n  a: []\n",
        "apiVersion: v1\napiVersion: v1\nentries: {}\n",
        '{"apiVersion": "v1", "entries": {}, "entries": {}}',
        "apiVersion: v1\nentries: " + "[" * 100_000,
        '{"apiVersion": "v1", "entries": ' + "[" * 100_000,
        "a: &a [x,x]\nb: &b [*a,*a]\napiVersion: [*b,*b]\nentries: [*a]\n",
        "\xff\xfe",
        "entries:\n\tb: 1\n",
    ],
)
def test_hostile_indexes_are_refused_with_one_error(index: str) -> None:
    with pytest.raises(ChartError) as caught:
        index_file.parse(index.encode("latin-1"), "https://x.io/r")
    assert caught.value.error_id == "repository.bad-index"


@pytest.mark.parametrize(
    ("content", "error_id"),
    [("charts: [1]\n", "lock.malformed"), ("a: [", "lock.malformed"), ("charts: [{chart: a, digest: [1]}]\n", "lock.malformed"), ("[]", "lock.malformed")],
)  # fmt: skip
def test_broken_locks_are_said(tmp_path: Path, content: str, error_id: str) -> None:
    (tmp_path / "helmflow.lock").write_text(content)
    with pytest.raises(ConfigError) as caught:
        lock.read(tmp_path / "helmflow.lock")
    assert caught.value.error_id == error_id


def test_a_lock_that_is_a_link_is_neither_read_nor_written(project: Project, tmp_path: Path) -> None:
    target = tmp_path / "bashrc"
    target.write_text("mine\n")
    (project.folder / "helmflow.lock").symlink_to(target)
    with serving(Site(packed(tmp_path, ("web", "1.0.0")))) as site:
        project.write(
            f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases: [{{name: a, chart: r/web}}]\n"
        )
        assert "lock.malformed" in project.run("deps", code=1)
    assert target.read_text() == "mine\n"


def test_redirects_to_other_schemes_are_not_followed(tmp_path: Path) -> None:
    with (
        serving(Site({}, redirects={"/index.yaml": "file:///etc/passwd"})) as site,
        pytest.raises(ChartError) as caught,
    ):
        ChartFetcher((), cache_dir=tmp_path).index(Repository(name="r", url=site.url))
    assert caught.value.error_id == "http.redirect"
