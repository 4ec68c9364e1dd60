"""The syntax tree: one class per Go node type, each with the offset of its text.

Nodes inside an action know their offset from the action's first character; an action that occurs twice is parsed once
and its nodes are shared, so the items of a body carry where their action starts. `str(node)` is Go's text of the node,
as error messages quote it.
"""

from __future__ import annotations

from helmflow.gotemplate.strconv import quote


class Node:
    """A node inside an action."""

    __slots__ = ("pos",)
    pos: int
    constant = False  # whether it is a literal


class Dot(Node):
    """`.`"""

    __slots__ = ()

    def __init__(self, pos: int) -> None:
        self.pos = pos

    def __str__(self) -> str:
        return "."


class Nil(Node):
    """`nil`"""

    __slots__ = ()

    constant = True

    def __init__(self, pos: int) -> None:
        self.pos = pos

    def __str__(self) -> str:
        return "nil"


class Bool(Node):
    """`true` or `false`"""

    __slots__ = ("value",)

    constant = True

    def __init__(self, pos: int, value: bool) -> None:
        self.pos = pos
        self.value = value

    def __str__(self) -> str:
        return "true" if self.value else "false"


class Number(Node):
    """A numeric constant: the values it may be used as, None where it may not."""

    __slots__ = ("as_complex", "as_float", "as_int", "as_uint", "text")

    constant = True

    def __init__(
        self,
        pos: int,
        text: str,
        as_int: int | None,
        as_uint: int | None,
        as_float: float | None,
        as_complex: complex | None = None,
    ) -> None:
        self.pos = pos
        self.text = text
        self.as_int = as_int
        self.as_uint = as_uint
        self.as_float = as_float
        self.as_complex = as_complex

    def at(self, pos: int) -> Number:
        """The same elsewhere."""
        return Number(pos, self.text, self.as_int, self.as_uint, self.as_float, self.as_complex)

    def __str__(self) -> str:
        return self.text


class String(Node):
    """A quoted or raw string; `text` is what it means."""

    __slots__ = ("quoted", "text")

    constant = True

    def __init__(self, pos: int, quoted: str, text: str) -> None:
        self.pos = pos
        self.quoted = quoted
        self.text = text

    def __str__(self) -> str:
        return self.quoted


class Field(Node):
    """`.a.b`"""

    __slots__ = ("names",)

    def __init__(self, pos: int, names: tuple[str, ...]) -> None:
        self.pos = pos
        self.names = names

    def __str__(self) -> str:
        return "." + ".".join(self.names)


class Variable(Node):
    """`$x.a.b`; the first name includes the dollar."""

    __slots__ = ("names",)

    def __init__(self, pos: int, names: tuple[str, ...]) -> None:
        self.pos = pos
        self.names = names

    def __str__(self) -> str:
        return ".".join(self.names)


class Identifier(Node):
    """A function's name."""

    __slots__ = ("name",)

    def __init__(self, pos: int, name: str) -> None:
        self.pos = pos
        self.name = name

    def __str__(self) -> str:
        return self.name


class Chain(Node):
    """Fields of a parenthesised pipeline or a function's result: `(f x).a.b`"""

    __slots__ = ("names", "node")

    def __init__(self, pos: int, node: Node, names: tuple[str, ...]) -> None:
        self.pos = pos
        self.node = node
        self.names = names

    def __str__(self) -> str:
        inner = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return f"{inner}.{'.'.join(self.names)}"


class Command(Node):
    """An operand with its arguments."""

    __slots__ = ("args",)

    def __init__(self, pos: int, args: list[Node]) -> None:
        self.pos = pos
        self.args = args

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


class Pipe(Node):
    """Commands, each fed with the one before; `declared` variables take the result."""

    __slots__ = ("assigns", "commands", "declared")

    def __init__(self, pos: int, commands: list[Command], declared: list[Variable], assigns: str) -> None:
        self.pos = pos
        self.commands = commands
        self.declared = declared
        self.assigns = assigns

    def __str__(self) -> str:
        commands = " | ".join(map(str, self.commands))
        if not self.declared:
            return commands
        names = ", ".join(map(str, self.declared))
        return f"{names} {'=' if self.assigns else ':='} {commands}"


class Item:
    """A part of a body: literal text or an action. `base` is where the action's inside starts in the file."""

    __slots__ = ("base",)
    base: int


class Text(Item):
    """Literal text."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.base = 0
        self.text = text

    def __str__(self) -> str:
        return self.text


class Action(Item):
    """A pipeline whose value is printed, unless it declares variables."""

    __slots__ = ("pipe",)

    def __init__(self, base: int, pipe: Pipe) -> None:
        self.base = base
        self.pipe = pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


class Block(Item):
    """`if`, `with` or `range`: the word is the class's `word`."""

    __slots__ = ("body", "otherwise", "pipe")
    word = ""

    def __init__(self, base: int, pipe: Pipe) -> None:
        self.base = base
        self.pipe = pipe
        self.body: list[Item] = []
        self.otherwise: list[Item] | None = None

    def __str__(self) -> str:
        body = "".join(map(str, self.body))
        other = "" if self.otherwise is None else "{{else}}" + "".join(map(str, self.otherwise))
        return f"{{{{{self.word} {self.pipe}}}}}{body}{other}{{{{end}}}}"


class If(Block):
    """`if`"""

    __slots__ = ()
    word = "if"


class With(Block):
    """`with`"""

    __slots__ = ()
    word = "with"


class Range(Block):
    """`range`"""

    __slots__ = ()
    word = "range"


class Break(Item):
    """`break`"""

    __slots__ = ()

    def __init__(self, base: int) -> None:
        self.base = base

    def __str__(self) -> str:
        return "{{break}}"


class Continue(Item):
    """`continue`"""

    __slots__ = ()

    def __init__(self, base: int) -> None:
        self.base = base

    def __str__(self) -> str:
        return "{{continue}}"


class Template(Item):
    """`template "name" pipe`, also what `block` leaves behind. It stands for itself in messages."""

    __slots__ = ("name", "pipe", "pos")

    def __init__(self, base: int, pos: int, name: str, pipe: Pipe | None) -> None:
        self.base = base
        self.pos = pos
        self.name = name
        self.pipe = pipe

    def __str__(self) -> str:
        return f"{{{{template {quote(self.name)}{f' {self.pipe}' if self.pipe else ''}}}}}"


def is_empty(body: list[Item]) -> bool:
    """Whether a body is nothing but blanks: such a redefinition never replaces another."""
    return all(isinstance(item, Text) and not item.text.strip(" \t\n\v\f\r\x85\xa0") for item in body)
