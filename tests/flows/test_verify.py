"""`verify`, `keyring` and `cosignKey` in a state file: signed charts are taken, everything else is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.errors import ChartError
from helmflow.core.sensitive import SecretText
from helmflow.flows import template, vendor
from helmflow.flows.options import RenderOptions, RunOptions, StateOptions
from helmflow.helm.chart import package, records
from helmflow.providers.charts import indexing, trust
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.charts.oci import RegistryClient
from helmflow.providers.charts.openpgp import Keyring
from helmflow.providers.http import NO_CREDENTIALS
from tests.charts import chart_of, write_chart
from tests.providers.http_parts import Site, serving
from tests.providers.keys import Keys
from tests.providers.test_cosign import KEYS, payload, public, sign_in_registry, signature


@pytest.fixture(autouse=True)
def _clean_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELMFLOW_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GNUPGHOME", raising=False)


@pytest.fixture
def site(keys: Keys, tmp_path: Path) -> Iterator[Site]:
    """A repository: `signed` by ann, `bare` without a signature, `forged`: its signature is that of `signed`."""
    index = indexing.empty()
    files: dict[str, bytes] = {}
    for name in ("signed", "bare", "forged"):
        chart = chart_of(
            {
                "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n",
                "templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
            }
        )
        file_name, content = package.archive(chart)
        indexing.add(index, indexing.entry(chart, file_name, content))
        (tmp_path / file_name).write_bytes(content)
        files[f"/{file_name}"] = content
    ring = Keyring.load(keys.file("ann.sec.gpg"))
    prov = trust.sign_archive(tmp_path / "signed-1.0.0.tgz", ring, "ann", lambda _: SecretText(""))
    files["/signed-1.0.0.tgz.prov"] = files["/forged-1.0.0.tgz.prov"] = prov.read_bytes()
    from helmflow.core import yaml_dialect

    files["/index.yaml"] = yaml_dialect.dump(index).encode()
    with serving(Site(files)) as served:
        yield served


def render(folder: Path, text: str, **options: Any) -> list[str]:
    (folder / "helmflow.yaml").write_text(text)
    wanted = RunOptions(state=StateOptions(cwd=folder), render=RenderOptions(**options))
    return [one for _, one in template.template(wanted, lambda event: None)]


def refused(folder: Path, text: str, **options: Any) -> str:
    with pytest.raises(ChartError) as failure:
        render(folder, text, **options)
    assert failure.value.hint
    return failure.value.error_id


def state(site: Site, chart: str, keyring: Path | str = "", *, at: str = "verify: true") -> str:
    ring = f", keyring: {keyring}" if keyring else ""
    return (
        f"repositories: [{{name: r, url: '{site.url}'}}]\n"
        f"releases: [{{name: a, chart: r/{chart}{', ' + at if at else ''}{ring}}}]\n"
    )


def test_a_signed_chart_is_taken(site: Site, keys: Keys, tmp_path: Path) -> None:
    assert len(render(tmp_path, state(site, "signed", keys.file("all.pub.gpg")))) == 1
    assert len(site.asked("/signed-1.0.0.tgz.prov")) == 1


@pytest.mark.parametrize(
    ("chart", "ring", "error_id"),
    [
        ("bare", "all.pub.gpg", "provenance.missing"),
        ("forged", "all.pub.gpg", "provenance.other-file"),
        ("signed", "bob.pub.gpg", "provenance.unknown-key"),
        ("signed", "none.gpg", "keyring.missing"),
        ("signed", "", "keyring.missing"),
    ],
)
def test_everything_else_is_refused(
    site: Site, keys: Keys, tmp_path: Path, chart: str, ring: str, error_id: str
) -> None:
    text = state(site, chart, keys.file(ring) if ring else "")
    assert refused(tmp_path, text) == error_id


def test_an_archive_that_changed_after_it_was_indexed_anew_is_refused(
    site: Site, keys: Keys, tmp_path: Path
) -> None:
    """Whoever can write the repository can write its index, but cannot sign."""
    from helmflow.core import yaml_dialect

    site.files["/signed-1.0.0.tgz"] += b"x"
    index = yaml_dialect.load(site.files["/index.yaml"])
    index["entries"]["signed"][0]["digest"] = ""
    site.files["/index.yaml"] = yaml_dialect.dump(index).encode()
    assert refused(tmp_path, state(site, "signed", keys.file("all.pub.gpg"))) == "provenance.digest-mismatch"


def test_a_release_says_more_than_the_defaults(site: Site, keys: Keys, tmp_path: Path) -> None:
    defaults = f"helmDefaults: {{verify: true, keyring: {keys.file('all.pub.gpg')}}}\n"
    assert refused(tmp_path, defaults + state(site, "bare", at="")) == "provenance.missing"
    assert render(tmp_path, defaults + state(site, "signed", at=""))
    assert render(tmp_path, defaults + state(site, "bare", at="verify: false"))


def test_a_keyring_is_relative_to_the_state_file(site: Site, keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ring.gpg").write_bytes(keys.file("all.pub.gpg").read_bytes())
    assert render(tmp_path, state(site, "signed", "keys/ring.gpg"))


def test_a_folder_cannot_be_signed(keys: Keys, tmp_path: Path) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    text = f"releases: [{{name: a, chart: ./web, verify: true, keyring: {keys.file('all.pub.gpg')}}}]\n"
    assert refused(tmp_path, text) == "provenance.not-packed"


def test_an_archive_on_disk_is_checked_with_the_file_beside_it(
    keys: Keys, tmp_path: Path, site: Site
) -> None:
    ring = keys.file("all.pub.gpg")
    for chart, error_id in (("signed", ""), ("bare", "provenance.missing")):
        text = f"releases: [{{name: a, chart: ./{chart}-1.0.0.tgz, verify: true, keyring: {ring}}}]\n"
        assert render(tmp_path, text) if not error_id else refused(tmp_path, text) == error_id


def test_a_verified_chart_is_verified_again_without_the_network(
    site: Site, keys: Keys, tmp_path: Path
) -> None:
    text = state(site, "signed", keys.file("all.pub.gpg"))
    render(tmp_path, text)
    asked = len(site.requests)
    assert render(tmp_path, text, offline=True)
    assert len(site.requests) == asked
    assert (
        refused(tmp_path, state(site, "signed", keys.file("bob.pub.gpg")), offline=True)
        == "provenance.unknown-key"
    )


@pytest.mark.parametrize(("added", "error_id"), [("signed", ""), ("bare", "provenance.missing")])
def test_charts_that_a_release_adds_to_its_own_are_checked_as_well(
    site: Site, keys: Keys, tmp_path: Path, added: str, error_id: str
) -> None:
    extra = f"verify: true, dependencies: [{{chart: r/{added}, version: 1.0.0, alias: b}}]"
    text = state(site, "signed", keys.file("all.pub.gpg"), at=extra)
    if error_id:
        assert refused(tmp_path, text) == error_id
        assert render(tmp_path, text.replace("verify: true", "verify: false"))
    else:
        assert render(tmp_path, text)


def signed_tree(folder: Path, keys: Keys, repository: str, dependency: str) -> str:
    """The reference of a chart in a signed commit; what it declares is fetched, but for ../lib, which is beside it."""
    declared = (
        f"dependencies: [{{name: {dependency}, version: 1.0.0, repository: '{repository}'}}, "
        "{name: lib, version: 1.0.0, repository: 'file://../lib'}]\n"
    )
    write_chart(folder / "web", {"Chart.yaml": f"apiVersion: v2\nname: web\nversion: 1.0.0\n{declared}"})
    write_chart(folder / "lib", {"Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\n"})
    keys.git(folder, "init", "--quiet", "--initial-branch=main")
    keys.git(folder, "add", ".")
    keys.git(folder, "-c", "user.signingkey=ann@example.com", "commit", "--quiet", "-S", "-m", "one")
    return f"git::file://{folder}//web?ref=main"


@pytest.mark.parametrize(("dependency", "error_id"), [("signed", ""), ("bare", "provenance.missing")])
def test_dependencies_that_are_completed_are_checked_as_well(
    site: Site, keys: Keys, tmp_path: Path, dependency: str, error_id: str
) -> None:
    chart = signed_tree(tmp_path / "git", keys, site.url, dependency)
    ring = keys.file("all.pub.gpg")
    text = f"releases: [{{name: a, chart: '{chart}', verify: true, keyring: {ring}}}]\n"
    if error_id:
        assert refused(tmp_path, text) == error_id
        assert render(tmp_path, text.replace("verify: true", "verify: false"))
        return
    assert render(tmp_path, text)
    vendor.vendor(RunOptions(state=StateOptions(cwd=tmp_path)), lambda event: None)
    shutil.rmtree(tmp_path / "cache")
    assert render(tmp_path, text, offline=True)


def test_a_folder_outside_the_signed_tree_is_refused(keys: Keys, tmp_path: Path) -> None:
    write_chart(tmp_path / "own", {"Chart.yaml": "apiVersion: v2\nname: own\nversion: 1.0.0\n"})
    chart = signed_tree(tmp_path / "git", keys, f"file://{tmp_path}/own", "own")
    ring = keys.file("all.pub.gpg")
    text = f"releases: [{{name: a, chart: '{chart}', verify: true, keyring: {ring}}}]\n"
    assert refused(tmp_path, text) == "provenance.not-packed"


def push(registry: str, folder: str, tmp_path: Path, keys: Keys | None = None) -> str:
    chart = chart_of({"values.yaml": f"a: {folder}\n"})
    name, content = package.archive(chart)
    path = tmp_path / name
    path.write_bytes(content)
    prov = b""
    if keys is not None:
        ring = Keyring.load(keys.file("ann.sec.gpg"))
        prov = trust.sign_archive(path, ring, "ann", lambda _: SecretText("")).read_bytes()
        path.with_name(f"{name}.prov").unlink()
    return RegistryClient(ChartCache(tmp_path / "pushed")).push(
        content, records.metadata(chart.metadata), f"oci://{registry}/{folder}", NO_CREDENTIALS,
        plain_http=True, provenance=prov,
    )  # fmt: skip


def oci_state(registry: str, folder: str, options: str, repository: str = "") -> str:
    return (
        f"repositories: [{{name: r, url: {registry}/{folder}, oci: true, plainHttp: true{repository}}}]\n"
        f"releases: [{{name: a, chart: r/c, version: 1.2.3{options}}}]\n"
    )


def test_registries_keep_provenance_beside_the_chart(oci_registry: str, keys: Keys, tmp_path: Path) -> None:
    push(oci_registry, "with", tmp_path, keys)
    push(oci_registry, "without", tmp_path)
    ring = keys.file("all.pub.gpg")
    assert render(tmp_path, oci_state(oci_registry, "with", f", verify: true, keyring: {ring}"))
    refusal = refused(tmp_path, oci_state(oci_registry, "without", f", verify: true, keyring: {ring}"))
    assert refusal == "provenance.missing"


def test_a_repository_may_ask_for_signatures(oci_registry: str, keys: Keys, tmp_path: Path) -> None:
    push(oci_registry, "with", tmp_path, keys)
    push(oci_registry, "without", tmp_path)
    wanted = f", verify: true, keyring: {keys.file('all.pub.gpg')}"
    assert render(tmp_path, oci_state(oci_registry, "with", "", wanted))
    assert refused(tmp_path, oci_state(oci_registry, "without", "", wanted)) == "provenance.missing"
    assert render(tmp_path, oci_state(oci_registry, "without", ", verify: false", wanted))


def test_helm_pulls_the_provenance_that_we_push(oci_registry: str, keys: Keys, tmp_path: Path) -> None:
    helm = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")
    push(oci_registry, "forhelm", tmp_path, keys)
    down = tmp_path / "down"
    down.mkdir()
    helm.pull(f"oci://{oci_registry}/forhelm/c", version="1.2.3", destination=str(down), plain_http=True)
    assert (down / "c-1.2.3.tgz").is_file()


def test_cosign_is_asked_for_with_a_key(oci_registry: str, tmp_path: Path) -> None:
    digest = push(oci_registry, "cosigned", tmp_path)
    push(oci_registry, "uncosigned", tmp_path)
    text = payload("x", digest)
    sign_in_registry(oci_registry, "cosigned/c", digest, [(text, signature(KEYS["ecdsa"], text))])
    public(tmp_path, KEYS["ecdsa"])
    assert render(tmp_path, oci_state(oci_registry, "cosigned", ", cosignKey: cosign.pub"))
    assert render(tmp_path, oci_state(oci_registry, "cosigned", ", cosignKey: cosign.pub"), offline=True)
    assert (
        refused(tmp_path, oci_state(oci_registry, "uncosigned", ", cosignKey: cosign.pub"))
        == "cosign.unsigned"
    )
    public(tmp_path, KEYS["rsa"], "other.pub")
    assert (
        refused(tmp_path, oci_state(oci_registry, "cosigned", ", cosignKey: other.pub"))
        == "cosign.bad-signature"
    )


def test_cosign_needs_a_registry(site: Site, tmp_path: Path) -> None:
    public(tmp_path, KEYS["ecdsa"])
    assert refused(tmp_path, state(site, "signed", at="cosignKey: cosign.pub")) == "cosign.unsigned"
