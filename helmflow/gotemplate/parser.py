"""Tokens to tree. The inside of an action is parsed once per distinct text and function set; bodies share the result.

Undefined functions and variables are refused here, with Go's texts and Go's line: that of the last token it had read.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any, Final

from helmflow.core.source import SourceText
from helmflow.gotemplate import lexer, nodes, quickparse
from helmflow.gotemplate.errors import ParseError
from helmflow.gotemplate.lexer import Piece, Token
from helmflow.gotemplate.numbers import number
from helmflow.gotemplate.quickparse import Fragment
from helmflow.gotemplate.strconv import quote, unquote

MAX_PAREN_DEPTH: Final = 1000  # Go: 10,000; the deepest public chart nests about 10
MAX_BLOCK_DEPTH: Final = 1000  # open if, with and range blocks; Go has no bound
MAX_KNOWN_ACTIONS: Final = 50_000  # remembered parse results; a large chart has about 5,000 distinct actions

KEYWORD_KINDS: Final = frozenset(
    ("if", "with", "range", "else", "end", "break", "continue", "template", "block", "define")
)
_OPERANDS: Final = frozenset(
    (
        "bool", "charconst", "complex", ".", "field", "identifier", "number", "nil", "raw string", "string",
        "variable", "(",
    )
)  # fmt: skip
_CLAUSES: Final = {"template": "template clause", "block": "block clause"}
_NOT_EXECUTABLE: Final = (nodes.Bool, nodes.Dot, nodes.Nil, nodes.Number, nodes.String)


class Mistake(Exception):
    """What is wrong, and the offset of the last token that was read."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


class Tree:
    """One template: its body and the text it stands in. Executable forms are kept on it by the compiler."""

    __slots__ = ("assigned", "body", "closures", "program", "range_assigned", "render", "runs", "text")

    def __init__(
        self, text: str, body: list[nodes.Item], assigned: set[str], range_assigned: set[str]
    ) -> None:
        self.text = text
        self.body = body
        self.assigned = assigned  # variables that some `=` changes, which ends what is known of their values
        self.range_assigned = range_assigned
        self.closures: Any = None
        self.program: Any = None  # False where there can be none
        self.render: object = None  # the render that ran it last
        self.runs = 0


@dataclass(slots=True)
class _Open:
    """A block being parsed, or a template definition: where its items go and which variables it can see."""

    kind: str
    items: list[nodes.Item]
    item: nodes.Block | None = None
    mark: int = 0
    in_else: str = ""
    chained: str = ""  # an else if: the same end closes the block around it
    name: str = ""
    variables: list[str] = field(default_factory=list)
    loops: int = 0
    assigned: set[str] = field(default_factory=set)
    range_assigned: set[str] = field(default_factory=set)


class FileParser:
    """Parses one file's text into its trees."""

    def __init__(
        self,
        name: str,
        text: str,
        functions: Container[str],
        known: dict[str, Fragment],
        max_paren_depth: int = MAX_PAREN_DEPTH,
    ) -> None:
        self.name = name
        self.text = text
        self.functions = functions
        self.known = known
        self.max_paren_depth = max_paren_depth
        self.trees: dict[str, Tree] = {}

    def parse(self) -> tuple[Tree, dict[str, Tree]]:
        """The file's own tree, and those it defines by name. Raises ParseError."""
        try:
            return self._parse(), self.trees
        except Mistake as mistake:
            raise self.error(mistake) from None
        except RecursionError:
            raise self.error(Mistake("max expression depth exceeded", 0)) from None

    def error(self, mistake: Mistake) -> ParseError:
        """The mistake as an error with its line."""
        line = 1 + self.text.count("\n", 0, mistake.offset)
        return ParseError(self.name, line, mistake.reason, SourceText(self.name, self.text))

    def _parse(self) -> Tree:
        outermost = _Open("file", [], variables=["$"])
        # `blocks` are the open blocks of the template being parsed; `outer` are the templates around it.
        blocks: list[_Open] = [outermost]
        outer: list[list[_Open]] = []
        known = self.known
        for piece in lexer.split(self.text):
            literal, body, offset = piece[0], piece[1], piece[2]
            if literal:
                blocks[-1].items.append(nodes.Text(literal))
            if offset < 0:
                continue
            fragment = known.get(body) if piece[4] >= 0 else None
            if fragment is None:
                fragment = self._read(piece, blocks[0], in_list=len(blocks) > 1 or bool(outer))
            elif fragment.names:
                self._declare(fragment, piece, blocks[0].variables)
            if fragment.assigned:
                blocks[0].assigned.update(fragment.assigned)
                if fragment.kind == "range":
                    blocks[0].range_assigned.update(fragment.assigned)
            kind = fragment.kind
            if not kind:
                assert fragment.pipe is not None
                blocks[-1].items.append(nodes.Action(piece.offset, fragment.pipe))
            elif kind in ("if", "with", "range"):
                self._open(kind, fragment, piece, blocks, len(blocks[0].variables))
            elif kind == "end":
                if self._end(piece, blocks, outer):
                    blocks = outer.pop()
            elif kind == "else":
                self._else(fragment, piece, blocks)
            elif kind == "template":
                blocks[-1].items.append(
                    nodes.Template(piece.offset, fragment.name_pos, fragment.name, fragment.pipe)
                )
            elif kind in ("define", "block"):
                if kind == "block":
                    blocks[-1].items.append(
                        nodes.Template(piece.offset, fragment.name_pos, fragment.name, fragment.pipe)
                    )
                elif len(blocks) > 1 or outer:
                    raise Mistake("unexpected <define> in command", piece.offset + fragment.last)
                outer.append(blocks)
                blocks = [_Open(kind, [], name=fragment.name, variables=["$"])]
            else:
                self._leave(kind, piece, blocks)
        if len(blocks) > 1 or outer:
            raise Mistake("unexpected EOF", len(self.text))
        return self._tree(outermost)

    def _tree(self, template: _Open) -> Tree:
        return Tree(self.text, template.items, template.assigned, template.range_assigned)

    # -- actions ------------------------------------------------------------------------------------------------

    def _read(self, piece: Piece, template: _Open, *, in_list: bool) -> Fragment:
        """Parse an action that was not seen before."""
        if not piece.broken and self.max_paren_depth == MAX_PAREN_DEPTH:
            quick = quickparse.parse(piece.body, self.functions)
            if quick is not None:
                self._remember(piece.body, quick)
                if quick.names:
                    self._declare(quick, piece, template.variables)
                return quick
        if piece.broken and self.text.startswith("/*", piece.offset):
            mistake = lexer.comment_error(self.text, piece.offset)
            raise Mistake(mistake.reason, mistake.offset)
        end = len(self.text) if piece.broken else piece.offset + len(piece.body)
        found = lexer.action_tokens(self.text, piece.offset, end)
        if not piece.broken:
            found[-1] = (
                found[-1][0],
                found[-1][1],
                piece.right if found[-1][0] == "right delim" else found[-1][2],
            )
        variables = list(template.variables)
        reader = _ActionParser(found, piece.offset, self.functions, self.max_paren_depth, variables, in_list)
        try:
            fragment = reader.parse()
        except _LexMistake as mistake:
            raise Mistake(mistake.reason + self._started(piece, mistake, reader), mistake.offset) from None
        if piece.broken:
            raise Mistake("unexpected EOF", len(self.text))
        template.variables[:] = variables
        self._remember(piece.body, fragment)
        return fragment

    def _remember(self, body: str, fragment: Fragment) -> None:
        if len(self.known) > MAX_KNOWN_ACTIONS:
            self.known.clear()
        self.known[body] = fragment

    def _started(self, piece: Piece, mistake: _LexMistake, reader: _ActionParser) -> str:
        """Where the action began, if that is on another line than its mistake."""
        line = 1 + self.text.count("\n", 0, piece.left)
        if reader.kind == "define" or line == 1 + self.text.count("\n", 0, mistake.offset):
            return ""
        place = f" started at {self.name}:{line}"
        return place if mistake.reason.endswith(" action") else f" in action{place}"

    def _declare(self, fragment: Fragment, piece: Piece, variables: list[str]) -> None:
        """Check the variables that an action uses, and add those it declares."""
        mark = len(variables)
        for name in fragment.names:
            if name[0] == ":":
                variables.append(name[1:])
            elif name not in variables:
                del variables[mark:]
                found = lexer.action_tokens(self.text, piece.offset, piece.offset + len(piece.body))
                _ActionParser(
                    found, piece.offset, self.functions, self.max_paren_depth, variables, in_list=True
                ).parse()

    # -- structure ----------------------------------------------------------------------------------------------

    def _open(self, kind: str, fragment: Fragment, piece: Piece, blocks: list[_Open], seen: int) -> None:
        assert fragment.pipe is not None
        if len(blocks) > MAX_BLOCK_DEPTH:
            raise Mistake(f"blocks are nested deeper than {MAX_BLOCK_DEPTH}", piece.offset)
        make = nodes.If if kind == "if" else nodes.With if kind == "with" else nodes.Range
        item = make(piece.offset, fragment.pipe)
        blocks[-1].items.append(item)
        declared = sum(name[0] == ":" for name in fragment.names)
        blocks.append(_Open(kind, item.body, item, seen - declared))
        if kind == "range":
            blocks[0].loops += 1

    def _else(self, fragment: Fragment, piece: Piece, blocks: list[_Open]) -> None:
        top = blocks[-1]
        last = piece.offset + fragment.last if fragment.last >= 0 else piece.right
        if top.item is None:
            clause = "" if top.kind == "file" else f" in {top.kind} clause"
            raise Mistake("unexpected {{else}}" + clause, last)
        if top.in_else:
            raise Mistake("expected end; found {{else}}", last)
        if fragment.also and fragment.also != top.kind:
            raise Mistake(f"unexpected <{fragment.also}> in input", last)
        top.in_else = "else"
        if top.kind == "range":
            blocks[0].loops -= 1
        top.item.otherwise = top.items = []
        if fragment.also:
            self._open(fragment.also, fragment, piece, blocks, len(blocks[0].variables))
            blocks[-1].chained = "else"

    def _end(self, piece: Piece, blocks: list[_Open], outer: list[list[_Open]]) -> bool:
        """Close the innermost block; true if that was a template's own."""
        top = blocks[-1]
        if top.item is not None:
            while True:
                blocks.pop()
                if top.kind == "range" and not top.in_else:
                    blocks[0].loops -= 1
                del blocks[0].variables[top.mark :]
                if not top.chained:
                    return False
                top = blocks[-1]
        if not outer:
            raise Mistake("unexpected {{end}}", piece.right)
        self._add(top.name, top, piece.right)
        return True

    def _add(self, name: str, template: _Open, offset: int) -> None:
        old = self.trees.get(name)
        if old is None or nodes.is_empty(old.body):
            self.trees[name] = self._tree(template)
        elif not nodes.is_empty(template.items):
            raise Mistake(f"template: multiple definition of template {quote(name)}", offset)

    def _leave(self, kind: str, piece: Piece, blocks: list[_Open]) -> None:
        if not blocks[0].loops:
            raise Mistake(f"{{{{{kind}}}}} outside {{{{range}}}}", piece.right)
        blocks[-1].items.append(
            nodes.Break(piece.offset) if kind == "break" else nodes.Continue(piece.offset)
        )


class _LexMistake(Mistake):
    """A mistake that the lexer found."""


class _ActionParser:
    """Parses the tokens of one action, as Go's recursive descent does, with its look-ahead."""

    def __init__(
        self,
        tokens: list[Token],
        base: int,
        functions: Container[str],
        max_depth: int,
        variables: list[str],
        in_list: bool,
    ) -> None:
        self.tokens = tokens
        self.base = base
        self.functions = functions
        self.max_depth = max_depth
        self.variables = variables
        self.in_list = in_list
        self.names: list[str] = []
        self.assigned: list[str] = []
        self.index = 0
        self.furthest = 0
        self.depth = 0
        self.kind = ""

    def parse(self) -> Fragment:
        """The action. Raises Mistake."""
        token = self._next_solid()
        kind = token[0]
        if kind not in KEYWORD_KINDS or (kind == "define" and self.in_list):
            self.index -= 1
            fragment = Fragment(pipe=self._pipeline("command", "right delim"))
        else:
            self.kind = kind
            fragment = self._keyword(kind)
        fragment.names = tuple(self.names)
        fragment.assigned = tuple(self.assigned)
        return fragment

    def _keyword(self, kind: str) -> Fragment:
        match kind:
            case "if" | "with" | "range":
                return Fragment(kind, self._pipeline(kind, "right delim"))
            case "end":
                self._expect("right delim", "end")
                return Fragment("end")
            case "else":
                return self._else()
            case "break" | "continue":
                token = self._next_solid()
                if token[0] != "right delim":
                    self._unexpected(token, f"{{{{{kind}}}}}")
                return Fragment(kind)
            case "define":
                token = self._next_solid()
                if token[0] not in ("string", "raw string"):
                    self._unexpected(token, "define clause")
                name = self._unquoted(token)
                self._expect("right delim", "define clause")
                return Fragment("define", name=name)
        token = self._next_solid()
        if token[0] not in ("string", "raw string"):
            self._unexpected(token, _CLAUSES[kind])
        name = self._unquoted(token)
        pipe = None
        if kind == "block" or self._next_solid()[0] != "right delim":
            if kind == "template":
                self.index -= 1
            pipe = self._pipeline(_CLAUSES[kind], "right delim")
        return Fragment(kind, pipe, name, token[2] - self.base)

    def _else(self) -> Fragment:
        token = self._next_solid()
        if token[0] in ("if", "with"):
            last = token[2] - self.base
            return Fragment("else", self._pipeline(token[0], "right delim"), also=token[0], last=last)
        self.index -= 1
        self._expect("right delim", "else")
        return Fragment("else")

    # -- tokens -------------------------------------------------------------------------------------------------

    def _next(self) -> Token:
        index = min(self.index, len(self.tokens) - 1)
        self.index += 1
        self.furthest = max(self.furthest, index)
        return self.tokens[index]

    def _peek(self) -> Token:
        token = self._next()
        self.index -= 1
        return token

    def _next_solid(self) -> Token:
        token = self._next()
        return self._next() if token[0] == "space" else token

    def _peek_solid(self) -> Token:
        token = self._next_solid()
        self.index -= 1
        return token

    def _expect(self, kind: str, context: str) -> Token:
        token = self._next_solid()
        if token[0] != kind:
            self._unexpected(token, context)
        return token

    def _fail(self, reason: str) -> Mistake:
        return Mistake(reason, self.tokens[self.furthest][2])

    def _unexpected(self, token: Token, context: str) -> None:
        if token[0] == "error":
            raise _LexMistake(token[1], token[2])
        raise self._fail(f"unexpected {shown(token)} in {context}")

    def _unquoted(self, token: Token) -> str:
        try:
            return unquote(token[1])
        except ValueError as error:
            raise self._fail(str(error)) from None

    # -- grammar ------------------------------------------------------------------------------------------------

    def _pipeline(self, context: str, end: str) -> nodes.Pipe:
        pos = self._peek_solid()[2] - self.base
        declared: list[nodes.Variable] = []
        assigns = self._declarations(context, declared)
        commands: list[nodes.Command] = []
        while True:
            token = self._next_solid()
            if token[0] == end:
                break
            if token[0] not in _OPERANDS:
                self._unexpected(token, context)
            self.index -= 1
            commands.append(self._command())
        if not commands:
            raise self._fail(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.args[0], _NOT_EXECUTABLE):
                raise self._fail(f"non executable command in pipeline stage {stage}")
        return nodes.Pipe(pos, commands, declared, assigns)

    def _declarations(self, context: str, declared: list[nodes.Variable]) -> str:
        """`$x :=`, `$x =`, or `$i, $x :=` of a range; "assigns" for the equals sign alone."""
        while True:
            token = self._peek_solid()
            if token[0] != "variable":
                return ""
            start = self.index
            self._next_solid()
            after = self._next_solid()
            if after[0] in (":=", "="):
                self._declare(token, declared)
                if after[0] == "=":
                    self.assigned += [variable.names[0] for variable in declared]
                    return "assigns"
                return ""
            if after[0] == "char" and after[1] == ",":
                self._declare(token, declared)
                if context == "range" and len(declared) < 2:
                    if self._peek_solid()[0] in ("variable", "right delim", ")"):
                        continue
                    raise self._fail("range can only initialize variables")
                raise self._fail(f"too many declarations in {context}")
            self.index = start
            return ""

    def _declare(self, token: Token, declared: list[nodes.Variable]) -> None:
        declared.append(nodes.Variable(token[2] - self.base, (token[1],)))
        self.variables.append(token[1])
        self.names.append(":" + token[1])

    def _command(self) -> nodes.Command:
        pos = self._peek_solid()[2] - self.base
        args: list[nodes.Node] = []
        while True:
            self._peek_solid_skipping()
            operand = self._operand()
            if operand is not None:
                args.append(operand)
            token = self._next()
            if token[0] == "space":
                continue
            if token[0] in ("right delim", ")"):
                self.index -= 1
            elif token[0] != "pipe":
                self._unexpected(token, "operand")
            break
        if not args:
            raise self._fail("empty command")
        return nodes.Command(pos, args)

    def _peek_solid_skipping(self) -> None:
        if self._peek()[0] == "space":
            self.index += 1
            self._peek()

    def _operand(self) -> nodes.Node | None:
        node = self._term()
        if node is None or self._peek()[0] != "field":
            return node
        pos = self._peek()[2] - self.base
        names: list[str] = []
        while self._peek()[0] == "field":
            names.append(self._next()[1][1:])
        if isinstance(node, nodes.Field):
            return nodes.Field(pos, (*node.names, *names))
        if isinstance(node, nodes.Variable):
            return nodes.Variable(pos, (*node.names, *names))
        if isinstance(node, _NOT_EXECUTABLE):
            raise self._fail(f"unexpected . after term {quote(str(node))}")
        return nodes.Chain(pos, node, tuple(names))

    def _term(self) -> nodes.Node | None:
        token = self._next_solid()
        kind, text, offset = token
        pos = offset - self.base
        match kind:
            case "field":
                return nodes.Field(pos, (text[1:],))
            case "identifier":
                if text not in self.functions:
                    raise self._fail(f"function {quote(text)} not defined")
                return nodes.Identifier(pos, text)
            case "string" | "raw string":
                return nodes.String(pos, text, self._unquoted(token))
            case ".":
                return nodes.Dot(pos)
            case "variable":
                if text not in self.variables:
                    raise self._fail(f"undefined variable {quote(text)}")
                if text != "$":
                    self.names.append(text)
                return nodes.Variable(pos, (text,))
            case "(":
                return self._parenthesised()
            case "number" | "complex" | "charconst":
                try:
                    return number(pos, text, kind)
                except ValueError as error:
                    raise self._fail(str(error)) from None
            case "bool":
                return nodes.Bool(pos, text == "true")
            case "nil":
                return nodes.Nil(pos)
        self.index -= 1
        return None

    def _parenthesised(self) -> nodes.Pipe:
        if self.depth >= self.max_depth:
            raise self._fail("max expression depth exceeded")
        self.depth += 1
        pipe = self._pipeline("parenthesized pipeline", ")")
        self.depth -= 1
        return pipe


def shown(token: Token) -> str:
    """A token as messages show it."""
    kind, text, _ = token
    if kind == "EOF":
        return "EOF"
    if kind in lexer.KEYWORDS or kind == ".":
        return f"<{text}>"
    return f"{quote(text[:10])}..." if len(text.encode("utf-8", "surrogateescape")) > 10 else quote(text)
