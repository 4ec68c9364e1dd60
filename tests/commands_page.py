"""The tables of flags in docs/commands.md: `python -m tests.commands_page` writes them anew from the command line itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from helmflow.cli.main import build_app
from helmflow.cli.options import EVERYWHERE

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
_OTHER_WORDS = frozenset({"dep", "dependencies", "ls", "up"})  # Helm's short forms of the same commands
_BLOCK = re.compile(r"<!-- flags (.*?) -->\n.*?<!-- /flags -->\n", re.DOTALL)


def commands() -> dict[str, Any]:
    """Every command by its words."""
    return dict(_walk(get_command(build_app()), ""))


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for word, inner in sorted(command.commands.items()):
            if word in _OTHER_WORDS:
                continue
            yield from _walk(inner, f"{name} {word}".strip())
    else:
        yield name, command


def table(name: str) -> str:
    """The flags of a command beyond those of every command; of every command for the name `*`."""
    everywhere = {names for flag in EVERYWHERE for names in flag.names}
    if name == "*":
        rows = [(", ".join(flag.names), flag.help) for flag in EVERYWHERE]
    else:
        rows = [
            (", ".join((*parameter.opts, *parameter.secondary_opts)), parameter.help or "")
            for parameter in commands()[name].params
            if parameter.param_type_name == "option" and not everywhere & set(parameter.opts)
        ]
    if not rows:
        return ""
    lines = ["| flag | what it does |", "|---|---|"]
    lines += [f"| `{flag}` | {text.replace('|', chr(92) + '|')} |" for flag, text in sorted(rows)]
    return "\n".join(lines) + "\n"


def render(text: str) -> str:
    """The page with every table as it must be."""
    return _BLOCK.sub(lambda found: f"<!-- flags {found[1]} -->\n{table(found[1])}<!-- /flags -->\n", text)


def sections(text: str) -> set[str]:
    """The commands that have a section."""
    return set(re.findall(r"^## helmflow (.+)$", text, re.MULTILINE))


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
