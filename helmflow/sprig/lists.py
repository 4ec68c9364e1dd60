"""List functions, plain and must-: append, first, rest, uniq, without, has, slice, concat, chunk."""

from __future__ import annotations

from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.gotypes import NilSlice
from helmflow.sprig.conversion import check_depth, check_items, deep_equal, is_empty, require_list
from helmflow.sprig.numbers import to_int64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ClassVar

    _List = list[Any]
else:
    _List = list


class SliceOfSlices(_List):
    """Go's [][]interface {}."""

    go_type: ClassVar[str] = "[][]interface {}"


@function("list", "...any", returns="[]any")
def new_list(*items: Any) -> list[Any]:
    return list(items)


def append(values: Any, item: Any) -> list[Any]:
    """A longer copy."""
    items = require_list(values, "Cannot push on type")
    check_items("append", len(items) + 1)
    return [*items, item]


def prepend(values: Any, item: Any) -> list[Any]:
    """A copy with the item in front."""
    items = require_list(values, "Cannot prepend on type")
    check_items("prepend", len(items) + 1)
    return [item, *items]


def first(values: Any) -> Any:
    """The first item, nil of none."""
    items = require_list(values, "Cannot find first on type")
    return items[0] if items else None


def last(values: Any) -> Any:
    """The last item, nil of none."""
    items = require_list(values, "Cannot find last on type")
    return items[-1] if items else None


def rest(values: Any) -> list[Any]:
    """All but the first."""
    items = require_list(values, "Cannot find rest on type")
    return list(items[1:]) if items else NilSlice()


def initial(values: Any) -> list[Any]:
    """All but the last."""
    items = require_list(values, "Cannot find initial on type")
    return list(items[:-1]) if items else NilSlice()


def reverse(values: Any) -> list[Any]:
    """A copy, last item first."""
    return list(reversed(require_list(values, "Cannot find reverse on type")))


def compact(values: Any) -> list[Any]:
    """The items that are not empty."""
    return [item for item in require_list(values, "Cannot compact on type") if not is_empty(item)]


def uniq(values: Any) -> list[Any]:
    """Each item once, by DeepEqual."""
    seen: set[Any] = set()
    kept: list[Any] = []
    for item in require_list(values, "Cannot find uniq on type"):
        identity = item if type(item) is str else _identity(item)
        if identity not in seen:
            seen.add(identity)
            kept.append(item)
    return kept


def without(values: Any, *omitted: Any) -> list[Any]:
    """The items that equal none of the omitted."""
    return [
        item for item in require_list(values, "Cannot find without on type") if not _is_among(item, omitted)
    ]


def has(needle: Any, haystack: Any) -> bool:
    """Whether an item equals the needle by DeepEqual."""
    return haystack is not None and _is_among(needle, require_list(haystack, "Cannot find has on type"))


def slice_of(values: Any, *indices: Any) -> Any:
    """list[start:end], of the same type; nil of an empty list."""
    items = require_list(values, "list should be type of slice or array but")
    if not items:
        return None
    start = to_int64(indices[0]) if indices else 0
    end = to_int64(indices[1]) if len(indices) > 1 else len(items)
    if not 0 <= start <= end <= len(items):
        raise FunctionError("reflect.Value.Slice: slice index out of bounds")
    part = items[start:end]
    return part if type(items) is list else type(items)(part)


@function("concat", "...any")
def concat(*lists: Any) -> list[Any]:
    if not lists:
        return NilSlice()
    joined: list[Any] = []
    for values in lists:
        if isinstance(values, list):
            check_items("concat", len(joined) + len(values))
            joined.extend(values)
        else:
            joined.extend(_concat_other(values))
    return joined or NilSlice()


def chunk(size: int, values: Any) -> SliceOfSlices:
    """Lists of at most `size` items."""
    items = require_list(values, "Cannot chunk type")
    if size <= 0:
        # Go computes the number of chunks in floats, and some negative sizes get through.
        if len(items) == 1 and size < -1:
            return SliceOfSlices([list(items)])
        if size and (len(items) - 1) // size + 1 == 0:
            return SliceOfSlices()
        raise FunctionError("runtime error: makeslice: len out of range")
    return SliceOfSlices(list(items[start : start + size]) for start in range(0, len(items), size))


def _identity(value: Any, depth: int = 0) -> Any:
    """Something hashable that is equal for two values when DeepEqual says so: one pass instead of all pairs."""
    kind = type(value)
    if isinstance(value, dict):
        check_depth(depth)
        return kind, frozenset([(key, _identity(item, depth + 1)) for key, item in value.items()])
    if isinstance(value, list):
        check_depth(depth)
        return kind, tuple([_identity(item, depth + 1) for item in value])
    return kind, value if value == value else object()


def _is_among(needle: Any, items: Sequence[Any]) -> bool:
    # Strings equal strings only, in both languages; numbers must not meet their like of another type.
    if type(needle) is str:
        return needle in items
    return any(deep_equal(needle, item) for item in items)


def _concat_other(values: Any) -> list[Any]:
    try:
        return require_list(values, "Cannot concat type")
    except FunctionError as error:
        text = str(error)
        raise FunctionError(f"{text} as list" if text.startswith("Cannot") else text) from None


def _both(name: str, call: Callable[..., Any], *params: str, returns: str = "[]any") -> list[Function]:
    plain = function(name, *params, returns=returns)(call)
    must_name = "must" + name[0].upper() + name[1:]
    return [plain, Function(must_name, call, plain.params, plain.variadic, returns)]


FUNCTIONS = table(
    new_list,
    Function("tuple", new_list.call, new_list.params, new_list.variadic, new_list.returns),
    concat,
    *_both("append", append, "any", "any"),
    *_both("push", append, "any", "any"),
    *_both("prepend", prepend, "any", "any"),
    *_both("first", first, "any", returns="any"),
    *_both("last", last, "any", returns="any"),
    *_both("rest", rest, "any"),
    *_both("initial", initial, "any"),
    *_both("reverse", reverse, "any"),
    *_both("compact", compact, "any"),
    *_both("uniq", uniq, "any"),
    *_both("without", without, "any", "...any"),
    *_both("has", has, "any", "any", returns="bool"),
    *_both("slice", slice_of, "any", "...any", returns="any"),
    *_both("chunk", chunk, "int", "any", returns="[][]any"),
)
