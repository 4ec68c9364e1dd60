"""Where text came from: a named source, a span in it, and the excerpt with a caret that people see."""

from __future__ import annotations

from helmflow.core.records import dataclass


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text and the name people know it by (a path, `--set`, `rendered helmflow.yaml.gotmpl`)."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """The 1-based line without its end, "" beyond the text."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a source: 1-based line and 1-based column (characters), length in characters (0: a point)."""

    source: SourceText
    line: int
    column: int = 0
    length: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.source.name
        if not self.column:
            return f"{self.source.name}:{self.line}"
        return f"{self.source.name}:{self.line}:{self.column}"

    def excerpt(self) -> str:
        """The line with its number and, where the column is known, a caret line below; "" without a line."""
        text = self.source.line(self.line)
        if not text.strip():
            return ""
        gutter = f"{self.line:>5} | "
        if not self.column:
            return gutter + _shown(text)
        start = max(0, self.column - 1 - 80)
        shown = _shown(text[start : start + 160])
        caret = " " * (self.column - 1 - start) + "^" * max(1, min(self.length, 60))
        return f"{gutter}{shown}\n{' ' * (len(gutter) - 2)}| {caret}"


def _shown(text: str) -> str:
    """Text safe for a terminal: tabs become a blank, other control characters a question mark."""
    return "".join(c if c.isprintable() else (" " if c == "\t" else "?") for c in text[:200])
