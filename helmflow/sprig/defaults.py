"""Defaults: default, coalesce, empty, all, any, ternary."""

from __future__ import annotations

from typing import Any

from helmflow.gotemplate.functions import function, table


def is_empty(value: Any) -> bool:
    """Sprig's emptiness: nil, zero, "", an empty list or map; an object is never empty."""
    if value is None:
        return True
    if isinstance(value, (str, list, dict, bytes, int, float)):
        return not value
    return False


@function("default", "any", "...any")
def default(fallback: Any, *given: Any) -> Any:
    return fallback if not given or is_empty(given[0]) else given[0]


@function("empty", "any", returns="bool")
def empty(given: Any) -> bool:
    return is_empty(given)


@function("coalesce", "...any")
def coalesce(*given: Any) -> Any:
    for value in given:
        if not is_empty(value):
            return value
    return None


@function("all", "...any", returns="bool")
def all_(*given: Any) -> bool:
    return not any(map(is_empty, given))


@function("any", "...any", returns="bool")
def any_(*given: Any) -> bool:
    return not all(map(is_empty, given))


@function("ternary", "any", "any", "bool")
def ternary(when_true: Any, when_false: Any, condition: bool) -> Any:  # noqa: FBT001
    return when_true if condition else when_false


FUNCTIONS = table(default, empty, coalesce, all_, any_, ternary)
