"""Trees of data that many readers have at once: nobody may change them, and what one worked out of a part is kept."""

from __future__ import annotations

from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

# By the identity of each map and list of a living tree: what readers worked out of it, by a name of their own.
NOTES: Final[dict[int, dict[Any, Any]]] = {}


# By thread: who wants to hear of a map that is about to change, and of the value that it gets.
LISTENERS: Final[dict[int, Callable[[dict[Any, Any], Any], None]]] = {}


def change(mapping: dict[Any, Any], value: Any = None) -> None:
    """Every function that changes a map that it was given says so first. Raises Changed for what is shared."""
    if id(mapping) in NOTES:
        raise Changed(mapping)
    told = LISTENERS.get(get_ident())
    if told is not None:
        told(mapping, value)


class Changed(Exception):
    """Somebody was about to change the map given as argument, which is shared: who gave it out must give out a copy."""


class SharedTree:
    """A tree as long as it is shared. Its maps and lists belong to no other shared tree."""

    __slots__ = ("_parts", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._parts: list[int] = []
        self._share(value)

    def _share(self, value: Any) -> None:
        if id(value) in NOTES:
            return
        NOTES[id(value)] = {}
        self._parts.append(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict | list):
                self._share(item)

    def __del__(self, notes: dict[int, dict[Any, Any]] = NOTES) -> None:
        for part in self._parts:
            notes.pop(part, None)
