"""TemplateSet: templates that know each other by name: parse, redefine, clone, execute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helmflow.gotemplate.functions import Function


class TemplateSet:
    """Named templates with one function map.

    `missing_key` is "zero" (Helm), "error" (Helm --strict) or "default" (Go's own, `<no value>` for everything missing).
    """

    def __init__(self, functions: Mapping[str, Function], missing_key: str = "zero") -> None:
        self.functions = functions
        self.missing_key = missing_key

    def parse(self, name: str, text: str) -> None:
        """Add a file and its defines; the last parse of a name wins unless its body is empty. Raises ParseError."""
        raise NotImplementedError

    def execute(self, name: str, data: Any) -> str:
        """The template's output. Raises ExecError."""
        raise NotImplementedError

    def defined(self, name: str) -> bool:
        """Whether there is a template of this name."""
        raise NotImplementedError

    def clone(self) -> TemplateSet:
        """A set that starts equal and then goes its own way."""
        raise NotImplementedError
