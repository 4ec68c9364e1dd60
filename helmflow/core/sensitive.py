"""SecretText: text that never prints itself; SecretTexts: what must be masked before text is shown."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections import deque
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


class SecretTexts:
    """Every secret text a run has seen, so that what is about to be shown can be masked.

    Short texts (under `SHORTEST` characters) are not remembered by value: masking every "1" would hide more than it
    protects; they are masked by path where values are shown. Where whole values are shown with their paths, only texts
    of at least `LONG` characters are looked for anywhere: a shorter one may be an ordinary word.
    """

    SHORTEST = 4
    LONG = 8
    MASK = "***"

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._patterns: dict[int, re.Pattern[str]] = {}
        self._lock = threading.Lock()
        _runs.append(self)

    def add(self, value: object) -> None:
        """Remember every text in a value: texts themselves, list items, map values, and lines of long texts."""
        found: set[str] = set()
        pending = [value]
        while pending:
            match pending.pop():
                case str(text):
                    found.update({text, text.strip(), *(line.strip() for line in text.splitlines())})
                case dict(mapping):
                    pending.extend(mapping.values())
                case list(items) | tuple(items):
                    pending.extend(items)
                case bool() | None:
                    pass
                case int() | float() as number:
                    found.add(str(number))
        with self._lock:
            self._texts.update(text for text in found if len(text) >= self.SHORTEST)
            self._patterns.clear()

    def texts(self) -> tuple[str, ...]:
        """Every remembered text: only for what is encrypted itself."""
        return tuple(sorted(self._texts))

    def __bool__(self) -> bool:
        return bool(self._texts)

    def mask(self, text: str, *, shortest: int = SHORTEST) -> str:
        """The text with every remembered secret (also as base64, in JSON and in HTML) replaced by ***."""
        if not self._texts:
            return text
        with self._lock:
            pattern = self._patterns.get(shortest)
            if pattern is None:
                pattern = self._patterns[shortest] = self._compiled(shortest)
        return pattern.sub(self.MASK, text)

    def _compiled(self, shortest: int) -> re.Pattern[str]:
        forms = {text for text in self._texts if len(text) >= shortest}
        for text in tuple(forms):
            forms.update(_written(text))
        if not forms:
            return re.compile("(?!)")
        return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))

    def __repr__(self) -> str:
        return f"SecretTexts({len(self._texts)} texts)"


def _written(text: str) -> set[str]:
    """The forms in which texts stand in what is shown: base64, quoted as YAML, JSON and Go do, and these in JSON or HTML."""
    found = {
        text,
        text.replace("'", "''"),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    }
    found |= {_without_markup(form) for form in found}
    found |= {quoted(form) for form in found for quoted in (html.escape, _in_json)}
    found.add(base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii"))
    return found


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _without_markup(text: str) -> str:
    """As Go's JSON writes what could be markup."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# The secrets of the last loads: an error may be shown when the run that it comes from is over.
_runs: deque[SecretTexts] = deque(maxlen=64)


def mask_everything(text: str, *, shortest: int = SecretTexts.SHORTEST) -> str:
    """The text without any secret of this process: for errors and logs, which come from everywhere."""
    for secrets in list(_runs):
        text = secrets.mask(text, shortest=shortest)
    return text
