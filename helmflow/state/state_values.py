"""--state-values-set and --state-values-set-string: Helmfile's own small language, which is not Helm's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.core.limits import MAX_LIST_ITEMS
from helmflow.gotemplate.gotypes import Int64

_STRING_PAIR = re.compile(r"""(?:,|^)([^\s=]+)=(['"][^'"]*['"]|[^,]+)""")
_INDEXED = re.compile(r"^([^\[\]]*)\[(\d+)\]")
_INTEGER = re.compile(r"[+-]?\d+\Z")
_MOST_INDEX = min(MAX_LIST_ITEMS, 65_536)  # Helm's bound on an index, against a[999999999]=x


def parse(sets: Iterable[str], set_strings: Iterable[str]) -> dict[str, Any]:
    """What both flags say together; --state-values-set wins. Raises ConfigError `flags.state-values-set`."""
    values: dict[str, Any] = {}
    for text in set_strings:
        for key, value in _STRING_PAIR.findall(text):
            assign(values, split_key(key), value)
    for text in sets:
        for pair in text.split(","):
            key, equals, value = pair.partition("=")
            if not equals or not key:
                raise ConfigError(
                    f"--state-values-set {text!r}: {pair!r} is not KEY=VALUE",
                    error_id="flags.state-values-set",
                    hint="write --state-values-set a.b=1,c[0]=x; a dot in a key is written \\.",
                )
            assign(values, split_key(key), typed(value))
    return values


def split_key(key: str) -> list[str]:
    """`a.b\\.c` to its parts: a dot separates unless a backslash stands before it."""
    parts: list[str] = []
    part = ""
    escaped = False
    for character in key:
        if character == "\\" and not escaped:
            escaped = True
            continue
        if character == "." and not escaped:
            parts.append(part)
            part = ""
        else:
            part += character
        escaped = False
    if part:
        parts.append(part)
    return parts


def typed(text: str) -> Any:
    """true, false, null (any case) and whole numbers without a leading zero; anything else stays text."""
    match text.lower():
        case "true":
            return True
        case "false":
            return False
        case "null":
            return None
    if text == "0":
        return Int64(0)
    if not text.startswith("0") and _INTEGER.match(text) and -(2**63) <= int(text) < 2**63:
        return Int64(text)
    return text


def assign(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Set `path` in `values`, making maps and lists on the way."""
    current: Any = values
    for position, step in enumerate(path):
        last = position == len(path) - 1
        indexed = _INDEXED.match(step)
        if indexed is None:
            if last:
                current[step] = value
            else:
                current = _inside(current.setdefault(step, {}), path)
            continue
        name, index = indexed[1], int(indexed[2])
        if index > _MOST_INDEX:
            raise ConfigError(
                f"index {index} is greater than the maximum {_MOST_INDEX}", error_id="flags.state-values-set"
            )
        items = current.setdefault(name, [])
        if not isinstance(items, list):
            raise _conflict(path)
        items.extend([None] * (index + 1 - len(items)))
        if last:
            items[index] = value
        else:
            if items[index] is None:
                items[index] = {}
            current = _inside(items[index], path)


def _inside(value: Any, path: list[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _conflict(path)
    return value


def _conflict(path: list[str]) -> ConfigError:
    return ConfigError(
        f"--state-values-set sets {'.'.join(path)!r} below something that is no map",
        error_id="flags.state-values-set",
    )
