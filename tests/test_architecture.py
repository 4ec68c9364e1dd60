"""ARCHITECTURE.md is true, and light things stay light."""

from __future__ import annotations

import json
import subprocess
import sys

from tests import architecture_map

HEAVY = ("typer", "rich", "networkx", "kubernetes", "deepdiff", "requests", "httpx", "urllib3", "yaml")


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after `code`."""
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_map_is_what_the_modules_say() -> None:
    assert architecture_map.written() == architecture_map.render(), "run `python -m tests.architecture_map`"


def test_every_module_says_what_it_is_for() -> None:
    assert [path for path, line in architecture_map.modules().items() if not line.endswith((".", ":"))] == []


def test_importing_helmflow_loads_nothing_heavy() -> None:
    assert not loaded_after("import helmflow, helmflow.__main__").intersection(HEAVY)
