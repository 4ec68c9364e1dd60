"""Signed tags and commits of git: the chain from a key's signature over the commit to the files on this disk."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from helmflow.core.errors import ChartError
from helmflow.providers.charts.openpgp import Keyring
from helmflow.providers.git_source import Signed, object_id

_BEGIN: Final = re.compile(rb"^-----BEGIN (PGP|SSH|SIGNED) (?:SIGNATURE|MESSAGE)-----[ \t\r]*$", re.MULTILINE)
_OBJECT: Final = re.compile(rb"object ([0-9a-f]+)\ntype commit\ntag ([^\n]+)\n")
_TREE: Final = re.compile(rb"tree ([0-9a-f]+)\n")


def verify(
    signed: Signed, *, commit: str, ref: str, folder: Path, keyring: Keyring, name: str
) -> tuple[str, ...]:
    """Who signed the tag `ref` or else the commit, whose files are the ones in `folder`.

    Raises ChartError `provenance.*`: what cannot be checked is refused. `name` is the chart, for error texts.
    """
    if object_id("commit", signed.commit, like=commit) != commit:
        raise _mismatch(name, f"the commit {commit[:12]} is not the one that was fetched")
    if signed.tag:
        _require_tag_of(signed.tag, commit, ref, name)
        payload, signature = _split_tag(signed.tag)
    else:
        payload, signature = b"", b""
    if not signature:
        # a signed commit is as good as a signed tag on it
        payload, signature = _split_commit(signed.commit)
    if not signature:
        raise ChartError(
            f"{name} has to be signed, but neither its tag nor its commit {commit[:12]} is",
            error_id="provenance.missing",
            hint="git tag -s NAME, and name that tag as ref; or set verify: false for this release",
        )
    kind = _BEGIN.search(signature)
    if kind is None or kind[1] != b"PGP":
        raise ChartError(
            f"{name} is signed, but not with OpenPGP",
            error_id="provenance.malformed",
            hint="signatures of ssh keys and certificates are not read: git config gpg.format openpgp",
        )
    found = keyring.check_detached(payload, signature)
    tree = _TREE.match(signed.commit)
    if tree is None or tree_id(folder, like=commit) != tree[1].decode():
        raise _mismatch(
            name, f"the files are not those of the signed commit {commit[:12]}",
            "submodules, links that leave the repository and attributes that change files cannot be checked",
        )  # fmt: skip
    return found.signed_by


def tree_id(folder: Path, *, like: str) -> str:
    """git's name for the files of a folder, of the kind of the id `like`."""
    return _tree(str(folder), like).hex()


def _tree(folder: str, like: str) -> bytes:
    rows: list[tuple[bytes, bytes]] = []
    with os.scandir(folder) as found:
        for entry in found:
            name = os.fsencode(entry.name)
            if entry.is_symlink():
                mode, content = b"120000", os.fsencode(os.readlink(entry.path))
            elif entry.is_dir():
                # git sorts folders as if their names ended with a slash
                rows.append((name + b"/", b"40000 " + name + b"\0" + _tree(entry.path, like)))
                continue
            else:
                mode = b"100755" if entry.stat().st_mode & 0o100 else b"100644"
                content = Path(entry.path).read_bytes()
            rows.append(
                (name, mode + b" " + name + b"\0" + bytes.fromhex(object_id("blob", content, like=like)))
            )
    return bytes.fromhex(object_id("tree", b"".join(row for _, row in sorted(rows)), like=like))


def _require_tag_of(tag: bytes, commit: str, ref: str, name: str) -> None:
    """A tag's signature holds for its own name and commit: an old one must not pass for a newer."""
    found = _OBJECT.match(tag)
    if found is None or found[1].decode() != commit:
        raise _mismatch(name, f"the tag {ref} does not name the commit {commit[:12]}")
    if os.fsdecode(found[2]) != ref.removeprefix("refs/tags/"):
        raise _mismatch(name, f"the tag {ref} was made under another name")


def _split_tag(raw: bytes) -> tuple[bytes, bytes]:
    """The signed text and the signature that ends it, b"" where there is none."""
    starts = [found.start() for found in _BEGIN.finditer(raw)]
    return (raw[: starts[-1]], raw[starts[-1] :]) if starts else (raw, b"")


def _split_commit(raw: bytes) -> tuple[bytes, bytes]:
    """The commit without its signature header, and what that header says."""
    head, separator, message = raw.partition(b"\n\n")
    kept: list[bytes] = []
    signature: list[bytes] = []
    inside = False
    for line in head.split(b"\n"):
        if line.startswith((b"gpgsig ", b"gpgsig-sha256 ")):
            inside = True
            signature.append(line.partition(b" ")[2])
        elif inside and line.startswith(b" "):
            signature.append(line[1:])
        else:
            inside = False
            kept.append(line)
    return b"\n".join(kept) + separator + message, b"\n".join(signature) + b"\n" if signature else b""


def _mismatch(name: str, what: str, hint: str = "somebody changed it after it was signed") -> ChartError:
    return ChartError(f"{name}: {what}", error_id="provenance.digest-mismatch", hint=hint)
