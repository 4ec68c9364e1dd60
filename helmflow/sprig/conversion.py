"""What every family shares: text and bytes of a value, emptiness, Go equality, bounds."""

from __future__ import annotations

from helmflow.core.limits import MAX_DATA_DEPTH, MAX_LIST_ITEMS, MAX_STRING_BYTES
from helmflow.gotemplate.functions import FunctionError
from helmflow.gotemplate.gotypes import Uint8
from helmflow.gotemplate.printf import format_value
from helmflow.gotemplate.values import kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""What unicode.IsSpace calls space; str.isspace() has four control characters more."""

NIL_DEREFERENCE = "runtime error: invalid memory address or nil pointer dereference"


def strval(value: Any) -> str:
    """Sprig's text of any value: strings and bytes as they are, the rest as fmt's %v."""
    if type(value) is str:
        return value
    if isinstance(value, bytes):
        return to_text(value)
    return format_value(value)


def to_bytes(text: str) -> bytes:
    """A Go string's bytes; invalid UTF-8 travels as lone surrogates."""
    return text.encode("utf-8", "surrogateescape")


def to_text(data: bytes) -> str:
    """The Go string of these bytes."""
    return data.decode("utf-8", "surrogateescape")


def is_empty(value: Any) -> bool:
    """Sprig's emptiness: nil, zero, "", an empty list or map; an object is never empty."""
    if value is None:
        return True
    return not value and isinstance(value, (str, list, dict, int, float, bytes))


def deep_equal(left: Any, right: Any, depth: int = 0) -> bool:
    """reflect.DeepEqual: the same type and the same content, so 1 is not 1.0 and [] is not nil."""
    if type(left) is not type(right):
        return False
    if left is right:
        return bool(left == left)
    if isinstance(left, dict):
        check_depth(depth)
        if len(left) != len(right):
            return False
        for key, value in left.items():
            if key not in right or not deep_equal(value, right[key], depth + 1):
                return False
        return True
    if isinstance(left, list):
        check_depth(depth)
        if len(left) != len(right):
            return False
        return all(deep_equal(one, other, depth + 1) for one, other in zip(left, right, strict=True))
    return bool(left == right)


def check_depth(depth: int) -> None:
    """Refuse to go deeper into a value that is nested without reason, as one that contains itself is."""
    if depth > MAX_DATA_DEPTH:
        raise FunctionError(f"a value is nested more than {MAX_DATA_DEPTH} deep")


def require_list(value: Any, complaint: str) -> list[Any]:
    """The value when it is a slice; Go's error otherwise, which ends in the kind it found."""
    if isinstance(value, list):
        return value
    if isinstance(value, bytes):
        return [Uint8(byte) for byte in value]
    if value is None:
        raise FunctionError(NIL_DEREFERENCE)
    raise FunctionError(f"{complaint} {kind_of(value)}")


def check_text(name: str, size: int) -> None:
    """Refuse a string over the limit before it is built."""
    if size > MAX_STRING_BYTES:
        raise FunctionError(f"{name}: a text of {size} bytes is over the limit of {MAX_STRING_BYTES}")


def check_items(name: str, count: int, limit: int = MAX_LIST_ITEMS) -> None:
    """Refuse a list over the limit before it is built."""
    if count > limit:
        raise FunctionError(f"{name}: a list of {count} items is over the limit of {limit}")
