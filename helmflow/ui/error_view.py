"""An error as people see it: what, where with excerpt and caret, why, what to do; all mistakes of a file together."""

from __future__ import annotations

import sys

from helmflow.core import lazy
from helmflow.core.errors import HelmflowError, Mistake, TemplateError
from helmflow.ui.text import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

# The excerpt of a line shows what stands in it: an address with a password is one secret that nobody declared.
_PASSWORD: Final = lazy.pattern(r"(://[^/@\s:]*:)[^/@\s]+(?=@)")
_SENSITIVE: Final = "helmflow.core.sensitive"


def render(error: HelmflowError) -> str:
    """The error as lines: every mistake with its place, excerpt, hint and id; template frames outermost first."""
    lines: list[str] = []
    for mistake in error.mistakes:
        lines.extend(_mistake(mistake, "error"))
    if isinstance(error, TemplateError) and len(error.frames) > 1:
        lines.append("  called from:")
        lines.extend(f"    {sanitize(str(frame))}" for frame in error.frames[:-1])
    if len(error.mistakes) > 1:
        lines.append(f"{len(error.mistakes)} mistakes")
    return _masked(lines)


def render_warning(warning: Mistake) -> str:
    """A warning in the same form."""
    return _masked(_mistake(warning, "warning"))


def _masked(lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    if "://" in text:
        text = _PASSWORD.sub(r"\1***", text)
    if _SENSITIVE not in sys.modules:  # no secret was met in this process
        return text
    masked: str = lazy.imported(_SENSITIVE).mask_everything(text)
    return masked


def _mistake(mistake: Mistake, word: str) -> Iterator[str]:
    first, *rest = sanitize(mistake.message).rstrip().split("\n")
    yield f"{word}[{mistake.error_id}]: {first}"
    yield from (f"  {line}" for line in rest)
    if mistake.span is not None:
        yield f"  --> {sanitize(str(mistake.span))}"
        excerpt = mistake.span.excerpt()
        if excerpt:
            yield from excerpt.split("\n")
    if mistake.hint:
        yield f"  hint: {sanitize(mistake.hint)}"
