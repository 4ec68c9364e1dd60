"""What stands between a state file and its charts: proxies, TLS certificates, logins, locks, updates, vendored proofs."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from helmflow.core.sensitive import SecretText
from helmflow.providers.charts import trust
from helmflow.providers.charts.openpgp import Keyring
from tests.charts import write_chart
from tests.providers import tls_parts
from tests.providers.http_parts import Site, serving
from tests.providers.keys import Keys
from tests.providers.project import Project, git, new, packed


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new(tmp_path)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tls_parts.Files:
    return tls_parts.make(tmp_path_factory.mktemp("tls"))


def state(url: str, extra: str = "", release: str = "") -> str:
    return (
        f"repositories: [{{name: r, url: '{url}'{extra}}}]\nreleases: [{{name: a, chart: r/web{release}}}]\n"
    )


def test_a_proxy_gets_every_request_and_its_own_password_only(project: Project, tmp_path: Path) -> None:
    with serving(Site(packed(tmp_path, ("web", "1.0.0")))) as site, tls_parts.proxying(site.url[7:]) as proxy:
        project.write(state("http://charts.example.invalid/", ", username: u, password: p"))
        told = project.run("template", HTTP_PROXY=f"http://ann:s3cret@{proxy.url}", NO_PROXY="elsewhere")
        assert "kind: Deployment" in told
        assert [line for line, _ in proxy.asked] == [
            "GET http://charts.example.invalid/index.yaml",
            "GET http://charts.example.invalid/web-1.0.0.tgz",
        ]
        assert all(sent["proxy-authorization"] == "Basic YW5uOnMzY3JldA==" for _, sent in proxy.asked)
        assert all("proxy-authorization" not in sent for _, sent in site.requests)
        assert all(sent["authorization"] == "Basic dTpw" for _, sent in site.requests)
        proxy.asked.clear()
        said = project.run(
            "repos", code=1, HTTP_PROXY=f"http://ann:s3cret@{proxy.url}", NO_PROXY=".example.invalid"
        )
        assert "http.unreachable" in said
        assert "s3cret" not in said
        assert proxy.asked == []


def test_a_client_certificate_opens_a_server_through_a_tunnel(
    project: Project, tmp_path: Path, tls: tls_parts.Files
) -> None:
    files = f", caFile: {tls.of('ca.pem')}, certFile: {tls.of('client.pem')}, keyFile: {tls.of('client.key')}"
    with (
        serving(Site(packed(tmp_path, ("web", "1.0.0"))), tls.demanding()) as site,
        tls_parts.proxying(site.url[8:]) as proxy,
    ):
        project.write(state(f"https://{tls_parts.HOST}", files))
        assert "kind: Deployment" in project.run("template", HTTPS_PROXY=proxy.url)
        assert {line for line, _ in proxy.asked} == {f"CONNECT {tls_parts.HOST}:443"}
        assert len(site.requests) == 2


@pytest.mark.parametrize(
    ("extra", "error_id"),
    [
        ("", "http.tls"),  # nobody knows the authority
        (", caFile: CA", "http."),  # no certificate of our own: the server hangs up, in TLS 1.3 while we read
        (", caFile: CA, certFile: ./none.pem", "http.tls"),
        (", skipTLSVerify: true", "http."),
    ],
)
def test_a_server_with_certificates_refuses_and_is_refused(
    project: Project, tmp_path: Path, tls: tls_parts.Files, extra: str, error_id: str
) -> None:
    with serving(Site(packed(tmp_path, ("web", "1.0.0"))), tls.demanding()) as site:
        project.write(state(site.url, extra.replace("CA", tls.of("ca.pem"))))
        said = project.run("repos", code=1)
        assert f"error[{error_id}" in said
        assert site.requests == []


def test_repos_tries_the_login_of_a_registry(project: Project, locked_registry: str) -> None:
    project.write(
        f"repositories: [{{name: r, url: {locked_registry}/charts, oci: true, plainHttp: true}}]\nreleases: [{{name: a, chart: r/web}}]\n"
    )
    assert "error[http.unauthorized]" in project.run("repos", code=1)
    config = project.home / ".docker"
    config.mkdir()
    (config / "config.json").write_text(
        json.dumps({"auths": {locked_registry: {"auth": "dXNlcjpwYXNzIHdvcmQ="}}})
    )
    assert "registry\treached" in project.run("repos")
    (config / "config.json").unlink()
    text = (project.folder / "helmfile.yaml").read_text()
    project.write(text.replace("plainHttp: true", "plainHttp: true, username: user, password: wrong"))
    assert "wrong" not in project.run("repos", code=1)
    project.write(text.replace("plainHttp: true", "plainHttp: true, username: user, password: pass word"))
    assert "registry\treached" in project.run("repos")


def test_one_lock_serves_every_environment(project: Project, tmp_path: Path) -> None:
    with serving(Site(packed(tmp_path, ("web", "1.0.0"), ("web", "2.0.0"), ("db", "1.0.0")))) as site:
        project.write(
            "environments: {dev: {}, prod: {}}\n---\n"
            f"repositories: [{{name: r, url: '{site.url}'}}]\nreleases:\n"
            '- {name: a, chart: r/web, version: {{ if eq .Environment.Name "prod" }}1.x{{ else }}2.x{{ end }}}\n'
            '{{ if eq .Environment.Name "prod" }}\n- {name: b, chart: r/db}\n{{ end }}\n',
            "helmfile.yaml.gotmpl",
        )
        for name in ("dev", "prod"):
            project.run("deps", "-e", name)
        locked = (project.folder / "helmflow.lock").read_text()
        assert sorted(re.findall(r"version: ['\"]?(\d\.\d\.\d)", locked)) == ["1.0.0", "1.0.0", "2.0.0"]
        for name in ("dev", "prod"):
            project.run("template", "-e", name, "--locked")
        (project.folder / "helmflow.lock").write_text(locked.replace("2.0.0", "2.0.9"))
        assert "2.0.9" in project.run("template", "-e", "dev", "--locked", code=1)
        project.run("template", "-e", "prod", "--locked")


def test_update_writes_dependencies_into_chart_yaml(project: Project, tmp_path: Path) -> None:
    with serving(Site(packed(tmp_path, ("web", "1.0.0"), ("web", "2.0.0"), ("db", "1.0.0")))) as site:
        text = (
            "apiVersion: v2 # ours\nname: own\nversion: 1.0.0\ndependencies:\n"
            f'- name: web\n  repository: {site.url}\n  version: "~1.0.0"  # kept\n'
            f"- {{name: db, version: 1.0.0, repository: '{site.url}'}}\n"
        )
        write_chart(project.folder / "own", {"Chart.yaml": text})
        project.write("releases: [{name: a, chart: ./own}]\n")
        assert "own/Chart.yaml: web ~1.0.0 -> ~2.0.0" in project.run("update", "--dry-run")
        assert (project.folder / "own" / "Chart.yaml").read_text() == text
        project.run("update")
        assert (project.folder / "own" / "Chart.yaml").read_text() == text.replace("~1.0.0", "~2.0.0")
        assert "nothing to update" in project.run("update")


@pytest.mark.parametrize("bare_ids", ["true", "false"])
def test_a_git_chart_by_its_bare_commit_id(project: Project, tmp_path: Path, bare_ids: str) -> None:
    """Also one that no branch names any more, and from a server that gives out named commits only."""
    packed(tmp_path, ("web", "1.0.0"))
    upstream = tmp_path / "made"
    git(upstream, "init", "--quiet")
    git(upstream, "config", "uploadpack.allowAnySHA1InWant", bare_ids)
    git(upstream, "add", ".")
    git(upstream, "commit", "--quiet", "-m", "one")
    first = git(upstream, "rev-parse", "HEAD")
    chart = upstream / "web-1.0.0" / "Chart.yaml"
    chart.write_text(chart.read_text().replace("1.0.0", "2.0.0"))
    git(upstream, "commit", "--quiet", "-am", "two")
    project.write(f"releases: [{{name: a, chart: 'git::file://{upstream}//web-1.0.0?ref={first}'}}]\n")
    project.run("deps")
    assert f"commit: {first}" in (project.folder / "helmflow.lock").read_text()
    upstream.rename(tmp_path / "gone")  # a commit never changes: nobody is asked about it again
    project.run("template", "--locked")
    nowhere = "0" * 40
    project.write(
        f"releases: [{{name: a, chart: 'git::file://{tmp_path / 'gone'}//web-1.0.0?ref={nowhere}'}}]\n"
    )
    assert "remote.missing-ref" in project.run("template", code=1)


def test_what_was_vendored_is_still_verified(project: Project, tmp_path: Path, keys: Keys) -> None:
    files = packed(tmp_path, ("web", "1.0.0"), ("db", "1.0.0"))
    archive = tmp_path / "web-1.0.0.tgz"
    archive.write_bytes(files["/web-1.0.0.tgz"])
    ring = Keyring.load(keys.file("ann.sec.gpg"))
    proof = trust.sign_archive(archive, ring, "ann@", lambda name: SecretText(""))
    upstream = tmp_path / "made"
    git(upstream, "init", "--quiet")
    git(upstream, "add", ".")
    git(upstream, "commit", "--quiet", "-m", "one")
    keys.git(upstream, "tag", "-s", "-u", "ann@example.com", "-m", "v1", "v1")
    shutil.copy(keys.file("ann.pub.gpg"), project.folder / "ann.gpg")
    shutil.copy(keys.file("bob.pub.gpg"), project.folder / "bob.gpg")
    with serving(Site({**files, "/web-1.0.0.tgz.prov": proof.read_bytes()})) as site:
        text = (
            f"repositories: [{{name: r, url: '{site.url}'}}]\nhelmDefaults: {{verify: true, keyring: ann.gpg}}\n"
            f"releases:\n- {{name: a, chart: r/web}}\n- {{name: g, chart: 'git::file://{upstream}//db-1.0.0?ref=v1'}}\n"
        )
        project.write(text)
        project.run("deps")
        project.run("vendor")
    shutil.rmtree(project.home / "cache")
    upstream.rename(tmp_path / "gone")
    project.run("template", "--offline")
    project.run("template", "--offline", "--locked")
    project.write(text.replace("ann.gpg", "bob.gpg"))
    assert project.run("template", "--offline", code=1).count("error[provenance.unknown-key]") >= 1
    project.write(text.replace("r/web", "r/db"))
    assert "error[" in project.run("template", "--offline", code=1)


def test_no_secret_of_a_source_is_in_the_arguments_of_git(project: Project, tmp_path: Path) -> None:
    """5.3 number 47: what others see of a running process."""
    log = tmp_path / "arguments"
    binaries = tmp_path / "bin"
    binaries.mkdir()
    real = shutil.which("git")
    (binaries / "git").write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n')
    (binaries / "git").chmod(0o755)
    project.write("releases: [{name: a, chart: 'git::http://ann:s3cret@127.0.0.1:1/r.git//web?ref=main'}]\n")
    path = f"{binaries}:{os.environ['PATH']}"
    said = project.run("template", code=1, PATH=path)
    assert "remote.failed" in said
    assert log.read_text()
    assert "s3cret" not in said + log.read_text()
