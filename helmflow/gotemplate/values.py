"""Go value semantics: types and kinds, truth, equality and order, key order."""

from __future__ import annotations

from helmflow.gotemplate.functions import FunctionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final

TYPES: Final[dict[type, str]] = {
    type(None): "<nil>",
    bool: "bool",
    str: "string",
    int: "int",
    float: "float64",
    complex: "complex128",
    bytes: "[]uint8",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}
KINDS: Final[dict[type, str]] = {
    type(None): "invalid",
    bool: "bool",
    str: "string",
    int: "int",
    float: "float64",
    complex: "complex128",
    bytes: "slice",
    list: "slice",
    dict: "map",
}
_NUMBER_KINDS: Final = frozenset(
    [
        "int",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "uintptr",
        "float32",
        "float64",
    ]
)


class _Invalid:
    """The type of INVALID."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


INVALID: Final = _Invalid()  # an invalid value, where None would mean a nil interface


def type_of(value: Any) -> str:
    """Go's %T: "string", "float64", "map[string]interface {}", "<nil>", a named type's name."""
    known = TYPES.get(type(value))
    if known is not None:
        return known
    named = getattr(value, "go_type", None)
    if named is not None:
        return str(named)
    for base, name in TYPES.items():
        if isinstance(value, base):
            return name
    return "func" if callable(value) else type(value).__name__


def kind_of(value: Any) -> str:
    """reflect.Kind's name: "string", "int64", "slice", "map", "struct", "ptr", ...; "invalid" for nil."""
    known = KINDS.get(type(value))
    return known if known is not None else _kind_of_class(type(value))


def _kind_of_class(cls: type) -> str:
    named = getattr(cls, "go_type", "")
    if named in _NUMBER_KINDS:
        return str(named)
    kind = getattr(cls, "go_kind", "struct")
    if kind != "struct":
        return str(kind)
    for base, name in KINDS.items():
        if issubclass(cls, base):
            return name
    return "ptr" if named.startswith("*") else "struct"


def truth(value: Any) -> bool:
    """Whether `if` takes the value as true: not nil, false, zero or empty; every struct is true."""
    return bool(value)


# What may be compared with what: Go's basic kinds.
_INT: Final = "int"
_UINT: Final = "uint"
_BASIC: Final[dict[type, str]] = {
    bool: "bool",
    str: "string",
    int: _INT,
    float: "float",
    complex: "complex",
}


def basic_kind(value: Any) -> str:
    """The family that comparison looks at: int, uint, float, string, bool, complex; "" for everything else."""
    known = _BASIC.get(type(value))
    if known is not None:
        return known
    kind = kind_of(value)
    if kind.startswith("int") and kind != "interface":
        return _INT
    if kind.startswith("uint"):
        return _UINT
    if kind.startswith("float"):
        return "float"
    return kind if kind in ("bool", "string") else ""


def equal(first: Any, *others: Any) -> bool:
    """Go's `eq`: whether the first equals any other. Raises FunctionError with Go's text."""
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_equal_pair(first, other) for other in others)


def _equal_pair(a: Any, b: Any) -> bool:
    if type(a) is type(b) and type(a) in _BASIC:
        return bool(a == b)
    kind_a, kind_b = basic_kind(a), basic_kind(b)
    if kind_a != kind_b:
        if a is None or b is None:
            return False
        if {kind_a, kind_b} == {_INT, _UINT}:
            return int(a) == int(b)
        raise FunctionError(f"incompatible types for comparison: {type_of(a)} and {type_of(b)}")
    if kind_a:
        return bool(a == b)
    if a is None or b is None:
        return _is_nil(a) and _is_nil(b)
    if kind_of(a) != kind_of(b):
        raise FunctionError(f"non-comparable types {_shown(a)}: {type_of(a)}, {type_of(b)}: {_plain(b)}")
    if _is_nil(a) or _is_nil(b):
        return _is_nil(a) == _is_nil(b)
    if not comparable(b):
        raise FunctionError(f"non-comparable type {_shown(b)}: {type_of(b)}")
    return a is b or (type(a) is type(b) and bool(a == b))


def _is_nil(value: Any) -> bool:
    return value is None or bool(getattr(value, "go_nil", False))


def comparable(value: Any) -> bool:
    """Whether Go's == accepts the value: everything but maps, slices and functions."""
    return kind_of(value) not in ("map", "slice", "func")


def _shown(value: Any) -> str:
    from helmflow.gotemplate.printf import sprintf

    return sprintf("%s", value)


def _plain(value: Any) -> str:
    from helmflow.gotemplate.printf import format_value

    return format_value(value)


def less(a: Any, b: Any) -> bool:
    """Go's `lt`. Raises FunctionError with Go's text."""
    kind_a, kind_b = basic_kind(a), basic_kind(b)
    if not kind_a or not kind_b:
        raise FunctionError("invalid type for comparison")
    if kind_a != kind_b:
        if {kind_a, kind_b} == {_INT, _UINT}:
            return int(a) < int(b)
        raise FunctionError(f"incompatible types for comparison: {type_of(a)} and {type_of(b)}")
    if kind_a in ("bool", "complex"):
        raise FunctionError("invalid type for comparison")
    return bool(a < b)


def deep_equal(a: Any, b: Any) -> bool:
    """reflect.DeepEqual: types must match too (1 is not 1.0, []string is not []interface {})."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return len(a) == len(b) and all(key in b and deep_equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(deep_equal, a, b))
    return bool(a == b)


def sorted_keys(mapping: Iterable[Any]) -> list[Any]:
    """Map keys in the order in which range and %v visit them."""
    keys = list(mapping)
    try:
        return sorted(keys)
    except TypeError:
        return sorted(keys, key=lambda key: (type_of(key), str(key)))
