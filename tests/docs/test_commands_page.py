"""docs/commands.md has one section per command, with the flags that the command has."""

from __future__ import annotations

from tests import commands_page


def test_every_command_has_a_section() -> None:
    text = commands_page.PAGE.read_text(encoding="utf-8")
    assert commands_page.sections(text) == set(commands_page.commands())


def test_every_section_has_an_example() -> None:
    text = commands_page.PAGE.read_text(encoding="utf-8")
    found = [section for section in text.split("\n## ")[1:] if "\n    helmflow " not in section]
    assert [section.partition("\n")[0] for section in found] == []


def test_the_tables_of_flags_are_current() -> None:
    text = commands_page.PAGE.read_text(encoding="utf-8")
    assert commands_page.render(text) == text, "run python -m tests.commands_page"
