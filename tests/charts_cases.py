"""The recorded real charts: extracting them once, rendering a case and saying what differs."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from helmflow.core.errors import HelmflowError
from helmflow.core.paths import cache_home
from helmflow.helm.chart.load import load, load_values, merge_maps
from helmflow.helm.chart.model import Chart
from helmflow.helm.render.engine import Rendered, RenderOptions, render
from tests import conformance

ARCHIVE = "charts/train.tar.xz"


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded render: `charts/CID` with its values files, `expected/CID/NAME.json.gz`."""

    root: Path
    chart_id: str
    name: str

    def __str__(self) -> str:
        return f"{self.chart_id}/{self.name}"

    @property
    def recorded(self) -> dict[str, Any]:
        file = self.root / "expected" / self.chart_id / f"{self.name}.json.gz"
        data: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
        return data


def folder() -> Path:
    """Where the archive's content is: extracted on first use to the cache, keyed by the archive's size and time."""
    archive = conformance.path(ARCHIVE)
    stat = archive.stat()
    key = hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
    target = cache_home() / "test-data" / f"charts-{key}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unpacked = Path(tempfile.mkdtemp(dir=target.parent))
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        try:
            unpacked.rename(target)  # two workers may extract; the first to finish wins
        except OSError:
            shutil.rmtree(unpacked)
    return target / "train"


def cases(root: Path | None = None) -> list[Case]:
    """Every recorded case, sorted."""
    root = root or folder()
    return [
        Case(root, entry.name, file.name.removesuffix(".json.gz"))
        for entry in sorted(os.scandir(root / "expected"), key=lambda entry: entry.name)
        for file in sorted(os.scandir(entry.path), key=lambda file: file.name)
    ]


@lru_cache(maxsize=4)
def chart_of(path: Path) -> Chart:
    return load(path)


def rendered(case: Case, recorded: dict[str, Any]) -> Rendered:
    base = case.root / "charts" / case.chart_id
    values: dict[str, Any] = {}
    for name in recorded["values"]:
        values = merge_maps(values, load_values((base / name).read_bytes()))
    options = RenderOptions(
        release_name=recorded["release"], namespace=recorded["namespace"], installable=False
    )
    return render(chart_of(base / "chart"), values, options)


def differences(case: Case) -> list[str]:
    """What is not as recorded; [] for a case that passes."""
    recorded = case.recorded
    try:
        result = rendered(case, recorded)
    except HelmflowError as error:
        if recorded["status"] != "error":
            return [f"failed: {error}"]
        if recorded["error_stable"] and str(error) != recorded["error"]:
            return [f"error text: {error}\n   recorded: {recorded['error']}"]
        return []
    if recorded["status"] == "error":
        return [f"rendered, though recorded: {recorded['error']}"]
    documents = [(m.source_path, m.text, False) for m in result.manifests]
    # the recording lists hooks by their file, where Helm has no order of its own to show
    documents += sorted((h.path, h.manifest.text, True) for h in result.hooks)
    plain = [doc for doc in recorded["docs"] if not doc["hook"]]
    hooks = sorted(
        (doc for doc in recorded["docs"] if doc["hook"]), key=lambda doc: (doc["source"], doc["text"])
    )
    found = _document_differences(documents, plain + hooks)
    if recorded["notes_stable"] and result.notes != (recorded["notes"] or ""):
        found.append(f"notes: {result.notes!r}\n   recorded: {recorded['notes']!r}")
    return found


def _document_differences(ours: list[tuple[str, str, bool]], recorded: list[dict[str, Any]]) -> list[str]:
    found = []
    if [(source, hook) for source, _, hook in ours] != [(doc["source"], doc["hook"]) for doc in recorded]:
        return [f"documents: {[one[0] for one in ours]}\n   recorded: {[doc['source'] for doc in recorded]}"]
    last = sum(not hook for _, _, hook in ours) - 1
    for number, ((source, text, _), doc) in enumerate(zip(ours, recorded, strict=True)):
        if number == last:  # the recording split one text: its last document kept the newline that ends it
            text += "\n"
        if text != doc["text"]:
            why = _masked_difference(text, doc) if doc.get("lines") else _first_difference(text, doc["text"])
            if why:
                found.append(f"{source}: {why}")
    return found


def _masked_difference(text: str, doc: dict[str, Any]) -> str:
    """Documents with parts that are random in Helm: equal but for the recorded lines, which count from 0."""
    ours, recorded = text.split("\n"), doc["text"].split("\n")
    if len(ours) != len(recorded):
        return f"{len(ours)} lines, recorded {len(recorded)}"
    for number, (a, b) in enumerate(zip(ours, recorded, strict=True)):
        if a != b and number not in doc["lines"]:
            return f"line {number + 1}: {a!r}, recorded {b!r}"
    return ""


def _first_difference(text: str, recorded: str) -> str:
    ours, theirs = text.split("\n"), recorded.split("\n")
    for number, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        if a != b:
            return f"line {number + 1}: {a!r}, recorded {b!r}"
    return f"{len(ours)} lines, recorded {len(theirs)}"
