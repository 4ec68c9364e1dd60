"""The back end for templates that run again: one generated Python function per template.

Nothing on the good path knows where it is in the template. Every operation that can fail starts a line of the generated
source; a failure's line leads to its node when the source is generated once more (`blame`). What this back end does not
take (`Unsupported`) stays with the closures.
"""

from __future__ import annotations

from types import CodeType

from helmflow.core.errors import TemplateError
from helmflow.core.lazy import pattern
from helmflow.core.limits import MAX_TEMPLATE_TEXT_BYTES
from helmflow.gotemplate import builtins, nodes, rules, runtime
from helmflow.gotemplate.functions import Function, FunctionError
from helmflow.gotemplate.gotypes import NilMap
from helmflow.gotemplate.linking import ArgumentRefused, MethodFailed
from helmflow.gotemplate.rules import INTERFACE, MIXED, UNKNOWN, Refused
from helmflow.gotemplate.runtime import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

    from helmflow.gotemplate.templates import Template
    from helmflow.gotemplate.trees import Tree

    Known = tuple[str, str]
    Shortcut = Callable[["_Generator", list[Known]], Known | None]

MAX_LOOPS: Final = 16  # CPython refuses more than 20 nested loops and tries, and 100 levels of indentation
MAX_INDENT: Final = 80


class Unsupported(Exception):
    """A construct that is left to the closures."""


class _Place:
    """What a line of generated source does: `kind` says how a failure there is told."""

    __slots__ = (
        "base",
        "blamed",
        "container",
        "kind",
        "knowledge",
        "name",
        "names",
        "node",
        "others",
        "stops",
    )

    def __init__(
        self,
        base: int,
        kind: str,
        node: nodes.Node | nodes.Template,
        name: str = "",
        names: tuple[str, ...] = (),
        knowledge: str = UNKNOWN,
        others: tuple[nodes.Node, ...] = (),
    ) -> None:
        self.base = base
        self.kind = kind
        self.node = node
        self.name = name
        self.names = names
        self.knowledge = knowledge
        self.others = others
        self.blamed: nodes.Node | None = None  # what `node` is the usual last part of
        self.stops: dict[int, tuple[bool, tuple[str, ...]]] = {}  # `and` and `or` in it, with their operands
        self.container = ""  # the variable that holds what a range visits, where `name` is its element


def compile_tree(tree: Tree, functions: Mapping[str, Function], fixed: frozenset[str]) -> CodeType | None:
    """The template's code, None where it must stay with the closures. `fixed` names the functions of every run."""
    try:
        source, _ = _Generator(tree, functions, fixed).generate()
        module = compile(source, "<template>", "exec", dont_inherit=True, optimize=2)
    except (Unsupported, SyntaxError, RecursionError, MemoryError):
        return None
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def blame(
    error: Exception, template: Template, functions: Mapping[str, Function], fixed: frozenset[str]
) -> Exception:
    """What to raise instead of an error that left a generated function."""
    trace = error.__traceback__
    assert trace is not None
    while trace.tb_next is not None and trace.tb_frame.f_code.co_filename != "<template>":
        trace = trace.tb_next
    tree = template.tree
    if tree.places is None:
        tree.places = _Generator(tree, functions, fixed).generate()[1]
    place = tree.places.get(trace.tb_lineno)
    if place is None:
        return runtime.unplaced(template, str(error)) if isinstance(error, FunctionError) else error
    try:
        _explain(error, place, trace.tb_frame.f_locals)
    except Fault as fault:
        located = runtime.located(fault, place.base, template)
        located.__cause__ = fault.cause
        return located
    return error


def _explain(error: Exception, place: _Place, variables: Mapping[str, Any]) -> None:
    """Raises the Fault that the closures would have raised; returns for what is no failure of the template."""
    if place.kind == "field":
        receiver = variables.get(place.name)
        node = _blamed(place, "", variables)
        assert isinstance(node, nodes.Node)
        knowledge = place.knowledge
        if place.container and runtime.elements_are_typed(variables.get(place.container)):
            knowledge = UNKNOWN
        runtime.chain(receiver, place.names, knowledge, node, "zero")
        return
    if isinstance(error, RecursionError):
        if place.kind == "template":
            raise Fault(place.node, runtime.TOO_DEEP)
        return
    if place.kind == "template" and isinstance(error, TemplateError):
        return
    if isinstance(error, Refused):
        node = _blamed(place, str(error), variables)
        if isinstance(error, ArgumentRefused) and error.position >= 0:
            node = place.others[error.position]
        raise Fault(node, str(error))
    if isinstance(error, (FunctionError, TemplateError)):
        if place.kind == "call":
            raise Fault(place.node, f"error calling {place.name}: {error}", error)
        cause = error.cause if isinstance(error, MethodFailed) else error
        raise Fault(_blamed(place, str(error), variables), str(error), cause)


def _blamed(place: _Place, reason: str, variables: Mapping[str, Any]) -> nodes.Node | nodes.Template:
    if place.blamed is None:
        return place.node
    stops: dict[int, tuple[int, ...]] = {}
    for command, (stops_at, operands) in place.stops.items():
        truths = [bool(variables.get(operand)) for operand in operands]
        stops[command] = (truths.index(stops_at) if stops_at in truths else len(truths),)
    return rules.blamed(place.blamed, reason, stops)


# -- generating ------------------------------------------------------------------------------------------------------


class _Generator:
    """Writes one tree's source. Places are numbered as they are written; `generate` turns numbers into lines."""

    def __init__(self, tree: Tree, functions: Mapping[str, Function], fixed: frozenset[str]) -> None:
        self.tree = tree
        self.functions = functions
        self.fixed = fixed
        self.lines: list[str] = []
        self.places: list[_Place] = []
        self.scope: rules.Scope | None = None
        self.dot: Known = ("d0", UNKNOWN)
        self.dots = 0
        self.temporaries = 0
        self.slots = 0
        self.base = 0
        self.loops = 0
        self.loops_seen = False
        self.varying: dict[str, None] = {}
        self.containers: dict[str, str] = {}
        self.tracked: set[int] = set()
        self.stops: dict[int, tuple[bool, tuple[str, ...]]] = {}
        self.absent = "None"  # what a field of nothing is; INVALID where that is no nil interface

    def generate(self) -> tuple[str, dict[int, _Place]]:
        """The source, and the place of each line that can fail."""
        self._body(self.tree.items, "  ")
        head = ["def t(d0, R, P):", " try:"]
        head += [f"  c_{name} = R.calls[{name!r}]" for name in self.varying]
        last = self.lines[-1]
        if (
            not self.loops_seen
            and last.startswith("  w(")
            and sum(line.lstrip().startswith("w(") for line in self.lines) == 1
        ):
            head += [*self.lines[:-1], "  return (" + last[4:]]
        else:
            count = ["  n = 0"] if self.loops_seen else []
            head += ["  o = []", "  w = o.append", *count, *self.lines, "  return ''.join(o)"]
        head += [" except FAILURES as e:", "  raise R.blame(e, P)"]
        source = "\n".join(head)
        out = []
        numbered: dict[int, _Place] = {}
        for number, line in enumerate(source.split("\n"), 1):
            if line.startswith("@"):
                mark, _, line = line[1:].partition("@")
                numbered[number] = self.places[int(mark)]
            out.append(line)
        return "\n".join(out) + "\n", numbered

    def _mark(self, place: _Place) -> str:
        """Starts a line for an operation that can fail."""
        self.places.append(place)
        return f"\n@{len(self.places) - 1}@"

    def _track(self, node: nodes.Node) -> None:
        """Keep the operands of the `and` and `or` on which it depends what Go blames after evaluating the node."""
        self.tracked.update(map(id, rules.stops_within(node)))

    def _blame(self, place: _Place, node: nodes.Node) -> None:
        """A failure at the place is told of what was looked at last in the node."""
        place.blamed = node
        known = {id(command): self.stops.get(id(command)) for command in rules.stops_within(node)}
        place.stops = {command: operands for command, operands in known.items() if operands is not None}

    def _emit(self, indent: str, text: str) -> None:
        self.lines.append(indent + text)

    def _temporary(self) -> str:
        self.temporaries += 1
        return f"t{self.temporaries}"

    # -- bodies -------------------------------------------------------------------------------------------------

    def _body(self, items: list[nodes.Item], indent: str) -> None:
        if len(indent) > MAX_INDENT:
            raise Unsupported
        literal: list[str] = []
        values: list[str] = []
        empty = True
        for item in items:
            if isinstance(item, nodes.Text):
                literal.append(item.text.replace("%", "%%"))
                continue
            if isinstance(item, nodes.Action) and not item.pipe.declared:
                self.base = item.base
                values.append(self._printed(item.pipe))
                literal.append("%s")
                continue
            self._flush(literal, values, indent)
            empty = False
            self.base = item.base
            self._statement(item, indent)
        if literal:
            self._flush(literal, values, indent)
        elif empty:
            self._emit(indent, "pass")

    def _flush(self, literal: list[str], values: list[str], indent: str) -> None:
        """Write the texts and values collected so far in one go."""
        if not literal:
            return
        text = "".join(literal)
        if not values:
            self._emit(indent, f"w({text.replace('%%', '%')!r})")
        else:
            made = values[0] if text == "%s" else f"{text!r} % ({', '.join(values)},)"
            self._write(made, indent)
        literal.clear()
        values.clear()

    def _write(self, made: str, indent: str) -> None:
        """Output that is no literal; in loops its size is counted, for the list of pieces may grow without end."""
        if self.loops:
            self._emit(indent, f"w(s := ({made}))")
            self._emit(indent, "n += len(s)")
        else:
            self._emit(indent, f"w({made})")

    def _printed(self, pipe: nodes.Pipe) -> str:
        source, knowledge = self.pipe(pipe)
        if knowledge == "string":
            return source
        if knowledge == "bool":
            return f"('true' if {source} else 'false')"
        if knowledge in ("int", "int64"):
            return f"digits({source})"
        name = self._temporary()
        return f"({name} if type({name} := {source}) is str else shown({name}))"

    def _statement(self, item: nodes.Item, indent: str) -> None:
        if isinstance(item, nodes.Action):
            self._emit(indent, f"({self.pipe(item.pipe)[0]})")
        elif isinstance(item, nodes.Range):
            self._range(item, indent)
        elif isinstance(item, nodes.Block):
            self._if_or_with(item, indent)
        elif isinstance(item, nodes.Template):
            data = self.pipe(item.pipe)[0] if item.pipe else "None"
            find = self._mark(_Place(item.base, "refuse", item))
            mark = self._mark(_Place(item.base, "template", item))
            self._write(f"{mark}template(R, {find}find(R, {item.name!r}), {data})", indent)
        else:
            if not self.loops:
                raise Unsupported
            self._emit(indent, "break" if isinstance(item, nodes.Break) else "continue")

    def _if_or_with(self, item: nodes.Block, indent: str) -> None:
        outer, dot = self.scope, self.dot
        source, knowledge = self.pipe(item.pipe)
        if isinstance(item, nodes.With):
            self.dots += 1
            name = f"d{self.dots}"
            self._emit(indent, f"if ({name} := {source}):")
            self.dot = (name, knowledge if knowledge in rules.EXACT else rules.PRESENT)
        else:
            self._emit(indent, f"if ({source}):")
        declared = self.scope
        self._body(item.body, indent + " ")
        self.scope, self.dot = declared, dot
        if item.otherwise:
            self._emit(indent, "else:")
            self._body(item.otherwise, indent + " ")
        self.scope = outer

    def _range(self, item: nodes.Range, indent: str) -> None:
        outer, dot = self.scope, self.dot
        pipe = item.pipe
        if pipe.assigns or self.loops >= MAX_LOOPS:
            raise Unsupported
        self._track(pipe)
        source, _ = self.pipe(nodes.Pipe(pipe.pos, pipe.commands, [], ""))
        variables = []
        for variable in pipe.declared:
            name = variable.names[0]
            if name in self.tree.range_assigned:
                raise Unsupported
            variables.append(self._declare(name, MIXED if name in self.tree.assigned else INTERFACE))
        if len(variables) == 2:
            assert self.scope is not None
            assert self.scope.outer is not None
            self.scope.outer.knowledge = UNKNOWN  # keys and indexes
        self.dots += 1
        element = f"d{self.dots}"
        container = self._temporary()
        for name in (element, *variables[-1:]):
            self.containers[name] = container
        place = _Place(item.base, "range", rules.last_visited(pipe))
        self._blame(place, pipe)
        if item.otherwise and variables:
            name = self._temporary()
            targets = " = ".join([*variables, name])
            self._emit(indent, f"{targets} = ({source})")
            source = name
        entered = self._temporary() if item.otherwise else ""
        if entered:
            self._emit(indent, f"{entered} = True")
        mark = self._mark(place)
        self.places.append(place)
        opening = f"\n@{len(self.places) - 1}@{indent}for "
        declared = self.scope
        if len(variables) == 2:
            self._emit(
                "",
                f"{opening[1:]}{variables[0]}, {element} in ({mark}pairs({container} := {source}, R.budget, 2)):",
            )
            self._emit(indent + " ", f"{variables[1]} = {element}")
        else:
            self._emit("", f"{opening[1:]}{element} in ({mark}elements({container} := {source}, R.budget)):")
            if variables:
                self._emit(indent + " ", f"{variables[0]} = {element}")
        if entered:
            self._emit(indent + " ", f"{entered} = False")
        self.dot = (element, INTERFACE)
        self.loops += 1
        self.loops_seen = True
        self._emit(indent + " ", f"if n > {MAX_TEMPLATE_TEXT_BYTES}: too_long()")
        self._body(item.body, indent + " ")
        self.loops -= 1
        self.scope, self.dot = declared, dot
        if item.otherwise:
            self._emit(indent, f"if {entered}:")
            self._body(item.otherwise, indent + " ")
        self.scope = outer

    def _declare(self, name: str, knowledge: str) -> str:
        self.slots += 1
        self.scope = rules.Scope(name, self.slots, knowledge, self.scope)
        return f"v{self.slots}"

    # -- expressions --------------------------------------------------------------------------------------------

    def pipe(self, pipe: nodes.Pipe) -> Known:
        """A pipeline; its variables are declared for what follows."""
        scope = self.scope
        source, knowledge = "", UNKNOWN
        visited: nodes.Node = pipe
        final: Known | None = None
        for command in pipe.commands:
            source, knowledge = _unmixed(self._command(command, final, visited))
            if knowledge == INTERFACE:  # a pipe unwraps interfaces: nil is invalid from here on
                knowledge = UNKNOWN
            final = source, knowledge
            visited = rules.last_visited(command)
        if not pipe.declared:
            return source, knowledge
        if pipe.assigns:
            return self._assigned(pipe, source, knowledge), knowledge
        self.scope = scope
        for variable in pipe.declared:
            name = variable.names[0]
            if name in self.tree.range_assigned:
                raise Unsupported
            known = UNKNOWN if name in self.tree.assigned else knowledge
            source = f"({self._declare(name, known)} := {source})"
        return source, knowledge

    def _assigned(self, pipe: nodes.Pipe, source: str, knowledge: str) -> str:
        for variable in pipe.declared:
            found = self._find(variable.names[0])
            if found is None or not found.slot:
                raise Unsupported
            name = f"v{found.slot}"
            if found.knowledge != MIXED or knowledge in rules.EXACT:
                source = f"({name} := {source})"
            else:
                value = self._temporary()
                kept = f"{name} := INVALID if ({value} := {source}) is None else {value}"
                source = f"(None if ({kept}) is INVALID else {value})"
        return source

    def _find(self, name: str) -> rules.Scope | None:
        scope = self.scope
        while scope is not None and scope.name != name:
            scope = scope.outer
        return scope

    def _fail(self, node: nodes.Node, reason: str, before: Known | None) -> Known:
        mark = self._mark(_Place(self.base, "refuse", node))
        return f"{mark}refuse({reason!r}, {before[0] if before else 'None'})", UNKNOWN

    def _command(self, command: nodes.Command, final: Known | None, visited: nodes.Node) -> Known:
        first, args = command.args[0], command.args[1:]
        if isinstance(first, nodes.Identifier):
            return self._call(first, command, args, final)
        if args or final is not None:
            bare = isinstance(first, nodes.Variable) and len(first.names) == 1
            if isinstance(first, (nodes.Field, nodes.Variable, nodes.Chain)) and not bare:
                return self._invoke(first, args, final)
            blamed = visited if isinstance(first, nodes.Pipe) else first
            return self._fail(blamed, f"can't give argument to non-function {first}", final)
        if isinstance(first, nodes.Nil):
            return self._fail(first, "nil is not a command", None)
        return self._operand(first)

    def _operand(self, node: nodes.Node) -> Known:
        absent, self.absent = self.absent, "None"
        if isinstance(node, nodes.Field):
            return self._fields(node, self.dot, node.names, absent)
        if isinstance(node, nodes.Variable):
            receiver = self._variable(node)
            if len(node.names) == 1 or receiver[0][0] == "\n":
                return receiver
            return self._fields(node, receiver, node.names[1:], absent)
        if isinstance(node, nodes.Pipe):
            source, knowledge = self.pipe(node)
            return f"({source})", knowledge
        if isinstance(node, nodes.Identifier):
            source, knowledge = self._call(node, node, [], None)
            return source, knowledge or INTERFACE
        if isinstance(node, nodes.Chain):
            self._track(node)
            source, knowledge = self._operand(node.node)
            name = self._temporary()
            first = len(self.places)
            chain, known = self._fields(rules.last_visited(node), (name, knowledge), node.names, absent)
            self._blame(self.places[first], node)
            return f"({chain} if ({name} := {source}) is {name} else None)", known
        if isinstance(node, nodes.Dot):
            return self.dot
        try:
            value = rules.constant(node, "any")
        except Refused as error:
            return self._fail(node, str(error), None)
        return _literal(value)

    def _variable(self, node: nodes.Variable) -> Known:
        if node.names[0] == "$":
            return "d0", UNKNOWN
        found = self._find(node.names[0])
        if found is None:
            return self._fail(node, f"undefined variable: {node.names[0]}", None)
        return f"v{found.slot}", found.knowledge

    def _fields(
        self, node: nodes.Node, receiver: Known, names: tuple[str, ...], absent: str = "None"
    ) -> Known:
        name, knowledge = receiver
        place = _Place(self.base, "field", node, name, names, knowledge)
        place.container = self.containers.get(name, "")
        mark = self._mark(place)
        chain = f"{mark}{name}" + "".join(f".get({each!r})" for each in names)
        if knowledge == UNKNOWN:
            return f"({absent} if {name} is None else {chain})", INTERFACE
        if knowledge == MIXED:
            return f"({absent} if {name} is INVALID else {chain})", INTERFACE
        return chain, INTERFACE

    # -- calls --------------------------------------------------------------------------------------------------

    def _call(
        self, identifier: nodes.Identifier, command: nodes.Node, args: list[nodes.Node], final: Known | None
    ) -> Known:
        name = identifier.name
        function = self.functions[name]
        mistake = rules.arity_mistake(function, name, len(args), final is not None)
        if mistake:
            return self._fail(identifier, mistake, final)
        if function is builtins.LEN and args and not args[0].constant:
            self.absent = "INVALID"  # it tells invalid from nil
            operands = [self._operand(args[0])]
            self.absent = "None"
        else:
            operands = [self._argument(arg, rules.parameter_at(function, at)) for at, arg in enumerate(args)]
        if final is None:
            return self._applied(name, function, operands, command)
        # A piped value is evaluated before the arguments, but checked and passed after them.
        blamed = args[-1] if args else identifier
        parameter = rules.parameter_at(function, len(args))
        source, known = final
        stops_early = function is builtins.AND or function is builtins.OR
        if _simple(source) or (not stops_early and all(_simple(each) for each, _ in operands)):
            return self._applied(
                name, function, [*operands, self._checked(final, parameter, blamed)], command
            )
        piped = self._temporary()
        operands.append(self._checked((piped, known), parameter, blamed))
        made, knowledge = self._applied(name, function, operands, command)
        return f"({made} if ({piped} := {source}) is {piped} else None)", knowledge

    def _applied(self, name: str, function: Function, operands: list[Known], command: nodes.Node) -> Known:
        knowledge = rules.knowledge_of(function.returns)
        sources = [source for source, _ in operands]
        special = _SPECIAL.get(name)
        if special is not None and function is builtins.FUNCTIONS.get(name):
            made = special(self, operands, command)
            if made is not None:
                return made, knowledge
        shortcut = _SHORTCUTS.get(name)
        if (
            shortcut is not None
            and name in self.fixed
            and shortcut[0] == (function.params, function.variadic)
        ):
            short = shortcut[1](self, operands)
            if short is not None:
                return short
        if name in self.fixed:
            callee = f"f_{name}"
        else:
            self.varying[name] = None
            callee = f"c_{name}"
        mark = self._mark(_Place(self.base, "call", command, name))
        return f"{mark}{callee}({', '.join(sources)})", knowledge

    def _argument(self, node: nodes.Node, parameter: str) -> Known:
        if node.constant:
            try:
                return _literal(rules.constant(node, parameter))
            except Refused as error:
                return self._fail(node, str(error), None)
        if not rules.takes_anything(parameter):
            self.absent = "INVALID"
            self._track(node)
        operand = self._operand(node)
        self.absent = "None"
        return self._checked(operand, parameter, node)

    def _checked(self, operand: Known, parameter: str, blamed: nodes.Node) -> Known:
        if rules.takes_anything(parameter):
            return _unmixed(operand)
        source, knowledge = operand
        if knowledge == parameter:
            return operand
        name = self._temporary()
        place = _Place(self.base, "check", rules.last_visited(blamed))
        self._blame(place, blamed)
        mark = self._mark(place)
        check = f"{mark}checked({name}, {parameter!r}, {knowledge!r})"
        exact = rules.EXACT.get(parameter)
        if exact is not None and exact.__module__ == "builtins":
            return f"({name} if type({name} := {source}) is {exact.__name__} else {check})", parameter
        if parameter == "map[string]any":
            return f"({name} if type({name} := {source}) is dict else {check})", UNKNOWN
        return f"({check} if ({name} := {source}) is {name} else None)", UNKNOWN

    def _invoke(self, node: nodes.Node, args: list[nodes.Node], final: Known | None) -> Known:
        """A field with arguments."""
        if isinstance(node, nodes.Field):
            receiver, names = self.dot, node.names
        elif isinstance(node, nodes.Variable):
            receiver, names = self._variable(node), node.names[1:]
        else:
            assert isinstance(node, nodes.Chain)
            receiver, names = self._operand(node.node), node.names
        if final is not None or any(arg.constant and not isinstance(arg, nodes.String) for arg in args):
            raise Unsupported
        operands = [self._operand(arg) for arg in args]
        place = _Place(self.base, "invoke", node, others=tuple(rules.last_visited(arg) for arg in args))
        head, knowledge = receiver
        if len(names) > 1:
            temporary = self._temporary()
            source, knowledge = self._fields(node, (temporary, knowledge), names[:-1], "INVALID")
            head = f"({source} if ({temporary} := {head}) is {temporary} else None)"
        given = ", ".join(source for source, _ in operands)
        known = tuple(each for _, each in operands)
        mark = self._mark(place)
        return (
            f"{mark}invoke({head}, {names[-1]!r}, {knowledge!r}, ({given}{',' if operands else ''}), {known!r})",
            UNKNOWN,
        )


def _unmixed(operand: Known) -> Known:
    """The operand with None for what is invalid."""
    source, knowledge = operand
    return (f"(None if {source} is INVALID else {source})", UNKNOWN) if knowledge == MIXED else operand


_SIMPLE: Final = pattern(r"[dtv]\d+|None|True|False|-?\d+(\.\d+)?|'[^'\\]*'")


def _simple(source: str) -> bool:
    """Whether evaluating it does nothing and cannot fail."""
    return _SIMPLE.fullmatch(source) is not None


def _literal(value: Any) -> Known:
    for name, exact in rules.EXACT.items():
        if type(value) is exact:
            if exact.__module__ == "builtins" and not (
                exact is float and value in (float("inf"), float("-inf"))
            ):
                return repr(value), name
            return f"Int64({value!r})", name
    if value is None:
        return "None", UNKNOWN
    if value == []:
        return "[]", UNKNOWN
    if isinstance(value, NilMap):
        return "NilMap()", UNKNOWN
    if isinstance(value, int):
        return f"{type(value).__name__}({int(value)})", UNKNOWN
    raise Unsupported


# -- functions with a shorter way ------------------------------------------------------------------------------------


def _joined(word: str) -> Callable[[_Generator, list[Known], nodes.Node], str | None]:
    def make(generator: _Generator, operands: list[Known], command: nodes.Node) -> str | None:
        every = [source for source, _ in operands]
        if id(command) in generator.tracked:
            names = tuple(generator._temporary() for _ in every[:-1])
            every[:-1] = [f"({name} := {source})" for name, source in zip(names, every, strict=False)]
            generator.stops[id(command)] = (word == "or", names)
        return "(" + f" {word} ".join(every) + ")"

    return make


def _make_not(_generator: _Generator, operands: list[Known], _command: nodes.Node) -> str | None:
    return f"(not {operands[0][0]})"


def _make_equal(negated: str) -> Callable[[_Generator, list[Known], nodes.Node], str | None]:
    def make(generator: _Generator, operands: list[Known], command: nodes.Node) -> str | None:
        if len(operands) != 2:
            return None
        (first, known_first), (second, known_second) = operands
        name = "ne" if negated else "eq"
        sign = "!=" if negated else "=="
        if known_first == known_second and known_first in rules.EXACT:
            return f"({first} {sign} {second})"
        mark = generator._mark(_Place(generator.base, "call", command, name))
        helper = f"{mark}{'differ' if negated else 'equal'}"
        if known_second == "string" and _simple(second):
            left = generator._temporary()
            return f"(({left} {sign} {second}) if type({left} := {first}) is str else {helper}({left}, {second}))"
        return f"{helper}({first}, {second})"

    return make


def _make_len(generator: _Generator, operands: list[Known], command: nodes.Node) -> str | None:
    source, knowledge = operands[0]
    mark = generator._mark(_Place(generator.base, "call", command, "len"))
    return f"{mark}{'length' if knowledge in (INTERFACE, MIXED) else 'length_of_pipe'}({source})"


def _make_index(generator: _Generator, operands: list[Known], command: nodes.Node) -> str | None:
    """An item of a list at a known place, or an entry of a map: what templates mostly ask for."""
    if len(operands) != 2 or not _simple(operands[1][0]):
        return None
    (item, _), (index, known) = operands
    name = generator._temporary()
    if index.isdecimal():
        short, fits = f"{name}[{index}]", f"is list and len({name}) > {index}"
    else:
        short, fits = (
            f"{name}.get({index})",
            "is dict" + ("" if known == "string" else f" and type({index}) is str"),
        )
    mark = generator._mark(_Place(generator.base, "call", command, "index"))
    return f"({short} if type({name} := {item}) {fits} else {mark}f_index({name}, {index}))"


def _make_call(_generator: _Generator, _operands: list[Known], _command: nodes.Node) -> str | None:
    raise Unsupported


# Sprig's simplest functions, told by name and signature: what a line of Python says as well as their body.


def _make_dict(_generator: _Generator, operands: list[Known]) -> Known | None:
    keys = operands[::2]
    if len(operands) % 2 or any(known != "string" or not _simple(source) for source, known in keys):
        return None
    entries = [f"{key}: {value}" for (key, _), (value, _) in zip(keys, operands[1::2], strict=True)]
    return f"{{{', '.join(entries)}}}", "map[string]any"


def _make_list(_generator: _Generator, operands: list[Known]) -> Known | None:
    return f"[{', '.join(source for source, _ in operands)}]", "[]any"


def _make_default(generator: _Generator, operands: list[Known]) -> Known | None:
    if len(operands) != 2:
        return None
    (fallback, known), (value, known_value) = operands
    knowledge = known if known == known_value else UNKNOWN
    if _simple(fallback):
        return f"({value} or {fallback})", knowledge
    name = generator._temporary()
    return f"(({value} or {name}) if ({name} := {fallback}) is {name} else None)", knowledge


def _make_empty(_generator: _Generator, operands: list[Known]) -> Known | None:
    return f"(not {operands[0][0]})", "bool"


def _make_has_key(_generator: _Generator, operands: list[Known]) -> Known | None:
    (mapping, _), (key, _) = operands
    return (f"({key} in {mapping})", "bool") if _simple(key) else None


def _make_indent(start: str) -> Callable[[_Generator, list[Known]], Known | None]:
    def make(_generator: _Generator, operands: list[Known]) -> Known | None:
        spaces, text = operands[0][0], operands[1][0]
        if not spaces.isdecimal() or int(spaces) > 64:
            return None
        padding = "\n" + " " * int(spaces)
        first = padding if start else padding[1:]
        return f"({first!r} + {text}.replace('\\n', {padding!r}))", "string"

    return make


def _make_method(method: str) -> Callable[[_Generator, list[Known]], Known | None]:
    def make(_generator: _Generator, operands: list[Known]) -> Known | None:
        part, text = operands[0][0], operands[1][0]
        return (f"({text}).{method}({part})", "string") if _simple(part) else None

    return make


def _make_contains(_generator: _Generator, operands: list[Known]) -> Known | None:
    part, text = operands[0][0], operands[1][0]
    return (f"({part} in ({text}))", "bool") if _simple(part) else None


def _make_name_test(names: str, name_of: str) -> Callable[[_Generator, list[Known]], Known | None]:
    """The usual types have their names in a table."""

    def make(generator: _Generator, operands: list[Known]) -> Known | None:
        (name, _), (value, _) = operands
        if not _simple(name):
            return None
        tested = generator._temporary()
        named = f"({names}.get(type({tested} := {value})) or {name_of}({tested}))"
        return f"({named} == {name})", "bool"

    return make


def _make_trunc(generator: _Generator, operands: list[Known]) -> Known | None:
    count, text = operands[0][0], operands[1][0]
    if not count.isdecimal():
        return None
    name = generator._temporary()
    return f"({name}[:{count}] if ({name} := {text}).isascii() else f_trunc({count}, {name}))", "string"


_SHORTCUTS: Final[dict[str, tuple[tuple[tuple[str, ...], bool], Shortcut]]] = {
    "default": ((("any", "any"), True), _make_default),
    "dict": ((("any",), True), _make_dict),
    "empty": ((("any",), False), _make_empty),
    "hasKey": ((("map[string]any", "string"), False), _make_has_key),
    "indent": ((("int", "string"), False), _make_indent("")),
    "kindIs": ((("string", "any"), False), _make_name_test("kinds", "kind_of")),
    "list": ((("any",), True), _make_list),
    "nindent": ((("int", "string"), False), _make_indent("newline")),
    "contains": ((("string", "string"), False), _make_contains),
    "trimPrefix": ((("string", "string"), False), _make_method("removeprefix")),
    "trimSuffix": ((("string", "string"), False), _make_method("removesuffix")),
    "trunc": ((("int", "string"), False), _make_trunc),
    "typeIs": ((("string", "any"), False), _make_name_test("types", "type_of")),
}

_VERB: Final = pattern(r"(?s)%(.)")


def _make_printf(generator: _Generator, operands: list[Known], command: nodes.Node) -> str | None:
    """A constant layout of plain %s, %v and %d becomes Python's own formatting."""
    layout, knowledge = operands[0]
    if knowledge != "string" or layout[0] not in "'\"":
        return None
    text = _unliteral(layout)
    verbs = _VERB.findall(text)
    values = [verb for verb in verbs if verb != "%"]
    if text.count("%") != len(verbs) + verbs.count("%") or any(verb not in "svd%" for verb in verbs):
        return None
    if len(values) != len(operands) - 1:
        return None
    parts = []
    for verb, (source, known) in zip(values, operands[1:], strict=True):
        if known == "string" and verb in "sv":
            parts.append(source)
            continue
        name = generator._temporary()
        if verb == "d":
            parts.append(f"({name} if type({name} := {source}) is int else sprintf('%d', {name}))")
        else:
            other = f"format_value({name})" if verb == "v" else f"sprintf('%s', {name})"
            parts.append(f"({name} if type({name} := {source}) is str else {other})")
    if not parts:
        return repr(text.replace("%%", "%"))
    python = _VERB.sub(lambda verb: "%%" if verb[1] == "%" else "%s", text)
    made = f"({python!r} % ({', '.join(parts)},))"
    if len(parts) < 2:
        return made
    # Two values in one text can double it with every round; one value cannot.
    mark = generator._mark(_Place(generator.base, "call", command, "printf"))
    return f"{mark}bounded{made}"


def _unliteral(source: str) -> str:
    import ast

    return str(ast.literal_eval(source))


_SPECIAL: Final[dict[str, Callable[[_Generator, list[Known], nodes.Node], str | None]]] = {
    "and": _joined("and"),
    "or": _joined("or"),
    "not": _make_not,
    "eq": _make_equal(""),
    "ne": _make_equal("not"),
    "index": _make_index,
    "len": _make_len,
    "call": _make_call,
    "printf": _make_printf,
}
