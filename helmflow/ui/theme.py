"""Colours: one place that knows escape codes, and whether they are wanted."""

from __future__ import annotations

import os
from typing import IO, Final

from helmflow.core.records import dataclass

_CODES: Final = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
    "bold": "1",
    "dim": "2",
}
STYLE_OF_OUTCOME: Final = {
    "done": "green",
    "unchanged": "dim",
    "failed": "red",
    "skipped": "yellow",
    "untouched": "yellow",
    "rolled-back": "yellow",
}


@dataclass(frozen=True, slots=True)
class Theme:
    """Paints text where `colored`; otherwise gives it back as it is."""

    colored: bool

    def paint(self, text: str, style: str) -> str:
        """`text` in a style named above."""
        if not self.colored or not text:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def choose(stream: IO[str], *, color: bool, no_color: bool) -> Theme:
    """Colours where asked for, else on a terminal without NO_COLOR."""
    if no_color or (os.environ.get("NO_COLOR") and not color):
        return Theme(colored=False)
    return Theme(colored=color or (stream.isatty() and os.environ.get("TERM") != "dumb"))
