"""Content-addressed downloads, published by atomic rename so that parallel runs share them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from helmflow.core.errors import ChartError


class ChartCache:
    """Files under `root`: `blobs/sha256/HEX` by content, `notes/KEY.json` about URLs, `documents/KEY` long texts.

    Any entry may vanish or be corrupt at any time: what is read is checked. `vendored` is a folder of the same form
    that is only read: after `root`, or before it where `vendored_first` (without a network it is the authority).
    Every key and digest that was read or written is remembered in `used_notes`, `used_documents` and `used_blobs`.
    """

    def __init__(self, root: Path, *, vendored: Path | None = None, vendored_first: bool = False) -> None:
        self._root = root
        layers = [root] if vendored is None else [root, vendored]
        self._layers = layers[::-1] if vendored_first else layers
        self.used_notes: dict[str, dict[str, Any]] = {}
        self.used_documents: set[str] = set()
        self.used_blobs: set[str] = set()

    @property
    def folder(self) -> Path:
        """Where it writes."""
        return self._root

    def blob(self, digest: str) -> Path | None:
        """The file with this sha256 (hex), or None. A file that no longer matches its name is not used."""
        for layer in self._layers:
            path = _blob_path(layer, digest)
            try:
                content = path.read_bytes()
            except OSError:
                continue
            if hashlib.sha256(content).hexdigest() == digest:
                self.used_blobs.add(digest)
                return path
            if layer is self._root:
                path.unlink(missing_ok=True)
        return None

    def add_blob(self, content: bytes) -> tuple[str, Path]:
        """Keep `content`; its sha256 and its file."""
        digest = hashlib.sha256(content).hexdigest()
        known = self.blob(digest)
        if known is not None:
            return digest, known
        path = _blob_path(self._root, digest)
        publish(path, content)
        self.used_blobs.add(digest)
        return digest, path

    def drop_blob(self, digest: str) -> None:
        """Forget a blob that turned out to be the wrong one."""
        _blob_path(self._root, digest).unlink(missing_ok=True)
        self.used_blobs.discard(digest)

    def note(self, key: str) -> dict[str, Any] | None:
        """What was noted under `key` (a URL with its purpose), or None."""
        for layer in self._layers:
            try:
                note = json.loads(_note_path(layer, key).read_bytes())
            except (OSError, ValueError):
                continue
            if isinstance(note, dict) and note.get("key") == key:
                self.used_notes[key] = note
                return note
        return None

    def add_note(self, key: str, note: dict[str, Any]) -> None:
        """Remember `note` under `key`."""
        self.used_notes[key] = {**note, "key": key}
        publish(_note_path(self._root, key), _compact(self.used_notes[key]))

    def document(self, key: str) -> bytes | None:
        """The long text that was kept under `key`, or None."""
        for layer in self._layers:
            try:
                head, _, content = _document_path(layer, key).read_bytes().partition(b"\n")
            except OSError:
                continue
            if head == hashlib.sha256(content).hexdigest().encode():
                self.used_documents.add(key)
                return content
        return None

    def add_document(self, key: str, content: bytes) -> None:
        """Keep a long text under `key`, in place of the one before."""
        self.used_documents.add(key)
        head = hashlib.sha256(content).hexdigest().encode()
        publish(_document_path(self._root, key), head + b"\n" + content)

    def tree(self, digest: str, unpack: Callable[[Path, Path], None]) -> Path:
        """The folder that `unpack(blob, folder)` makes of the blob `digest`, made once for all processes."""
        folder = self._root / "trees" / digest
        if folder.is_dir():
            return folder
        blob = self.blob(digest)
        if blob is None:
            raise ChartError(
                f"the cache has lost {digest}", error_id="cache.lost", hint="run the command again"
            )
        with _writing(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".tmp-"))
            try:
                unpack(blob, made)
                with contextlib.suppress(FileExistsError, OSError):
                    made.rename(folder)  # another process may have been first: its folder is the same
            finally:
                shutil.rmtree(made, ignore_errors=True)
        return folder


def _blob_path(root: Path, digest: str) -> Path:
    return root / "blobs" / "sha256" / digest


def _note_path(root: Path, key: str) -> Path:
    return root / "notes" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def _document_path(root: Path, key: str) -> Path:
    return root / "documents" / hashlib.sha256(key.encode()).hexdigest()


def _compact(note: dict[str, Any]) -> bytes:
    return json.dumps(note, separators=(",", ":")).encode()


def publish(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that readers see all of it or nothing. Folders are private to the user."""
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What the file system refuses, as an error that says what to do."""
    try:
        yield
    except OSError as cause:
        raise ChartError(
            f"cannot write to the cache at {folder}: {cause.strerror}",
            error_id="cache.write",
            hint="set HELMFLOW_CACHE_HOME to a folder you may write to",
        ) from cause
