"""Template errors with Go's wording, the place they happened, and the chain of calls that led there."""

from __future__ import annotations

from helmflow.core.errors import TemplateError
from helmflow.core.lazy import pattern
from helmflow.core.source import SourceText, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_NAMED: Final = pattern(
    r'^function "(?P<function>[^"]+)" not defined|^undefined variable "(?P<variable>[^"]+)"'
    r'|^unexpected (?:"(?P<quoted>[^"]+)"|<(?P<plain>[^>]+)>|(?P<keyword>\{\{\w+\}\})|bad character (?P<bad>\S+))'
    r'|^missing value for (?P<clause>\w+)|^bad number syntax: "(?P<number>[^"]+)"'
)


class ParseError(TemplateError):
    """A template that cannot be parsed. `str` is Go's text: `template: NAME:LINE: REASON`."""

    def __init__(self, name: str, line: int, reason: str, source: SourceText) -> None:
        super().__init__(
            f"template: {name}:{line}: {reason}", error_id="template.parse", span=_place(source, line, reason)
        )
        self.name = name
        self.line = line
        self.reason = reason


def _place(source: SourceText, line: int, reason: str) -> Span:
    """The word that Go names, in the actions of its line; else the line's last action, or its text."""
    text = source.line(line)
    if not text.strip():  # the text ended too early
        last = line
        while last > 1 and not source.line(last).strip():
            last -= 1
        return Span(source, last, len(source.line(last)) + 1, 1)
    found = _NAMED.match(reason)
    word = next((part for part in found.groups() if part), "") if found else ""
    import re

    if word.startswith("{{"):
        at = re.search(r"\{\{-?\s*" + re.escape(word.strip("{}")) + r"\b", text)
    elif word:
        after = text.find("{{") + 2 if "{{" in text else 0
        bounded = re.escape(word) if not word[0].isalnum() else r"(?<![\w.$])" + re.escape(word) + r"(?!\w)"
        at = re.compile(bounded).search(text, after)
    else:
        at = None
    if at is not None:
        return Span(source, line, at.start() + 1, at.end() - at.start())
    begin = text.rfind("{{")
    if begin < 0:
        begin = len(text) - len(text.lstrip())
    return Span(source, line, begin + 1, max(1, len(text.rstrip()) - begin))


class ExecError(TemplateError):
    """A template that failed while running.

    `str` is Go's text: `template: LOCATION: executing "EXECUTING" at <NODE>: REASON`, where LOCATION is
    NAME:LINE:COLUMN with Go's column (bytes, from 0 on a file's first line, from 1 on others... as Go counts).
    `cause` is the exception that a function raised (FunctionError, or the TemplateError of an include or tpl inside),
    None where the engine itself refused; `reason` then ends with the cause's text, as Go's wrapped errors do.
    """

    def __init__(
        self,
        *,
        location: str,
        executing: str,
        node: str,
        reason: str,
        span: Span | None = None,
        cause: BaseException | None = None,
    ) -> None:
        where = f'{location}: executing "{executing}" at <{node}>: ' if location else ""
        inner = cause.frames if isinstance(cause, TemplateError) else ()
        super().__init__(
            f"template: {where}{reason}",
            error_id="template.exec",
            span=span,
            frames=((span, *inner) if span else inner),
        )
        self.location = location
        self.executing = executing
        self.node = node
        self.reason = reason
        self.cause = cause
