"""The index of a folder of packaged charts: what `helm repo index` writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cmp_to_key
from pathlib import Path
from typing import Any, Final

from helmflow.core import semver, yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.helm.chart import load
from helmflow.helm.chart.model import Chart

Index = dict[str, Any]
EPOCH: Final = "1970-01-01T00:00:00Z"


def entry(chart: Chart, url: str, content: bytes, created: str = EPOCH) -> dict[str, Any]:
    """One version: all of Chart.yaml, where the archive is, and its sha256."""
    metadata = next(file for file in chart.raw if file.name == "Chart.yaml")
    fields = yaml_dialect.load(metadata.data, name="Chart.yaml")
    return {**fields, "created": created, "digest": hashlib.sha256(content).hexdigest(), "urls": [url]}


def empty(created: str = EPOCH) -> Index:
    """An index without charts. A fixed time by default: the same folder gives the same index."""
    return {"apiVersion": "v1", "entries": {}, "generated": created}


def of_folder(folder: Path, *, url: str = "", created: str = EPOCH) -> Index:
    """Every .tgz in `folder` and one level below it, newest version first. `url` precedes the file names."""
    index = empty(created)
    for path in sorted([*folder.glob("*.tgz"), *folder.glob("*/*.tgz")]):
        name = path.relative_to(folder).as_posix()
        where = f"{url.rstrip('/')}/{name}" if url else name
        content = path.read_bytes()
        add(index, entry(load.load_archive(content), where, content, created))
    return index


def add(index: Index, version: Mapping[str, Any]) -> None:
    """Put one version into the index, newest first; a version that is there already stays as it is."""
    versions: list[Mapping[str, Any]] = index["entries"].setdefault(version["name"], [])
    if all(known["version"] != version["version"] for known in versions):
        versions.append(version)
        versions.sort(key=cmp_to_key(_newest_first))


def merged(index: Index, older: Path) -> Index:
    """`index` with the versions of the file `older` that it lacks; versions that `older` has stay as they are there."""
    try:
        document = yaml_dialect.load(older.read_bytes(), name=str(older))
        result: Index = {**document, "generated": index["generated"], "entries": {}}
        for source in (document, index):
            for versions in (source.get("entries") or {}).values():
                for version in versions:
                    add(result, version)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise ChartError(f"cannot merge with {older}: {cause}", error_id="repository.bad-index") from cause
    return result


def _newest_first(left: Mapping[str, Any], right: Mapping[str, Any]) -> int:
    return semver.Version.parse(right["version"]).compare(semver.Version.parse(left["version"]))
