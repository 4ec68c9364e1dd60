"""Tokens to tree. The inside of an action is parsed once per distinct text and function set; bodies share the result.

Undefined functions and variables are refused here, with Go's texts and Go's line: that of the last token it had read.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from helmflow.core.source import SourceText
from helmflow.gotemplate import lexer, nodes, quickparse
from helmflow.gotemplate.errors import ParseError
from helmflow.gotemplate.lexer import SPACES, Token
from helmflow.gotemplate.numbers import number
from helmflow.gotemplate.quickparse import Fragment
from helmflow.gotemplate.strconv import quote, unquote
from helmflow.gotemplate.trees import Tree

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


class _Open:
    """A block being parsed: where its items go. The outermost has no item: it is the template's own body."""

    __slots__ = ("chained", "in_else", "item", "items", "kind", "mark")

    def __init__(self, kind: str, items: list[nodes.Item], item: nodes.Block | None, mark: int) -> None:
        self.kind = kind
        self.items = items
        self.item = item
        self.mark = mark  # how many variables were visible before it
        self.in_else = False
        self.chained = False  # an else if: the same end closes the block around it


class _Definition:
    """A template being parsed: the file itself, a define or a block."""

    __slots__ = ("assigned", "blocks", "kind", "loops", "name", "range_assigned", "variables")

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        self.blocks = [_Open(kind, [], None, 1)]
        self.variables = ["$"]
        self.loops = 0
        self.assigned: set[str] = set()
        self.range_assigned: set[str] = set()


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
        """The mistake as an error with its line, and what was probably meant."""
        line = 1 + self.text.count("\n", 0, mistake.offset)
        error = ParseError(self.name, line, mistake.reason, SourceText(self.name, self.text))
        error.hint = self._hint(mistake.reason)
        return error

    def _hint(self, reason: str) -> str:
        if reason.startswith('function "') and isinstance(self.functions, Iterable):
            import difflib

            close = difflib.get_close_matches(reason.split('"')[1], self.functions, 1)
            return (
                f"did you mean {close[0]}?"
                if close
                else "templates have the functions of Go, Sprig and Helm only"
            )
        if reason.startswith("undefined variable"):
            return f"give it a value first: {{{{ {reason.split(chr(34))[1]} := ... }}}}, in this block or one around it"
        if reason.startswith("unexpected EOF"):
            return "an if, range, with, define or block above has no {{ end }}"
        return ""

    def _parse(self) -> Tree:
        text, known = self.text, self.known
        current = _Definition("file", "")
        items = current.blocks[0].items
        outer: list[_Definition] = []
        pieces = lexer.cut(text)
        position = 0
        trim = False
        five = [iter(pieces)] * 5  # the last literal is left
        for literal, marker, comment, comment_trim, body in zip(*five, strict=False):
            left = position + len(literal)
            if "{{" in literal:
                break
            if trim:
                literal = literal.lstrip(SPACES)
            offset = left + 2
            if marker is not None:
                literal = literal.rstrip(SPACES)
                offset += 2
            if literal:
                items.append(nodes.Text(literal))
            if body is None:
                trim = comment_trim is not None
                position = offset + len(comment) + (4 if trim else 2)
                continue
            position = offset + len(body) + 2
            trim = body[-1:] == "-" and len(body) > 1 and body[-2] in SPACES
            if trim:
                body = body[:-2]
            fragment = known.get(body)
            if fragment is None:
                fragment = self._read(
                    body, offset, position - 2, current, in_list=len(current.blocks) > 1 or bool(outer)
                )
            elif fragment.names:
                self._declare(fragment, body, offset, current.variables)
            if fragment.assigned:
                current.assigned.update(fragment.assigned)
                if fragment.kind == "range":
                    current.range_assigned.update(fragment.assigned)
            kind = fragment.kind
            if not kind:
                items.append(nodes.Action(offset, fragment.pipe))  # type: ignore[arg-type]
            elif kind in _MAKERS:
                items = self._open(kind, fragment, offset, current)
            elif kind == "end":
                if len(current.blocks) > 1:
                    items = self._end(current)
                else:
                    if not outer:
                        raise Mistake("unexpected {{end}}", position - 2)
                    self._add(current, position - 2)
                    current = outer.pop()
                    items = current.blocks[-1].items
            elif kind == "else":
                items = self._else(fragment, offset, position - 2, current)
            elif kind == "break" or kind == "continue":
                if not current.loops:
                    raise Mistake(f"{{{{{kind}}}}} outside {{{{range}}}}", position - 2)
                items.append(nodes.Break(offset) if kind == "break" else nodes.Continue(offset))
            else:
                if kind != "define":
                    items.append(nodes.Template(offset, fragment.name_pos, fragment.name, fragment.pipe))
                elif len(current.blocks) > 1 or outer:
                    raise Mistake("unexpected <define> in command", offset)
                if kind != "template":
                    outer.append(current)
                    current = _Definition(kind, fragment.name)
                    items = current.blocks[0].items
        self._finish(position, current, closed=len(current.blocks) == 1 and not outer)
        literal = text[position:].lstrip(SPACES) if trim else text[position:]
        if literal:
            items.append(nodes.Text(literal))
        return self._tree(current)

    def _finish(self, position: int, current: _Definition, *, closed: bool) -> None:
        """Nothing well-formed is left: refuse a broken action, and blocks without their end."""
        left = self.text.find("{{", position)
        if left >= 0:
            offset = left + 2 + lexer.left_trim(self.text, left + 2)
            if self.text.startswith("/*", offset):
                mistake = lexer.comment_error(self.text, offset)
                raise Mistake(mistake.reason, mistake.offset)
            found = lexer.action_tokens(self.text, offset, len(self.text))
            self._careful(found, offset, left, list(current.variables), in_list=not closed)
        if left >= 0 or not closed:
            raise Mistake("unexpected EOF", len(self.text))

    def _tree(self, template: _Definition) -> Tree:
        return Tree(self.text, template.blocks[0].items, template.assigned, template.range_assigned)

    # -- actions ------------------------------------------------------------------------------------------------

    def _read(self, body: str, offset: int, right: int, current: _Definition, *, in_list: bool) -> Fragment:
        """Parse an action that was not seen before."""
        if self.max_paren_depth == MAX_PAREN_DEPTH:
            quick = quickparse.parse(body, self.functions)
            if quick is not None:
                self._remember(body, quick)
                if quick.names:
                    self._declare(quick, body, offset, current.variables)
                return quick
        found = lexer.action_tokens(self.text, offset, offset + len(body))
        if found[-1][0] == "right delim":
            found[-1] = ("right delim", "}}", right)
        variables = list(current.variables)
        fragment = self._careful(found, offset, self.text.rfind("{{", 0, offset), variables, in_list=in_list)
        current.variables[:] = variables
        self._remember(body, fragment)
        return fragment

    def _careful(
        self, found: list[Token], offset: int, left: int, variables: list[str], *, in_list: bool
    ) -> Fragment:
        reader = _ActionParser(found, offset, self.functions, self.max_paren_depth, variables, in_list)
        try:
            return reader.parse()
        except _LexMistake as mistake:
            raise Mistake(mistake.reason + self._started(left, mistake, reader), mistake.offset) from None

    def _remember(self, body: str, fragment: Fragment) -> None:
        if len(self.known) > MAX_KNOWN_ACTIONS:
            self.known.clear()
        self.known[body] = fragment

    def _started(self, left: int, mistake: _LexMistake, reader: _ActionParser) -> str:
        """Where the action began, if that is on another line than its mistake."""
        line = 1 + self.text.count("\n", 0, left)
        if reader.kind == "define" or line == 1 + self.text.count("\n", 0, mistake.offset):
            return ""
        place = f" started at {self.name}:{line}"
        return place if mistake.reason.endswith(" action") else f" in action{place}"

    def _declare(self, fragment: Fragment, body: str, offset: int, variables: list[str]) -> None:
        """Check the variables that an action uses, and add those it declares."""
        mark = len(variables)
        for name in fragment.names:
            if name[0] == ":":
                variables.append(name[1:])
            elif name not in variables:
                del variables[mark:]
                found = lexer.action_tokens(self.text, offset, offset + len(body))
                self._careful(found, offset, offset, variables, in_list=True)

    # -- structure ----------------------------------------------------------------------------------------------

    def _open(self, kind: str, fragment: Fragment, offset: int, current: _Definition) -> list[nodes.Item]:
        blocks = current.blocks
        if len(blocks) > MAX_BLOCK_DEPTH:
            raise Mistake(f"blocks are nested deeper than {MAX_BLOCK_DEPTH}", offset)
        item = _MAKERS[kind](offset, fragment.pipe)  # type: ignore[arg-type]
        blocks[-1].items.append(item)
        mark = len(current.variables)
        if fragment.names:
            mark -= sum(name[0] == ":" for name in fragment.names)
        blocks.append(_Open(kind, item.body, item, mark))
        if kind == "range":
            current.loops += 1
        return item.body

    def _else(self, fragment: Fragment, offset: int, right: int, current: _Definition) -> list[nodes.Item]:
        top = current.blocks[-1]
        last = right
        if fragment.last < 0:
            last = quickparse.offset_of(nodes.Dot(fragment.last), self.text, offset)
        elif fragment.last:
            last = offset + fragment.last
        if top.item is None:
            clause = "" if top.kind == "file" else f" in {top.kind} clause"
            raise Mistake("unexpected {{else}}" + clause, last)
        if top.in_else:
            raise Mistake("expected end; found {{else}}", last)
        if fragment.also and fragment.also != top.kind:
            raise Mistake(f"unexpected <{fragment.also}> in input", last)
        top.in_else = True
        if top.kind == "range":
            current.loops -= 1
        top.item.otherwise = top.items = []
        if not fragment.also:
            return top.items
        items = self._open(fragment.also, fragment, offset, current)
        current.blocks[-1].chained = True
        return items

    def _end(self, current: _Definition) -> list[nodes.Item]:
        """Close the innermost block, and those it is chained to."""
        blocks = current.blocks
        while True:
            top = blocks.pop()
            if top.kind == "range" and not top.in_else:
                current.loops -= 1
            if not top.chained:
                break
        del current.variables[top.mark :]
        return blocks[-1].items

    def _add(self, template: _Definition, offset: int) -> None:
        old = self.trees.get(template.name)
        if old is None or nodes.is_empty(old.items):
            self.trees[template.name] = self._tree(template)
        elif not nodes.is_empty(template.blocks[0].items):
            raise Mistake(f"template: multiple definition of template {quote(template.name)}", offset)


_MAKERS: Final[dict[str, type[nodes.Block]]] = {"if": nodes.If, "with": nodes.With, "range": nodes.Range}


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
            fragment = Fragment("else", self._pipeline(token[0], "right delim"))
            fragment.also, fragment.last = token[0], last
            return fragment
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
