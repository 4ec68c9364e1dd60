"""A new chart: the scaffold, or a starter chart, with the chart's name in place of <CHARTNAME>."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Final

from helmflow.core.errors import ChartError, Refusal
from helmflow.core.lazy import pattern

PLACEHOLDER: Final = b"<CHARTNAME>"
_NAME: Final = pattern(r"[a-zA-Z0-9._-]+")
MAX_NAME: Final = 250  # Helm's: file names have to hold it
# Every file of the scaffold; kept as NAME.txt so that nothing takes them for templates of ours.
FILES: Final = (
    ".helmignore", "Chart.yaml", "values.yaml", "templates/NOTES.txt", "templates/_helpers.tpl",
    "templates/deployment.yaml", "templates/hpa.yaml", "templates/httproute.yaml", "templates/ingress.yaml",
    "templates/service.yaml", "templates/serviceaccount.yaml", "templates/tests/test-connection.yaml",
)  # fmt: skip


def create(name: str, parent: Path, starter: Path | None = None) -> Path:
    """Make the chart folder `parent`/`name`; from `starter` where given. Existing files are never overwritten.

    Raises ChartError for a bad name or starter, Refusal where the folder holds something.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise ChartError(
            f"{name!r} is no chart name",
            error_id="chart.bad-name",
            hint=f"letters, digits, `-`, `_` and `.`, at most {MAX_NAME}",
        )
    folder = parent / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refusal(f"{folder} exists already and is not empty", error_id="chart.exists")
    content = _starter(starter) if starter is not None else _scaffold()
    for path, data in content.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.replace(PLACEHOLDER, name.encode()))
    (folder / "charts").mkdir(exist_ok=True)
    return folder


def _scaffold() -> dict[str, bytes]:
    root = resources.files("helmflow.helm.chart") / "scaffold"
    return {name: (root / (name.lstrip(".") + ".txt")).read_bytes() for name in FILES}


def _starter(path: Path) -> dict[str, bytes]:
    """A starter's files; its Chart.yaml takes the new name."""
    from helmflow.helm.chart import load

    chart = load.load(path)
    files = {file.name: file.data for file in chart.raw}
    files["Chart.yaml"] = re.sub(
        rb"^name:.*$", b"name: " + PLACEHOLDER, files["Chart.yaml"], count=1, flags=re.MULTILINE
    )
    return files
