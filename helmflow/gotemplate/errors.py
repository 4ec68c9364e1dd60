"""Template errors with Go's wording, the place they happened, and the chain of calls that led there."""

from __future__ import annotations

from helmflow.core.errors import TemplateError
from helmflow.core.source import SourceText, Span


class ParseError(TemplateError):
    """A template that cannot be parsed. `str` is Go's text: `template: NAME:LINE: REASON`."""

    def __init__(self, name: str, line: int, reason: str, source: SourceText) -> None:
        super().__init__(
            f"template: {name}:{line}: {reason}", error_id="template.parse", span=Span(source, line)
        )
        self.name = name
        self.line = line
        self.reason = reason


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
