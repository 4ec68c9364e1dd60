"""index.yaml read piece by piece: one version at a time is in memory, so that 30 MB of index stay small."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from helmflow.core import semver, yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.core.limits import MIB

# What is not in the form that Helm writes is read as a whole, up to this size.
WHOLE_BYTES: Final = 8 * MIB

Row = list[Any]  # version, url, digest, appVersion, description, deprecated, keywords
_WANTED: Final = ("version", "digest", "appVersion", "description", "deprecated", "urls", "keywords")
_KEY: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*):(?: +(.*))?$")
_NAME: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.+-]*|\"[^\"\\]+\"|'[^']+'):\s*(.*)$")
# Plain texts that no YAML reader takes for anything else: nothing that may be a number, a date, a word like `yes`.
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9 _./+,()@=;$%^~'\"&*?!<>-]*(?::[^\s#][^#:]*)*$")
_VERSION: Final = re.compile(r"v?\d+\.\d+\.\d+[A-Za-z0-9.+-]*$")
_HEX: Final = re.compile(r"(?=[0-9a-f]*[abcdf])[0-9a-f]{64}$")
_WORDS: Final = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"])


class _Unusual(Exception):
    """The text is not in the form that Helm writes."""


def parse(content: bytes, url: str) -> dict[str, list[Row]]:
    """Rows per chart, newest version first. Entries that Helm would skip are left out. Raises ChartError."""
    try:
        try:
            read = _json if content.lstrip()[:1] == b"{" else _block
            return _rows(read(content), url)
        except _Unusual:
            if len(content) > WHOLE_BYTES:
                raise ValueError("one this large must be in block form, as Helm writes it") from None
            return _rows(_entries(yaml_dialect.load(content, name=f"{url}/index.yaml")), url)
    except (ValueError, RecursionError) as cause:
        raise ChartError(
            f"the index of {url} cannot be read: {str(cause) or type(cause).__name__}",
            error_id="repository.bad-index",
            hint="does the address end at the folder that holds index.yaml?",
        ) from cause


def _rows(found: Iterable[tuple[str, Iterable[Any]]], url: str) -> dict[str, list[Row]]:
    charts: dict[str, list[Row]] = {}
    for name, versions in found:
        if name in charts:
            raise ValueError(f"it has two entries {name!r}")
        rows = [row for version in versions if (row := _row(version, url)) is not None]
        rows.sort(key=lambda row: semver.Version.parse(row[0]), reverse=True)
        charts[name] = rows
    return {name: rows for name, rows in charts.items() if rows and "\n" not in name and "\t" not in name}


def _entries(document: Any) -> Iterator[tuple[str, Iterable[Any]]]:
    if not isinstance(document, dict) or not document.get("apiVersion"):
        raise ValueError("it has no apiVersion")
    entries = document.get("entries") or {}
    if not isinstance(entries, dict):
        raise ValueError("it has no map of entries")
    for name, versions in entries.items():
        yield str(name), versions if isinstance(versions, list) else []


def _json(content: bytes) -> Iterable[tuple[str, Iterable[Any]]]:
    """JSON: every version shrinks to what is kept of it as soon as it is read."""

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key is written twice")
        if "version" in found and "urls" in found:
            return {key: found[key] for key in _WANTED if key in found}
        return found

    try:
        document = json.loads(content, object_pairs_hook=made)
    except UnicodeDecodeError as cause:
        raise ValueError("it is not UTF-8") from cause
    except json.JSONDecodeError:  # a YAML flow mapping is not always JSON
        raise _Unusual from None
    return _entries(document)


def _block(content: bytes) -> Iterable[tuple[str, Iterable[Any]]]:
    """The form that Helm writes: keys at the margin, charts below `entries`, each a list of block mappings."""
    seen: set[str] = set()
    charts: list[tuple[str, Iterable[Any]]] = []
    lines = _Lines(content)
    while (line := lines.next()) is not None:
        if line.startswith(" ") or line == "---":
            continue  # below a key that does not matter here
        found = _KEY.match(line)
        if found is None:
            raise _Unusual
        key, value = found[1], found[2] or ""
        if key in seen:
            raise ValueError(f"key {key!r} is written twice")
        seen.add(key)
        if key == "entries":
            if value.strip() not in ("", "{}", "null"):
                raise _Unusual
            charts = list(_charts(lines))
    if "apiVersion" not in seen:
        raise ValueError("it has no apiVersion")
    return charts


class _Lines:
    """The lines that say something, one at a time, with one step back."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self._held: str | None = None

    def next(self) -> str | None:
        if self._held is not None:
            held, self._held = self._held, None
            return held
        while self._at < len(self._content):
            end = self._content.find(b"\n", self._at)
            end = len(self._content) if end < 0 else end
            line = self._content[self._at : end].rstrip(b"\r")
            self._at = end + 1
            if line.strip() and not line.lstrip().startswith(b"#"):
                if b"\t" in line[: len(line) - len(line.lstrip())]:
                    raise _Unusual
                return line.decode("utf-8")
        return None

    def back(self, line: str) -> None:
        self._held = line


def _charts(lines: _Lines) -> Iterator[tuple[str, list[Any]]]:
    margin: int | None = None
    while (line := lines.next()) is not None:
        indent = len(line) - len(line.lstrip(" "))
        if not indent:
            lines.back(line)
            return
        margin = indent if margin is None else margin
        found = _NAME.match(line[indent:])
        if indent != margin or found is None:
            raise _Unusual
        name, value = found[1].strip("\"'"), found[2].partition(" #")[0].strip()
        if value not in ("", "[]", "null", "~"):
            raise _Unusual
        yield name, list(_versions(lines, margin))


def _versions(lines: _Lines, margin: int) -> Iterator[Any]:
    """The items of one chart's list, whose dashes may stand at the chart's own margin."""
    dash: int | None = None
    item: list[str] = []
    while (line := lines.next()) is not None:
        indent = len(line) - len(line.lstrip(" "))
        starts = line[indent : indent + 2] in ("- ", "-")
        if indent < margin or (indent == margin and not starts):
            lines.back(line)
            break
        if dash is None:
            if not starts:
                raise _Unusual
            dash = indent
        if starts and indent == dash:
            if item:
                yield _version(item)
            item = [" " + line[dash + 1 :]]
        elif indent <= dash:
            raise _Unusual
        else:
            item.append(line[dash:])
    if item:
        yield _version(item)


def _version(lines: list[str]) -> Any:
    """One item as data: by its lines where they are simple, else with the YAML reader."""
    found = _simple(lines)
    if found is not None:
        return found
    try:
        return yaml_dialect.load("\n".join(lines), name="index.yaml")
    except ValueError as cause:
        if "alias" in str(cause) or "anchor" in str(cause):
            raise _Unusual from cause
        raise


def _simple(lines: list[str]) -> dict[str, Any] | None:
    margin = len(lines[0]) - len(lines[0].lstrip(" "))
    data: dict[str, Any] = {}
    seen: set[str] = set()
    key = ""
    for line in lines:
        indent = len(line) - len(line.lstrip(" "))
        text = line[indent:]
        if indent > margin or text.startswith("- "):
            if key in ("urls", "keywords") and text.startswith("- "):
                value = _scalar(text[2:].strip())
                if not isinstance(data.setdefault(key, []), list) or value is None:
                    return None
                data[key].append(value)
            elif key in _WANTED:
                return None  # a text over several lines
            continue
        found = _KEY.match(text)
        if indent < margin or found is None:
            return None
        key, written = found[1], (found[2] or "").strip()
        if key in seen:
            raise ValueError(f"key {key!r} is written twice")
        seen.add(key)
        if key not in _WANTED or (not written and key in ("urls", "keywords")):
            continue
        if key == "deprecated" and written in ("true", "false"):
            data[key] = written == "true"
            continue
        value = _scalar(written)
        if value is None or key in ("urls", "keywords"):
            return None
        data[key] = value
    return data


def _scalar(written: str) -> str | None:
    """A text that means itself; None where only the YAML reader can tell."""
    quote = written[:1]
    if quote in ("'", '"'):
        inner = written[1:-1]
        whole = len(written) > 1 and written.endswith(quote) and quote not in inner
        return inner if whole and "\\" not in inner else None
    if _VERSION.match(written) or _HEX.match(written):
        return written
    if not _PLAIN.match(written) or " #" in written or ": " in written or written.endswith(":"):
        return None
    return None if written.lower() in _WORDS else written


def _row(item: Any, url: str) -> Row | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("version"), str):
        return None
    urls = item.get("urls")
    if not isinstance(urls, list) or not urls or not isinstance(urls[0], str):
        return None
    try:
        semver.Version.parse(item["version"])
        absolute = urljoin(url.rstrip("/") + "/", urls[0])
        if urlsplit(absolute).scheme not in ("http", "https", "oci"):
            return None
    except ValueError:
        return None
    keywords = item.get("keywords")
    return [
        item["version"],
        absolute,
        str(item.get("digest") or "").removeprefix("sha256:"),
        _text(item.get("appVersion")),
        _text(item.get("description")),
        item.get("deprecated") is True,
        [str(word) for word in keywords] if isinstance(keywords, list) else [],
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
