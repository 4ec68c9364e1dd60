"""Compiled templates kept between processes: the port, what an entry holds, and a folder of entries."""

from __future__ import annotations

import marshal
import os
from functools import cache
from hashlib import blake2b
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from zlib import crc32

from helmflow import __version__
from helmflow.gotemplate.functions import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Final, Protocol
else:
    Protocol = object

_DIGEST_SIZE: Final = 4
_MAX_ENTRIES: Final = 500  # charts; the oldest go when a new one comes


class ProgramCache(Protocol):
    """Bytes by key. What was stored must come back unchanged or not at all: entries hold code."""

    def load(self, key: str) -> bytes | None:
        """What was stored under the key."""

    def store(self, key: str, content: bytes) -> None:
        """Keep it if possible; a cache that cannot keep things says nothing."""


# One template: whether its body is blank, and its code, read when it first runs. One text: its own template and its
# defines.
StoredTree = tuple[bool, bytes]
StoredText = tuple[StoredTree, dict[str, StoredTree]]


def key_of(
    texts: Iterable[str], functions: Mapping[str, Function], fixed: frozenset[str], missing_key: str
) -> str:
    """The name of an entry: everything that generated code depends on."""
    digest = blake2b(MAGIC_NUMBER + generator(), digest_size=20)
    signatures = [
        (name, one.params, one.variadic, one.returns, name in fixed)
        for name, one in sorted(functions.items())
    ]
    digest.update(f"{missing_key} {signatures}".encode())
    for text in texts:
        content = text.encode("utf-8", "surrogateescape")
        digest.update(b"%d\0" % len(content))
        digest.update(content)
    return digest.hexdigest()


@cache
def generator() -> bytes:
    """Which generator this is: the version, and the state of this package's files, which generated code calls."""
    try:
        with os.scandir(os.path.dirname(__file__)) as entries:
            found = sorted((entry.name, entry.stat()) for entry in entries if entry.name.endswith(".py"))
    except OSError:  # not installed as files: the version alone must do
        found = []
    states = [(name, state.st_size, state.st_mtime_ns) for name, state in found]
    return f"{__version__} {states}".encode()


def pack(stored: list[StoredText]) -> bytes:
    """An entry's bytes, with a digest to notice damage."""
    content = marshal.dumps(stored)
    return crc32(content).to_bytes(_DIGEST_SIZE) + content


def unpack(entry: bytes) -> list[StoredText] | None:
    """What was packed, None where the bytes are damaged."""
    digest, content = entry[:_DIGEST_SIZE], entry[_DIGEST_SIZE:]
    if crc32(content).to_bytes(_DIGEST_SIZE) != digest:
        return None
    try:
        found: Any = marshal.loads(content)
    except (EOFError, ValueError, TypeError):
        return None
    return found if isinstance(found, list) else None


class FolderCache:
    """Entries as files in a folder that only this user may read or write; any other folder is not used.

    Code that comes from files is as trusted as the folder they are in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, key: str) -> bytes | None:
        """The file's content."""
        try:
            return (self.folder / key).read_bytes() if self._private() else None
        except OSError:
            return None

    def store(self, key: str, content: bytes) -> None:
        """Write the file, whole or not at all; drop the oldest when there are many."""
        temporary = self.folder / f".{key}.{os.getpid()}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._private():
                return
            temporary.write_bytes(content)
            temporary.replace(self.folder / key)
            entries = sorted(self.folder.iterdir(), key=lambda entry: entry.stat().st_mtime)
            for entry in entries[:-_MAX_ENTRIES]:
                entry.unlink(missing_ok=True)
        except OSError:
            temporary.unlink(missing_ok=True)

    def _private(self) -> bool:
        found = self.folder.stat()
        return found.st_uid == os.getuid() and not found.st_mode & 0o077
