"""Every error id in the sources. `python -m tests.error_ids` prints the ids that docs/errors.md lacks or has too many."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
_ID = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+")


def used() -> dict[str, str]:
    """Every id that a HelmflowError or Mistake is made with, and one place where that happens."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "helmflow").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                for value in _ids(node):
                    found.setdefault(value, f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def _ids(call: ast.Call) -> list[str]:
    """String constants given as error_id (all branches of a choice), or as the second argument of Mistake."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "error_id"]
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "Mistake" and len(call.args) > 1:
        given.append(call.args[1])
    constants = [n.value for value in given for n in ast.walk(value) if isinstance(n, ast.Constant)]
    return [text for text in constants if isinstance(text, str) and _ID.fullmatch(text)]


def documented() -> set[str]:
    """The ids in the first column of docs/errors.md."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {row.split("`")[1] for row in rows}


if __name__ == "__main__":
    here, there = used(), documented() if PAGE.exists() else set()
    for name in sorted(set(here) - there):
        print(f"missing  {name:<40} {here[name]}")
    for name in sorted(there - set(here)):
        print(f"unknown  {name}")
