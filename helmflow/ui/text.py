"""Text that is safe and pleasant to print: no terminal escapes, durations, counts, tables without a library."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from helmflow.core.ids import ReleaseId

# CSI, OSC and the two-byte escapes; what remains of control characters goes one by one.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def sanitize(text: str) -> str:
    """Text from charts, logs, events or files without escapes, controls and direction overrides."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def duration(seconds: float) -> str:
    """0.4s, 12s, 3m05s."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    return f"{whole}s" if whole < 100 else f"{whole // 60}m{whole % 60:02d}s"


def namer(releases: Iterable[ReleaseId]) -> Callable[[ReleaseId], str]:
    """How releases are called among `releases`: with their kube context only where there are several contexts."""
    if len({release.context for release in releases}) > 1:
        return str
    return lambda release: str(release._replace(context=""))


def plural(count: int, word: str) -> str:
    """1 release, 2 releases."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def columns(rows: Iterable[Sequence[str]], gap: str = "   ") -> list[str]:
    """Rows as left-aligned columns, without trailing blanks."""
    table = [tuple(row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]


def indented(text: str, by: str = "  ") -> str:
    """Every line of `text` moved to the right; empty lines stay empty."""
    return "\n".join(by + line if line else "" for line in text.split("\n"))
