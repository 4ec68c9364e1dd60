"""Every error id in the sources. `python -m tests.error_ids` prints the ids that docs/errors.md lacks or has too many."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?:\.[a-z][a-z0-9]*(?:-[a-z0-9]+)*)+")
_FILES = frozenset(
    {"crt", "csv", "db", "json", "lock", "log", "md", "pid", "tgz", "tpl", "txt", "yaml", "yml"}
)


@cache
def used() -> dict[str, str]:
    """Every id that an error or a warning is made with, and one place where that happens.

    An id is given as `error_id=` or as the second argument of Mistake; or it is a text of its own (an argument of a
    helper, a constant, a row of a table) that begins like such an id and is no file name.
    """
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "helmflow").rglob("*.py"))
    }
    found = {text: place for path, tree in trees.items() for text, place in _named(path, tree)}
    families = {text.partition(".")[0] for text in found}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if _is_id(node, families):
                found.setdefault(node.value, _place(path, node))
    return found


def _named(path: Path, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The constants that are given as the id of an error, all branches of a choice; and where."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            given = [keyword.value for keyword in call.keywords if keyword.arg == "error_id"]
            if getattr(call.func, "id", "") == "Mistake":
                given += call.args[1:2]
            for node in (node for value in given for node in ast.walk(value)):
                if isinstance(node, ast.Constant) and _ID.fullmatch(str(node.value)):
                    yield str(node.value), _place(path, node)


def _is_id(node: ast.AST, families: set[str]) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not _ID.fullmatch(node.value):
        return False
    words = node.value.split(".")
    return words[0] in families and words[-1] not in _FILES


def _place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


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
