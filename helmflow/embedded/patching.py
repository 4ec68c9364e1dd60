"""JSON patch, JSON merge patch and Kubernetes' strategic merge patch, on plain JSON values."""

from __future__ import annotations

import copy
from typing import Any, Final

from helmflow.embedded import merging
from helmflow.embedded.schema import Field, Schema
from helmflow.embedded.status import ApiError

Json = dict[str, Any]

_DIRECTIVES: Final = ("$patch", "$retainKeys")
_ORDER: Final = "$setElementOrder/"
_DELETE: Final = "$deleteFromPrimitiveList/"


def json_patch(document: Json, operations: Any) -> Json:
    """RFC 6902. Raises ApiError 422 for a failed operation, 400 for what is no patch."""
    if not isinstance(operations, list):
        raise ApiError(
            400, "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        )
    result: Any = copy.deepcopy(document)
    for operation in operations:
        result = _operate(result, operation)
    if not isinstance(result, dict):
        raise ApiError(422, "the server rejected our request due to an error in our request")
    return result


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


def strategic_merge(original: Json, patch: Json, schema: Schema) -> Json:
    """Strategic merge patch: lists merge by key where the type says so, directives included."""
    merged = _merge_map(original, patch, schema)
    return merged or {}


def _operate(document: Any, operation: Json) -> Any:
    name = operation.get("op")
    path = operation.get("path", "")
    if name in ("add", "replace"):
        return _put(document, _tokens(path), copy.deepcopy(operation.get("value")), name)
    if name == "remove":
        return _take(document, _tokens(path), path)[0]
    if name == "move":
        rest, value = _take(document, _tokens(operation["from"]), operation["from"])
        return _put(rest, _tokens(path), value, "add")
    if name == "copy":
        return _put(
            document,
            _tokens(path),
            copy.deepcopy(_look(document, _tokens(operation["from"]), operation["from"])),
            "add",
        )
    if name == "test":
        try:
            found = _look(document, _tokens(path), path)
        except ApiError:
            found = None
        if found != operation.get("value"):
            raise _failed(f"testing value {path} failed: test failed")
        return document
    raise _failed(f"Unexpected kind: {name}")


def _tokens(path: str) -> list[str]:
    return [t.replace("~1", "/").replace("~0", "~") for t in path.split("/")[1:]]


def _look(document: Any, tokens: list[str], path: str) -> Any:
    for token in tokens:
        try:
            document = document[int(token)] if isinstance(document, list) else document[token]
        except (KeyError, IndexError, ValueError, TypeError):
            raise _failed(f"unable to find path: {path}: missing path") from None
    return document


def _put(document: Any, tokens: list[str], value: Any, operation: str) -> Any:
    if not tokens:
        return value
    path = "/" + "/".join(tokens)
    parent = _look(document, tokens[:-1], path) if tokens[:-1] else document
    last = tokens[-1]
    if isinstance(parent, list):
        index = len(parent) if last == "-" else _index(last, path)
        if index > len(parent) or (operation == "replace" and index == len(parent)):
            raise _failed(f"{operation} operation does not apply: doc is missing path: {path}: missing value")
        if operation == "replace":
            parent[index] = value
        else:
            parent.insert(index, value)
    elif isinstance(parent, dict):
        if operation == "replace" and last not in parent:
            raise _failed(f"replace operation does not apply: doc is missing key: {path}: missing value")
        parent[last] = value
    else:
        raise _failed(f"{operation} operation does not apply: doc is missing path: {path}: missing value")
    return document


def _take(document: Any, tokens: list[str], path: str) -> tuple[Any, Any]:
    parent = _look(document, tokens[:-1], path)
    try:
        value = parent.pop(int(tokens[-1])) if isinstance(parent, list) else parent.pop(tokens[-1])
    except (KeyError, IndexError, ValueError, AttributeError):
        raise _failed(
            f"remove operation does not apply: doc is missing path: {path}: missing value"
        ) from None
    return document, value


def _index(token: str, path: str) -> int:
    try:
        return int(token)
    except ValueError:
        raise _failed(
            f"add operation does not apply: {path}: strconv.Atoi: parsing {token!r}: invalid syntax"
        ) from None


def _failed(why: str) -> ApiError:
    return ApiError(
        422, f"the server rejected our request due to an error in our request: {why}", reason="Invalid"
    )


def _merge_map(original: Json, patch: Json, schema: Schema | None) -> Json | None:
    directive = patch.get("$patch")
    if directive == "replace":
        return dict(_strip(patch))
    if directive == "delete":
        return None
    out = dict(original)
    keep = patch.get("$retainKeys")
    if keep is not None:
        out = {k: v for k, v in out.items() if k in keep}
    for key, value in patch.items():
        if key in _DIRECTIVES or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE):
            name = key[len(_DELETE) :]
            if isinstance(out.get(name), list):
                out[name] = [v for v in out[name] if v not in value]
            continue
        field = schema.fields.get(key) if schema is not None else None
        if value is None:
            out.pop(key, None)
            continue
        merged = _merge_value(out.get(key), value, field, schema, patch.get(_ORDER + key))
        if merged is None:
            out.pop(key, None)
        else:
            out[key] = merged
    for key, order in patch.items():
        if key.startswith(_ORDER):
            name = key[len(_ORDER) :]
            field = schema.fields.get(name) if schema is not None else None
            if isinstance(out.get(name), list) and field is not None:
                out[name] = _ordered(out[name], order, original.get(name) or [], field.merge_key)
    return out


def _merge_value(mine: Any, theirs: Any, field: Field | None, schema: Schema | None, order: Any) -> Any:
    below = field.schema if field is not None else (schema.element if schema is not None else None)
    if isinstance(theirs, dict):
        if field is not None and field.strategy == "replace":
            return _strip(theirs)
        return _merge_map(mine if isinstance(mine, dict) else {}, theirs, below)
    if isinstance(theirs, list):
        strategies = field.strategy.split(",") if field is not None else []
        if "merge" in strategies and field is not None and below is not None:
            return _merge_list(mine if isinstance(mine, list) else [], theirs, field.merge_key, below.item)
        return [_strip(v) for v in theirs]
    return theirs


def _merge_list(mine: list[Any], theirs: list[Any], key: str, item: Schema | None) -> list[Any]:
    if any(isinstance(v, dict) and v.get("$patch") == "replace" for v in theirs):
        return [_strip(v) for v in theirs if not (isinstance(v, dict) and v.get("$patch") == "replace")]
    if not key:
        return list(dict.fromkeys([*mine, *theirs]))
    out = list(mine)
    for value in theirs:
        if not isinstance(value, dict):
            raise ApiError(400, "unable to merge patch into a list of maps: element is not a map")
        directive = value.get("$patch")
        if key not in value:
            shown = merging.go_text(value)
            raise ApiError(500, f"map: {shown} does not contain declared merge key: {key}", reason="")
        at = next((n for n, v in enumerate(out) if isinstance(v, dict) and v.get(key) == value[key]), None)
        if directive == "delete":
            out = [v for v in out if not (isinstance(v, dict) and v.get(key) == value[key])]
        elif at is None:
            made = _merge_map({}, value, item)
            if made is not None:
                out.append(made)
        else:
            merged = _merge_map(out[at], value, item)
            if merged is not None:
                out[at] = merged
    return _ordered(out, [v for v in theirs if "$patch" not in v], mine, key)


def _ordered(merged: list[Any], order: list[Any], server: list[Any], key: str) -> list[Any]:
    """What the patch names in the patch's order; what only the server has keeps its place where both know one."""

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    def place(items: list[Any], item: Any) -> int:
        return next((n for n, i in enumerate(items) if identity(i) == identity(item)), -1)

    mine = sorted((m for m in merged if place(order, m) >= 0), key=lambda m: place(order, m))
    others = sorted((m for m in merged if place(order, m) < 0), key=lambda m: place(server, m))
    out: list[Any] = []
    while mine and others:
        left, right = place(server, others[0]), place(server, mine[0])
        out.append(others.pop(0) if 0 <= left < right else mine.pop(0))
    return [*out, *mine, *others]


def _strip(value: Any) -> Any:
    """A patch value without its directives, nulls dropped, as if merged into nothing."""
    if isinstance(value, dict):
        return {
            k: _strip(v)
            for k, v in value.items()
            if k not in _DIRECTIVES and not k.startswith((_ORDER, _DELETE)) and v is not None
        }
    if isinstance(value, list):
        return [_strip(v) for v in value if not (isinstance(v, dict) and v.get("$patch") == "delete")]
    return value
