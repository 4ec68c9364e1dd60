"""Text that is safe and pleasant to print: no terminal escapes, durations, counts, tables without a library."""

from __future__ import annotations

from helmflow.core.lazy import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from helmflow.core.ids import ReleaseId

# CSI, OSC and the two-byte escapes; what remains of control characters goes one by one.
_ESCAPES = pattern(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = pattern(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def sanitize(text: str) -> str:
    """Text from charts, logs, events or files without escapes, controls and direction overrides."""
    return text if text.isprintable() else _CONTROLS.sub("", _ESCAPES.sub("", text))


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


def columns(rows: Iterable[Sequence[str]], gap: str = "   ", *, width: int = 0) -> list[str]:
    """Rows as left-aligned columns, without trailing blanks; one text per row.

    Where `width` is too small for a row, its last cell continues on lines below: under its column where that leaves
    room for words, else indented; what is still too wide is cut in the middle.
    """
    table = [tuple(row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    if not width or sum(widths) + len(gap) * (len(widths) - 1) <= width:
        return [_row(row, widths, gap) for row in table]
    before = sum(widths[:-1]) + len(gap) * (len(widths) - 1)
    if width - before >= _ROOM_FOR_WORDS:
        return [
            _below(_row((*row[:-1], ""), widths, gap).ljust(before), row[-1], before, width) for row in table
        ]
    firsts = widths[:-1]
    while sum(firsts) + len(gap) * (len(firsts) - 1) > width and max(firsts) > 8:
        firsts[firsts.index(max(firsts))] -= 1
    head, *body = [
        _row([middle(cell, room) for cell, room in zip(row, firsts, strict=False)], firsts, gap)
        for row in table
    ]
    return [
        head,
        *(
            f"{line}\n{_below('    ', row[-1], 4, width)}" if row[-1] else line
            for line, row in zip(body, table[1:], strict=True)
        ),
    ]


_ROOM_FOR_WORDS = 24


def middle(text: str, room: int) -> str:
    """Text cut in its middle where it is longer than `room`: both ends tell it from others."""
    if len(text) <= room:
        return text
    end = (room - 1) // 2
    return f"{text[: room - 1 - end]}…{text[len(text) - end :]}"


def brief(text: str, room: int = 100) -> str:
    """The first line of a text, cut between words where it is longer than `room`."""
    line, _, more = text.partition("\n")
    if len(line) <= room:
        return f"{line.rstrip(' :')} …" if more.strip() else line
    cut = line[: room - 2]
    return f"{cut.rpartition(' ')[0] or cut} …"


def _row(cells: Sequence[str], widths: Sequence[int], gap: str) -> str:
    return gap.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _below(lead: str, words: str, indent: int, width: int) -> str:
    import textwrap

    lines = textwrap.wrap(words, max(_ROOM_FOR_WORDS, width - indent), break_on_hyphens=False) or [""]
    return "\n".join([lead + lines[0], *(" " * indent + line for line in lines[1:])]).rstrip()


def indented(text: str, by: str = "  ") -> str:
    """Every line of `text` moved to the right; empty lines stay empty."""
    return "\n".join(by + line if line else "" for line in text.split("\n"))
