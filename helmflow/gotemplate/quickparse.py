"""The fast way through well-formed actions: one regular expression for the tokens, one pass for the nodes.

It accepts a part of the grammar and gives None for everything else; `parser` then takes Go's own way, which also finds
the mistakes. What both accept, they accept alike (tests/gotemplate/test_parser.py compares them).
"""

from __future__ import annotations

import re
from collections.abc import Container
from itertools import islice
from typing import Any, Final

from helmflow.core.lazy import pattern
from helmflow.gotemplate.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Nil,
    Node,
    Number,
    Pipe,
    String,
    Template,
    Variable,
)
from helmflow.gotemplate.numbers import number
from helmflow.gotemplate.strconv import unquote


class Fragment:
    """One parsed action. `kind` is its keyword, "" for a pipeline; `also` is the if or with after an else.

    `names` are the variables it uses and declares, in reading order: "$x" a use, ":$x" a declaration; `assigned` are
    those that an equals sign changes. `last` is where the last token is that was read before the keyword was understood.
    """

    __slots__ = ("also", "assigned", "kind", "last", "name", "name_pos", "names", "pipe")

    def __init__(self, kind: str = "", pipe: Pipe | None = None, name: str = "", name_pos: int = 0) -> None:
        self.kind = kind
        self.pipe = pipe
        self.name = name
        self.name_pos = name_pos
        self.also = ""
        self.names: tuple[str, ...] = ()
        self.assigned: tuple[str, ...] = ()
        self.last = 0  # a node position as that of nodes; 0 for the closing delimiter


# What is met most comes first, and nothing is tried twice: half of the time of parsing goes here.
_TOKEN: Final = pattern(
    r"""[ \t\r\n]*+(?:[A-Za-z_][A-Za-z0-9_]*+|(?:\.[A-Za-z_][A-Za-z0-9_]*+)++|[|(),.]|(?<=[ \t\r\n])=|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+\""""
    r"""|\$[A-Za-z0-9_]*+(?:\.[A-Za-z_][A-Za-z0-9_]*+)*+|:=|[+-]?\d+(?:\.\d+)?(?![\w.+-])|`[^`]*+`)|[ \t\r\n]++""",
    re.ASCII,
)
_find_tokens = _TOKEN.findall
_KEYWORDS: Final = frozenset(
    ("if", "else", "end", "range", "with", "define", "template", "block", "break", "continue")
)
_BLANKS: Final = " \t\r\n"
_MAX_DEPTH: Final = 100  # parentheses

# What a token means, wherever it stands: its kind, whether blanks are before it, its text without them, and the content
# of the node that it makes. "end" is the end of the action, "" what only the careful parser understands.
Meaning = tuple[str, bool, str, Any]
_MEANINGS: Final[dict[str, Meaning]] = {}
_MAX_MEANINGS: Final = 20_000
_PUNCTUATION: Final = frozenset(("|", "(", ")", "=", ":=", ","))
_CLOSING: Final = frozenset(("|", ")", "end"))
_END: Final[Meaning] = ("end", False, "", None)


class _Unclear(Exception):
    """Not for the fast way."""


def parse(body: str, functions: Container[str]) -> Fragment | None:
    """The action, or None where the careful parser must look. Undefined variables are not looked for.

    Node positions are numbers of tokens, negative from -1 on; `offset_of` turns them into offsets when they are needed.
    """
    tokens = _find_tokens(body)
    if sum(map(len, tokens)) != len(body):
        return None
    known = _MEANINGS
    meanings = [known.get(token) or _meaning(token) for token in tokens]
    meanings += (_END, _END, _END)
    try:
        if meanings[0][2] not in _KEYWORDS:
            return _Reader(meanings, functions).whole("", 0)
        return _keyword(meanings, functions)
    except _Unclear:
        return None


def offset_of(node: Node | Template, text: str, base: int) -> int:
    """Where in the text a node with a token number is; `base` is where its action starts."""
    found = next(islice(_TOKEN.finditer(text, base), ~node.pos, None))
    token = found[0].lstrip(_BLANKS)
    offset = found.end() - len(token)
    if isinstance(node, (Field, Variable)) and len(node.names) > 1:
        # Go tells fields of fields by the place of the second name.
        offset += len(node.names[0]) + isinstance(node, Field)
    return offset


def _meaning(token: str) -> Meaning:
    if len(_MEANINGS) > _MAX_MEANINGS:
        _MEANINGS.clear()
    text = token.lstrip(_BLANKS)
    kind, content = _understood(text)
    found = _MEANINGS[token] = (kind, len(text) != len(token), text, content)
    return found


def _understood(text: str) -> tuple[str, Any]:
    if not text:
        return "end", None
    if text in _PUNCTUATION:
        return text, None
    first = text[0]
    if first == ".":
        return ("dot", None) if len(text) == 1 else ("field", tuple(text[1:].split(".")))
    if first == "$":
        return "variable", tuple(text.split("."))
    if first == '"' or first == "`":
        try:
            return "string", text[1:-1] if first == '"' and "\\" not in text else unquote(text)
        except ValueError:
            return "", None
    if first in "0123456789+-":
        try:
            return "number", number(0, text, "number")
        except ValueError:
            return "", None
    if text in ("true", "false"):
        return "bool", text == "true"
    return ("nil", None) if text == "nil" else ("word", None)


def _keyword(meanings: list[Meaning], functions: Container[str]) -> Fragment | None:
    kind = meanings[0][2]
    following, spaced, text, content = meanings[1]
    if following == "end":
        return Fragment(kind) if kind in ("end", "else", "break", "continue") else None
    if not spaced or kind in ("end", "break", "continue"):
        return None
    reader = _Reader(meanings, functions)
    if kind in ("if", "with", "range"):
        return reader.whole(kind, 1)
    if kind == "else":
        if text not in ("if", "with") or not meanings[2][1] or meanings[2][0] == "end":
            return None
        fragment = reader.whole(text, 2)
        fragment.kind, fragment.also, fragment.last = "else", text, ~1
        return fragment
    if following != "string":
        return None
    if meanings[2][0] == "end":
        return None if kind == "block" else Fragment(kind, None, content, ~1)
    if kind == "define":
        return None
    fragment = reader.whole(kind, 2)
    fragment.name, fragment.name_pos = content, ~1
    return fragment


class _Reader:
    """Reads pipelines."""

    __slots__ = ("assigned", "depth", "functions", "meanings", "names")

    def __init__(self, meanings: list[Meaning], functions: Container[str]) -> None:
        self.meanings = meanings
        self.functions = functions
        self.names: list[str] = []
        self.assigned: tuple[str, ...] = ()
        self.depth = 0

    def whole(self, kind: str, index: int) -> Fragment:
        """The whole rest as one pipeline."""
        pipe, _ = self._pipe(index, kind, "end")
        fragment = Fragment(kind, pipe)
        if self.names:
            fragment.names, fragment.assigned = tuple(self.names), self.assigned
        return fragment

    def _pipe(self, index: int, kind: str, closing: str) -> tuple[Pipe, int]:
        """A pipeline, and the index of the token that ended it."""
        start = index
        declared: list[Variable] = []
        assigns = ""
        meanings = self.meanings
        if meanings[index][0] == "variable" and meanings[index + 1][0] in (":=", "=", ","):
            index, assigns = self._declarations(index, kind, declared)
            if assigns and closing == ")":
                raise _Unclear
        commands: list[Command] = []
        args: list[Node] = []
        command = index
        while True:
            index = self._operands(index, args)
            if commands and isinstance(args[0], (Bool, Dot, Nil, Number, String)):
                raise _Unclear
            commands.append(Command(~command, args))
            separator = meanings[index][0]
            if separator != "|":
                break
            args = []
            index += 1
            command = index
        if separator != closing:
            raise _Unclear
        return Pipe(~start, commands, declared, assigns), index

    def _declarations(self, index: int, kind: str, declared: list[Variable]) -> tuple[int, str]:
        while True:
            found, _, text, names = self.meanings[index]
            if found != "variable" or len(names) > 1:
                raise _Unclear
            declared.append(Variable(~index, names))
            self.names.append(":" + text)
            separator = self.meanings[index + 1][0]
            index += 2
            if separator == "," and kind == "range" and len(declared) == 1:
                continue
            if separator == "=":
                self.assigned = tuple(variable.names[0] for variable in declared)
                return index, "assigns"
            if separator != ":=":
                raise _Unclear
            return index, ""

    def _operands(self, index: int, args: list[Node]) -> int:
        """The operands of one command; gives the index of the token that ended it."""
        meanings = self.meanings
        while True:
            kind, _, text, content = meanings[index]
            if kind == "field":
                args.append(Field(~index, content))
            elif kind == "word":
                if text not in self.functions:
                    raise _Unclear
                args.append(Identifier(~index, text))
            elif kind == "variable":
                args.append(Variable(~index, content))
                if text != "$" and content[0] != "$":
                    self.names.append(content[0])
            elif kind == "string":
                args.append(String(~index, text, content))
            elif kind == "dot":
                args.append(Dot(~index))
            elif kind == "(":
                self.depth += 1
                if self.depth > _MAX_DEPTH:
                    raise _Unclear
                inner, index = self._pipe(index + 1, "parenthesized", ")")
                self.depth -= 1
                following = meanings[index + 1]
                if following[0] == "field" and not following[1]:
                    index += 1
                    args.append(Chain(~index, inner, following[3]))
                else:
                    args.append(inner)
            elif kind == "number":
                args.append(content.at(~index))
            elif kind == "bool":
                args.append(Bool(~index, content))
            elif kind == "nil":
                args.append(Nil(~index))
            else:
                raise _Unclear
            index += 1
            kind, spaced, _, _ = meanings[index]
            if kind in _CLOSING:
                return index
            if not spaced:
                raise _Unclear
