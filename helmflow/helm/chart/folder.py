"""Folders without Chart.yaml as charts: manifests, or what a kustomization builds, as templates of a chart of that name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from helmflow.helm.chart.load import load, load_files, read_directory
from helmflow.helm.chart.model import Chart, ChartFile

VERSION = "1.0.0"
_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
_ENDINGS = (".yaml", ".yml", ".json")
_BUILT = "kustomized.yaml"


def load_chart_or_folder(path: Path, kustomize: Callable[[Path], bytes]) -> Chart:
    """The chart at `path`, or what else is in that folder as a chart: its manifests are templates, as in Helmfile.

    `kustomize` builds a kustomization. Raises ChartError.
    """
    if not path.is_dir() or (path / "Chart.yaml").exists():
        return load(path)
    files = read_directory(str(path))
    if _KUSTOMIZATIONS & {file.name for file in files}:
        # What was built is final: braces in it are text, so a template includes it as a file.
        inside = [
            ChartFile(_BUILT, kustomize(path)),
            ChartFile("templates/all.yaml", f'{{{{ .Files.Get "{_BUILT}" }}}}'.encode()),
        ]
    else:
        inside = [
            ChartFile(f"templates/{file.name}", file.data) for file in files if file.name.endswith(_ENDINGS)
        ]
    if not inside:
        return load(path)  # says what is missing
    name = re.sub(r"[^a-zA-Z0-9._-]", "-", path.resolve().name)
    head = ChartFile("Chart.yaml", f"apiVersion: v2\nname: {name}\nversion: {VERSION}\n".encode())
    return load_files([head, *inside])
