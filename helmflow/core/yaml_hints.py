"""Where the YAML reader stopped, as a place in the text that people wrote, and what usually causes that."""

from __future__ import annotations

import re
from typing import Final

from helmflow.core.source import SourceText, Span
from helmflow.core.yaml_nodes import YamlError

_INDENT: Final = (
    "its indentation does not fit the lines above: entries of one map or list begin in the same column"
)
_CAUSES: Final = (
    ("mapping values are not allowed", "a value that contains `: ` needs quotes; or this key is indented too far"),
    ("did not find expected '-' indicator", _INDENT),
    ("did not find expected key", _INDENT),
    ("did not find expected ',' or", "a bracket above is not closed, or a comma is missing"),
    ("did not find expected node content", "a bracket above is not closed, or a value is missing"),
    ("could not find expected ':'", "a key needs `: ` behind it; a text of several lines needs | or quotes"),
    ("found unexpected end of stream", "a quote is not closed"),
    ("found unexpected document indicator", "a quote is not closed"),
    ("block sequence entries are not allowed", "a list begins on the line below its key"),
    ("found unknown escape character", "in double quotes a backslash is written twice; single quotes take it as it is"),
    ("unknown anchor", "define it with &NAME before *NAME uses it; a text that begins with * needs quotes"),
    ("found a tab character", "indent with blanks: YAML does not allow tabs there"),
    ("UTF-8", "the text is in another encoding: save the file as UTF-8"),
    ("control characters are not allowed", "the text holds a character that YAML does not allow: is it a binary file?"),
)  # fmt: skip
_START: Final = "cannot start any token"


def place(error: YamlError, source: SourceText, line_offset: int = 0) -> Span:
    """Where reading stopped: with a column where the reader knows it, on the last line where the text just ends."""
    first = error
    while not first.mark_line and isinstance(first.__context__, YamlError):  # the same mistake in other words
        first = first.__context__
    line, column = (first.mark_line, first.mark_column) if first.mark_line else (error.line, 0)
    line += line_offset if line else 0
    if not line and "UTF-8" in str(error):  # bytes that were no text are kept as lone surrogates
        for number, each in enumerate(source.text.split("\n"), 1):
            if (found := re.search("[\udc80-\udcff]", each)) is not None:
                return Span(source, number, found.start() + 1, 1)
    text = source.line(line)
    if column and not text.strip():  # the end of the text: what is missing is missing there
        while line > 1 and not source.line(line).strip():
            line -= 1
        column = len(source.line(line)) + 1
    if line and not column and text.strip():
        return Span(source, line, 1 + len(text) - len(text.lstrip()), len(text.strip()))
    return Span(source, line, column, 1 if column else 0)


def hint(error: YamlError, span: Span) -> str:
    """What to look for."""
    message = str(error)
    if _START in message:
        return _start_hint(span.source.line(span.line)[span.column - 1 :] if span.column else "")
    return next((told for words, told in _CAUSES if words in message), "")


def _start_hint(rest: str) -> str:
    if rest.startswith("\t") or not rest.strip():
        return "indent with blanks: YAML does not allow tabs there"
    if re.match(r"[@`%]", rest):
        return f"a text that begins with {rest[0]} needs quotes"
    return "quote the text"
