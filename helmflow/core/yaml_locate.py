"""YAML text to nodes that know their place, for decoding state files with every mistake at its line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from helmflow.core.records import dataclass
from helmflow.core.source import SourceText, Span
from helmflow.core.yaml_nodes import RawNode, YamlError, documents
from helmflow.core.yaml_read import NativeDecoder, is_merge


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value and where it stands. Aliases and merge keys are already followed.

    `value` is native data (as `load_native` gives it) for any kind; `text` is a scalar as written. `items` are a
    sequence's nodes, `entries` a mapping's (key node, value node) by key text, in order of writing.
    """

    kind: Literal["scalar", "sequence", "mapping"]
    span: Span
    value: Any
    text: str = ""
    items: tuple[Node, ...] = ()
    entries: dict[str, tuple[Node, Node]] | None = None

    def get(self, *path: str) -> Node | None:
        """The node at a path of keys, None where one is missing."""
        node: Node = self
        for key in path:
            found = (node.entries or {}).get(key)
            if found is None:
                return None
            node = found[1]
        return node


def locate(text: str | bytes, source: SourceText) -> Node | None:
    """The first document's node, None for an empty text. Raises YamlError as `load_native` does."""
    return next(locate_all(text, source), None)


def locate_all(text: str | bytes, source: SourceText) -> Iterator[Node]:
    """Every document's node."""
    for root in documents(text):
        decoder = NativeDecoder()
        value = decoder.decode(root)
        yield _node(root, value, source)


def _node(raw: RawNode, value: Any, source: SourceText) -> Node:
    """A node beside its decoded value."""
    span = _span(raw, source)
    while raw.kind == "alias":
        assert raw.target is not None
        raw = raw.target
    if raw.kind == "scalar":
        return Node("scalar", span, value, raw.value)
    if raw.kind == "sequence":
        pairs = zip(raw.children, value, strict=True)
        return Node("sequence", span, value, items=tuple(_node(child, item, source) for child, item in pairs))
    return Node("mapping", span, value, entries=_entries(raw, value, source))


def _entries(raw: RawNode, value: dict[Any, Any], source: SourceText) -> dict[str, tuple[Node, Node]]:
    """A mapping's entries, merged ones after its own."""
    out: dict[str, tuple[Node, Node]] = {}
    merges: list[RawNode] = []
    by_text = {_key_text(key): item for key, item in value.items()}
    pairs = iter(raw.children)
    for key_raw, value_raw in zip(pairs, pairs, strict=True):
        if is_merge(key_raw):
            merges.append(value_raw)
            continue
        key = NativeDecoder().value(key_raw)
        text = _key_text(key)
        key_node = Node("scalar", _span(key_raw, source), key, key_raw.value)
        out[text] = (key_node, _node(value_raw, by_text[text], source))
    for merge in merges:
        for part in merge.children if merge.kind == "sequence" else (merge,):
            target = part.target if part.kind == "alias" else part
            if target is None or target.kind != "mapping":
                raise YamlError("yaml: map merge requires map or sequence of maps as the value")
            for text, entry in _entries(target, NativeDecoder().value(target), source).items():
                out.setdefault(text, entry)
    return out


def _key_text(key: Any) -> str:
    """A mapping key as text, the way a field name is matched."""
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def _span(raw: RawNode, source: SourceText) -> Span:
    """libyaml's zero-based marks as a Span; its length covers one line at most."""
    length = (
        raw.end_column - raw.column if raw.end_line == raw.line and raw.kind in ("scalar", "alias") else 0
    )
    return Span(source, raw.line + 1, raw.column + 1, max(0, length))
