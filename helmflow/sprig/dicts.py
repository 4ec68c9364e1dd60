"""Dict functions: dict, get, set, pick, omit, dig, merge by mergo's rules, deepCopy."""

from __future__ import annotations

from helmflow.core import shared
from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.gotypes import GoObject, NamedMap, NilMap, PlainMap, StringMap, StringSlice
from helmflow.gotemplate.values import type_of
from helmflow.sprig.conversion import check_depth, is_empty, strval

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Dict = dict[str, Any]

_PLAIN = frozenset((str, float, int, bool, type(None)))


class MergeConflict(Exception):
    """mergo met two values that it will not merge; `merge` then answers "", `mustMerge` fails."""


@function("dict", "...any", returns="map[string]any")
def new_dict(*items: Any) -> Dict:
    made: Dict = {}
    count = len(items)
    for index in range(0, count, 2):
        key = items[index]
        made[key if type(key) is str else strval(key)] = items[index + 1] if index + 1 < count else ""
    return made


@function("get", "map[string]any", "string")
def get(mapping: Dict, key: str) -> Any:
    return mapping.get(key, "")


@function("set", "map[string]any", "string", "any", returns="map[string]any")
def set_key(mapping: Dict, key: str, value: Any) -> Dict:
    if type(mapping) is NilMap:
        raise FunctionError("assignment to entry in nil map")
    _store(mapping, key, value)
    return _unnamed(mapping)


@function("unset", "map[string]any", "string", returns="map[string]any")
def unset(mapping: Dict, key: str) -> Dict:
    if key in mapping:
        both = _twins(mapping)
        for each in both:
            shared.change(each)
        for each in both:
            del each[key]
    return _unnamed(mapping)


@function("hasKey", "map[string]any", "string", returns="bool")
def has_key(mapping: Dict, key: str) -> bool:
    return key in mapping


@function("pluck", "string", "...map[string]any", returns="[]any")
def pluck(key: str, *mappings: Dict) -> list[Any]:
    return [mapping[key] for mapping in mappings if key in mapping]


@function("keys", "...map[string]any", returns="[]string", random=True)
def keys(*mappings: Dict) -> StringSlice:
    return StringSlice(key for mapping in mappings for key in mapping)


@function("values", "map[string]any", returns="[]any", random=True)
def values(mapping: Dict) -> list[Any]:
    return list(mapping.values())


@function("pick", "map[string]any", "...string", returns="map[string]any")
def pick(mapping: Dict, *wanted: str) -> Dict:
    return {key: mapping[key] for key in wanted if key in mapping}


@function("omit", "map[string]any", "...string", returns="map[string]any")
def omit(mapping: Dict, *unwanted: str) -> Dict:
    return {key: value for key, value in mapping.items() if key not in unwanted}


@function("dig", "...any")
def dig(*steps: Any) -> Any:
    if len(steps) < 3:
        raise FunctionError("dig needs at least three arguments")
    *path, default, found = steps
    if not _is_plain(found):
        raise _conversion(found, "map[string]interface {}")
    for step in path:
        if type(step) is not str:
            raise _conversion(step, "string")
    for depth, step in enumerate(path):
        if depth and not _is_plain(found):
            raise _conversion(found, "map[string]interface {}")
        if step not in found:
            return default
        found = found[step]
    return found


@function("merge", "map[string]any", "...map[string]any")
def merge(target: Dict, *sources: Dict) -> Any:
    return _merged_or_empty(target, sources, _fill)


@function("mergeOverwrite", "map[string]any", "...map[string]any")
def merge_overwrite(target: Dict, *sources: Dict) -> Any:
    return _merged_or_empty(target, sources, _overwrite)


@function("mustMerge", "map[string]any", "...map[string]any")
def must_merge(target: Dict, *sources: Dict) -> Any:
    return _merged(target, sources, _fill)


@function("mustMergeOverwrite", "map[string]any", "...map[string]any")
def must_merge_overwrite(target: Dict, *sources: Dict) -> Any:
    return _merged(target, sources, _overwrite)


def deep_copy(value: Any) -> Any:
    """A copy that shares no map and no list."""
    if value is None:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    return _copied(value, 0)


def _copied(value: Any, depth: int) -> Any:
    check_depth(depth)
    if isinstance(value, GoObject) and not isinstance(value, (dict, list)):
        return value.deep_copy()
    kind = type(value)
    if kind is dict:
        return {
            key: item if type(item) in _PLAIN else _copied(item, depth + 1) for key, item in value.items()
        }
    if kind is list:
        return [item if type(item) in _PLAIN else _copied(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return kind({key: _copied(item, depth + 1) for key, item in value.items()})
    return kind([_copied(item, depth + 1) for item in value]) if isinstance(value, list) else value


def _conversion(found: Any, wanted: str) -> FunctionError:
    name = "nil" if found is None else type_of(found)
    return FunctionError(f"interface conversion: interface {{}} is {name}, not {wanted}")


def _merged_or_empty(target: Dict, sources: tuple[Dict, ...], into: Any) -> Any:
    try:
        return _merged_all(target, sources, into)
    except MergeConflict:
        return ""


def _merged(target: Dict, sources: tuple[Dict, ...], into: Any) -> Dict:
    try:
        return _merged_all(target, sources, into)
    except MergeConflict as conflict:
        raise FunctionError(str(conflict)) from None


def _merged_all(target: Dict, sources: tuple[Dict, ...], into: Any) -> Dict:
    for source in sources:
        if type(target) is NilMap and type(source) is not NilMap:
            target = {}
        into(target, source, 0)
    return _unnamed(target)


def _fill(target: Dict, source: Dict, depth: int) -> None:
    """The target's values win unless they are empty; a map that the target lacks is shared with the source."""
    for key, value in source.items():
        if value is None:
            continue
        found = target.get(key) if key in target else None
        if isinstance(value, (dict, GoObject)) and found is not None:
            _descend(found, value, _fill, depth + 1)
        if is_empty(found):
            _put(target, key, value)


def _overwrite(target: Dict, source: Dict, depth: int) -> None:
    """The source's values win, empty or nil; two maps merge."""
    for key, value in source.items():
        found = target.get(key) if key in target else None
        if isinstance(value, (dict, GoObject)) and found is not None:
            _descend(found, value, _overwrite, depth + 1)
            if found and isinstance(found, dict) and isinstance(value, dict):
                continue
        _put(target, key, value)


def _descend(found: Any, value: Any, into: Any, depth: int) -> None:
    check_depth(depth)
    if isinstance(found, dict):
        if isinstance(value, dict):
            into(found, value, depth)
    elif isinstance(found, GoObject):
        _compare_objects(found, value)


def _compare_objects(found: GoObject, value: Any) -> None:
    """Two objects stay as they are; mergo gives up where a map meets one."""
    if isinstance(value, GoObject):
        return
    if found.go_kind == "ptr":
        raise MergeConflict("src and dst must be of same type")
    if found.go_fields:
        raise FunctionError("reflect: call of reflect.Value.Field on map Value")


def _put(target: Dict, key: str, value: Any) -> None:
    if type(target) is StringMap and type(value) is not str:
        raise FunctionError(
            "reflect.Value.SetMapIndex: value of type interface {} is not assignable to type string"
        )
    _store(target, key, value)


def _store(mapping: Dict, key: str, value: Any) -> None:
    both = _twins(mapping)
    for each in both:  # neither of them where one is shared
        shared.change(each, value)
    for each in both:
        each[key] = value


def _twins(mapping: Dict) -> tuple[Dict, ...]:
    """The map, and itself under its other type."""
    twin = None if type(mapping) is dict else getattr(mapping, "twin", None)
    return (mapping,) if twin is None else (mapping, twin)


def _unnamed(mapping: Dict) -> Dict:
    """Go passes .Values on as a plain map, and that is what a function gives back: the same one, without its name."""
    return mapping if type(mapping) is dict or not isinstance(mapping, NamedMap) else mapping.unnamed()


def _is_plain(value: Any) -> bool:
    return type(value) is dict or isinstance(value, (PlainMap, NilMap))


FUNCTIONS = table(
    new_dict,
    get,
    set_key,
    unset,
    has_key,
    pluck,
    keys,
    values,
    pick,
    omit,
    dig,
    merge,
    merge_overwrite,
    must_merge,
    must_merge_overwrite,
    Function("deepCopy", deep_copy, ("any",)),
    Function("mustDeepCopy", deep_copy, ("any",)),
)
