"""Every command that the pages in docs/ show is run in the shop, in its page's order, or says here why it is not."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from helmflow.cli.main import build_app
from tests.docs.test_readme import as_written, run
from tests.scenarios.shop import Shop

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
# Commands that are shown and not run, each with its reason.
NOT_RUN = {
    "helmflow COMMAND --help": "a form, not a command",
    "helmflow release COMMAND --help": "a form, not a command",
    "helmflow chart serve repository -- COMMAND": "a form, not a command",
    "helmflow cluster start": "serves until it is stopped; tests/cli/test_cluster.py runs it",
    "helmflow cluster kubeconfig": "only while the cluster is served; tests/cli/test_cluster.py runs it",
}
# They need a registry or a key of the reader's: tests/providers and tests/cli run them with some of their own.
_ELSEWHERE = ("helmflow chart push ", "helmflow chart sign ", "helmflow chart verify ", "helmflow registry ")
_INLINE = re.compile(r"`(helmflow [^`]+)`")


def shown(page: Path) -> list[str]:
    """The commands of a page that stand on lines of their own, in reading order."""
    return [
        line.strip()
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("    helmflow ")
    ]


def mentioned(page: Path) -> list[str]:
    """The commands inside sentences."""
    return list(dict.fromkeys(_INLINE.findall(page.read_text(encoding="utf-8"))))


@pytest.mark.usefixtures("repository_url")
@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)], ids=lambda page: page.stem)
def test_every_command_of_a_page_works(page: Path, shop: Shop) -> None:
    as_written(shop)
    for command in shown(page):
        if command in NOT_RUN or command.startswith(_ELSEWHERE):
            continue
        code, text = run(shop, shlex.split(command))
        assert "Traceback" not in text
        assert code == 0, f"{command}\n{text}"


def told() -> dict[str, str]:
    """Commands inside sentences of the pages, and in the hints and messages of the sources; with where they stand."""
    found = {command: page.name for page in PAGES for command in mentioned(page)}
    for path in sorted((DOCS.parent / "helmflow").rglob("*.py")):
        for command in _INLINE.findall(path.read_text(encoding="utf-8")):
            found.setdefault(command.partition(" {")[0], path.name)
    return found


def test_every_command_in_a_sentence_exists() -> None:
    from typer.main import get_command

    known: Any = get_command(build_app())
    for command, place in told().items():
        found = known
        for word in shlex.split(command)[1:]:
            if command in NOT_RUN or not hasattr(found, "commands"):
                break
            if not word.startswith("-"):
                assert word in found.commands, f"{place}: {command}"
                found = found.commands[word]
