"""Rendering of state file parts, values files and release fields, with places that point into the file."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import TemplateError
from helmflow.core.records import dataclass
from helmflow.core.source import SourceText, Span
from helmflow.gotemplate.templates import TemplateSet
from helmflow.state.functions import Running, functions

if TYPE_CHECKING:
    from helmflow.state.context import Context

_NAME = "stringTemplate"  # Helmfile's name for every template; its errors carry it

# Functions that change a map they are given: data is copied for texts that may call one.
_CHANGES_DATA = re.compile(r"\b(set|unset|setValueAtPath|\w*[mM]erge\w*)\b")


_LONGEST_KEPT = 4096  # fields of releases; parts and values files are rendered once
_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A text ready to run; `changes_data`: it may call a function that changes a map."""

    templates: TemplateSet
    changes_data: bool


class Renderer:
    """Renders texts with Helmfile's functions; one template set per directory, helpers `_*.tpl` parsed once."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._running = Running()
        self._sets: dict[Path, TemplateSet] = {}
        self._parsed: dict[tuple[Path, str], _Parsed] = {}

    def render(
        self, text: str, data: Mapping[str, Any], base_dir: Path, source: SourceText, line_offset: int = 0
    ) -> str:
        """The text rendered. Raises TemplateError with Helmfile's text and a place in `source`."""
        if "{{" not in text:
            return text
        try:
            parsed = self._parse(text, base_dir)
            if parsed.changes_data:
                data = copy.deepcopy(data)
            self._running.sets.append(parsed.templates)
            try:
                return parsed.templates.execute(_NAME, data)
            finally:
                self._running.sets.pop()
        except TemplateError as error:
            raise placed(error, source, line_offset) from error

    def _parse(self, text: str, base_dir: Path) -> _Parsed:
        """The parsed text; thousands of releases share theirs, so each is parsed once per directory."""
        key = (base_dir, text)
        found = self._parsed.get(key)
        if found is None:
            templates = self._set(base_dir).clone()
            templates.parse(_NAME, text)
            found = _Parsed(templates, bool(_CHANGES_DATA.search(text)))
            if len(text) <= _LONGEST_KEPT and len(self._parsed) < _MOST_KEPT:
                self._parsed[key] = found
        return found

    def _set(self, base_dir: Path) -> TemplateSet:
        with self.context.lock:
            found = self._sets.get(base_dir)
            if found is None:
                found = TemplateSet(functions(self.context, base_dir, self._running), missing_key="error")
                for helper in sorted(base_dir.glob("_*.tpl")):
                    found.parse(helper.name, self.context.read_text(helper))
                self._sets[base_dir] = found
            return found


def placed(error: TemplateError, source: SourceText, line_offset: int) -> TemplateError:
    """The error at its place in the file that holds the template."""
    span = error.span
    if span is not None and span.source.name == _NAME:
        span = Span(source, span.line + line_offset, span.column, span.length)
    elif span is None:
        span = Span(source, 0)
    hint = error.hint or _hint(str(error))
    return TemplateError(str(error), error_id=error.error_id, span=span, hint=hint, frames=error.frames)


def _hint(text: str) -> str:
    found = re.search(r'map has no entry for key "([^"]*)"', text)
    if found:
        return f'set a value named {found[1]!r}, or read it with `get "path" default .Values` or `getOrNil`'
    found = re.search(r"required env var `([^`]*)` is not set", text)
    if found:
        return f'set {found[1]} in the environment, or read it with `env "{found[1]}"`, which gives "" without it'
    return ""
