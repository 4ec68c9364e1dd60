"""The chart workshop through the real command line: Helm's words and exit codes, and what it takes and makes."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from helmflow.cli.main import run_cli
from helmflow.helm.chart import load, package
from tests.charts import chart_of, write_chart
from tests.providers.http_parts import Site, serving
from tests.providers.keys import PASSPHRASE, Keys

CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\nicon: https://example.com/i.png\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in `tmp_path`, with a home of its own."""
    for name in list(os.environ):
        if name.startswith(("HELM", "XDG_", "DOCKER", "GNUPG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HELMFLOW_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def once(*words: str) -> Done:
        capsys.readouterr()
        code = run_cli([str(word) for word in words])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Done(int(code), told.out, told.err)

    return once


def web(folder: Path, **files: str) -> Path:
    base = {"Chart.yaml": CHART, "values.yaml": "a: 1\n", "templates/config.yaml": CONFIG}
    return write_chart(folder / "web", {**base, **files})


# ---- lint


def test_lint_of_a_good_chart(run: Run, tmp_path: Path) -> None:
    web(tmp_path)
    assert run("chart", "lint", "web") == Done(
        0, "==> Linting web\n\n1 chart(s) linted, 0 chart(s) failed\n", ""
    )


def test_lint_counts_and_fails_as_helm_does(run: Run, tmp_path: Path) -> None:
    web(tmp_path)
    bad = write_chart(tmp_path / "bad", {"Chart.yaml": CHART.replace("1.0.0", "nope")})
    done = run("chart", "lint", "web", "bad", "nothing")
    assert done.code == 1
    assert done.err == "Error: 3 chart(s) linted, 2 chart(s) failed\n"
    assert "[ERROR] Chart.yaml: version 'nope' is not a valid SemVer\n" in done.out
    assert "[WARNING] templates/: directory does not exist\n" in done.out
    assert (
        "==> Linting nothing\nError unable to check Chart.yaml file in chart: stat nothing/Chart.yaml: "
        "no such file or directory\n\n" in done.out
    )
    assert bad.is_dir()


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--strict",), 1)])
def test_strict_lint_fails_on_warnings(run: Run, tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    web(tmp_path, **{"Chart.yaml": CHART + "foo: 1\n"})
    done = run("chart", "lint", "web", *words)
    assert done.code == code
    assert "[WARNING] Chart.yaml: failed to strictly parse chart metadata file\n" in done.out


def test_quiet_lint_leaves_good_charts_out(run: Run, tmp_path: Path) -> None:
    web(tmp_path)
    assert run("chart", "lint", "web", "--quiet") == Done(0, "", "")
    shutil.copytree(tmp_path / "web", tmp_path / "odd")
    (tmp_path / "odd" / "Chart.yaml").write_text("apiVersion: v2\nname: odd\nversion: v1\n")
    done = run("chart", "lint", "web", "odd", "--quiet")
    assert done.out == (
        "==> Linting odd\n[WARNING] Chart.yaml: version 'v1' is not a valid SemVerV2\n\n"
        "2 chart(s) linted, 0 chart(s) failed\n"
    )


def test_lint_goes_into_subcharts_in_helms_order(run: Run, tmp_path: Path) -> None:
    folder = web(tmp_path)
    for name in ("b", "a"):
        write_chart(folder / "charts" / name, {"Chart.yaml": CHART.replace("web", name), "values.yaml": ""})
    name, content = package.archive(chart_of({"Chart.yaml": CHART.replace("web", "b")}))
    (folder / "charts" / name).write_bytes(content)
    done = run("chart", "lint", "web", "--with-subcharts")
    assert re.findall("==> Linting (.*)", done.out) == [
        "web", "web/charts/a", "web/charts/b", "web/charts/b-1.0.0.tgz"
    ]  # fmt: skip
    assert "4 chart(s) linted" in done.err


def test_lint_renders_with_the_values_of_the_command_line(run: Run, tmp_path: Path) -> None:
    web(tmp_path, **{"templates/a.yaml": "{{ if .Values.bad }}a: b: c{{ end }}\n"})
    (tmp_path / "v.yaml").write_text("bad: true\n")
    assert run("chart", "lint", "web").code == 0
    assert run("chart", "lint", "web", "--set", "bad=true").code == 1
    assert run("chart", "lint", "web", "-f", "v.yaml").code == 1
    assert run("chart", "lint", "web", "-f", "v.yaml", "--set-json", '{"bad": false}').code == 0
    assert run("chart", "lint", "web", "-f", "none.yaml").code == 1


def test_lint_suggests_names_that_are_nearly_right(run: Run, tmp_path: Path) -> None:
    folder = web(tmp_path, **{"Chart.yaml": CHART + "descripton: x\ndependencies:\n- name: a\n  verson: 1\n"})
    for name in ("value.yaml", "values.schema.yaml", "template", "values-production.yaml", "values.yml"):
        (folder / name).write_text("")
    (folder / "templates" / "NOTES.md").write_text("")
    hints = re.findall("hint: (.*)", run("chart", "lint", "web").out)
    assert hints == [
        "values.schema.yaml: did you mean values.schema.json? values.schema.yaml is not read",
        "templates/NOTES.md: did you mean NOTES.txt? NOTES.md is not read",
        "Chart.yaml: did you mean description? descripton is no key of Chart.yaml",
        "Chart.yaml: did you mean dependencies[0].version? dependencies[0].verson is no key of Chart.yaml",
    ]
    (folder / "values.yaml").unlink()
    told = run("chart", "lint", "web").out
    assert "hint: value.yaml: did you mean values.yaml? value.yaml is not read" in told
    assert "production" not in told
    shutil.rmtree(folder / "templates")
    told = run("chart", "lint", "web").out
    assert "hint: template: did you mean templates? template is not read" in told


def test_a_chart_without_chart_yaml_gets_a_hint(run: Run, tmp_path: Path) -> None:
    write_chart(tmp_path / "web", {"chart.yaml": CHART})
    assert (
        "hint: chart.yaml: did you mean Chart.yaml? chart.yaml is not read" in run("chart", "lint", "web").out
    )


# ---- package, sign, verify


def test_the_same_chart_gives_the_same_package(run: Run, tmp_path: Path) -> None:
    folder = web(tmp_path)
    done = run("chart", "package", "web", "-d", "one")
    path = tmp_path / "one" / "web-1.0.0.tgz"
    assert done == Done(0, f"Successfully packaged chart and saved it to: {path}\n", "")
    for file in folder.rglob("*"):
        os.utime(file, (1, 1))
    run("chart", "package", "web", "-d", "two")
    assert path.read_bytes() == (tmp_path / "two" / "web-1.0.0.tgz").read_bytes()


def test_a_package_takes_another_version(run: Run, tmp_path: Path) -> None:
    web(tmp_path)
    assert run("chart", "package", "web", "--version", "2.0.0", "--app-version", "7").code == 0
    about = load.load(tmp_path / "web-2.0.0.tgz").metadata
    assert (about.version, about.app_version) == ("2.0.0", "7")
    assert run("chart", "package", "web", "--version", "two").code == 1


def test_a_package_needs_its_dependencies(run: Run, tmp_path: Path) -> None:
    write_chart(tmp_path / "child", {"Chart.yaml": CHART.replace("web", "child")})
    dependency = "dependencies:\n- {name: child, version: 1.x, repository: 'file://../child'}\n"
    web(tmp_path, **{"Chart.yaml": CHART + dependency})
    done = run("chart", "package", "web")
    assert done.code == 1
    assert "found in Chart.yaml, but missing in charts/ directory: child" in done.err
    assert run("chart", "package", "web", "-u").code == 0
    assert [one.name for one in load.load(tmp_path / "web-1.0.0.tgz").dependencies] == ["child"]
    assert (tmp_path / "web" / "Chart.lock").is_file()


def test_signing_and_verifying(run: Run, tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    helm = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")
    web(tmp_path)
    (tmp_path / "secret").write_text(PASSPHRASE + "\nsecond line\n")
    signing = ("--key", "Bob", "--keyring", keys.file("all.sec.gpg"), "--passphrase-file", "secret")
    assert run("chart", "package", "web", "--sign", *signing).code == 0
    assert helm.verify("web-1.0.0.tgz", keys.file("all.pub.gpg"))["signed_by"] == [
        "Bob Builder <bob@example.com>"
    ]
    done = run("chart", "verify", "web-1.0.0.tgz", "--keyring", keys.file("bob.pub.gpg"))
    assert done.code == 0
    assert re.fullmatch(
        r"Signed by: Bob Builder <bob@example.com>\nUsing Key With Fingerprint: [0-9A-F]{40}\n"
        r"Chart Hash Verified: sha256:[0-9a-f]{64}\n",
        done.out,
    )
    assert (
        run("chart", "sign", "web-1.0.0.tgz", "--key", "ann", "--keyring", keys.file("all.sec.gpg")).code == 0
    )
    done = run("chart", "verify", "web-1.0.0.tgz", "--keyring", keys.file("bob.pub.gpg"))
    assert done.code == 1
    assert "openpgp: signature made by unknown entity" in done.err
    # Helm's own place for keys
    monkeypatch.setenv("GNUPGHOME", str(tmp_path / "gnupg"))
    (tmp_path / "gnupg").mkdir()
    shutil.copy(keys.file("all.pub.gpg"), tmp_path / "gnupg" / "pubring.gpg")
    assert run("chart", "verify", "web-1.0.0.tgz").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--sign",), "--key is required for signing a package"),
        (("--sign", "--key", "bob"), "failed to load keyring: open "),
        (("--sign", "--key", "nobody", "--keyring", "RING"), "private key not found"),
        (("--sign", "--key", "bob", "--keyring", "RING"), "the key Bob Builder <bob@example.com> is locked"),
        (
            ("--sign", "--key", "bob", "--keyring", "RING", "--passphrase-file", "none"),
            "cannot read the passphrase file",
        ),
        (
            ("--sign", "--key", "bob", "--keyring", "RING", "--passphrase-file", "wrong"),
            "cannot unlock the key",
        ),
        (("--sign", "--key", "old", "--keyring", "RING"), "openpgp: key expired"),
    ],
)
def test_signing_that_cannot_be_done(
    run: Run, tmp_path: Path, keys: Keys, words: tuple[str, ...], told: str
) -> None:
    web(tmp_path)
    (tmp_path / "wrong").write_text("wrong one\n")
    ring = str(keys.file("all.sec.gpg"))
    done = run("chart", "package", "web", *(ring if word == "RING" else word for word in words))
    assert done.code == 1
    assert told in done.err
    assert "wrong one" not in done.err
    assert not list(tmp_path.glob("*.prov"))


# ---- pull, push, login


def test_a_chart_goes_to_a_registry_and_back(run: Run, tmp_path: Path, keys: Keys, oci_registry: str) -> None:
    helm = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")
    web(tmp_path)
    signing = ("--sign", "--key", "ann", "--keyring", keys.file("all.sec.gpg"))
    run("chart", "package", "web", "--version", "1.0.0+build.1", *signing)
    archive = "web-1.0.0+build.1.tgz"
    pushed = run("chart", "push", archive, f"oci://{oci_registry}/charts", "--plain-http")
    digest = pushed.out.partition("Digest: ")[2].strip()
    assert pushed == Done(0, f"Pushed: {oci_registry}/charts/web:1.0.0_build.1\nDigest: {digest}\n", "")
    again = run("chart", "push", archive, f"oci://{oci_registry}/charts", "--plain-http")
    assert again.out == pushed.out
    reference = f"oci://{oci_registry}/charts/web"
    pulled = run("chart", "pull", reference, "-d", "down", "--plain-http", "--prov")
    assert pulled == Done(0, f"Pulled: {oci_registry}/charts/web:1.0.0_build.1\nDigest: {digest}\n", "")
    for name in (archive, f"{archive}.prov"):
        assert (tmp_path / "down" / name).read_bytes() == (tmp_path / name).read_bytes()
    verified = run(
        "chart", "pull", reference, "--plain-http", "--verify", "--keyring", keys.file("ann.pub.gpg")
    )
    assert "Signed by: Ann Author <ann@example.com>\n" in verified.out
    assert run("chart", "verify", reference, "--plain-http", "--keyring", keys.file("ann.pub.gpg")).code == 0
    assert run("chart", "verify", reference, "--plain-http", "--keyring", keys.file("bob.pub.gpg")).code == 1
    (tmp_path / "helms").mkdir()
    helm.pull(reference, version="1.0.0+build.1", destination="helms", plain_http=True)
    assert (tmp_path / "helms" / archive).read_bytes() == (tmp_path / archive).read_bytes()


def test_a_chart_is_unpacked_nowhere_else_and_over_nothing(
    run: Run, tmp_path: Path, oci_registry: str
) -> None:
    web(tmp_path)
    run("chart", "package", "web")
    run("chart", "push", "web-1.0.0.tgz", f"oci://{oci_registry}/untar", "--plain-http")
    words = (
        "chart",
        "pull",
        f"oci://{oci_registry}/untar/web",
        "--plain-http",
        "--untar",
        "--untardir",
        "charts",
    )
    assert run(*words, "-d", "down").code == 0
    assert (tmp_path / "down" / "charts" / "web" / "templates" / "config.yaml").read_text() == CONFIG
    assert [path.name for path in (tmp_path / "down" / "charts").iterdir()] == ["web"]
    done = run(*words, "-d", "down")
    assert done.code == 1
    assert "failed to untar: a file or directory with the name down/charts/web already exists" in done.err


def test_pulling_from_a_repository_with_a_password(run: Run, tmp_path: Path) -> None:
    name, content = package.archive(chart_of({"Chart.yaml": CHART}))
    from helmflow.providers.charts import indexing

    index = indexing.empty()
    indexing.add(index, indexing.entry(chart_of({"Chart.yaml": CHART}), name, content))
    with serving(
        Site({f"/{name}": content, "/index.yaml": json.dumps(index).encode()}, user=("u", "p"))
    ) as site:
        words = ("chart", "pull", "web", "--repo", site.url)
        assert run(*words, "--username", "u", "--password", "p").code == 0
        assert (tmp_path / name).read_bytes() == content
        refused = run(*words, "--username", "u", "--password", "other")
        assert refused.code == 1
        assert "other" not in refused.err
        done = run(*words, "--username", "u", "--password", "p", "--verify", "--keyring", "none")
        assert done.code == 1
        assert "failed to fetch provenance" in done.err
        done = run(*words, "--username", "u", "--password", "p", "--prov")
        assert done.code == 0
        assert done.out.startswith("WARNING: Verification not found for web")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none.tgz", "oci://x/y"), "none.tgz: no such file"),
        (("web", "oci://x/y"), "unpacked charts cannot be verified"),
        (("web-1.0.0.tgz", "x/y"), 'scheme prefix missing from remote (e.g. "oci://")'),
        (("renamed-1.0.0.tgz", "oci://x/y"), "is not the name of the chart in it"),
    ],
)
def test_pushes_that_cannot_be_done(run: Run, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    web(tmp_path)
    run("chart", "package", "web")
    shutil.copy(tmp_path / "web-1.0.0.tgz", tmp_path / "renamed-1.0.0.tgz")
    done = run("chart", "push", *words)
    assert done.code == 1
    assert told in done.err


def test_login_is_kept_where_helm_keeps_it(
    run: Run, tmp_path: Path, locked_registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    web(tmp_path)
    run("chart", "package", "web")
    push = ("chart", "push", "web-1.0.0.tgz", f"oci://{locked_registry}/charts", "--plain-http")
    assert run(*push).code == 1
    wrong = run("registry", "login", locked_registry, "-u", "user", "-p", "guess", "--plain-http")
    assert wrong.code == 1
    assert "guess" not in wrong.err
    config = tmp_path / "home" / ".config" / "helm" / "registry" / "config.json"
    assert not config.exists()
    done = run("registry", "login", locked_registry, "-u", "user", "-p", "pass word", "--plain-http")
    assert (done.code, done.out) == (0, "Login Succeeded\n")
    assert config.stat().st_mode & 0o077 == 0
    assert json.loads(config.read_text())["auths"][locked_registry]["auth"] == "dXNlcjpwYXNzIHdvcmQ="
    assert run(*push).code == 0
    monkeypatch.setenv("HELM_REGISTRY_CONFIG", str(config))
    helm = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")
    with helm.RegistryClient(plain_http=True, credentials_file=config) as client:
        client.pull(
            f"oci://{locked_registry}/charts/web", version="1.0.0", destination=str(tmp_path), plain_http=True
        )
    assert run("registry", "logout", locked_registry) == Done(
        0, f"Removing login credentials for {locked_registry}\n", ""
    )
    assert run("registry", "logout", locked_registry).code == 1
    assert run(*push).code == 1


def test_what_helm_stored_is_used(run: Run, tmp_path: Path, locked_registry: str) -> None:
    helm = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")
    config = tmp_path / "home" / ".config" / "helm" / "registry" / "config.json"
    config.parent.mkdir(parents=True)
    with helm.RegistryClient(plain_http=True, credentials_file=config) as client:
        client.login(locked_registry, "user", "pass word", plain_http=True)
    web(tmp_path)
    run("chart", "package", "web")
    assert run("chart", "push", "web-1.0.0.tgz", f"oci://{locked_registry}/helms", "--plain-http").code == 0


HELPER = """#!/bin/sh
# a credential helper by Docker's protocol: get, store and erase with words on standard input
case "$1" in
  get) host=$(cat); test -f "$HELPER_STORE" || exit 1; cat "$HELPER_STORE" ;;
  store) cat > "$HELPER_STORE" ;;
  erase) rm -f "$HELPER_STORE" ;;
esac
"""


@pytest.mark.parametrize("place", ["helm", "docker"])
def test_credential_helpers_are_asked(
    run: Run, tmp_path: Path, locked_registry: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    helper = tmp_path / "bin" / "docker-credential-testing"
    helper.parent.mkdir()
    helper.write_text(HELPER)
    helper.chmod(0o755)
    store = tmp_path / "store"
    monkeypatch.setenv("HELPER_STORE", str(store))
    monkeypatch.setenv("PATH", f"{helper.parent}:{os.environ['PATH']}")
    home = tmp_path / "home"
    config = (
        home / ".config" / "helm" / "registry" / "config.json"
        if place == "helm"
        else home / ".docker" / "config.json"
    )
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"credsStore": "testing"}))
    web(tmp_path)
    run("chart", "package", "web")
    push = ("chart", "push", "web-1.0.0.tgz", f"oci://{locked_registry}/helper-{place}", "--plain-http")
    assert run(*push).code == 1
    if place == "helm":
        assert (
            run("registry", "login", locked_registry, "-u", "user", "-p", "pass word", "--plain-http").code
            == 0
        )
        assert "auth" not in json.loads(config.read_text())["auths"][locked_registry]
    else:
        store.write_text(
            json.dumps({"ServerURL": locked_registry, "Username": "user", "Secret": "pass word"})
        )
    assert run(*push).code == 0
    if place == "helm":
        assert run("registry", "logout", locked_registry).code == 0
        assert not store.exists()


def test_a_token_service_is_asked_with_the_credentials(run: Run, tmp_path: Path) -> None:
    """Registries name a service that gives tokens; it is the one that knows whether the password is right."""
    from tests.providers.token_registry import token_registry

    with token_registry("user", "right") as host:
        assert run("registry", "login", host, "-u", "user", "-p", "right", "--plain-http").code == 0
        wrong = run("registry", "login", host, "-u", "user", "-p", "secret-guess", "--plain-http")
        assert wrong.code == 1
        assert "secret-guess" not in wrong.err


# ---- create, test


@pytest.mark.parametrize("place", ["path", "today", "legacy", "reference"])
def test_starters_come_from_everywhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oci_registry: str, place: str
) -> None:
    starter = web(tmp_path, **{"templates/config.yaml": CONFIG.replace("web", "<CHARTNAME>")})
    name = "web"
    match place:
        case "today":
            monkeypatch.setenv("HELM_DATA_HOME", str(tmp_path / "data"))
            shutil.copytree(starter, tmp_path / "data" / "starters" / "mine")
            name = "mine"
        case "legacy":
            monkeypatch.setenv("HELM_HOME", str(tmp_path / "old"))
            shutil.copytree(starter, tmp_path / "old" / "starters" / "mine")
            name = "mine"
        case "reference":
            run("chart", "package", "web")
            with serving(Site({"/web-1.0.0.tgz": (tmp_path / "web-1.0.0.tgz").read_bytes()})) as site:
                assert run("chart", "create", "new", "-p", f"{site.url}/web-1.0.0.tgz").code == 0
    if place != "reference":
        assert run("chart", "create", "new", "-p", name).code == 0
    assert load.load(tmp_path / "new").metadata.name == "new"
    assert (tmp_path / "new" / "templates" / "config.yaml").read_text() == CONFIG.replace("web", "new")


def test_a_starter_that_is_nowhere_is_said(run: Run, tmp_path: Path) -> None:
    done = run("chart", "create", "new", "-p", "nowhere")
    assert done.code == 1
    assert "starter 'nowhere' is neither a path nor in" in done.err


TEST_POD = """\
apiVersion: v1
kind: Pod
metadata: {name: "{{ .Release.Name }}-test", annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: t, image: "busybox:1", command: [echo, works]}]}
"""


def test_a_chart_is_tried_on_a_cluster_of_its_own(run: Run, tmp_path: Path) -> None:
    web(tmp_path, **{"templates/tests/a.yaml": TEST_POD})
    done = run("chart", "test", "web")
    assert done.code == 0, done.err
    assert "TEST SUITE:     trial-test\n" in done.out
    assert "Phase:          Succeeded\n" in done.out
    assert not (tmp_path / "home" / ".local").exists()


def test_a_chart_that_does_not_install_fails_its_trial(run: Run, tmp_path: Path) -> None:
    web(tmp_path, **{"templates/config.yaml": "{{ required `color is needed` .Values.color }}"})
    done = run("chart", "test", "web")
    assert done.code == 1
    assert "color is needed" in done.err
    assert run("chart", "test", "web", "--set", "color=a: b").code == 1


def test_a_chart_without_tests_says_so(run: Run, tmp_path: Path) -> None:
    web(tmp_path)
    done = run("chart", "test", "web")
    assert done.code == 0
    assert "the chart has no tests" in done.err
