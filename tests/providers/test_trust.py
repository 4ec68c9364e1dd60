"""Signatures of packages: what we sign Helm accepts, what Helm signs we accept, and nothing else."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from helmflow.core.errors import ChartError
from helmflow.core.sensitive import SecretText
from helmflow.helm.chart import package
from helmflow.providers.charts import trust
from helmflow.providers.charts.openpgp import Keyring
from tests.charts import chart_of
from tests.providers.keys import PASSPHRASE, Keys

helm = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")

SIGNERS = [
    ("ann", "Ann Author <ann@example.com>"),
    ("bob", "Bob Builder <bob@example.com>"),
    ("kim", "Kim Keeper <kim@example.com>"),
]
# Lines of Chart.yaml that clear-signing has to treat with care.
METADATA = {
    "plain": "",
    "dashes": "maintainers:\n- name: a\n- name: '- b'\n- name: -----BEGIN PGP SIGNATURE-----\n",
    "blanks at line ends": "description: |\n  one  \n  two\t\n\n  three \n",
    "other letters": "description: größer 数 \U0001f680\n",
    "From": "description: |\n  From here\n  - there\n",
    "folded": f"description: {'long words ' * 20}\n",
}


def passphrase(name: str) -> SecretText:
    return SecretText(PASSPHRASE)


def packed(folder: Path, metadata: str = "") -> Path:
    chart = chart_of({"Chart.yaml": f"apiVersion: v2\nname: c\nversion: 1.2.3\n{metadata}"})
    name, content = package.archive(chart)
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def signed(folder: Path, keys: Keys, name: str = "ann") -> Path:
    path = packed(folder)
    trust.sign_archive(path, Keyring.load(keys.file("all.sec.gpg")), f"{name}@", passphrase)
    return path


@pytest.mark.parametrize(("name", "identity"), SIGNERS)
def test_helm_accepts_what_we_sign(keys: Keys, tmp_path: Path, name: str, identity: str) -> None:
    path = signed(tmp_path, keys, name)
    found = helm.verify(path, keys.file("all.pub.gpg"))
    assert found["signed_by"] == [identity]
    ours = trust.verify_archive(path, Keyring.load(keys.file("all.pub.gpg")))
    assert (ours.file_name, ours.file_hash, list(ours.signed_by)) == (
        found["file_name"], found["file_hash"], found["signed_by"]
    )  # fmt: skip


@pytest.mark.parametrize(("name", "identity"), SIGNERS[:2])
def test_we_accept_what_helm_signs(keys: Keys, tmp_path: Path, name: str, identity: str) -> None:
    path = packed(tmp_path)
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    helm.sign(path, key=identity, keyring=keys.file(f"{name}.sec.gpg"), passphrase_file=secret)
    found = trust.verify_archive(path, Keyring.load(keys.file("all.pub.gpg")))
    assert found.signed_by == (identity,)
    assert str(found).startswith(f"Signed by: {identity}\nUsing Key With Fingerprint: {found.fingerprint}\n")


@pytest.mark.parametrize("case", METADATA)
def test_every_chart_yaml_can_be_signed_by_both(keys: Keys, tmp_path: Path, case: str) -> None:
    ring = Keyring.load(keys.file("ann.pub.gpg"))
    ours, theirs = packed(tmp_path / "a", METADATA[case]), packed(tmp_path / "b", METADATA[case])
    trust.sign_archive(ours, Keyring.load(keys.file("ann.sec.gpg")), "ann@", passphrase)
    helm.sign(theirs, key="ann@example.com", keyring=keys.file("ann.sec.gpg"))
    assert (
        helm.verify(ours, keys.file("ann.pub.gpg"))["file_hash"] == trust.verify_archive(ours, ring).file_hash
    )
    assert trust.verify_archive(theirs, ring).fingerprint
    text = (path.with_name(path.name + ".prov").read_text().partition("-----BEGIN PGP SIGNATURE")[0]
            for path in (ours, theirs))  # fmt: skip
    assert next(text) == next(text)


def test_helm_3_wrote_numbers_with_leading_zeros(keys: Keys, tmp_path: Path) -> None:
    path = packed(tmp_path)
    prov = path.with_name(path.name + ".prov")
    while True:
        trust.sign_archive(path, Keyring.load(keys.file("bob.sec.gpg")), "bob@", passphrase)
        document = prov.read_text()
        armored = document.partition("-----BEGIN PGP SIGNATURE-----\n\n")[2].partition("\n=")[0]
        packet = base64.b64decode(armored.replace("\n", ""))
        number = packet.rfind(b"\x07", 0, len(packet) - 250)
        bits = int.from_bytes(packet[number : number + 2], "big")
        if packet[0] == 0xC2 and 2000 < bits < 2048 and len(packet) - number - 2 == (bits + 7) // 8:
            break
    body = packet[3:number] + (2048).to_bytes(2, "big") + packet[number + 2 :].rjust(256, b"\0")
    old = b"\xc2\xff" + len(body).to_bytes(4, "big") + body
    lines = re.sub("(.{64})", r"\1\n", base64.b64encode(old).decode())
    head = document.partition("-----BEGIN PGP SIGNATURE-----")[0]
    prov.write_text(f"{head}-----BEGIN PGP SIGNATURE-----\n\n{lines}\n-----END PGP SIGNATURE-----")
    assert helm.verify(path, keys.file("bob.pub.gpg"))
    assert trust.verify_archive(path, Keyring.load(keys.file("bob.pub.gpg"))).signed_by == (SIGNERS[1][1],)


@pytest.mark.parametrize("form", ["armored", "two blocks", "secret keys", "gpg 1"])
def test_keyrings_of_every_form_are_read(keys: Keys, tmp_path: Path, form: str) -> None:
    path = signed(tmp_path, keys, "ann")
    ring = tmp_path / "ring"
    match form:
        case "armored":
            ring.write_bytes(keys.gpg("--armor", "--export"))
        case "two blocks":
            blocks = (keys.gpg("--armor", "--export", f"{name}@example.com") for name in ("bob", "ann"))
            ring.write_bytes(b"\n".join(blocks))
        case "secret keys":
            ring.write_bytes(keys.file("all.sec.gpg").read_bytes())
        case _:
            # what gpg 1 kept in pubring.gpg: its own notes stand between the packets
            flags = ("--no-default-keyring", "--keyring", f"gnupg-ring:{ring}")
            keys.gpg(*flags, "--import", str(keys.file("ann.pub.gpg")))
            assert helm.verify(path, ring)
    assert trust.verify_archive(path, Keyring.load(ring)).signed_by == (SIGNERS[0][1],)


def altered(document: str, case: str) -> str:
    match case:
        case "text":
            return document.replace("name: c", "name: d")
        case "hash":
            return re.sub(r"sha256:\w{8}", "sha256:00000000", document)
        case "signature":
            return re.sub(r"(?m)^(.{10}).(.*)(\n=|\n-----END)", r"\1A\2\3", document, count=1)
        case "cut":
            return document[: len(document) // 2]
        case "no block":
            return "hello\n"
        case "no signature":
            return document.partition("-----BEGIN PGP SIGNATURE-----")[0]
        case "garbage signature":
            return document.partition("-----BEGIN PGP SIGNATURE-----")[0] + (
                "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"
            )
    return document


@pytest.mark.parametrize(
    ("case", "error_id"),
    [
        ("text", "provenance.bad-signature"),
        ("hash", "provenance.bad-signature"),
        ("signature", "provenance.bad-signature"),
        ("cut", "provenance.malformed"),
        ("no block", "provenance.malformed"),
        ("no signature", "provenance.malformed"),
        ("garbage signature", "provenance.malformed"),
    ],
)
def test_a_provenance_file_that_was_changed_is_refused(
    keys: Keys, tmp_path: Path, case: str, error_id: str
) -> None:
    path = signed(tmp_path, keys)
    prov = path.with_name(path.name + ".prov")
    before = prov.read_text()
    prov.write_text(altered(before, case))
    assert prov.read_text() != before
    with pytest.raises(ChartError) as failure:
        trust.verify_archive(path, Keyring.load(keys.file("ann.pub.gpg")))
    assert failure.value.error_id == error_id
    with pytest.raises(helm.HelmError):
        helm.verify(path, keys.file("ann.pub.gpg"))


def refused(path: Path, ring: Path) -> ChartError:
    with pytest.raises(ChartError) as failure:
        trust.verify_archive(path, Keyring.load(ring))
    return failure.value


def helm_says(path: Path, ring: Path) -> str:
    with pytest.raises(helm.HelmError) as failure:
        helm.verify(path, ring)
    return str(failure.value)


def test_an_archive_that_was_changed_is_refused_in_helms_words(keys: Keys, tmp_path: Path) -> None:
    path = signed(tmp_path, keys)
    path.write_bytes(path.read_bytes() + b"x")
    error = refused(path, keys.file("ann.pub.gpg"))
    assert error.error_id == "provenance.digest-mismatch"
    assert error.message in helm_says(path, keys.file("ann.pub.gpg"))


def test_another_signers_key_is_refused_in_helms_words(keys: Keys, tmp_path: Path) -> None:
    path = signed(tmp_path, keys, "ann")
    error = refused(path, keys.file("bob.pub.gpg"))
    assert error.error_id == "provenance.unknown-key"
    assert error.message in helm_says(path, keys.file("bob.pub.gpg"))


def test_a_key_that_expired_is_refused_in_helms_words(keys: Keys, tmp_path: Path) -> None:
    path = packed(tmp_path)
    text = f"name: c\n\n...\nfiles:\n  {path.name}: {helm.digest(path)}\n"
    if "sha256:" not in text:
        text = text.replace(": " + helm.digest(path), ": sha256:" + helm.digest(path))
    prov = keys.gpg(
        "--faked-system-time", "20200110T000000", "--digest-algo", "SHA512", "--local-user", "old@", "--clear-sign",
        text=text.encode(),
    )  # fmt: skip
    path.with_name(path.name + ".prov").write_bytes(prov)
    error = refused(path, keys.file("old.pub.gpg"))
    assert error.error_id == "provenance.key-expired"
    assert error.message in helm_says(path, keys.file("old.pub.gpg"))
    assert "2020-01-31" in error.hint


def test_a_key_that_was_revoked_is_refused(keys: Keys, tmp_path: Path) -> None:
    path = signed(tmp_path, keys, "rex")
    assert trust.verify_archive(path, Keyring.load(keys.file("rex.pub.gpg")))
    assert refused(path, keys.file("revoked.pub.gpg")).error_id == "provenance.key-revoked"


def test_a_signature_for_another_file_is_refused_in_helms_words(keys: Keys, tmp_path: Path) -> None:
    path = signed(tmp_path, keys)
    renamed = path.rename(path.with_name("c-9.9.9.tgz"))
    path.with_name("c-1.2.3.tgz.prov").rename(path.with_name("c-9.9.9.tgz.prov"))
    error = refused(renamed, keys.file("ann.pub.gpg"))
    assert error.error_id == "provenance.other-file"
    assert error.message in helm_says(renamed, keys.file("ann.pub.gpg"))


def test_only_the_signed_part_of_a_provenance_file_counts(keys: Keys, tmp_path: Path) -> None:
    """Text around the signed block, and further blocks, cannot add files to what was signed."""
    path = signed(tmp_path, keys)
    prov = path.with_name(path.name + ".prov")
    genuine = prov.read_text()
    path.write_bytes(b"other content")
    fake = f"name: c\n\n...\nfiles:\n  {path.name}: sha256:{'0' * 64}\n"
    for document in (fake + genuine, genuine + fake, f"{fake}{genuine}{genuine}"):
        prov.write_text(document)
        assert refused(path, keys.file("ann.pub.gpg")).error_id == "provenance.digest-mismatch"


@pytest.mark.parametrize(
    ("what", "error_id", "words"),
    [
        ("no prov", "provenance.missing", "could not load provenance file"),
        ("folder", "provenance.not-packed", "unpacked charts cannot be verified"),
        ("no archive", "chart.not-found", "no such file or directory"),
        ("text file", "provenance.not-packed", "chart must be a tgz file"),
    ],
)
def test_what_cannot_be_verified_says_so_in_helms_words(
    keys: Keys, tmp_path: Path, what: str, error_id: str, words: str
) -> None:
    path = packed(tmp_path)
    match what:
        case "folder":
            path = tmp_path
        case "no archive":
            path = tmp_path / "none.tgz"
        case "text file":
            path = tmp_path / "x.yaml"
            path.write_text("a")
    error = refused(path, keys.file("ann.pub.gpg"))
    assert error.error_id == error_id
    assert words in error.message


@pytest.mark.parametrize(
    ("content", "error_id"),
    [
        (b"", "keyring.unreadable"),
        (b"hello\n", "keyring.unreadable"),
        (b"\0\0\0\x20\x01\x01\0\x02KBXf" + bytes(20), "keyring.keybox"),
        (
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
            "keyring.unreadable",
        ),
        (b"\x99\xff\xff" + bytes(100), "keyring.unreadable"),
    ],
)
def test_what_is_no_keyring_is_said(tmp_path: Path, content: bytes, error_id: str) -> None:
    ring = tmp_path / "ring"
    ring.write_bytes(content)
    with pytest.raises(ChartError) as failure:
        Keyring.load(ring).check(b"")
    assert failure.value.error_id == error_id


def test_a_keyring_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ChartError) as failure:
        Keyring.load(tmp_path / "none")
    assert failure.value.error_id == "keyring.missing"
    assert (
        failure.value.message
        == f"failed to load keyring: open {tmp_path / 'none'}: no such file or directory"
    )


@pytest.mark.parametrize(
    ("ring", "name", "word", "error_id"),
    [
        ("all.sec.gpg", "nobody", PASSPHRASE, "keyring.no-such-key"),
        ("all.sec.gpg", "@example.com", PASSPHRASE, "keyring.ambiguous-key"),
        ("ann.pub.gpg", "ann", PASSPHRASE, "keyring.no-secret"),
        ("bob.sec.gpg", "bob", "wrong", "keyring.locked"),
        ("bob.sec.gpg", "bob", "", "keyring.locked"),
        ("old.sec.gpg", "old", "", "provenance.key-expired"),
    ],
)
def test_keys_that_cannot_sign_are_said(
    keys: Keys, tmp_path: Path, ring: str, name: str, word: str, error_id: str
) -> None:
    path = packed(tmp_path)
    with pytest.raises(ChartError) as failure:
        trust.sign_archive(path, Keyring.load(keys.file(ring)), name, lambda _: SecretText(word))
    assert failure.value.error_id == error_id
    assert not path.with_name(path.name + ".prov").exists()
    assert word == "" or word not in str(failure.value)


def test_a_whole_identity_is_no_part_of_another(keys: Keys, tmp_path: Path) -> None:
    ring = Keyring.load(keys.file("all.sec.gpg"))
    assert ring.signing_key("Ann Author <ann@example.com>").names == ("Ann Author <ann@example.com>",)
