"""The fast way through well-formed actions: one regular expression for the tokens, one pass for the nodes.

It accepts a part of the grammar and gives None for everything else; `parser` then takes Go's own way, which also finds
the mistakes. What both accept, they accept alike (tests/gotemplate/test_parser.py compares them).
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any, Final

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
    Variable,
)
from helmflow.gotemplate.numbers import number
from helmflow.gotemplate.strconv import unquote


class Fragment:
    """One parsed action. `kind` is its keyword, "" for a pipeline; `also` is the if or with after an else.

    `names` are the variables it uses and declares, in reading order: "$x" a use, ":$x" a declaration; `assigned` are
    those that an equals sign changes. `last` is the last token read where that is not the closing delimiter.
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
        self.last = -1


_find_tokens = re.compile(
    r"""[ \t\r\n]+|(?:\.[A-Za-z_]\w*)+|\$\w*(?:\.[A-Za-z_]\w*)*|[A-Za-z_]\w*|"(?:[^"\\\n]|\\.)*"|`[^`]*`"""
    r"""|[+-]?\d+(?:\.\d+)?(?![\w.+-])|:=|[|()=,.]""",
    re.ASCII,
).findall
_KEYWORDS: Final = frozenset(
    ("if", "else", "end", "range", "with", "define", "template", "block", "break", "continue")
)
_SPACES: Final = frozenset(" \t\r\n")
_END: Final = ""
_MAX_DEPTH: Final = 100  # parentheses


class _Unclear(Exception):
    """Not for the fast way."""


def parse(body: str, functions: Container[str]) -> Fragment | None:
    """The action, or None where the careful parser must look. Undefined variables are not looked for."""
    tokens = _find_tokens(body)
    if sum(map(len, tokens)) != len(body):
        return None
    tokens += (_END, _END, _END)
    index = pos = 0
    if tokens[0][:1] in _SPACES:
        index, pos = 1, len(tokens[0])
    try:
        if tokens[index] not in _KEYWORDS:
            return _Reader(tokens, functions).pipeline("", index, pos)
        return _keyword(tokens, index, pos, functions)
    except _Unclear:
        return None


def _keyword(tokens: list[str], index: int, pos: int, functions: Container[str]) -> Fragment | None:
    kind = tokens[index]
    pos += len(kind)
    index += 1
    spaced = tokens[index][:1] in _SPACES
    if spaced:
        pos += len(tokens[index])
        index += 1
    token = tokens[index]
    if kind in ("end", "break", "continue"):
        return Fragment(kind) if token is _END else None
    if kind == "else" and token is _END:
        return Fragment("else")
    if not spaced or not token:
        return None
    if kind in ("if", "with", "range"):
        return _Reader(tokens, functions).pipeline(kind, index, pos)
    if kind == "else":
        return _else(tokens, index, pos, functions)
    if token[0] not in '"`':
        return None
    return _named(kind, tokens, index, pos, functions)


def _else(tokens: list[str], index: int, pos: int, functions: Container[str]) -> Fragment | None:
    word = tokens[index]
    if word not in ("if", "with") or tokens[index + 1][:1] not in _SPACES or not tokens[index + 1]:
        return None
    start = pos + len(word) + len(tokens[index + 1])
    fragment = _Reader(tokens, functions).pipeline(word, index + 2, start)
    fragment.kind, fragment.also, fragment.last = "else", word, pos
    return fragment


def _named(kind: str, tokens: list[str], index: int, pos: int, functions: Container[str]) -> Fragment | None:
    """define, template and block with their name."""
    token = tokens[index]
    try:
        name = unquote(token)
    except ValueError:
        return None
    after, rest = pos + len(token), index + 1
    if tokens[rest][:1] in _SPACES and tokens[rest]:
        after += len(tokens[rest])
        rest += 1
    if tokens[rest] is _END:
        return None if kind == "block" else Fragment(kind, name=name, name_pos=pos)
    if kind == "define":
        return None
    fragment = _Reader(tokens, functions).pipeline(kind, rest, after)
    fragment.name, fragment.name_pos = name, pos
    return fragment


class _Reader:
    """Reads pipelines; `index` and `pos` are where the last one ended."""

    __slots__ = ("assigned", "depth", "functions", "index", "names", "pos", "tokens")

    def __init__(self, tokens: list[str], functions: Container[str]) -> None:
        self.tokens = tokens
        self.functions = functions
        self.names: list[str] = []
        self.assigned: tuple[str, ...] = ()
        self.index = self.pos = self.depth = 0

    def pipeline(self, kind: str, index: int, pos: int) -> Fragment:
        """The whole rest as one pipeline."""
        pipe = self._pipe(index, pos, kind, _END)
        fragment = Fragment(kind, pipe)
        if self.names:
            fragment.names, fragment.assigned = tuple(self.names), self.assigned
        return fragment

    def _pipe(self, index: int, pos: int, kind: str, closing: str) -> Pipe:
        tokens = self.tokens
        start = pos
        declared: list[Variable] = []
        assigns = ""
        token = tokens[index]
        if token[:1] == "$" and "." not in token:
            after = index + 1
            if tokens[after][:1] in _SPACES and tokens[after]:
                after += 1
            if tokens[after] in (":=", "=", ","):
                index, pos, assigns = self._declarations(index, pos, kind, declared)
                if closing and assigns:
                    raise _Unclear
        commands: list[Command] = []
        while True:
            index, pos, separator = self._command(index, pos, commands)
            if separator != "|":
                break
        if separator is not closing and separator != closing:
            raise _Unclear
        self.index, self.pos = index, pos
        return Pipe(start, commands, declared, assigns)

    def _declarations(
        self, index: int, pos: int, kind: str, declared: list[Variable]
    ) -> tuple[int, int, str]:
        tokens = self.tokens
        while True:
            token = tokens[index]
            if token[:1] != "$" or "." in token:
                raise _Unclear
            declared.append(Variable(pos, (token,)))
            self.names.append(":" + token)
            index, pos = self._skip(index + 1, pos + len(token))
            separator = tokens[index]
            index, pos = self._skip(index + 1, pos + len(separator))
            if separator == "," and kind == "range" and len(declared) == 1:
                continue
            if separator == "=":
                self.assigned = tuple(variable.names[0] for variable in declared)
                return index, pos, "assigns"
            if separator != ":=":
                raise _Unclear
            return index, pos, ""

    def _skip(self, index: int, pos: int) -> tuple[int, int]:
        token = self.tokens[index]
        return (index + 1, pos + len(token)) if token[:1] in _SPACES and token else (index, pos)

    def _command(self, index: int, pos: int, commands: list[Command]) -> tuple[int, int, str]:
        """One command; gives where it ended and the token that ended it, which is read too."""
        tokens = self.tokens
        args: list[Node] = []
        command = Command(pos, args)
        while True:
            token = tokens[index]
            kind, offset, meaning = _MEANINGS.get(token) or _meaning(token)
            if kind == "field":
                args.append(Field(pos + offset, meaning))
            elif kind == "word":
                if token not in self.functions:
                    raise _Unclear
                args.append(Identifier(pos, token))
            elif kind == "variable":
                args.append(Variable(pos + offset, meaning))
                if meaning[0] != "$":
                    self.names.append(meaning[0])
            elif kind == "string":
                args.append(String(pos, token, meaning))
            elif kind == "dot":
                args.append(Dot(pos))
            elif kind == "(":
                index, pos = self._parenthesised(index, pos, args)
                token = tokens[index]
                if token[:1] == "." and len(token) > 1:
                    args[-1] = Chain(pos, args[-1], tuple(token[1:].split(".")))
                else:
                    index -= 1
                    token = ""
            elif kind == "number":
                try:
                    args.append(number(pos, token, "number"))
                except ValueError:
                    raise _Unclear from None
            elif kind == "bool":
                args.append(Bool(pos, meaning))
            elif kind == "nil":
                args.append(Nil(pos))
            else:
                raise _Unclear
            pos += len(token)
            index += 1
            token = tokens[index]
            if token and token[0] in _SPACES:
                pos += len(token)
                index += 1
                token = tokens[index]
                if token not in ("|", ")", _END):
                    continue
            if token not in ("|", ")", _END):
                raise _Unclear
            break
        if commands and isinstance(args[0], (Bool, Dot, Nil, Number, String)):
            raise _Unclear
        commands.append(command)
        if token:
            index += 1
            pos += 1
            if token == "|":
                index, pos = self._skip(index, pos)
        return index, pos, token

    def _parenthesised(self, index: int, pos: int, args: list[Node]) -> tuple[int, int]:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _Unclear
        index, pos = self._skip(index + 1, pos + 1)
        args.append(self._pipe(index, pos, "parenthesized", ")"))
        self.depth -= 1
        return self.index, self.pos


# What tokens mean, wherever they stand: kind, where the node is relative to the token, and the node's content.
_MEANINGS: Final[dict[str, tuple[str, int, Any]]] = {
    ".": ("dot", 0, None),
    "(": ("(", 0, None),
    "true": ("bool", 0, True),
    "false": ("bool", 0, False),
    "nil": ("nil", 0, None),
    "": ("", 0, None),
}
_MAX_MEANINGS: Final = 20_000


def _meaning(token: str) -> tuple[str, int, Any]:
    if len(_MEANINGS) > _MAX_MEANINGS:
        for old in [*_MEANINGS][10:]:
            del _MEANINGS[old]
    found = _MEANINGS[token] = _understood(token)
    return found


def _understood(token: str) -> tuple[str, int, Any]:
    first = token[0]
    if first == ".":
        names = tuple(token[1:].split("."))
        return "field", 0 if len(names) == 1 else 1 + len(names[0]), names
    if first == "$":
        names = tuple(token.split("."))
        return "variable", 0 if len(names) == 1 else len(names[0]), names
    if first == '"' or first == "`":
        try:
            return "string", 0, token[1:-1] if first == '"' and "\\" not in token else unquote(token)
        except ValueError:
            return "", 0, None
    if first in "0123456789+-":
        return "number", 0, None
    return ("word", 0, None) if first == "_" or first.isalpha() else ("", 0, None)
