"""docs/commands.md has one section per command, with the flags that the command has."""

from __future__ import annotations

from tests import commands_page


def test_every_command_has_a_section() -> None:
    text = commands_page.PAGE.read_text(encoding="utf-8")
    assert commands_page.sections(text) == set(commands_page.commands())


def test_the_tables_of_flags_are_current() -> None:
    text = commands_page.PAGE.read_text(encoding="utf-8")
    assert commands_page.render(text) == text, "run python -m tests.commands_page"
