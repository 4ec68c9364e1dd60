"""State file text to checked blocks: every mistake with its place and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from helmflow.core import yaml_hints
from helmflow.core.errors import ConfigError, Mistake
from helmflow.core.records import dataclass, field
from helmflow.core.source import SourceText, Span
from helmflow.core.yaml_nodes import RawNode, YamlError, documents
from helmflow.core.yaml_read import NativeDecoder, is_merge
from helmflow.core.yaml_scalars import resolve_v3
from helmflow.state import merging
from helmflow.state.schema import MOVED, STATE, Block, ListOf, MapOf, OneOf, Scalar, Type

_MAX_NESTING = (
    200  # a state file's own structure is about six levels deep; values inside it have YAML's bound
)
_MOST_FOLLOWED = 100_000  # ten thousand releases that merge ten anchors each; a bomb has millions
RENAME = "only files whose name ends in .gotmpl are templates: rename the file to add .gotmpl"
_LARGEST = 2**63 - 1  # as in Go's int; also keeps .inf and .nan out
_HOW = {
    "a list": "begin each entry with a dash: - ...",
    "a map": "write KEY: VALUE, one per line",
    "a text": "write one value behind the colon",
}
_WRITE = {
    Scalar.FLAG: "write true or false",
    Scalar.NUMBER: "write a whole number, such as 5",
    Scalar.DECIMAL: "write a number, such as 0.5",
}
_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF"})


class Located(dict[str, Any]):
    """A block that knows where it was written."""

    __slots__ = ("node", "source")

    def __init__(self, values: Mapping[str, Any], node: RawNode, source: Text) -> None:
        super().__init__(values)
        self.node = node
        self.source = source

    def span(self, *path: str | int) -> Span:
        """The place of this block, or of what lies at `path` in it; the nearest that is written."""
        node = self.node
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            node = found
        return self.source.span(node)


def span_of(value: Any, *path: str | int) -> Span | None:
    """Where a block was written, None for one that no file wrote."""
    return value.span(*path) if isinstance(value, Located) else None


def _child(node: RawNode, step: str | int) -> RawNode | None:
    node = node.target if node.kind == "alias" and node.target is not None else node
    if isinstance(step, int):
        return node.children[step] if node.kind == "sequence" and step < len(node.children) else None
    for key, value in _pairs(node):
        if key.value == step:
            return value
    return None


def _pairs(node: RawNode) -> Iterator[tuple[RawNode, RawNode]]:
    if node.kind == "mapping":
        children = iter(node.children)
        yield from zip(children, children, strict=True)


@dataclass(frozen=True, slots=True)
class Text:
    """A text to read: its source as people know it, and by how many lines it starts below that source's start."""

    source: SourceText
    body: str
    line_offset: int = 0

    def span(self, node: RawNode) -> Span:
        """The place of a node."""
        length = node.end_column - node.column if node.end_line == node.line else 0
        return Span(self.source, node.line + 1 + self.line_offset, node.column + 1, max(0, length))


def read(text: Text, *, template: bool) -> dict[str, Any]:
    """The blocks of one part; several YAML documents in it merge, their lists joining.

    Raises ConfigError with every mistake. `template`: the text was rendered, so its mistakes may be the template's.
    """
    reader = _Reader(text)
    merged: dict[str, Any] = {}
    try:
        for root in documents(text.body):
            found = reader.document(root)
            joined = merging.blocks(STATE, merged, found, merging.Mode.APPEND) if merged else found
            merged = Located(joined, root, text) if merged and isinstance(found, Located) else joined
    except YamlError as error:
        raise _yaml_mistake(text, error, template=template) from None
    if reader.mistakes:
        raise ConfigError.collect(sorted(reader.mistakes, key=_place))
    return merged


def _place(mistake: Mistake) -> tuple[int, int]:
    return (mistake.span.line, mistake.span.column) if mistake.span else (0, 0)


def _yaml_mistake(text: Text, error: YamlError, *, template: bool) -> ConfigError:
    span = yaml_hints.place(error, text.source, text.line_offset)
    hint = RENAME if not template and "{{" in text.body else yaml_hints.hint(error, span)
    return ConfigError(str(error), error_id="state.yaml", span=span, hint=hint)


@dataclass(slots=True)
class _Reader:
    text: Text
    mistakes: list[Mistake] = field(default_factory=list)
    depth: int = 0
    visited: int = 0
    followed: int = 0

    def document(self, root: RawNode) -> dict[str, Any]:
        """The top-level block of a document; an empty document says nothing."""
        value = self.value(root, STATE, "the file")
        return value if isinstance(value, dict) else {}

    def follow(self) -> None:
        """Count what aliases and merges expand to: a bomb stops here."""
        self.followed += 1
        if self.followed > _MOST_FOLLOWED and self.followed * 10 > self.visited:
            raise YamlError("yaml: document contains excessive aliasing")

    def mistake(self, node: RawNode, message: str, error_id: str, hint: str = "") -> None:
        """Note a mistake and go on."""
        self.mistakes.append(Mistake(message, error_id, self.text.span(node), hint))

    def value(self, node: RawNode, kind: Type, what: str) -> Any:
        """A node as `kind`; None where it is null or wrong."""
        self.visited += 1
        if node.kind == "alias" and kind is not Scalar.ANY:
            assert node.target is not None
            self.follow()
            return self.nested(node.target, kind, what)
        if kind is Scalar.ANY or node.kind == "alias":
            return _native(node)
        if _is_null(node):
            return None
        return self.nested(node, kind, what)

    def nested(self, node: RawNode, kind: Type, what: str) -> Any:
        """One level deeper, with a bound that stops anchors that contain themselves."""
        self.depth += 1
        if self.depth > _MAX_NESTING:
            raise YamlError("yaml: document is nested too deeply for a state file", line=node.line + 1)
        try:
            match kind:
                case Scalar():
                    return (
                        self.value(node, kind, what)
                        if node.kind == "alias"
                        else self.scalar(node, kind, what)
                    )
                case ListOf():
                    return self.sequence(node, kind, what)
                case MapOf():
                    return self.mapping(node, kind, what)
                case OneOf():
                    return self.one_of(node, kind, what)
                case Block():
                    return self.block(node, kind, what)
        finally:
            self.depth -= 1

    def wrong(self, node: RawNode, wanted: str, what: str) -> None:
        """The node has another shape than its key takes."""
        found = {"scalar": "a single value", "sequence": "a list", "mapping": "a map"}.get(
            node.kind, node.kind
        )
        span = self.text.span(node)
        begins = span.source.line(span.line)[span.column - 1 :]
        hint = RENAME if begins.startswith("{{") else _HOW.get(wanted, "")
        self.mistake(node, f"{what} must be {wanted}, not {found}", "state.wrong-type", hint)

    def scalar(self, node: RawNode, kind: Scalar, what: str) -> Any:
        """A single value of a type."""
        if node.kind != "scalar":
            self.wrong(node, "a text" if kind is Scalar.TEXT else kind.value, what)
            return None
        if kind is Scalar.TEXT:
            return node.value
        resolved = resolve_v3(node.value) if node.plain else node.value
        if kind is Scalar.FLAG:
            if isinstance(resolved, bool):
                return resolved
            if node.plain and node.value in _TRUE | _FALSE:
                return node.value in _TRUE
        elif isinstance(resolved, (int, float)) and not isinstance(resolved, bool):
            if kind is Scalar.DECIMAL and abs(resolved) <= _LARGEST:
                return resolved
            if abs(resolved) <= _LARGEST and resolved == int(resolved):
                return int(resolved)
        unquoted = resolve_v3(node.value)
        right = isinstance(unquoted, bool) is (kind is Scalar.FLAG) and isinstance(unquoted, (int, float))
        hint = "write it without quotes" if not node.plain and right else _WRITE[kind]
        if "{{" in node.value:
            hint = "templates here need a file whose name ends in .gotmpl, or the ...Template key"
        self.mistake(node, f"{what} must be {kind.value}, not {node.value!r}", "state.wrong-type", hint)
        return None

    def sequence(self, node: RawNode, kind: ListOf, what: str) -> list[Any] | None:
        """A list; a single item where one may stand alone."""
        if node.kind != "sequence":
            if kind.single:
                single = self.value(node, kind.item, what)
                return [single] if single not in (None, "") else None
            self.wrong(node, "a list", what)
            return None
        items = [
            self.value(child, kind.item, f"{what}[{index}]") for index, child in enumerate(node.children)
        ]
        if isinstance(kind.item, (Block, OneOf)):
            return [item for item in items if item is not None]
        return ["" if item is None and kind.item is Scalar.TEXT else item for item in items]

    def mapping(self, node: RawNode, kind: MapOf, what: str) -> dict[str, Any] | None:
        """A map with free keys."""
        if node.kind != "mapping":
            self.wrong(node, "a map", what)
            return None
        if kind.item is Scalar.ANY:
            found: dict[str, Any] = _text_keys(_native(node))
            return found
        values: dict[str, Any] = {}
        for key, child in self.entries(node, what):
            item = self.value(child, kind.item, f"{what}.{key.value}")
            if item is None:
                item = "" if kind.item is Scalar.TEXT else {}
            values[key.value] = item
        return values

    def one_of(self, node: RawNode, kind: OneOf, what: str) -> Any:
        """A text or a block."""
        if node.kind == "scalar" and kind.text:
            return node.value
        if node.kind == "mapping" and kind.block is not None:
            value = self.value(node, kind.block, what)
            return Located(value, node, self.text) if isinstance(value, dict) else value
        if node.kind == "sequence" and kind.items is not None:
            return [self.value(child, kind.items, f"{what}[{i}]") for i, child in enumerate(node.children)]
        self.wrong(node, "a text or a map" if kind.block else "a text", what)
        return None

    def block(self, node: RawNode, kind: Block, what: str) -> Located | None:
        """A map with known keys; nulls count as not written."""
        if node.kind != "mapping":
            self.wrong(node, "a map", what)
            return None
        values: dict[str, Any] = {}
        for key, child in self.entries(node, what):
            name = key.value
            described = kind.keys.get(name)
            if described is None:
                self.unknown(key, kind)
                continue
            if described.rejected:
                self.mistake(key, f"`{name}` is not supported: {described.rejected}", "state.rejected-key")
                continue
            path = name if kind is STATE else f"{what}.{name}"
            value = self.value(child, described.type, path)
            if value is None:
                continue
            if described.choices and isinstance(value, str) and "{{" not in value:
                self.check_choice(child, value, described.choices, path)
            values[name] = value
        for name in kind.required:
            if name not in values:
                self.mistake(node, f"{what} needs `{name}`", "state.missing-key")
        return Located(values, node, self.text)

    def check_choice(self, node: RawNode, value: str, choices: tuple[str, ...], what: str) -> None:
        """A text outside of the few that a key takes."""
        if value not in choices:
            shown = ", ".join(choice or '""' for choice in choices)
            close = difflib.get_close_matches(value, choices, 1)
            hint = f"did you mean {close[0]!r}?" if close else ""
            self.mistake(node, f"{what} is {value!r}: it must be one of {shown}", "state.bad-choice", hint)

    def unknown(self, key: RawNode, kind: Block) -> None:
        """A key that the block does not have."""
        moved = MOVED.get((kind.name, key.value))
        close = difflib.get_close_matches(key.value, list(kind.keys), 1, 0.6)
        lowered = {name.lower(): name for name in kind.keys}.get(key.value.lower())
        guess = lowered or (close[0] if close else "")
        hint = moved or (f"did you mean {guess!r}?" if guess else "")
        where = "" if kind is STATE else f" in {kind.name}"
        self.mistake(key, f"unknown key {key.value!r}{where}", "state.unknown-key", hint)

    def entries(self, node: RawNode, what: str) -> list[tuple[RawNode, RawNode]]:
        """Keys and values with merge keys resolved: what is written here wins over what is merged in."""
        found: dict[str, tuple[RawNode, RawNode]] = {}
        merges: list[RawNode] = []
        for key, value in _pairs(node):
            if is_merge(key):
                merges.append(value)
            elif key.kind != "scalar":
                self.mistake(key, f"{what} has a key that is no text", "state.bad-key")
            elif key.value in found:
                first = found[key.value][0].line + 1 + self.text.line_offset
                self.mistake(
                    key, f"key {key.value!r} is already written at line {first}", "state.duplicate-key",
                    "remove one of them",
                )  # fmt: skip
            else:
                found[key.value] = (key, value)
        for merge in merges:
            for key, value in self.merged(merge, what):
                found.setdefault(key.value, (key, value))
        return list(found.values())

    def merged(self, node: RawNode, what: str) -> list[tuple[RawNode, RawNode]]:
        """What a merge key brings: a map, an alias of one, or a list of them whose first entries win."""
        self.depth += 1
        self.follow()
        if self.depth > _MAX_NESTING:
            raise YamlError("yaml: anchor contains itself", line=node.line + 1)
        try:
            node = node.target if node.kind == "alias" and node.target is not None else node
            if node.kind == "mapping":
                return self.entries(node, what)
            if node.kind == "sequence":
                found: dict[str, tuple[RawNode, RawNode]] = {}
                for child in node.children:
                    for key, value in self.merged(child, what):
                        found.setdefault(key.value, (key, value))
                return list(found.values())
            raise YamlError(
                "yaml: map merge requires map or sequence of maps as the value", line=node.line + 1
            )
        finally:
            self.depth -= 1


def _native(node: RawNode) -> Any:
    """The value of a node as Helmfile's YAML library reads it."""
    return NativeDecoder().decode(node)


def _is_null(node: RawNode) -> bool:
    return node.kind == "scalar" and node.plain and resolve_v3(node.value) is None


def _text_keys(value: Any) -> Any:
    """Maps with text keys all the way down, as Helmfile casts them."""
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else _key_text(key): _text_keys(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_text_keys(item) for item in value]
    return value


def _key_text(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def values_text(text: str | bytes, name: str) -> dict[str, Any]:
    """A values file's map; {} for an empty one. Raises ConfigError `values.yaml` or `values.not-a-map`."""
    from helmflow.core.yaml_read import load_native

    try:
        value = load_native(text)
    except YamlError as error:
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        span = yaml_hints.place(error, SourceText(name, shown))
        raise ConfigError(
            f"{name}: {error}", error_id="values.yaml", span=span, hint=yaml_hints.hint(error, span)
        ) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            f"{name} must be a map of values", error_id="values.not-a-map", span=Span(SourceText(name, ""), 0),
            hint="write KEY: VALUE lines; a list needs a key above it",
        )  # fmt: skip
    return _text_keys(value)  # type: ignore[no-any-return]
