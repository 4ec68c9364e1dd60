"""What may be passed where: Go's parameter types, constants and nil. Both back ends decide by these."""

from __future__ import annotations

from helmflow.core import lazy
from helmflow.gotemplate.functions import Function
from helmflow.gotemplate.gotypes import (
    Float32,
    Int8,
    Int16,
    Int32,
    Int64,
    NamedMap,
    NilMap,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
)
from helmflow.gotemplate.values import INVALID, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, Final

    from helmflow.gotemplate import nodes

    # Where `and` and `or` stopped: by the id of the command, the place of the argument that they looked at last.
    Stops = Mapping[int, Sequence[int]]
else:
    nodes = lazy.module("helmflow.gotemplate.nodes")


# Static knowledge of an expression's value. A Go type's name says that the value has that type. Where nothing is known
# it matters what None means: UNKNOWN, an invalid value (pipelines unwrap interfaces); INTERFACE, a nil interface (map
# elements do not); MIXED, a nil interface, with the sentinel INVALID for an invalid value.
UNKNOWN: Final = ""
INTERFACE: Final = "?"
MIXED: Final = "!"
PRESENT: Final = "+"  # anything but None


class Scope:
    """A variable and those declared before it. Slot 0 is $."""

    __slots__ = ("knowledge", "name", "outer", "slot")

    def __init__(self, name: str, slot: int, knowledge: str, outer: Scope | None) -> None:
        self.name = name
        self.slot = slot
        self.knowledge = knowledge
        self.outer = outer


class Refused(Exception):
    """A value or constant that Go would not pass; `str` is Go's text."""


_GO_NAMES: Final = {
    "any": "interface {}",
    "value": "reflect.Value",
    "[]any": "[]interface {}",
    "map[string]any": "map[string]interface {}",
    "[]byte": "[]uint8",
}
_INTEGERS: Final[dict[str, Callable[[int], int]]] = {
    "int": int,
    "int8": Int8,
    "int16": Int16,
    "int32": Int32,
    "int64": Int64,
    "time.Duration": int,
}
_UNSIGNED: Final[dict[str, Callable[[int], int]]] = {
    "uint": Uint,
    "uint8": Uint8,
    "uint16": Uint16,
    "uint32": Uint32,
    "uint64": Uint64,
}
_FLOATS: Final[dict[str, Callable[[float], float]]] = {"float32": Float32, "float64": float}
# Constants of these are written by their class's name in generated code.
NUMBER_CLASSES: Final = (Int8, Int16, Int32, Int64, Uint, Uint8, Uint16, Uint32, Uint64)
EXACT: Final[dict[str, type]] = {
    "string": str,
    "bool": bool,
    "int": int,
    "int64": Int64,
    "float64": float,
}


def go_name(parameter: str) -> str:
    """A parameter type as Go prints it."""
    return _GO_NAMES.get(parameter, parameter)


def takes_anything(parameter: str) -> bool:
    """Whether every value may be passed: interface {} and the engine's own reflect.Value."""
    return parameter in ("any", "value")


def nilable(parameter: str) -> bool:
    """Whether nil is a value of the type."""
    return parameter in ("any", "value", "error") or parameter.startswith(("[]", "map[", "*", "func("))


def nil_of(parameter: str) -> Any:
    """What a function gets for nil: an empty list or map where its parameter is one."""
    if parameter.startswith("[]") and parameter != "[]byte":
        return []
    return NilMap() if parameter.startswith("map[") else b"" if parameter == "[]byte" else None


def accepts(value: Any, parameter: str) -> bool:
    """Whether the value's type is assignable to the parameter's."""
    exact = EXACT.get(parameter)
    if exact is not None:
        return type(value) is exact
    if parameter in ("any", "value"):
        return True
    if parameter == "map[string]any":
        return type(value) is dict or isinstance(value, NamedMap)
    return value is not None and type_of(value) == go_name(parameter)


def checked(value: Any, parameter: str, knowledge: str) -> Any:
    """The value as the function gets it. Raises Refused with Go's text."""
    if value is INVALID:
        value, knowledge = None, UNKNOWN
    if accepts(value, parameter):
        return value
    name = go_name(parameter)
    if value is not None:
        raise Refused(f"wrong type for value; expected {name}; got {type_of(value)}")
    if knowledge in (INTERFACE, MIXED):
        raise Refused(f"wrong type for value; expected {name}; got interface {{}}")
    if nilable(parameter):
        return nil_of(parameter)
    raise Refused(f"invalid value; expected {name}")


def ideal(node: nodes.Number) -> Any:
    """A numeric constant without context. Raises Refused."""
    if node.as_complex is not None:
        return node.as_complex
    text = node.text
    hexadecimal = len(text) > 2 and text[0] == "0" and text[1] in "xX" and "p" not in text and "P" not in text
    if node.as_float is not None and not hexadecimal and text[0] != "'" and any(c in text for c in ".eEpP"):
        return node.as_float
    if node.as_int is not None:
        return node.as_int
    raise Refused(f"{text} overflows int")


def constant(node: nodes.Node, parameter: str) -> Any:
    """A constant argument converted to the parameter's type. Raises Refused."""
    if isinstance(node, nodes.Nil):
        if nilable(parameter):
            return nil_of(parameter)
        raise Refused(f"cannot assign nil to {go_name(parameter)}")
    if parameter in ("any", "value"):
        if isinstance(node, nodes.Number):
            return ideal(node)
        assert isinstance(node, (nodes.Bool, nodes.String))
        return node.value if isinstance(node, nodes.Bool) else node.text
    if parameter == "string":
        if isinstance(node, nodes.String):
            return node.text
        raise Refused(f"expected string; found {node}")
    if parameter == "bool":
        if isinstance(node, nodes.Bool):
            return node.value
        raise Refused(f"expected bool; found {node}")
    return _number(node, parameter)


def _number(node: nodes.Node, parameter: str) -> Any:
    found = node if isinstance(node, nodes.Number) else None
    if parameter in _INTEGERS:
        if found is None or found.as_int is None:
            raise Refused(f"expected integer; found {node}")
        return _INTEGERS[parameter](found.as_int)
    if parameter in _UNSIGNED:
        if found is None or found.as_uint is None:
            raise Refused(f"expected unsigned integer; found {node}")
        return _UNSIGNED[parameter](found.as_uint)
    if parameter in _FLOATS:
        if found is None or found.as_float is None:
            raise Refused(f"expected float; found {node}")
        return _FLOATS[parameter](found.as_float)
    raise Refused(f"can't handle {node} for arg of type {go_name(parameter)}")


def parameter_at(function: Function, position: int) -> str:
    """The type of the parameter that takes the argument at the position."""
    params = function.params
    return params[position] if position < len(params) else params[-1]


def arity_mistake(function: Function, name: str, arguments: int, piped: int) -> str:
    """What is wrong with the number of arguments, "" if nothing. `piped` is 1 where a pipeline feeds the call."""
    count, wanted = arguments + piped, len(function.params)
    if function.variadic:
        if count < wanted - 1:
            return f"wrong number of args for {name}: want at least {wanted - 1} got {arguments}"
        return ""
    return "" if count == wanted else f"wrong number of args for {name}: want {wanted} got {count}"


_NO_STOPS: Final[Stops] = {}


def last_visited(node: nodes.Node, stops: Stops = _NO_STOPS) -> nodes.Node:
    """The node that Go blames after evaluating this one: the last it looked at."""
    if isinstance(node, nodes.Pipe):
        return last_visited(node.commands[-1], stops)
    if isinstance(node, nodes.Command):
        stopped = stops.get(id(node))
        if stopped:
            return last_visited(node.args[min(stopped[0] + 1, len(node.args) - 1)], stops)
        return last_visited(node.args[-1] if len(node.args) > 1 else node.args[0], stops)
    if isinstance(node, nodes.Chain):
        return last_visited(node.node, stops)
    return node


def blamed(node: nodes.Node, reason: str, stops: Stops = _NO_STOPS) -> nodes.Node:
    """The node that Go blames for an argument that it refuses for a reason."""
    command = node.commands[-1] if isinstance(node, nodes.Pipe) else node
    if reason.startswith("invalid value") and isinstance(command, nodes.Command):
        first = command.args[0]
        if isinstance(
            first, (nodes.Field, nodes.Variable, nodes.Chain)
        ):  # nothing has no methods to give arguments to
            return last_visited(first, stops)
    return last_visited(node, stops)


def stops_within(node: nodes.Node) -> Iterator[nodes.Command]:
    """The calls of `and` and `or` on which it depends what is visited last."""
    if isinstance(node, nodes.Pipe):
        yield from stops_within(node.commands[-1])
    elif isinstance(node, nodes.Chain):
        yield from stops_within(node.node)
    elif isinstance(node, nodes.Command) and len(node.args) > 1:
        first = node.args[0]
        if isinstance(first, nodes.Identifier) and first.name in ("and", "or"):
            yield node
            for argument in node.args[1:]:
                yield from stops_within(argument)
        else:
            yield from stops_within(node.args[-1])
    elif isinstance(node, nodes.Command):
        yield from stops_within(node.args[0])


def knowledge_of(returns: str) -> str:
    """What is known of a function's result; functions that return interface {} give what pipelines unwrap."""
    return returns if returns in EXACT else UNKNOWN
