"""The map in ARCHITECTURE.md: every module with the first line of its docstring. `python -m tests.architecture_map` rewrites it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- map -->\n", "<!-- /map -->"


def modules() -> dict[str, str]:
    """Every module's path below helmflow/ and the first line of its docstring ("" without one)."""
    found = {}
    for path in sorted((ROOT / "helmflow").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if not text.strip() and path.name == "__init__.py":
            continue
        found[str(path.relative_to(ROOT))] = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    return found


def render() -> str:
    """The map as it stands on the page."""
    return "\n".join(["```", *(f"{path:<44} {line}" for path, line in modules().items()), "```", ""])


def written() -> str:
    """The map that the page has."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(head + BEGIN + render() + END + rest.partition(END)[2], encoding="utf-8")
