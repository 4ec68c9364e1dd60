"""The bytes of a chart archive to its files: gzip and tar with every bound and path check."""

from __future__ import annotations

import posixpath
import zlib
from collections.abc import Iterator
from typing import Final

from helmflow.core.errors import ChartError
from helmflow.core.lazy import pattern
from helmflow.core.limits import MAX_CHART_BYTES, MAX_CHART_FILE_BYTES, MAX_CHART_MEMBERS
from helmflow.helm.chart.model import ChartFile

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_BLOCK: Final = 512
_DRIVE: Final = pattern(r"[a-zA-Z]:/")
_TEXT_BYTES: Final = pattern(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")

# what Go's content sniffing says, for the hint in an error text only
_SIGNATURES: Final = (
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07\x00", "application/x-rar-compressed"),
    (b"\x89PNG\x0d\x0a\x1a\x0a", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"<?xml", "text/xml; charset=utf-8"),
    (b"<html", "text/html; charset=utf-8"),
    (b"<!doctype html", "text/html; charset=utf-8"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\x00asm", "application/wasm"),
    (BYTE_ORDER_MARK, "text/plain; charset=utf-8"),
)


def read(data: bytes) -> list[ChartFile]:
    """The files of a gzipped tar, without their first path component. Raises ChartError with Helm's text."""
    files: list[ChartFile] = []
    remaining = MAX_CHART_BYTES
    for name, content in _members(_Inflated(data)):
        cleaned = _clean_name(name)
        remaining -= len(content)
        if remaining < 0:
            raise _too_big()
        if len(content) > MAX_CHART_FILE_BYTES:
            raise _refused(
                f'decompressed chart file "{name}" is larger than the maximum file size {MAX_CHART_FILE_BYTES}',
                error_id="chart.file-too-big",
            )
        files.append(ChartFile(cleaned, content.removeprefix(BYTE_ORDER_MARK)))
    if not files:
        raise _refused("no files in chart archive", error_id="chart.archive-empty")
    return files


def is_gzip(data: bytes) -> bool:
    """Whether the bytes start as a gzip file does."""
    return data.startswith(b"\x1f\x8b\x08")


def content_type(data: bytes) -> str:
    """Go's guess at what the first 512 bytes are."""
    head = data[:_BLOCK].ljust(_BLOCK, b"\0")
    folded = head.lstrip(b"\t\n\x0c\r ").lower()
    for signature, name in _SIGNATURES:
        if (folded if signature.startswith(b"<") else head).startswith(signature):
            return name
    return "application/octet-stream" if _TEXT_BYTES.search(head) else "text/plain; charset=utf-8"


def _clean_name(name: str) -> str:
    delimiter = "\\" if "\\" in name else "/"
    first, _, rest = name.partition(delimiter)
    rest = rest.replace(delimiter, "/")
    if rest.startswith("/"):
        raise _refused("chart illegally contains absolute paths", error_id="chart.archive-path")
    rest = posixpath.normpath(rest) if rest else "."
    if rest == ".":
        raise _refused(
            f'chart illegally contains content outside the base directory: "{name}"',
            error_id="chart.archive-path",
        )
    if rest.startswith(".."):
        raise _refused("chart illegally references parent directory", error_id="chart.archive-path")
    if _DRIVE.match(rest):
        raise _refused("chart contains illegally named files", error_id="chart.archive-path")
    if first == "Chart.yaml":
        raise _refused("chart yaml not in base directory", error_id="chart.archive-path")
    return rest


class _Inflated:
    """Reads a gzip stream piece by piece, never inflating more than the bound."""

    # every member may cost a header and padding besides its bytes
    _LIMIT: Final = MAX_CHART_BYTES + 4 * _BLOCK * MAX_CHART_MEMBERS

    def __init__(self, data: bytes) -> None:
        self._pending = data
        self._buffer = b""
        self._inflater = zlib.decompressobj(31)
        self._produced = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        if len(self._buffer) < size:
            pieces = [self._buffer]
            have = len(self._buffer)
            while have < size and (piece := self._inflate()):
                pieces.append(piece)
                have += len(piece)
            self._buffer = b"".join(pieces)
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _inflate(self) -> bytes:
        while self._pending or not self._inflater.eof:
            if self._inflater.eof:  # another gzip member follows
                self._inflater = zlib.decompressobj(31)
            try:
                piece = self._inflater.decompress(self._pending, 1 << 20)
            except zlib.error as error:
                text = "gzip: invalid header" if "header" in str(error) else "flate: corrupt input"
                raise _refused(text, error_id="chart.archive-corrupt") from None
            if self._inflater.eof:
                self._pending = self._inflater.unused_data.lstrip(b"\0")
            else:
                consumed = len(self._pending) - len(self._inflater.unconsumed_tail)
                self._pending = self._inflater.unconsumed_tail
                if not piece and not consumed:
                    raise _refused("unexpected EOF", error_id="chart.archive-corrupt")
            self._produced += len(piece)
            if self._produced > self._LIMIT:
                raise _too_big()
            if piece:
                return piece
        return b""


def _members(stream: _Inflated) -> Iterator[tuple[str, bytes]]:
    """Name and content of every member that is no directory and no extension header."""
    long_name: str | None = None
    extended: dict[str, str] = {}
    count = 0
    while header := stream.read(_BLOCK):
        if len(header) < _BLOCK:
            raise _refused("unexpected EOF", error_id="chart.archive-corrupt")
        if not header.strip(b"\0"):
            return
        count += 1
        if count > MAX_CHART_MEMBERS:
            raise _refused(
                f"chart archive has more than {MAX_CHART_MEMBERS} members", error_id="chart.archive-members"
            )
        size, kind = _parse_header(header)
        size = int(extended.get("size", size)) if extended.get("size", "0").isdigit() else size
        # links and devices have no content, whatever their header says
        content = b"" if kind in b"123456" else _content(stream, size)
        if kind == b"L":
            long_name = _text(content)
        elif kind == b"x":
            extended = _pax(content)
        elif kind not in (b"g", b"K"):
            name = extended.get("path") or long_name or _header_name(header)
            long_name, extended = None, {}
            if kind != b"5" and not name.endswith("/"):
                yield name, content


def _parse_header(header: bytes) -> tuple[int, bytes]:
    stored = _number(header[148:156])
    actual = sum(header) - sum(header[148:156]) + 8 * 32
    if stored != actual:
        raise _refused("archive/tar: invalid tar header", error_id="chart.archive-corrupt")
    return _number(header[124:136]), header[156:157]


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # base-256, for sizes that octal cannot hold
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        raise _refused("archive/tar: invalid tar header", error_id="chart.archive-corrupt") from None


def _content(stream: _Inflated, size: int) -> bytes:
    if size > MAX_CHART_BYTES:
        raise _too_big()
    content = stream.read(size)
    if len(content) < size:
        raise _refused("unexpected EOF", error_id="chart.archive-corrupt")
    stream.read(-size % _BLOCK)
    return content


def _header_name(header: bytes) -> str:
    name = _text(header[:100])
    if header[257:263] == b"ustar\0" and (prefix := _text(header[345:500])):
        return f"{prefix}/{name}"
    return name


_PAX_TEXTS: Final = (b"path", b"linkpath", b"uname", b"gname")


def _pax(content: bytes) -> dict[str, str]:
    """The records of an extended header: `LENGTH KEY=VALUE\\n`."""
    records: dict[str, str] = {}
    at = 0
    while at < len(content):
        blank = content.find(b" ", at)
        if blank < 0 or not content[at:blank].isdigit():
            raise _refused("archive/tar: invalid tar header", error_id="chart.archive-corrupt")
        end = at + int(content[at:blank])
        key, _, value = content[blank + 1 : end - 1].partition(b"=")
        # a NUL ends names elsewhere: what is checked and what is written would differ
        cut = b"\0" in (value if key in _PAX_TEXTS else key)
        if end <= blank or end > len(content) or not key or cut:
            raise _refused("archive/tar: invalid tar header", error_id="chart.archive-corrupt")
        records[_text(key)] = _text(value)
        at = end
    return records


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _too_big() -> ChartError:
    return _refused(
        f"decompressed chart is larger than the maximum size {MAX_CHART_BYTES}", error_id="chart.too-big"
    )


def _refused(message: str, *, error_id: str) -> ChartError:
    return ChartError(message, error_id=error_id)
