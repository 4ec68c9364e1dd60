"""What is made when it is first used: modules, regular expressions, results: a short process may never need them."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from functools import cache as cache
    from functools import cached_property as cached_property
    from types import FunctionType as FunctionType
    from types import MappingProxyType as MappingProxyType
    from typing import Any, AnyStr
else:  # importing functools or types would cost more than these save
    FunctionType = type(lambda: None)
    MappingProxyType = type(type.__dict__)

    def cache(call):
        """`functools.cache` for positional arguments."""
        known = {}

        def found(*arguments):
            try:
                return known[arguments]
            except KeyError:
                made = known[arguments] = call(*arguments)
                return made

        found.cache_clear = known.clear
        found.__doc__ = call.__doc__
        return found

    class cached_property:
        """`functools.cached_property`."""

        def __init__(self, make):
            self.make = make
            self.__doc__ = make.__doc__

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, one, owner=None):
            if one is None:
                return self
            made = one.__dict__[self.name] = self.make(one)
            return made


class _Module:
    """Stands for a module until something is asked of it."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(imported(self._name), attribute)
        if isinstance(found, type) or callable(found):
            self.__dict__[attribute] = found
        return found


class _Pattern:
    """Stands for a compiled regular expression; its methods become attributes at the first use."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self.pattern = text
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        import re

        compiled = re.compile(self.pattern, self.flags)
        made = self.__dict__
        for method in ("finditer", "findall", "fullmatch", "match", "search", "split", "sub", "subn"):
            made[method] = getattr(compiled, method)
        return getattr(compiled, name)


def imported(name: str) -> Any:
    """The module of that name, imported now."""
    __import__(name)  # which waits where another thread is about to: what is in sys.modules may be half of it
    return sys.modules[name]


def module(name: str) -> Any:
    """The module of that name, imported when an attribute of it is first read."""
    return _Module(name)


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """`re.compile`, done when it first matches something: compiling costs more than most modules do."""
    made: Any = _Pattern(text, flags)
    found: re.Pattern[AnyStr] = made
    return found
