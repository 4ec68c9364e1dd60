"""YAML text to values: Helm's reading through JSON (every number a float, keys text) and Helmfile's native one."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from helmflow.core.limits import MAX_YAML_DEPTH
from helmflow.core.yaml_nodes import RawNode, YamlError, as_go_scans, documents, encoded
from helmflow.core.yaml_scalars import HINTED, parse_timestamp, resolve_v2, resolve_v3

_MISSING: Final = object()
_TAG: Final = "tag:yaml.org,2002:"
_NO_KEY: Final = object()
_MERGE: Final = "<<"  # as an object: a quoted "<<" is a key like any other
_MEMO_LIMIT: Final = 20_000
_MANY_COPIES: Final = 10_000  # nodes that aliases repeat; beyond that Go's own accounting decides
_PREFIX: Final = "error converting YAML to JSON: "

_values: dict[str, Any] = {}  # plain scalar -> value, for scalars whose first character is hinted
_integers: dict[str, Any] = {}  # the same for `load_integers`
_keys: dict[str, str] = {}  # plain key -> its text in JSON


def load(text: str | bytes, *, name: str = "", into: str = "any") -> Any:
    """The first document, read as sigs.k8s.io/yaml reads it into interface {}: None for no document.

    `into` names the Go type it must fit ("any", "map[string]interface {}" or "[]interface {}"; null fits all).
    Raises YamlError with Go's text ("error converting YAML to JSON: yaml: line 3: ...") and `name` as its source.
    """
    try:
        return _fitting(_document(encoded(text)), into)
    except YamlError as error:
        error.name = name
        raise


def _document(data: bytes) -> Any:
    """The first document, the fast way where it is a usual one."""
    try:
        return _fast_document(as_go_scans(data), _values, _remember)
    except _Unusual:
        return _careful_document(data)


def _fitting(value: Any, into: str) -> Any:
    """The value, refused where Go's type cannot hold it."""
    if (
        into != "any"
        and value is not None
        and not isinstance(value, dict if into.startswith("map") else list)
    ):
        kind = _JSON_KINDS[type(value)]
        raise YamlError(
            f"error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type {into}"
        )
    return value


_JSON_KINDS: Final = {str: "string", float: "number", bool: "bool", list: "array", dict: "object"}


def load_all(text: str | bytes) -> Iterator[Any]:
    """Every document, each read as `load` reads one."""
    try:
        for root in documents(text):
            yield _JsonDecoder().decode(root)
    except YamlError as error:
        raise YamlError(_PREFIX + str(error), line=error.line) from None


def load_integers(text: str | bytes) -> Any:
    """The first document as `load` reads it, but ints stay int: what Go makes text of in a string field."""
    data = encoded(text)
    try:
        return _fast_document(as_go_scans(data), _integers, _remember_integer)
    except _Unusual:
        return _careful_document(data, scalar=_unchanged)


def load_native(text: str | bytes) -> Any:
    """The first document as go-yaml v3 reads it: ints stay int, yes and on stay text, dates are datetimes."""
    for root in documents(text):
        return NativeDecoder().decode(root)
    return None


def load_native_all(text: str | bytes) -> Iterator[Any]:
    """Every document, each read as `load_native` reads one."""
    for root in documents(text):
        yield NativeDecoder().decode(root)


class _Unusual(Exception):
    """The document has tags, odd merges or keys, many aliases or mistakes: the careful way reads it."""


def _fast_document(data: bytes, values: dict[str, Any], remember: Callable[[str], Any]) -> Any:
    """Events straight into values; anything unusual is left to the careful way.

    `values` are those of plain scalars, and `remember` adds one.
    """
    from yaml import _yaml, events
    from yaml.error import YAMLError

    parser = _yaml.CParser(data)
    try:
        return _build(parser.get_event, events, values, remember)
    except YAMLError:
        raise _Unusual from None
    finally:
        parser.dispose()


def _build(
    next_event: Callable[[], Any], events: Any, values: dict[str, Any], remember: Callable[[str], Any]
) -> Any:
    """One loop over the events: the hottest one of reading values, hence in one piece."""
    scalar, mapping, sequence = events.ScalarEvent, events.MappingStartEvent, events.SequenceStartEvent
    mapping_end, sequence_end = events.MappingEndEvent, events.SequenceEndEvent
    keys, hinted, missing, no_key, merge = _keys, HINTED, _MISSING, _NO_KEY, _MERGE
    stack: list[Any] = []
    push, pop = stack.append, stack.pop
    current: Any = None
    key: Any = no_key
    listing = True
    root: list[Any] = []
    current = root
    anchors: dict[str, Any] = {}
    copied = 0
    flow_at = 0  # how deep the outermost collection in braces or brackets is, 0 outside
    while True:
        event = next_event()
        kind = type(event)
        if kind is scalar:
            if event.tag is not None:
                raise _Unusual
            value = event.value
            if (flow_at and "?" in value) or key is merge:
                raise _Unusual
            if listing or key is not no_key:
                if event.implicit[0]:
                    if not value:
                        value = None
                    elif value[0] in hinted:
                        found = values.get(value, missing)
                        value = remember(value) if found is missing else found
                if event.anchor is not None:
                    anchors[event.anchor] = value
                if listing:
                    current.append(value)
                else:
                    current[key] = value
                    key = no_key
            elif event.anchor is not None:
                raise _Unusual
            elif event.implicit[0]:
                found = keys.get(value)
                key = _remember_key(value) if found is None else found
            else:
                key = value if value != merge else "".join(("<", "<"))
        elif kind is mapping or kind is sequence:
            if event.tag is not None or key is merge:
                raise _Unusual
            made: Any = {} if kind is mapping else []
            if event.anchor is not None:
                anchors[event.anchor] = made
            if listing:
                current.append(made)
            elif key is no_key:
                raise _Unusual
            else:
                current[key] = made
            push(current)
            if not flow_at and event.flow_style:
                flow_at = len(stack)
            current = made
            key = no_key
            listing = kind is sequence
        elif kind is mapping_end or kind is sequence_end:
            if len(stack) == flow_at:
                flow_at = 0
            current = pop()
            listing = type(current) is list
        elif kind is events.DocumentStartEvent:
            if event.version is not None:
                raise _Unusual
        elif kind is events.DocumentEndEvent or kind is events.StreamEndEvent:
            return root[0] if root else None
        elif kind is events.AliasEvent:
            target = anchors.get(event.anchor, missing)
            if target is missing or (key is no_key and not listing) or any(target is one for one in stack):
                raise _Unusual
            value, size = _copied(target) if target is not current else (None, _MANY_COPIES)
            copied += size
            if copied >= _MANY_COPIES:
                raise _Unusual
            if listing:
                current.append(value)
            elif key is not merge:
                current[key] = value
            elif type(value) is dict:
                current.update(value)
            else:
                raise _Unusual
            key = no_key
        elif kind is not events.StreamStartEvent:
            raise _Unusual
        if len(stack) > MAX_YAML_DEPTH:
            raise _Unusual


def _copied(value: Any) -> tuple[Any, int]:
    """A value of its own for an alias, and how many nodes it has."""
    if type(value) is dict:
        made: dict[str, Any] = {}
        size = 1
        for key, item in value.items():
            made[key], inner = _copied(item)
            size += inner + 1
        return made, size
    if type(value) is list:
        pairs = [_copied(item) for item in value]
        return [item for item, _ in pairs], 1 + sum(inner for _, inner in pairs)
    return value, 1


def _remember(text: str) -> Any:
    """The JSON value of a plain scalar, memoised."""
    return _memoised(text, _as_json(resolve_v2(text)), _values)


def _remember_integer(text: str) -> Any:
    """The same, but ints stay int."""
    return _memoised(text, resolve_v2(text), _integers)


def _memoised(text: str, value: Any, known: dict[str, Any]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise _Unusual
    if len(known) > _MEMO_LIMIT:
        known.clear()
    known[text] = value
    return value


def _remember_key(text: str) -> str:
    """The JSON text of a plain key, memoised."""
    if text == _MERGE:
        key = _MERGE
    elif text and text[0] not in HINTED:
        key = text
    else:
        try:
            key = json_key(resolve_v2(text))
        except YamlError:
            raise _Unusual from None
    if len(_keys) > _MEMO_LIMIT:
        _keys.clear()
    _keys[text] = key
    return key


def _as_json(value: Any) -> Any:
    """A resolved scalar after its way through JSON: ints become float."""
    return float(value) if type(value) is int else value


def json_key(key: Any) -> str:
    """A mapping key as sigs.k8s.io/yaml writes it into JSON."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int) and -(1 << 63) <= key < (1 << 63):
        return str(key)
    if isinstance(key, float):
        return _float32_text(key)
    raise YamlError(f"unsupported map key of type: {go_type(key)}, key: {_shown(key)}, value: ")


def _float32_text(value: float) -> str:
    """strconv.FormatFloat(value, 'g', -1, 32) with YAML's names of the specials."""
    from helmflow.core.go_json import format_float32

    if math.isnan(value):
        return ".nan"
    text = format_float32(value)
    return {"+Inf": ".inf", "-Inf": "-.inf"}.get(text, text)


def go_type(value: Any) -> str:
    """The Go type of a decoded value, as %s of reflect.TypeOf prints it."""
    if value is None:
        return "%!s(<nil>)"
    names = {bool: "bool", int: "int", float: "float64", str: "string", list: "[]interface {}"}
    if type(value) is int and value >= 1 << 63:
        return "uint64"
    return names.get(type(value), "map[interface {}]interface {}")


def go_syntax(value: Any) -> str:
    """The value as Go's %#v prints it."""
    from helmflow.core.go_json import format_float, go_quote

    if value is None:
        return "interface {}(nil)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value < 1 << 63 else hex(value)
    if isinstance(value, float):
        return format_float(value)
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(go_syntax, value)) + "}"
    if not isinstance(value, dict):
        return _moment_syntax(value)
    pairs = ", ".join(f"{go_syntax(key)}:{go_syntax(item)}" for key, item in value.items())
    return "map[interface {}]interface {}{" + pairs + "}"


def _moment_syntax(value: Any) -> str:
    """A time.Time as Go's %#v prints it."""
    zone = "time.UTC" if not value.utcoffset() else 'time.Location("")'
    parts = f"{value.day}, {value.hour}, {value.minute}, {value.second}, {value.microsecond * 1000}"
    return f"time.Date({value.year}, time.{value:%B}, {parts}, {zone})"


def _shown(value: Any) -> str:
    """%+#v of an interface: a nil of its own prints differently from one inside a map."""
    return "<nil>" if value is None else go_syntax(value)


def _careful_document(data: bytes, *, scalar: Callable[[Any], Any] = _as_json) -> Any:
    """The first document through nodes, with Go's order of effects and its error texts."""
    try:
        for root in documents(data):
            return _through_json(_Decoder().decode(root), scalar=scalar)
    except YamlError as error:
        raise YamlError(_PREFIX + str(error), line=error.line) from None
    return None


class _Decoder:
    """go-yaml's decoder into interface {}: order of keys, merges and alias accounting are its own."""

    duplicates_fail = False
    resolve: Callable[[str], Any] = staticmethod(resolve_v2)

    def __init__(self) -> None:
        self.decoded = 0
        self.aliased = 0
        self.alias_depth = 0
        self.open_aliases: set[int] = set()
        self.depth = 0
        self.mistakes: list[str] = []

    def decode(self, root: RawNode) -> Any:
        """The value of a document."""
        value = self.value(root)
        if self.mistakes:
            raise YamlError("yaml: unmarshal errors:\n  " + "\n  ".join(self.mistakes))
        return value

    def value(self, node: RawNode) -> Any:
        """The value of a node."""
        self.count()
        if node.kind == "scalar":
            return self.scalar(node)
        if node.kind == "alias":
            return self.follow(node, self.value)
        self.depth += 1
        value = self.collection(node)
        self.depth -= 1
        return value

    def collection(self, node: RawNode) -> Any:
        """A sequence or mapping."""
        if node.kind == "sequence":
            return [self.value(child) for child in node.children]
        out: dict[Any, Any] = {}
        self.fill(node, out)
        return out

    def follow(self, node: RawNode, visit: Callable[[RawNode], Any]) -> Any:
        """Decode an alias's target again, as Go does: every use is a value of its own."""
        target = node.target
        assert target is not None
        if id(target) in self.open_aliases or _contains(target, node):
            raise YamlError(f"yaml: anchor '{node.value}' value contains itself")
        self.open_aliases.add(id(target))
        self.alias_depth += 1
        value = visit(target)
        self.alias_depth -= 1
        self.open_aliases.discard(id(target))
        return value

    def count(self) -> None:
        """go-yaml's bound on what aliases may expand to."""
        self.decoded += 1
        if self.alias_depth:
            self.aliased += 1
            if self.aliased > 100 and self.decoded > 1000 and self.aliased / self.decoded > self.allowed():
                raise YamlError("yaml: document contains excessive aliasing")

    def allowed(self) -> float:
        """The share of decoded nodes that may come from aliases."""
        low, high = 400_000, 4_000_000
        if self.decoded <= low:
            return 0.99
        if self.decoded >= high:
            return 0.10
        return 0.99 - 0.89 * (self.decoded - low) / (high - low)

    def scalar(self, node: RawNode) -> Any:
        """A scalar by its tag, or by its look when it is plain."""
        tag = node.tag
        if not tag or tag == "!":
            return type(self).resolve(node.value) if node.plain and not tag else node.value
        if not tag.startswith(_TAG):
            return node.value
        short = tag[len(_TAG) :]
        if short == "str":
            return node.value
        if short == "binary":
            return _binary(node.value)
        if short not in ("null", "bool", "int", "float", "timestamp"):
            return node.value
        if short == "timestamp":
            return self.timestamp(node)
        value = type(self).resolve(node.value)
        if short == "float" and type(value) is int:
            return float(value)
        if _resolved_tag(value, node.value) != short:
            raise YamlError(
                f"yaml: cannot decode !!{_resolved_tag(value, node.value)} `{node.value}` as a !!{short}"
            )
        return value

    def timestamp(self, node: RawNode) -> Any:
        """A scalar tagged as a timestamp; v2 hands out its text."""
        if parse_timestamp(node.value) is None:
            raise YamlError(f"yaml: cannot decode !!str `{node.value}` as a !!timestamp")
        return node.value

    def fill(self, node: RawNode, out: dict[Any, Any]) -> None:
        """Set a mapping's entries in `out`, later ones over earlier ones."""
        pairs = iter(node.children)
        for key_node, value_node in zip(pairs, pairs, strict=True):
            if is_merge(key_node):
                self.merge(value_node, out)
                continue
            key = self.value(key_node)
            if isinstance(key, (dict, list)):
                raise YamlError(f"yaml: invalid map key: {go_syntax(key)}", line=key_node.line + 1)
            self.set(out, key, value_node, key_node)

    def set(self, out: dict[Any, Any], key: Any, value_node: RawNode, key_node: RawNode) -> None:
        """Set one entry."""
        out[key] = self.value(value_node)

    def merge(self, node: RawNode, out: dict[Any, Any]) -> None:
        """A merge key's value: a mapping, an alias of one, or a list of these (earlier ones win)."""
        for source in reversed(node.children) if node.kind == "sequence" else (node,):
            target = source.target if source.kind == "alias" else source
            if target is None or target.kind != "mapping":
                raise YamlError(
                    "yaml: map merge requires map or sequence of maps as the value", line=node.line + 1
                )
            self.count()
            if source.kind == "alias":
                self.follow(source, lambda found: self.merge_from(found, out))
            else:
                self.merge_from(source, out)

    def merge_from(self, node: RawNode, out: dict[Any, Any]) -> None:
        """Bring one mapping's entries in."""
        self.fill(node, out)


class _JsonDecoder(_Decoder):
    """go-yaml v2, then through JSON: what Helm's values, charts and fromYaml are."""

    def decode(self, root: RawNode) -> Any:
        """The value of a document after JSON."""
        return _through_json(super().decode(root))


class NativeDecoder(_Decoder):
    """go-yaml v3: duplicate keys are mistakes and explicit keys win over merged ones."""

    resolve = staticmethod(resolve_v3)

    def timestamp(self, node: RawNode) -> Any:
        """A scalar tagged as a timestamp."""
        super().timestamp(node)
        return parse_timestamp(node.value)

    def fill(self, node: RawNode, out: dict[Any, Any]) -> None:
        """Explicit entries first; merges then add what is missing."""
        merges: list[RawNode] = []
        seen: dict[Any, int] = {}
        pairs = iter(node.children)
        for key_node, value_node in zip(pairs, pairs, strict=True):
            if is_merge(key_node):
                merges.append(value_node)
                continue
            key = self.value(key_node)
            if isinstance(key, (dict, list)):
                raise YamlError(f"yaml: invalid map key: {go_syntax(key)}", line=key_node.line + 1)
            mark = (type(key), key)
            if mark in seen:
                self.mistakes.append(
                    f'line {key_node.line + 1}: mapping key "{key_node.value}" already defined at line {seen[mark]}'
                )
            seen.setdefault(mark, key_node.line + 1)
            out[key] = self.value(value_node)
        for source in merges:
            self.merge(source, out)

    def merge(self, node: RawNode, out: dict[Any, Any]) -> None:
        """Merged entries never replace what is there."""
        merged: dict[Any, Any] = {}
        super().merge(node, merged)
        for key, value in merged.items():
            out.setdefault(key, value)

    def merge_from(self, node: RawNode, out: dict[Any, Any]) -> None:
        """One source of a merge; sources come last to first, so later calls win."""
        found: dict[Any, Any] = {}
        self.fill(node, found)
        out.update(found)


def is_merge(node: RawNode) -> bool:
    """Is this key `<<`, written plain or tagged so?"""
    return node.kind == "scalar" and node.value == "<<" and (node.plain or node.tag == _TAG + "merge")


def _contains(target: RawNode, alias: RawNode) -> bool:
    """Is `alias` inside the node it names?"""
    if target.kind == "scalar":
        return False
    start, end = (target.line, target.column), (target.end_line, target.end_column)
    return start <= (alias.line, alias.column) < end


def _unchanged(value: Any) -> Any:
    return value


def _through_json(value: Any, *, scalar: Callable[[Any], Any] = _as_json) -> Any:
    """What json.Marshal and json.Unmarshal make of go-yaml's value."""
    if type(value) is dict:
        out: dict[str, Any] = {}
        for key, item in value.items():
            try:
                text = json_key(key)
            except YamlError as error:
                raise YamlError(str(error) + _shown(item)) from None
            out[text] = _through_json(item, scalar=scalar)
        return out
    if type(value) is list:
        return [_through_json(item, scalar=scalar) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        from helmflow.core.go_json import format_float

        raise YamlError(f"json: unsupported value: {format_float(value)}")
    return scalar(value)


def _resolved_tag(value: Any, text: str) -> str:
    """go-yaml's short tag of a resolved value."""
    if value is None:
        return "null"
    names = {bool: "bool", int: "int", float: "float", str: "str"}
    return names.get(type(value), "timestamp")


def _binary(text: str) -> str:
    """The bytes of a !!binary scalar as a Go string."""
    try:
        data = base64.b64decode("".join(text.split("\n")).replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise YamlError("yaml: !!binary value contains invalid base64 data") from None
    return re.sub("[\udc80-\udcff]", "\ufffd", data.decode("utf-8", "surrogateescape"))
