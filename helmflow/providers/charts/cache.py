"""Content-addressed downloads, published by atomic rename so that parallel runs share them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from helmflow.core.errors import ChartError


class ChartCache:
    """Files under `root`: `blobs/sha256/HEX` by content and `notes/KEY.json` about URLs.

    Any entry may vanish or be corrupt at any time: a blob is checked against its name when it is read.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def blob(self, digest: str) -> Path | None:
        """The file with this sha256 (hex), or None. A file that no longer matches its name is dropped."""
        path = self._blob_path(digest)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() == digest:
            return path
        path.unlink(missing_ok=True)
        return None

    def add_blob(self, content: bytes) -> tuple[str, Path]:
        """Keep `content`; its sha256 and its file."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._blob_path(digest)
        if self.blob(digest) is None:
            publish(path, content)
        return digest, path

    def note(self, key: str) -> dict[str, Any] | None:
        """What was noted under `key` (a URL with its purpose), or None."""
        try:
            note = json.loads(self._note_path(key).read_bytes())
        except (OSError, ValueError):
            return None
        return note if isinstance(note, dict) and note.get("key") == key else None

    def add_note(self, key: str, note: dict[str, Any]) -> None:
        """Remember `note` under `key`."""
        publish(self._note_path(key), json.dumps({**note, "key": key}, separators=(",", ":")).encode())

    def _blob_path(self, digest: str) -> Path:
        return self._root / "blobs" / "sha256" / digest

    def _note_path(self, key: str) -> Path:
        return self._root / "notes" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def publish(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that readers see all of it or nothing. Folders are private to the user."""
    try:
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
    except OSError as cause:
        raise ChartError(
            f"cannot write to the cache at {path.parent}: {cause.strerror}",
            error_id="cache.write",
            hint="set HELMFLOW_CACHE_HOME to a folder you may write to",
        ) from cause
