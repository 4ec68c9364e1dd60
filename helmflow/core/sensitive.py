"""SecretText: text that never prints itself."""

from __future__ import annotations

from typing import final


@final
class SecretText:
    """A secret value. `repr`, `str` and formatting show `***`; only `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself, for the boundary that must send it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and other._text == self._text

    def __hash__(self) -> int:
        return hash(("SecretText", self._text))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a SecretText is not serialised")
