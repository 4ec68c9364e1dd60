"""Go fmt: verbs, flags and default formatting, and strconv's quoting."""

from __future__ import annotations

from typing import Any


def sprintf(layout: str, *values: Any) -> str:
    """fmt.Sprintf."""
    raise NotImplementedError


def sprint(*values: Any) -> str:
    """fmt.Sprint: a blank between operands when neither is a string."""
    raise NotImplementedError


def sprintln(*values: Any) -> str:
    """fmt.Sprintln: blanks between operands and a newline."""
    raise NotImplementedError


def format_value(value: Any) -> str:
    """%v of one value; nil is `<nil>`."""
    raise NotImplementedError


def quote(text: str) -> str:
    """strconv.Quote (%q)."""
    raise NotImplementedError
