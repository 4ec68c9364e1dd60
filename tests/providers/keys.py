"""OpenPGP keys for tests, made by the real gpg in a home of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

GPG = shutil.which("gpg")
PASSPHRASE = "open sesame"


@dataclass(frozen=True)
class Keys:
    """A folder of keyring files: NAME.pub.gpg, NAME.sec.gpg, and of all keys all.pub.gpg, all.sec.gpg."""

    folder: Path
    home: Path

    def file(self, name: str) -> Path:
        return self.folder / name

    def gpg(self, *words: str, passphrase: str = "", text: bytes | None = None) -> bytes:
        """Run gpg; what it prints."""
        command = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", passphrase]
        done = subprocess.run(
            [*command, *words],
            input=text,
            capture_output=True,
            env={**os.environ, "GNUPGHOME": str(self.home)},
            check=False,
        )
        # importing into another keyring complains about keys that are not there, and does what it should
        assert done.returncode == 0 or "--import" in words, done.stderr.decode()
        return done.stdout

    def git(self, folder: Path, *words: str) -> str:
        """Run git as Ann, with these keys to sign with; what it prints."""
        identity = ["-c", "user.name=Ann Author", "-c", "user.email=ann@example.com", "-c", "gpg.program=gpg"]
        environ = {**os.environ, "GNUPGHOME": str(self.home)}
        done = subprocess.run(
            ["git", *identity, *words], cwd=folder, env=environ, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def export(self, name: str, mail: str, passphrase: str) -> None:
        self.file(f"{name}.pub.gpg").write_bytes(self.gpg("--export", mail))
        self.file(f"{name}.sec.gpg").write_bytes(
            self.gpg("--export-secret-keys", mail, passphrase=passphrase)
        )


def make(folder: Path) -> Keys:
    """ann (Ed25519), bob (RSA, locked), kim (signs with a subkey), old (expired), rex (revoked)."""
    if GPG is None:
        pytest.skip("no gpg: apt-get install gpg")
    home = folder / "home"
    home.mkdir(mode=0o700)
    keys = Keys(folder, home)
    quick = "--quick-generate-key"
    keys.gpg(quick, "Ann Author <ann@example.com>", "ed25519", "sign,cert", "0")
    keys.gpg(quick, "Bob Builder <bob@example.com>", "rsa2048", "sign,cert", "0", passphrase=PASSPHRASE)
    keys.gpg(quick, "Kim Keeper <kim@example.com>", "ed25519", "cert", "0")
    kim = keys.gpg("--list-keys", "--with-colons", "kim@").decode().split("fpr:::::::::")[1].partition(":")[0]
    keys.gpg("--quick-add-key", kim, "ed25519", "sign", "0")
    long_ago = ("--faked-system-time", "20200101T000000")
    keys.gpg(*long_ago, quick, "Old Owner <old@example.com>", "ed25519", "sign,cert", "30d")
    keys.gpg(quick, "Rex Revoked <rex@example.com>", "ed25519", "sign,cert", "0")
    for name in ("ann", "bob", "kim", "old", "rex"):
        keys.export(name, f"{name}@example.com", PASSPHRASE if name == "bob" else "")
    for kind in ("pub", "sec"):
        parts = [keys.file(f"{name}.{kind}.gpg").read_bytes() for name in ("ann", "bob", "kim", "old", "rex")]
        keys.file(f"all.{kind}.gpg").write_bytes(b"".join(parts))
    revocation = next(
        path for path in (home / "openpgp-revocs.d").glob("*.rev") if "rex@" in path.read_text()
    )
    keys.file("rex.rev").write_text(revocation.read_text().replace(":-----BEGIN", "-----BEGIN"))
    keys.gpg("--import", str(keys.file("rex.rev")))
    keys.file("revoked.pub.gpg").write_bytes(keys.gpg("--export", "rex@example.com"))
    return keys


def stop(keys: Keys) -> None:
    """End the agent that gpg started."""
    environment = {**os.environ, "GNUPGHOME": str(keys.home)}
    subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False, capture_output=True)
