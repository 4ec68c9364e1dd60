"""Golden files: text that must not change unnoticed. HELMFLOW_UPDATE_GOLDEN=1 rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare `text` with tests/golden/NAME.txt."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("HELMFLOW_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing: run once with HELMFLOW_UPDATE_GOLDEN=1 and read it"
    assert text == path.read_text(encoding="utf-8")
