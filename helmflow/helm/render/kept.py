"""What one render leaves on disk for the next process: the loaded chart, its compiled templates, read documents.

Everything is found by content or by the state of the chart's files, lies in a folder that only its user can write, and
may be deleted at any time.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
import time
from _blake2 import blake2b  # hashlib's own, without what importing hashlib costs

from helmflow import __version__
from helmflow.core import answers, go_json, lazy
from helmflow.core.paths import cache_home_path
from helmflow.core.records import replace
from helmflow.gotemplate.program_cache import FolderCache, ProgramCache, pack, unpack
from helmflow.helm.chart.model import Chart, ChartFile, Dependency, Lock, Maintainer, Metadata
from helmflow.helm.render import engine, functions, manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any, Final

    from helmflow.core import yaml_write
else:
    yaml_write = lazy.module("helmflow.core.yaml_write")

_FORMAT: Final = 9  # raise with every change of what is stored here
_YOUNG_NS: Final = 2_000_000_000  # files changed this short ago may change unseen within the clock's step
_HEADS_KEPT: Final = 2000
_SEEN: Final = "seen"  # in a chart's memo, what was known before it was rendered


class Kept:
    """The folder of kept things."""

    def __init__(self, folder: Path | None = None) -> None:
        at = os.fspath(folder or cache_home_path("render"))
        self.programs: ProgramCache = FolderCache(f"{at}/programs")
        self._things = FolderCache(f"{at}/things")

    def load_chart(self, path: str | Path) -> Chart:
        """The chart at `path`, without reading its files if none has changed. Raises ChartError."""
        key = _state_of(os.fspath(path))
        stored = self._get(key) if key else None
        if stored is not None:
            content, no_old_names = stored
            chart: Chart = replace(_unpacked(content), path=os.fspath(path))
            chart.memo[engine.NO_OLD_NAMES] = no_old_names
            return chart
        from helmflow.helm.chart.load import load

        chart = load(path)
        if key:
            from helmflow.helm.render import unread

            no_old_names = chart.memo[engine.NO_OLD_NAMES] = not unread.old_names(chart)
            self._put(key, (_packed(chart), no_old_names))
        return chart

    def load_values(self, text: bytes) -> dict[str, Any]:
        """The values in a file's text. Raises ChartError."""
        key = _key("values", text)
        known = self._get(key)
        if known is None:
            from helmflow.helm.chart.load import load_values

            known = load_values(text)
            self._put(key, known)
        values: dict[str, Any] = known
        return values

    def load_seen(self, chart: Chart, name: str) -> None:
        """Know again what an earlier render of this release read, wrote, checked and asked."""
        known = self._get(_key("seen", _identity(chart, name)))
        if known is None:
            return
        heads, passed, texts, answered, forms, quoted = known
        manifests.know_heads(heads)
        chart.memo[engine.SCHEMAS_PASSED] = set(passed)
        functions.know_texts(texts)
        answers.known.update(answered)
        if any(forms):
            yaml_write.know_forms(forms)
        go_json.know_quoted(quoted)
        chart.memo[_SEEN] = _size(known)

    def save_seen(self, chart: Chart, name: str) -> None:
        """Keep what the documents were that this process has read, which values passed schemas, what was asked, and how
        texts were written."""
        seen = (
            manifests.heads(_HEADS_KEPT),
            sorted(chart.memo.get(engine.SCHEMAS_PASSED, ())),
            functions.texts_read(),
            answers.known,
            yaml_write.forms() if "helmflow.core.yaml_write" in sys.modules else (),
            go_json.quoted(),
        )
        if _size(seen) != chart.memo.get(_SEEN):
            self._put(_key("seen", _identity(chart, name)), seen)

    def _get(self, key: str) -> Any:
        return unpack(self._things.load(key))

    def _put(self, key: str, thing: Any) -> None:
        try:
            content = pack(thing)
        except ValueError:  # numbers that are no plain ones
            return
        self._things.store(key, content)


def _key(kind: str, content: bytes) -> str:
    head = f"{_FORMAT} {__version__} {sys.version} {kind}\0".encode()
    return blake2b(head + content, digest_size=20).hexdigest()


def _size(seen: Iterable[Any]) -> list[int]:
    """What grows with everything new."""
    return [sum(map(len, part)) if isinstance(part, tuple) else len(part) for part in seen]


def _identity(chart: Chart, name: str) -> bytes:
    return f"{os.path.abspath(chart.path)}\0{name}".encode("utf-8", "surrogateescape")


def _state_of(path: str) -> str:
    """A key of the chart's files as they are now, "" where they are too young to be sure or cannot be listed."""
    try:
        states = _states(path)
    except OSError:
        return ""
    newest = max(max(modified, changed) for _, _, modified, changed, _, _ in states)
    if time.time_ns() - newest < _YOUNG_NS:
        return ""
    # the old format writes equal things equally
    return _key("chart", marshal.dumps((os.path.abspath(path), sorted(states)), 2))


def _states(path: str) -> list[tuple[str, int, int, int, int, int]]:
    """Path, size, times of change, number and mode of everything at and below a path. Raises OSError, for links too."""
    top = os.stat(path)
    found = [_state(path, top)]
    pending = [path] if stat.S_ISDIR(top.st_mode) else []
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    raise OSError("links are read every time")
                found.append(_state(entry.path, entry.stat()))
                if entry.is_dir():
                    pending.append(entry.path)
    return found


def _state(path: str, found: os.stat_result) -> tuple[str, int, int, int, int, int]:
    return path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_mode


# ---- charts as plain data

_METADATA: Final = Metadata.__match_args__


def _packed(chart: Chart) -> Any:
    """What rendering needs of a chart: not all files as they were found. Helm 3 reads the text of values in its own way."""
    data = {name: getattr(chart.metadata, name) for name in _METADATA}
    data["annotations"] = dict(chart.metadata.annotations)
    data["maintainers"] = tuple(_astuple(one) for one in chart.metadata.maintainers)
    data["dependencies"] = tuple(_astuple(one) for one in chart.metadata.dependencies)
    lock = chart.lock
    return (
        data,
        chart.values,
        chart.values_text,
        chart.schema,
        tuple((file.name, file.text, file.digest) for file in chart.templates),
        tuple((file.name, file.data) for file in chart.files),
        tuple(_packed(sub) for sub in chart.dependencies),
        None
        if lock is None
        else (lock.generated, lock.digest, tuple(_astuple(one) for one in lock.dependencies)),
        chart.digest,
    )


def _astuple(one: Maintainer | Dependency | None) -> Any:
    return None if one is None else tuple(getattr(one, name) for name in one.__match_args__)


def _template(name: str, text: str, digest: bytes) -> ChartFile:
    file = ChartFile.__new__(ChartFile)
    file.__dict__.update(name=name, text=text, digest=digest)
    return file


def _unpacked(stored: Any) -> Chart:
    data, values, values_text, schema, templates, files, subcharts, lock, digest = stored
    data["maintainers"] = tuple(None if one is None else Maintainer(*one) for one in data["maintainers"])
    data["dependencies"] = tuple(None if one is None else Dependency(*one) for one in data["dependencies"])
    return Chart(
        metadata=Metadata(**data),
        values=values,
        values_text=values_text,
        schema=schema,
        templates=tuple(_template(*file) for file in templates),
        files=tuple(ChartFile(*file) for file in files),
        dependencies=tuple(_unpacked(sub) for sub in subcharts),
        lock=None if lock is None else Lock(lock[0], lock[1], tuple(Dependency(*one) for one in lock[2])),
        digest=digest,
    )
