"""Rendered manifests as files: one per template, below a folder, in Helm's layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from helmflow.core.errors import Refusal

_MARK = "# Source: "


def write(text: str, folder: Path) -> Iterator[Path]:
    """Write each document of `helm template`'s output to FOLDER/<its source>; yields every file once.

    Raises Refusal for a source that would leave the folder.
    """
    root = folder.resolve()
    seen: set[Path] = set()
    for document in text.split("---\n"):
        if not document.startswith(_MARK):
            continue
        source = document.split("\n", 1)[0].removeprefix(_MARK).strip()
        path = (root / source).resolve()
        if not path.is_relative_to(root):
            raise Refusal(
                f"{source} would be written outside of {folder}", error_id="template.outside-folder"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if path in seen else "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"---\n{document}")
        if path not in seen:
            seen.add(path)
            yield path
