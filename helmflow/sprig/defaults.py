"""Defaults: default, coalesce, empty, all, any, ternary."""

from __future__ import annotations

from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.sprig.conversion import is_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@function("default", "any", "...any")
def default(fallback: Any, *given: Any) -> Any:
    if not given:
        return fallback
    value = given[0]
    return value if value or not is_empty(value) else fallback


@function("coalesce", "...any")
def coalesce(*given: Any) -> Any:
    for value in given:
        if value or not is_empty(value):
            return value
    return None


@function("all", "...any", returns="bool")
def all_given(*given: Any) -> bool:
    return not any(map(is_empty, given))


@function("any", "...any", returns="bool")
def any_given(*given: Any) -> bool:
    return not all(map(is_empty, given))


@function("ternary", "any", "any", "bool")
def ternary(when_true: Any, when_false: Any, condition: bool) -> Any:
    return when_true if condition else when_false


@function("fail", "string", returns="string")
def fail(message: str) -> str:
    raise FunctionError(message)


FUNCTIONS = table(
    default,
    Function("empty", is_empty, ("any",), returns="bool"),
    coalesce,
    all_given,
    any_given,
    ternary,
    fail,
)
