"""Directory or archive to Chart, inside the limits and with Helm's own error texts."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from helmflow.core import yaml_dialect, yaml_hints
from helmflow.core.errors import ChartError
from helmflow.core.garbage import Paused
from helmflow.core.limits import KIB, MAX_CHART_BYTES, MAX_CHART_FILE_BYTES, MAX_CHART_MEMBERS
from helmflow.core.records import replace
from helmflow.core.source import SourceText, Span
from helmflow.helm.chart import archive, ignore, metadata
from helmflow.helm.chart.model import Chart, ChartFile, Lock, Metadata

_NO_CHART: Final = (
    "a chart is a folder with a Chart.yaml, or the .tgz that `helmflow chart package` makes of it"
)


def load(path: str | Path) -> Chart:
    """The chart at `path`, a directory or a .tgz. Raises ChartError."""
    with Paused():
        return _load(os.fspath(path))


def _load(name: str) -> Chart:
    try:
        mode = os.stat(name).st_mode
    except OSError as error:
        raise ChartError(
            f"stat {name}: {(error.strerror or 'error').lower()}", error_id="chart.not-found"
        ) from None
    if stat.S_ISDIR(mode):
        try:
            return replace(load_files(read_directory(name)), path=name)
        except ChartError as error:
            _locate(error, name)
            raise
    if not stat.S_ISREG(mode):
        raise ChartError(
            f"{name} is neither a directory nor a file", error_id="chart.not-archive", hint=_NO_CHART
        )
    if os.path.getsize(name) > MAX_CHART_BYTES:
        raise ChartError(
            f"chart archive {name} is larger than {MAX_CHART_BYTES} bytes", error_id="chart.too-big"
        )
    data = Path(name).read_bytes()
    if not archive.is_gzip(data):
        if name.endswith((".yml", ".yaml")):
            message = f"file '{name}' seems to be a YAML file, but expected a gzipped archive"
        else:
            kind = archive.content_type(data)
            message = f"file '{name}' does not appear to be a gzipped archive; got '{kind}'"
        raise ChartError(message, error_id="chart.not-archive", hint=_NO_CHART)
    try:
        return replace(load_archive(data), path=name)
    except ChartError as error:
        if error.message == "gzip: invalid header":
            message = f"file '{name}' does not appear to be a valid chart file (details: {error.message})"
            raise ChartError(message, error_id=error.error_id) from None
        _locate(error, name)
        raise


def _locate(error: ChartError, path: str) -> None:
    """Its place is in a file of the chart at `path`, which the reader of that file did not know."""
    if error.span is not None:
        shown = os.path.relpath(path)
        source = error.span.source
        name = os.path.join(path if shown.startswith("..") else shown, source.name)
        error.span = replace(error.span, source=replace(source, name=name))


def load_archive(data: bytes) -> Chart:
    """The chart in the bytes of a .tgz; its digest is the archive's. Raises ChartError."""
    chart = load_files(archive.read(data))
    return replace(chart, digest=f"sha256:{hashlib.sha256(data).hexdigest()}")


def load_values(text: bytes) -> dict[str, Any]:
    """A values file: one or more documents, later ones merged over earlier. Raises ChartError without a file name."""
    merged: dict[str, Any] = {}
    for document in values_documents(text):
        try:
            loaded = yaml_dialect.load(document)
        except yaml_dialect.YamlError as error:
            source = SourceText("values.yaml", text.decode("utf-8", "replace"))
            span = yaml_hints.place(error, source, text.count(b"\n", 0, max(0, text.find(document))))
            raise _values_error(str(error), span, yaml_hints.hint(error, span)) from None
        if loaded is None:
            continue
        if not isinstance(loaded, dict):
            kind = metadata.json_type(loaded)
            raise _values_error(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
                f"{kind} into Go value of type map[string]interface {{}}"
            )
        merged = merge_maps(merged, loaded) if merged else loaded
    return merged


def with_first_values(chart: Chart) -> Chart:
    """The chart as Helm 3 reads it: only the first document of values.yaml counts, here and in subcharts."""
    subcharts = tuple(map(with_first_values, chart.dependencies))
    documents = [] if chart.values_text is None else list(values_documents(chart.values_text))
    if len(documents) > 1:
        return replace(chart, values=load_values(documents[0]), dependencies=subcharts)
    same = all(new is old for new, old in zip(subcharts, chart.dependencies, strict=True))
    return chart if same else replace(chart, dependencies=subcharts)


def merge_maps(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` on top of `under`, key by key; anything but two maps is replaced, a null too. Shares what it can."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            merge_maps(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
        )
    return merged


def load_files(files: Iterable[ChartFile]) -> Chart:
    """The chart in these files, subcharts included. Raises ChartError."""
    raw = tuple(files)
    meta = _chart_yaml(raw)
    values: dict[str, Any] = {}
    values_text: bytes | None = None
    schema: bytes | None = None
    lock: Lock | None = None
    templates: list[ChartFile] = []
    others: list[ChartFile] = []
    subcharts: dict[str, list[ChartFile]] = {}
    for file in raw:
        name = file.name
        if name == "Chart.yaml":
            continue
        if name.startswith("templates/"):
            templates.append(file)
        elif name.startswith("charts/"):
            if name.endswith(".prov"):
                others.append(file)
            else:
                inner = name.removeprefix("charts/")
                subcharts.setdefault(inner.partition("/")[0], []).append(ChartFile(inner, file.data))
        elif name == "values.yaml":
            values_text = file.data
            try:
                values = load_values(file.data)
            except ChartError as error:
                raise ChartError(
                    f"cannot load values.yaml: {error.message}",
                    error_id=error.error_id,
                    span=error.span,
                    hint=error.hint,
                ) from None
        elif name == "values.schema.json":
            schema = file.data
        elif name in ("Chart.lock", "requirements.lock"):
            lock = metadata.read_lock(file.data, source=name)
            if meta is None and name == "requirements.lock":
                meta = Metadata()
            if name == "requirements.lock" and meta is not None and meta.api_version == "v1":
                others.append(file)
        elif name == "requirements.yaml":
            meta = metadata.read_metadata(file.data, source=name, onto=meta)
            if meta.api_version == "v1":
                others.append(file)
        else:
            others.append(file)
    if meta is None:
        raise ChartError("Chart.yaml file is missing", error_id="chart.metadata-missing")
    try:
        meta = metadata.validate(meta)
    except metadata.Invalid as error:
        _locate_metadata(error, raw)
        raise
    return Chart(
        metadata=meta,
        values=values,
        values_text=values_text,
        schema=schema,
        templates=tuple(templates),
        files=tuple(others),
        dependencies=tuple(_subcharts(meta.name, subcharts)),
        lock=lock,
        raw=raw,
    )


def _locate_metadata(error: metadata.Invalid, files: tuple[ChartFile, ...]) -> None:
    """Old charts write their dependencies into a file of their own."""
    texts = {file.name: file.data for file in files}
    of_dependencies = "requirements.yaml" if "requirements.yaml" in texts else "Chart.yaml"
    name = of_dependencies if error.path[0] == "dependencies" else "Chart.yaml"
    if name in texts:
        error.locate(texts[name], name)


def read_directory(directory: str) -> list[ChartFile]:
    """The files of a chart directory that .helmignore leaves, sorted as Helm walks them. Raises ChartError."""
    top = os.path.abspath(directory)
    ignore_file = os.path.join(top, ignore.IGNORE_FILE)
    text = ""
    if os.path.isfile(ignore_file) and _stays_inside(top, ignore_file):
        text = Path(ignore_file).read_bytes()[:MAX_CHART_FILE_BYTES].decode("utf-8", "replace")
    files: list[ChartFile] = []
    remaining = MAX_CHART_BYTES
    for name, path in _walk(top, "", ignore.parse(text), depth=0):
        try:
            data = _read_bounded(path)
        except OSError as error:
            raise ChartError(f"error reading {name}: {error.strerror}", error_id="chart.unreadable") from None
        if len(data) > MAX_CHART_FILE_BYTES:
            raise ChartError(
                f'chart file "{os.path.basename(path)}" is larger than the maximum file size {MAX_CHART_FILE_BYTES}',
                error_id="chart.file-too-big",
            )
        remaining -= len(data)
        if remaining < 0 or len(files) >= MAX_CHART_MEMBERS:
            raise ChartError(
                f"chart directory holds more than {MAX_CHART_BYTES} bytes or {MAX_CHART_MEMBERS} files",
                error_id="chart.too-big",
                hint="name what is no part of the chart in .helmignore",
            )
        files.append(ChartFile(name, data.removeprefix(archive.BYTE_ORDER_MARK)))
    return files


_MOST: Final = 64 * KIB  # of a file at once; nearly all are smaller


def _read_bounded(path: str) -> bytes:
    """A file's content, or a little more than is allowed. A chart has hundreds of files: no stream is made of each."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts: list[bytes] = []
        size = 0
        # some file systems give less than they have: only nothing is the end
        while size <= MAX_CHART_FILE_BYTES and (data := os.read(descriptor, _MOST)):
            parts.append(data)
            size += len(data)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _chart_yaml(files: tuple[ChartFile, ...]) -> Metadata | None:
    found: Metadata | None = None
    for file in files:
        if file.name == "Chart.yaml":
            found = metadata.read_metadata(file.data, source="Chart.yaml", onto=found)
            if not found.api_version:  # Helm 2 charts had none
                found = replace(found, api_version="v1")
    return found


def _subcharts(parent: str, grouped: dict[str, list[ChartFile]]) -> Iterator[Chart]:
    """Helm takes them in random order; here they are sorted by their name under charts/."""
    for name in sorted(grouped):
        if name.startswith(("_", ".")):
            continue
        files = grouped[name]
        packed = name.endswith(".tgz")
        if packed and files[0].name != name:
            raise ChartError(
                f"error unpacking subchart tar in {parent}: expected {name}, got {files[0].name}",
                error_id="chart.subchart",
            )
        try:
            if packed:
                yield load_archive(files[0].data)
            else:
                inner = [ChartFile(f.name.partition("/")[2], f.data) for f in files if "/" in f.name]
                yield load_files(inner)
        except ChartError as error:
            _locate(error, os.path.join("charts", name))
            raise ChartError(
                f"error unpacking subchart {name} in {parent}: {error.message}",
                error_id=error.error_id,
                span=error.span,
                hint=error.hint,
            ) from None


def _walk(directory: str, prefix: str, rules: ignore.Rules, depth: int) -> Iterator[tuple[str, str]]:
    """Relative name and path of every file that is not ignored, in lexical order of the names."""
    if depth > _MAX_DIRECTORY_DEPTH:
        raise ChartError(
            f"chart directory {directory} is nested more than {_MAX_DIRECTORY_DEPTH} levels deep",
            error_id="chart.too-deep",
            hint="look for a symbolic link that leads back into the chart",
        )
    with os.scandir(directory) as entries:
        found = sorted(entries, key=attrgetter("name"))
    for entry in found:
        name = prefix + entry.name
        try:
            is_file = entry.is_file()
            is_directory = not is_file and entry.is_dir()
            if not is_file and not is_directory:
                entry.stat()
        except OSError:
            if rules.ignores(name, is_directory=False):
                continue
            raise ChartError(
                f"error evaluating symlink {entry.path}: lstat {os.path.realpath(entry.path)}: no such file or directory",
                error_id="chart.unreadable",
            ) from None
        if rules.ignores(name, is_directory=is_directory):
            continue
        if not is_directory and not is_file:
            raise ChartError(
                f"cannot load irregular file {entry.path} as it has file mode type bits set",
                error_id="chart.irregular-file",
            )
        if entry.is_symlink() and not _stays_inside(directory, entry.path, levels_up=prefix.count("/")):
            raise ChartError(
                f"{name} is a symbolic link to {os.path.realpath(entry.path)}, which is outside the chart",
                error_id="chart.symlink",
                hint="copy the file into the chart or name the link in .helmignore",
            )
        if is_directory:
            yield from _walk(entry.path, f"{name}/", rules, depth + 1)
        else:
            yield name, entry.path


_MAX_DIRECTORY_DEPTH = 40  # the operating system's own bound on links in a path; no recorded chart has ten


def _stays_inside(directory: str, path: str, levels_up: int = 0) -> bool:
    top = directory
    for _ in range(levels_up):
        top = os.path.dirname(top)
    top = os.path.realpath(top)
    return os.path.commonpath([top, os.path.realpath(path)]) == top


def values_documents(text: bytes) -> Iterator[bytes]:
    """The documents between `---` lines, as Kubernetes' reader cuts them: every line ends in one newline."""
    if b"\r" not in text and b"\n---" not in text and not text.startswith(b"---"):
        if text:
            yield text if text.endswith(b"\n") else text + b"\n"
        return
    lines: list[bytes] = []
    for line in text.removesuffix(b"\n").split(b"\n"):
        line = line.removesuffix(b"\r")
        if line.startswith(b"---"):
            rest = line[3:].strip()
            if rest and not rest.startswith(b"#"):
                shown = rest.decode("utf-8", "replace")
                raise ChartError(
                    f"error reading yaml document: invalid Yaml document separator: {shown}",
                    error_id="chart.values-syntax",
                )
            if lines:
                yield b"".join(lines)
                lines = []
                continue
        lines.append(line + b"\n")
    if lines:
        yield b"".join(lines)


def _values_error(message: str, span: Span | None = None, hint: str = "") -> ChartError:
    return ChartError(
        f"cannot unmarshal yaml document: {message}", error_id="chart.values-syntax", span=span, hint=hint
    )
