"""Charts of git that have to be signed: tags and commits signed by the real gpg and git, and everything that is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helmflow.core.errors import ChartError
from helmflow.providers import git_signature
from helmflow.providers.charts import requirement
from helmflow.providers.charts.fetch import ChartFetcher
from helmflow.providers.charts.lock import Lock
from tests.charts import write_chart
from tests.providers.keys import PASSPHRASE, Keys

CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    """Commits and tags: signed by Ann, by Kim's subkey, by keys that do not count, or by nobody."""
    folder = tmp_path_factory.mktemp("git") / "charts"
    write_chart(
        folder / "web", {"Chart.yaml": CHART, "values.yaml": "", "templates/a.yaml": "", "run.sh": "#!\n"}
    )
    (folder / "web" / "run.sh").chmod(0o755)
    (folder / "web" / "link.md").symlink_to("values.yaml")
    (folder / "web.txt").write_text("sorts before the folder")
    keys.git(folder, "init", "--quiet", "--initial-branch=main")
    keys.git(folder, "add", ".")
    keys.git(folder, "commit", "--quiet", "-m", "one\n\n-----BEGIN PGP SIGNATURE-----\nnot one")
    for name, key in (("by-ann", "ann@"), ("by-kim", "kim@"), ("by-rex", "")):
        signing = ["-s", "-u", f"{key}example.com"] if key else ["-a"]
        keys.git(folder, "tag", *signing, "-m", f"release\n\nof {name}", name)
    keys.git(folder, "tag", "light")
    keys.git(folder, "branch", "unsigned")
    (folder / "web" / "values.yaml").write_text("a: 2\n")
    keys.git(folder, "-c", "user.signingkey=ann@example.com", "commit", "--quiet", "-S", "-am", "two")
    keys.git(folder, "branch", "signed")
    keys.git(folder, "tag", "-a", "-m", "not signed itself", "on-a-signed-commit")
    (folder / "web" / "values.yaml").write_text("a: 3\n")
    keys.git(folder, "commit", "--quiet", "-am", "three")
    return folder


def demand(
    upstream: Path, keys: Keys, ref: str, tmp_path: Path, ring: str = "all.pub.gpg", **more: object
) -> None:
    """Return if the chart at `ref` is accepted."""
    charts = ChartFetcher((), cache_dir=tmp_path / "cache", **more)  # type: ignore[arg-type]
    name = f"git::file://{upstream}//web?ref={ref}"
    requirement.require_signed(charts, charts.fetch(name, "", tmp_path), name, keyring=str(keys.file(ring)))


@pytest.mark.parametrize(
    "ref", ["by-ann", "by-kim", "refs/tags/by-ann", "signed", "on-a-signed-commit", "COMMIT"]
)
def test_a_signed_tag_or_commit_is_accepted(upstream: Path, keys: Keys, tmp_path: Path, ref: str) -> None:
    demand(upstream, keys, ref.replace("COMMIT", keys.git(upstream, "rev-parse", "signed")), tmp_path)
    shutil.rmtree(tmp_path / "cache" / "trees")
    if ref in ("by-ann", "signed"):
        demand(upstream, keys, ref, tmp_path, offline=True)


@pytest.mark.parametrize(
    ("ref", "ring", "error_id"),
    [
        ("main", "all.pub.gpg", "provenance.missing"),
        ("light", "all.pub.gpg", "provenance.missing"),
        ("unsigned", "all.pub.gpg", "provenance.missing"),
        ("by-rex", "all.pub.gpg", "provenance.missing"),
        ("by-ann", "bob.pub.gpg", "provenance.unknown-key"),
        ("signed", "kim.pub.gpg", "provenance.unknown-key"),
        ("by-ann", "none.gpg", "keyring.missing"),
    ],
)
def test_everything_else_is_refused(
    upstream: Path, keys: Keys, tmp_path: Path, ref: str, ring: str, error_id: str
) -> None:
    with pytest.raises(ChartError) as caught:
        demand(upstream, keys, ref, tmp_path, ring)
    assert caught.value.error_id == error_id


def refusal(upstream: Path, keys: Keys, ref: str, tmp_path: Path) -> str:
    with pytest.raises(ChartError) as caught:
        demand(upstream, keys, ref, tmp_path)
    return f"{caught.value.error_id} {caught.value.message}"


def test_a_tag_under_another_name_or_over_another_commit_is_refused(
    upstream: Path, keys: Keys, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(upstream, folder, symlinks=True)
    keys.git(folder, "update-ref", "refs/tags/v9", "by-ann")  # an old signature for a new version
    assert "made under another name" in refusal(folder, keys, "v9", tmp_path)
    raw = keys.git(folder, "cat-file", "tag", "by-ann")
    forged = raw.replace(keys.git(folder, "rev-parse", "unsigned"), keys.git(folder, "rev-parse", "main"))
    (tmp_path / "tag").write_text(forged + "\n")
    made = keys.git(folder, "hash-object", "-t", "tag", "-w", str(tmp_path / "tag"))
    keys.git(folder, "update-ref", "refs/tags/by-kim", made)
    assert "made under another name" in refusal(folder, keys, "by-kim", tmp_path)
    keys.git(folder, "update-ref", "refs/tags/by-ann", made)
    assert refusal(folder, keys, "by-ann", tmp_path).startswith("provenance.bad-signature")


def test_files_that_are_not_the_commits_are_refused(upstream: Path, keys: Keys, tmp_path: Path) -> None:
    demand(upstream, keys, "by-ann", tmp_path)
    (values,) = (tmp_path / "cache" / "trees").glob("*/web/values.yaml")
    values.write_text("a: evil\n")
    assert "the files are not those of the signed commit" in refusal(upstream, keys, "by-ann", tmp_path)


def test_a_lock_that_names_the_commit_keeps_the_tag_that_signed_it(
    upstream: Path, keys: Keys, tmp_path: Path
) -> None:
    charts = ChartFetcher((), cache_dir=tmp_path / "cache")
    name = f"git::file://{upstream}//web?ref=by-ann"
    charts.fetch(name, "", tmp_path)
    pinned = Lock(tmp_path, tuple(charts.resolutions.values()))
    demand(upstream, keys, "by-ann", tmp_path / "other", lock=pinned)


def test_expired_and_revoked_keys_do_not_count(upstream: Path, keys: Keys, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(upstream, folder, symlinks=True)
    text = b"object %b\ntype commit\ntag old\ntagger t <t@example.com> 1600000000 +0000\n\nold\n"
    text %= keys.git(folder, "rev-parse", "main").encode()
    faked = ("--faked-system-time", "20200110T000000")
    signature = keys.gpg(*faked, "--armor", "--detach-sign", "--local-user", "old@example.com", text=text)
    (tmp_path / "tag").write_bytes(text + signature)
    made = keys.git(folder, "hash-object", "-t", "tag", "-w", str(tmp_path / "tag"))
    keys.git(folder, "update-ref", "refs/tags/old", made)
    assert refusal(folder, keys, "old", tmp_path).startswith("provenance.key-expired")


def test_other_kinds_of_signatures_are_named(upstream: Path, keys: Keys, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(upstream, folder, symlinks=True)
    raw = keys.git(folder, "cat-file", "tag", "by-rex").replace("tag by-rex", "tag ssh")
    (tmp_path / "tag").write_text(
        f"{raw}\n-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
    )
    made = keys.git(folder, "hash-object", "-t", "tag", "-w", str(tmp_path / "tag"))
    keys.git(folder, "update-ref", "refs/tags/ssh", made)
    assert "not with OpenPGP" in refusal(folder, keys, "ssh", tmp_path)


def test_git_itself_names_the_files_the_same(upstream: Path, keys: Keys, tmp_path: Path) -> None:
    charts = ChartFetcher((), cache_dir=tmp_path / "cache")
    fetched = charts.fetch(f"git::file://{upstream}//web?ref=main", "", tmp_path)
    expected = keys.git(upstream, "rev-parse", "main^{tree}")
    assert git_signature.tree_id(fetched.path.parent, like=expected) == expected


def test_a_locked_key_signs_too(upstream: Path, keys: Keys, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(upstream, folder, symlinks=True)
    text = b"object %b\ntype commit\ntag bob\ntagger t <t@example.com> 1600000000 +0000\n\nbob\n"
    text %= keys.git(folder, "rev-parse", "main").encode()
    signature = keys.gpg(
        "--armor", "--detach-sign", "--local-user", "bob@example.com", passphrase=PASSPHRASE, text=text
    )
    (tmp_path / "tag").write_bytes(text + signature)
    made = keys.git(folder, "hash-object", "-t", "tag", "-w", str(tmp_path / "tag"))
    keys.git(folder, "update-ref", "refs/tags/bob", made)
    demand(folder, keys, "bob", tmp_path)
