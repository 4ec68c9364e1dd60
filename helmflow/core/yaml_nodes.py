"""YAML text to located nodes, with aliases and anchors, as go-yaml's parser composes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal

from helmflow.core.limits import MAX_YAML_DEPTH, MIB
from helmflow.core.records import dataclass, field


class YamlError(ValueError):
    """The text is not YAML, or not data. `str` is go-yaml's own text; `line` is 1-based, 0 when unknown.

    `name` says where the text came from, where the reader was told. `mark_line` and `mark_column` are where reading
    stopped, both from 1, 0 when unknown: go-yaml's own line is often the one before.
    """

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.name = ""
        self.mark_line = 0
        self.mark_column = 0


@dataclass(slots=True, eq=False)
class RawNode:
    """A node as written. `children` alternate key and value in a mapping; an alias has its `target`."""

    kind: Literal["scalar", "sequence", "mapping", "alias"]
    line: int
    column: int
    end_line: int = 0
    end_column: int = 0
    value: str = ""
    tag: str = ""
    plain: bool = False
    style: str = ""
    children: list[RawNode] = field(default_factory=list)
    target: RawNode | None = None
    anchor: str = ""


def documents(text: str | bytes) -> Iterator[RawNode]:
    """The root node of each document; raises YamlError when the parser reaches a mistake."""
    from yaml.error import MarkedYAMLError
    from yaml.reader import ReaderError

    data = as_go_scans(encoded(text))
    yielded = reread = 0
    while True:
        try:
            for number, root in enumerate(_parsed(data)):
                if number >= yielded:
                    yielded += 1
                    yield root
            return
        except MarkedYAMLError as cause:
            repaired = _without_escaped_quote(data, cause)
            reread += len(data)
            if repaired is None or reread > _MOST_REPAIRED:
                raise parse_error(cause) from None
            data = repaired
        except ReaderError as cause:
            raise YamlError(f"yaml: {cause.reason}") from None


def _parsed(data: bytes) -> Iterator[RawNode]:
    """The documents as libyaml finds them."""
    from yaml import _yaml

    parser = _yaml.CParser(data)
    try:
        while True:
            root = _compose(parser)
            if root is None:
                return
            yield root
    finally:
        parser.dispose()


def as_go_scans(data: bytes) -> bytes:
    """The text with what go-yaml's scanner takes differently written so that libyaml takes it in the same way.

    go-yaml knows no escape \\/, and lets a tag go on over commas and square brackets.
    """
    if b"\\/" not in data and not _BROAD_TAG.search(data):
        return data
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    for _ in range(min(_MOST_REWRITES, 1 + _MOST_REREAD // len(data))):
        at = _first_difference(text)
        if at is None:
            break
        is_escape = text[at] == "/"
        text = text[:at] + ("q" if is_escape else f"%{ord(text[at]):02X}") + text[at + 1 :]
        if is_escape:  # a mistake: nobody reads further
            break
    return text.encode()


_BROAD_TAG: Final = re.compile(rb"![^\s'\"!]*[,\[\]]")
_SLASH: Final = re.compile(r"(?s)(?:[^\\]|\\[^/])*?\\/")
_MOST_REWRITES: Final = 100
_MOST_REREAD: Final = MIB  # bytes in all: each time the text is read up to the place
_MOST_REPAIRED: Final = 64 * MIB  # the same for escapes of apostrophes, which are found one by one too


def _first_difference(text: str) -> int | None:
    """Where the first such place is, None where there is none."""
    from yaml import _yaml
    from yaml.error import YAMLError
    from yaml.scanner import ScannerError
    from yaml.tokens import ScalarToken, TagToken

    parser = _yaml.CParser(text.encode())
    at = None
    try:
        while at is None and (token := parser.get_token()) is not None:
            start, end = token.start_mark.index, token.end_mark.index
            if isinstance(token, ScalarToken) and token.style == '"':
                at = _bad_escape(text[start:end], start)
            elif isinstance(token, TagToken) and text[end : end + 1] in (",", "[", "]"):
                at = end
    except ScannerError as cause:
        mark = cause.problem_mark
        if "quoted scalar" in (cause.context or "") and cause.context_mark is not None:
            start = cause.context_mark.index
            at = _bad_escape(text[start:], start) if text[start : start + 1] == '"' else None
        elif (
            "tag" in (cause.context or "") and mark is not None and text[mark.index : mark.index + 1] in ",[]"
        ):
            at = mark.index if mark.index < len(text) else None
    except YAMLError:
        return None
    finally:
        parser.dispose()
    return at


def _bad_escape(quoted: str, start: int) -> int | None:
    """Where the slash of an escape stands, in a text that begins at `start`."""
    found = _SLASH.match(quoted)
    return None if found is None else start + found.end() - 1


def _without_escaped_quote(data: bytes, cause: Any) -> bytes | None:
    """go-yaml reads \\' between double quotes as an apostrophe; libyaml stops there. None for any other mistake."""
    if cause.problem != "found unknown escape character" or cause.problem_mark is None:
        return None
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    line, column = cause.problem_mark.line, cause.problem_mark.column
    if line >= len(lines) or lines[line][column : column + 2] != "\\'":
        return None
    lines[line] = lines[line][:column] + lines[line][column + 1 :]
    return encoded("\n".join(lines))


def encoded(text: str | bytes) -> bytes:
    """UTF-8 bytes, invalid ones as they were read."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def parse_error(cause: Any) -> YamlError:
    """libyaml's mistake in go-yaml's words: its line counts from 0 for the parser and 1 for the scanner."""
    from yaml.scanner import ScannerError

    line = 0
    if cause.problem_mark is not None and cause.problem_mark.line:
        line = cause.problem_mark.line + (1 if isinstance(cause, ScannerError) else 0)
    elif cause.context_mark is not None:
        line = cause.context_mark.line
    where = f"line {line}: " if line else ""
    error = YamlError(f"yaml: {where}{cause.problem or 'unknown problem parsing YAML content'}", line=line)
    if cause.problem_mark is not None:
        error.mark_line, error.mark_column = cause.problem_mark.line + 1, cause.problem_mark.column + 1
    return error


def _compose(parser: Any) -> RawNode | None:
    """The next document of a libyaml parser, without recursion."""
    import yaml.events as events

    anchors: dict[str, RawNode] = {}
    open_nodes: list[RawNode] = []
    flow_at = 0
    root: RawNode | None = None
    while True:
        event = parser.get_event()
        kind = type(event)
        if kind is events.StreamEndEvent or event is None:
            return None
        if kind is events.StreamStartEvent:
            continue
        if kind is events.DocumentStartEvent:
            if event.version not in (None, (1, 1)):
                raise YamlError("yaml: found incompatible YAML document")
            continue
        if kind is events.DocumentEndEvent:
            return root
        if kind is events.SequenceEndEvent or kind is events.MappingEndEvent:
            if len(open_nodes) == flow_at:
                flow_at = 0
            done = open_nodes.pop()
            done.end_line, done.end_column = event.end_mark.line, event.end_mark.column
            continue
        node = _node(event, anchors)
        if flow_at and node.plain and "?" in node.value[1:]:
            raise _question_mark(node, open_nodes[-1])
        if open_nodes:
            open_nodes[-1].children.append(node)
        else:
            root = node
        if node.kind in ("sequence", "mapping"):
            open_nodes.append(node)
            if not flow_at and event.flow_style:
                flow_at = len(open_nodes)
            if len(open_nodes) > MAX_YAML_DEPTH:
                raise YamlError(f"yaml: exceeded max depth of {MAX_YAML_DEPTH}", line=node.line + 1)


def _question_mark(node: RawNode, around: RawNode) -> YamlError:
    """In brackets go-yaml ends a plain scalar at any question mark, and then misses the comma."""
    line = node.line or around.line
    closing = "]" if around.kind == "sequence" else "}"
    where = f"line {line}: " if line else ""
    return YamlError(f"yaml: {where}did not find expected ',' or '{closing}'", line=line)


def _node(event: Any, anchors: dict[str, RawNode]) -> RawNode:
    """One event that opens or is a node."""
    import yaml.events as events

    start, end = event.start_mark, event.end_mark
    place = {"line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column}
    kind = type(event)
    if kind is events.AliasEvent:
        target = anchors.get(event.anchor)
        if target is None:
            raise YamlError(f"yaml: unknown anchor '{event.anchor}' referenced", line=start.line + 1)
        return RawNode("alias", **place, value=event.anchor, target=target)
    anchor = event.anchor or ""
    if kind is events.ScalarEvent:
        node = RawNode(
            "scalar", **place, value=event.value, tag=event.tag or "", plain=event.implicit[0],
            style=event.style or "", anchor=anchor,
        )  # fmt: skip
    else:
        name: Literal["sequence", "mapping"] = "sequence" if kind is events.SequenceStartEvent else "mapping"
        node = RawNode(name, **place, tag=event.tag or "", anchor=anchor)
    if anchor:
        anchors[anchor] = node
    return node
