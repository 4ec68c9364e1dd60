"""Types of values: typeOf, kindOf, typeIs, typeIsLike, kindIs, deepEqual."""

from __future__ import annotations

from helmflow.gotemplate.functions import Function, function, table
from helmflow.gotemplate.values import kind_of, type_of
from helmflow.sprig.conversion import deep_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@function("typeIs", "string", "any", returns="bool")
def type_is(target: str, value: Any) -> bool:
    return target == type_of(value)


@function("typeIsLike", "string", "any", returns="bool")
def type_is_like(target: str, value: Any) -> bool:
    found = type_of(value)
    return found in (target, "*" + target)


@function("kindIs", "string", "any", returns="bool")
def kind_is(target: str, value: Any) -> bool:
    return target == kind_of(value)


FUNCTIONS = table(
    Function("typeOf", type_of, ("any",), returns="string"),
    Function("kindOf", kind_of, ("any",), returns="string"),
    type_is,
    type_is_like,
    kind_is,
    Function("deepEqual", deep_equal, ("any", "any"), returns="bool"),
)
