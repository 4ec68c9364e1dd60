"""The functions of text/template itself. `and`, `or` and `call` are run by the engine; here they have their signature."""

from __future__ import annotations

from helmflow.gotemplate import printf, values
from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.gotypes import IntSlice, StringSlice, Uint8
from helmflow.gotemplate.values import INVALID, kind_of, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

NO_VALUE: Final = "<no value>"


@function("and", "value", "...value", returns="value")
def _and(*operands: Any) -> Any:
    """The first false argument, or the last; the engine evaluates no further than that."""
    return next((operand for operand in operands if not operand), operands[-1])


@function("or", "value", "...value", returns="value")
def _or(*operands: Any) -> Any:
    """The first true argument, or the last; the engine evaluates no further than that."""
    return next((operand for operand in operands if operand), operands[-1])


@function("not", "value", returns="bool")
def _not(operand: Any) -> bool:
    """Whether the argument is false or empty."""
    return not operand


@function("eq", "value", "...value", returns="bool")
def _eq(first: Any, *others: Any) -> bool:
    """Whether the first equals any other."""
    return values.equal(first, *others)


@function("ne", "value", "value", returns="bool")
def _ne(first: Any, second: Any) -> bool:
    """Whether the two differ."""
    return not values.equal(first, second)


@function("lt", "value", "value", returns="bool")
def _lt(first: Any, second: Any) -> bool:
    """Whether the first is less."""
    return values.less(first, second)


@function("le", "value", "value", returns="bool")
def _le(first: Any, second: Any) -> bool:
    """Whether the first is less or equal."""
    return values.less(first, second) or values.equal(first, second)


@function("gt", "value", "value", returns="bool")
def _gt(first: Any, second: Any) -> bool:
    """Whether the first is greater."""
    return not (values.less(first, second) or values.equal(first, second))


@function("ge", "value", "value", returns="bool")
def _ge(first: Any, second: Any) -> bool:
    """Whether the first is greater or equal."""
    return not values.less(first, second)


@function("len", "value", returns="int")
def _len(item: Any) -> int:
    """The number of elements, or of bytes."""
    if isinstance(item, str):
        return len(item) if item.isascii() else len(item.encode("utf-8", "surrogateescape"))
    if isinstance(item, (list, dict, bytes)):
        return len(item)
    if item is INVALID:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    raise FunctionError("len of nil pointer" if item is None else f"len of type {_pointed(item)}")


@function("index", "value", "...value", returns="value")
def _index(item: Any, *indexes: Any) -> Any:
    """The element at an index or key, and so on inward."""
    if item is None:
        raise FunctionError("index of untyped nil")
    for index in indexes:
        kind, index_kind = type(item), type(index)
        if kind is list and index_kind is int and 0 <= index < len(item):  # the common cases first
            item = item[index]
            continue
        if kind is dict and index_kind is str:
            item = item.get(index)
            continue
        if item is None:
            raise FunctionError("index of nil pointer")
        if isinstance(item, dict):
            item = _entry(item, index)
        elif isinstance(item, (list, str, bytes)):
            item = _element(item, index)
        else:
            raise FunctionError(f"can't index item of type {_pointed(item)}")
    return item


def _pointed(item: Any) -> str:
    """The type of what a pointer points to, of any other value its own."""
    return type_of(item).removeprefix("*")


def _entry(item: dict[Any, Any], index: Any) -> Any:
    if index is None:
        raise FunctionError("value is nil; should be of type string")
    if type(index) is not str:
        raise FunctionError(f"value has type {type_of(index)}; should be string")
    return item[index] if index in item else getattr(item, "go_zero", None)


def _element(item: Any, index: Any) -> Any:
    if isinstance(item, str):
        item = item.encode("utf-8", "surrogateescape")
        position = _position(index, len(item))
        if position == len(item):
            raise FunctionError("reflect: string index out of range")
        return Uint8(item[position])
    position = _position(index, len(item))
    if position == len(item):
        raise FunctionError("reflect: slice index out of range")
    return Uint8(item[position]) if isinstance(item, bytes) else item[position]


def _position(index: Any, capacity: int) -> int:
    if index is None:
        raise FunctionError("cannot index slice/array with nil")
    if not kind_of(index).startswith(("int", "uint")):
        raise FunctionError(f"cannot index slice/array with type {type_of(index)}")
    if index < 0 or index > capacity:
        raise FunctionError(f"index out of range: {int(index)}")
    return int(index)


@function("slice", "value", "...value", returns="value")
def _slice(item: Any, *indexes: Any) -> Any:
    """item[i:j:k] of a string or list; sprig's own `slice` takes its place in charts."""
    if item is None:
        raise FunctionError("slice of untyped nil")
    if len(indexes) > 3:
        raise FunctionError(f"too many slice indexes: {len(indexes)}")
    if isinstance(item, str):
        if len(indexes) == 3:
            raise FunctionError("cannot 3-index slice a string")
        octets = item.encode("utf-8", "surrogateescape")
        first, last = _bounds(indexes, len(octets), len(octets))
        return octets[first:last].decode("utf-8", "surrogateescape")
    if not isinstance(item, (list, bytes)):
        raise FunctionError(f"can't slice item of type {type_of(item)}")
    first, last = _bounds(indexes, len(item), _capacity(item))
    if isinstance(item, list) and last > len(item):
        item = type(item)([*item, *([None] * (last - len(item)))])
    part = item[first:last]
    return type(item)(part) if isinstance(item, (StringSlice, IntSlice)) else part


def _capacity(item: Any) -> int:
    """What Go's JSON decoder allocates for a list of this length: doubled from one."""
    capacity = 1
    while capacity < len(item):
        capacity *= 2
    return capacity if item and isinstance(item, list) else len(item)


def _bounds(indexes: tuple[Any, ...], length: int, capacity: int) -> tuple[int, int]:
    places = [0, length, 0]
    for number, index in enumerate(indexes):
        places[number] = _position(index, capacity)
    if places[0] > places[1]:
        raise FunctionError(f"invalid slice index: {places[0]} > {places[1]}")
    if len(indexes) == 3 and places[1] > places[2]:
        raise FunctionError(f"invalid slice index: {places[1]} > {places[2]}")
    return places[0], places[1]


@function("call", "value", "...value", returns="value")
def _call(callee: Any, *_arguments: Any) -> Any:
    """Calls a function value. Chart data holds none; the engine adds the callee's text to the message."""
    raise FunctionError("call of nil" if callee is None else f"of type {type_of(callee)}")


@function("print", "...any", returns="string")
def _print(*operands: Any) -> str:
    """fmt.Sprint."""
    return printf.sprint(*operands)


@function("println", "...any", returns="string")
def _println(*operands: Any) -> str:
    """fmt.Sprintln."""
    return printf.sprintln(*operands)


@function("printf", "string", "...any", returns="string")
def _printf(layout: str, *operands: Any) -> str:
    """fmt.Sprintf."""
    return printf.sprintf(layout, *operands)


_HTML: Final = str.maketrans(
    {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
_JS: Final = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


@function("html", "...any", returns="string")
def _html(*operands: Any) -> str:
    """The text escaped for HTML."""
    return _text(operands).translate(_HTML)


@function("js", "...any", returns="string")
def _js(*operands: Any) -> str:
    """The text escaped for JavaScript strings."""
    return "".join(_js_char(char) for char in _text(operands))


def _js_char(char: str) -> str:
    known = _JS.get(char)
    if known is not None:
        return known
    if char >= " " and (char.isprintable() or "\udc80" <= char <= "\udcff" or char == "\x7f"):
        return char
    return f"\\u{ord(char):04X}"


@function("urlquery", "...any", returns="string")
def _urlquery(*operands: Any) -> str:
    """The text escaped for a URL's query."""
    from urllib.parse import quote_plus

    return quote_plus(_text(operands).encode("utf-8", "surrogateescape"), safe="")


def _text(operands: tuple[Any, ...]) -> str:
    """What html, js and urlquery escape: one string as it is, anything else as print shows it, nil as `<no value>`."""
    if len(operands) == 1 and isinstance(operands[0], str):
        return operands[0]
    return printf.sprint(*(NO_VALUE if operand is None else operand for operand in operands))


FUNCTIONS: Final[dict[str, Function]] = table(
    _and, _or, _not, _eq, _ne, _lt, _le, _gt, _ge, _len, _index, _slice, _call,
    _print, _println, _printf, _html, _js, _urlquery,
)  # fmt: skip
AND: Final = FUNCTIONS["and"]
OR: Final = FUNCTIONS["or"]
CALL: Final = FUNCTIONS["call"]
LEN: Final = FUNCTIONS["len"]
