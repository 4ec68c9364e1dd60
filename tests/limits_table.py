"""The table of limits in docs/compatibility.md. `python -m tests.limits_table` rewrites it from helmflow/core/limits.py."""

from __future__ import annotations

import re
from pathlib import Path

from helmflow.core import limits

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
BEGIN, END = "<!-- limits -->\n", "<!-- /limits -->"
_LINE = re.compile(r"^(MAX_\w+): Final = [^#]*# (.+)$", re.MULTILINE)


def reasons() -> dict[str, str]:
    """Every limit's name and the comment that gives its reason."""
    source = (ROOT / "helmflow" / "core" / "limits.py").read_text(encoding="utf-8")
    return dict(_LINE.findall(source))


def shown(name: str) -> str:
    """A limit's value in its unit."""
    value = getattr(limits, name)
    if "BYTES" in name:
        return f"{value // limits.MIB} MiB" if value % limits.MIB == 0 else f"{value // limits.KIB} KiB"
    return f"{value:g} s" if "SECONDS" in name else f"{value:,}"


def render() -> str:
    """The table as it stands on the page."""
    rows = [f"| `{name}` | {shown(name)} | {reason} |" for name, reason in reasons().items()]
    return "\n".join(["| limit | value | reason |", "|---|---|---|", *rows, ""])


def written() -> str:
    """The table that the page has."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(head + BEGIN + render() + END + rest.partition(END)[2], encoding="utf-8")
