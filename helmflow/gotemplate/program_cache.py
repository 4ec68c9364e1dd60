"""Compiled templates kept between processes: the port, what an entry holds, and a folder of entries."""

from __future__ import annotations

import marshal
import os
import sys
from _blake2 import blake2b  # hashlib's own, without what importing hashlib costs
from binascii import crc32  # which is loaded anyway

from helmflow import __version__
from helmflow.core.lazy import cache
from helmflow.core.paths import is_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Final, Protocol

    from helmflow.gotemplate.functions import Function

    # One template: whether its body is blank, and its code, read when it first runs. One text: its own template and its
    # defines.
    StoredTree = tuple[bool, bytes]
    StoredText = tuple[StoredTree, dict[str, StoredTree]]
else:
    Protocol = object

_DIGEST_SIZE: Final = 4
_MAX_ENTRIES: Final = 500  # the oldest go when a new one comes
_LARGE: Final = 192 * 1024  # bytes of a file that is mapped instead of read
MAX_MET: Final = 500  # texts that `tpl` met, of one chart


class ProgramCache(Protocol):
    """Bytes by key. What was stored must come back unchanged or not at all: entries hold code."""

    def load(self, key: str) -> bytes | memoryview | None:
        """What was stored under the key."""

    def store(self, key: str, content: bytes) -> None:
        """Keep it if possible; a cache that cannot keep things says nothing."""


def key_of(
    digests: Iterable[bytes], functions: Mapping[str, Function], fixed: frozenset[str], missing_key: str
) -> str:
    """The name of an entry: everything that generated code depends on, the texts by their digests."""
    digest = blake2b(generator(), digest_size=20)
    signatures = [
        (name, one.params, one.variadic, one.returns, name in fixed)
        for name, one in sorted(functions.items())
    ]
    digest.update(marshal.dumps((missing_key, signatures), 2))  # which writes what is equal equally
    digest.update(b"".join(digests))
    return digest.hexdigest()


@cache
def generator() -> bytes:
    """Which generator this is: the versions, and the state of this package's files, which generated code calls."""
    try:
        with os.scandir(os.path.dirname(__file__)) as entries:
            found = sorted((entry.name, entry.stat()) for entry in entries if entry.name.endswith(".py"))
    except OSError:  # not installed as files: the versions alone must do
        found = []
    states = [(name, state.st_size, state.st_mtime_ns) for name, state in found]
    return f"{__version__} {sys.version} {states}".encode()


class Entry:
    """What is kept of one set of texts: their programs, and those of the texts that `tpl` met with them."""

    __slots__ = ("complete", "key", "met", "new", "texts")

    def __init__(self, key: str, texts: tuple[str, ...]) -> None:
        self.key = key
        self.texts = texts
        self.complete = False
        self.met: dict[str, StoredText] = {}
        self.new: dict[str, None] = {}  # texts that were parsed since, in order


def pack(stored: Any) -> bytes:
    """An entry's bytes, with a digest to notice damage."""
    content = marshal.dumps(stored)
    return crc32(content).to_bytes(_DIGEST_SIZE) + content


def unpack(entry: bytes | memoryview | None) -> Any:
    """What was packed, None where there is nothing or the bytes are damaged."""
    if entry is None:
        return None
    content = memoryview(entry)[_DIGEST_SIZE:]
    if crc32(content).to_bytes(_DIGEST_SIZE) != entry[:_DIGEST_SIZE]:
        return None
    try:
        return marshal.loads(content)
    except (EOFError, ValueError, TypeError):
        return None


class FolderCache:
    """Entries as files in a folder that only this user may read or write; any other folder is not used.

    Code that comes from files is as trusted as the folder they are in.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fspath(folder)

    def load(self, key: str) -> bytes | memoryview | None:
        """The file's content."""
        try:
            if not is_private(self.folder):
                return None
            with open(f"{self.folder}/{key}", "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size < _LARGE:
                    return file.read()
                import mmap  # what is read from the map need not be copied first: new memory is what costs here

                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError:
            return None

    def store(self, key: str, content: bytes) -> None:
        """Write the file, whole or not at all; drop the oldest when there are many."""
        temporary = f"{self.folder}/.{key}.{os.getpid()}"
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            if not is_private(self.folder):
                return
            with open(temporary, "wb") as file:
                file.write(content)
            os.replace(temporary, f"{self.folder}/{key}")
            with os.scandir(self.folder) as entries:
                ages = sorted((entry.stat().st_mtime, entry.path) for entry in entries)
            for _, path in ages[:-_MAX_ENTRIES]:
                os.unlink(path)
        except OSError:
            from contextlib import suppress

            with suppress(OSError):
                os.unlink(temporary)
