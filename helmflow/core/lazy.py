"""What is made when it is first used: modules and regular expressions that a short process may never need."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any, AnyStr, cast


class _Module:
    """Stands for a module until something is asked of it."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(sys.modules.get(self._name) or import_module(self._name), attribute)
        if isinstance(found, type) or callable(found):
            self.__dict__[attribute] = found
        return found


class _Pattern:
    """Stands for a compiled regular expression; its methods become attributes at the first use."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self.pattern = text
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self.pattern, self.flags)
        made = self.__dict__
        for method in ("finditer", "findall", "fullmatch", "match", "search", "split", "sub", "subn"):
            made[method] = getattr(compiled, method)
        return getattr(compiled, name)


def module(name: str) -> Any:
    """The module of that name, imported when an attribute of it is first read."""
    return _Module(name)


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """`re.compile`, done when it first matches something: compiling costs more than most modules do."""
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))
