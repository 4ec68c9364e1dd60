"""The back end for first runs: a tree of closures, built as far as it is reached.

An expression becomes `f(dot, frame) -> value`, an item of a body `f(dot, frame, write)`, which gives LEAVE or AGAIN to
break or continue a range. A frame maps slots to variables; slots 0 to 2 are $, the run and the template.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.errors import TemplateError
from helmflow.core.limits import MAX_TEMPLATE_TEXT_BYTES
from helmflow.gotemplate import builtins, nodes, rules, runtime
from helmflow.gotemplate.functions import Function, FunctionError
from helmflow.gotemplate.printf import TOO_LONG, joined
from helmflow.gotemplate.rules import INTERFACE, MIXED, UNKNOWN, Refused
from helmflow.gotemplate.runtime import CALL_FAILURES, Fault
from helmflow.gotemplate.values import INVALID, equal, type_of

if TYPE_CHECKING:
    from helmflow.gotemplate.templates import Template, TemplateSet
    from helmflow.gotemplate.trees import Tree

Frame = dict[int, Any]
Expression = Callable[[Any, Frame], Any]
Write = Callable[[str], None]
Statement = Callable[[Any, Frame, Write], Any]
Known = tuple[Expression, str]

DOLLAR: Final = 0
RUN: Final = 1
TEMPLATE: Final = 2
LEAVE: Final = 1
AGAIN: Final = 2


def run(template: Template, templates: TemplateSet, data: Any) -> str:
    """The template's output. Raises ExecError."""
    tree = template.tree
    statements = tree.closures
    if statements is None:
        statements = tree.closures = _Compiler(tree, templates).body(tree.items, None, UNKNOWN)
    out: list[str] = []
    statements(data, {DOLLAR: data, RUN: templates, TEMPLATE: template}, out.append)
    try:
        return joined(out)
    except FunctionError as error:
        raise runtime.unplaced(template) from error


class _Compiler:
    """Compiles one tree. `scope` and `dot` follow the body that is being compiled."""

    def __init__(self, tree: Tree, templates: TemplateSet) -> None:
        self.tree = tree
        self.functions = templates.functions
        self.fixed = templates.fixed
        self.missing = templates.missing_key
        self.slots = TEMPLATE + 1
        self.scope: rules.Scope | None = None
        self.dot = UNKNOWN
        self.root: Expression = _dollar
        self.stops: dict[int, list[int]] = {}

    # -- bodies -------------------------------------------------------------------------------------------------

    def body(self, items: list[nodes.Item], scope: rules.Scope | None, dot: str) -> Statement:
        """The items in order."""
        saved = self.scope, self.dot
        self.scope, self.dot = scope, dot
        statements = [self._item(item) for item in items]
        self.scope, self.dot = saved
        if not statements:
            return _nothing
        if len(statements) == 1:
            return statements[0]
        every = tuple(statements)
        if any(isinstance(item, (nodes.Break, nodes.Continue, nodes.If, nodes.With)) for item in items):

            def leaving(d: Any, v: Frame, write: Write) -> Any:
                for statement in every:
                    signal = statement(d, v, write)
                    if signal:
                        return signal
                return None

            return leaving

        def straight(d: Any, v: Frame, write: Write) -> None:
            for statement in every:
                statement(d, v, write)

        return straight

    def _later(
        self, items: list[nodes.Item] | None, scope: rules.Scope | None, dot: str
    ) -> Callable[[], Statement]:
        """A body that is compiled when it is first entered."""
        known: list[Statement] = []

        def get() -> Statement:
            if not known:
                known.append(self.body(items or [], scope, dot))
            return known[0]

        return get

    def _item(self, item: nodes.Item) -> Statement:
        if isinstance(item, nodes.Text):
            text = item.text

            def literal(d: Any, v: Frame, write: Write) -> None:
                write(text)

            return literal
        if isinstance(item, nodes.Action):
            return self._action(item)
        if isinstance(item, nodes.Range):
            return self._range(item)
        if isinstance(item, nodes.Block):
            return self._if_or_with(item)
        if isinstance(item, nodes.Template):
            return self._template(item)
        return _leave if isinstance(item, nodes.Break) else _again

    def _action(self, item: nodes.Action) -> Statement:
        base = item.base
        evaluate, knowledge = self.pipe(item.pipe)
        if item.pipe.declared:

            def declare(d: Any, v: Frame, write: Write) -> None:
                try:
                    evaluate(d, v)
                except Fault as fault:
                    raise runtime.located(fault, base, v[TEMPLATE]) from fault.cause

            return declare
        if knowledge == "string":

            def show_text(d: Any, v: Frame, write: Write) -> None:
                try:
                    write(evaluate(d, v))
                except Fault as fault:
                    raise runtime.located(fault, base, v[TEMPLATE]) from fault.cause

            return show_text
        shown = runtime.shown

        def show(d: Any, v: Frame, write: Write) -> None:
            try:
                value = evaluate(d, v)
            except Fault as fault:
                raise runtime.located(fault, base, v[TEMPLATE]) from fault.cause
            try:
                write(value if type(value) is str else shown(value))
            except FunctionError as error:
                raise runtime.unplaced(v[TEMPLATE], str(error)) from error

        return show

    def _if_or_with(self, item: nodes.Block) -> Statement:
        base = item.base
        outer = self.scope
        evaluate, knowledge = self.pipe(item.pipe)
        is_with = isinstance(item, nodes.With)
        dot = (knowledge if knowledge in rules.EXACT else UNKNOWN) if is_with else self.dot
        body = self._later(item.body, self.scope, dot)
        otherwise = self._later(item.otherwise, self.scope, self.dot) if item.otherwise else None
        self.scope = outer

        def branch(d: Any, v: Frame, write: Write) -> Any:
            try:
                value = evaluate(d, v)
            except Fault as fault:
                raise runtime.located(fault, base, v[TEMPLATE]) from fault.cause
            if value:
                return body()(value if is_with else d, v, write)
            return otherwise()(d, v, write) if otherwise is not None else None

        return branch

    def _range(self, item: nodes.Range) -> Statement:
        base, pipe = item.base, item.pipe
        outer = self.scope
        names = [variable.names[0] for variable in pipe.declared]
        evaluate, _ = self.pipe(pipe)
        slots = [self._slot(name, pipe, number) for number, name in enumerate(names)]
        body = self._later(item.body, self.scope, INTERFACE)
        typed_body = self._later(item.body, self._typed(pipe), UNKNOWN)
        otherwise = self._later(item.otherwise, self.scope, self.dot) if item.otherwise else None
        self.scope = outer
        stops = self.stops
        element_slot = slots[-1] if slots else None
        index_slot = slots[0] if len(slots) > 1 else None

        def loop(d: Any, v: Frame, write: Write) -> Any:
            try:
                value = evaluate(d, v)
                try:
                    found = runtime.pairs(value, v[RUN].budget, len(slots))
                except Refused as error:
                    raise Fault(rules.last_visited(pipe, stops), str(error)) from None
            except Fault as fault:
                raise runtime.located(fault, base, v[TEMPLATE]) from fault.cause
            except FunctionError as error:
                raise runtime.located(
                    Fault(rules.last_visited(pipe, stops), str(error), error), base, v[TEMPLATE]
                ) from error
            entered = False
            run_body = (typed_body if runtime.elements_are_typed(value) else body)()
            counted = _counted(write)
            try:
                for key, element in found:
                    entered = True
                    if element_slot is not None:
                        v[element_slot] = element
                        if index_slot is not None:
                            v[index_slot] = key
                    if run_body(element, v, counted) == LEAVE:
                        break
            except FunctionError as error:
                raise runtime.located(
                    Fault(rules.last_visited(pipe, stops), str(error), error), base, v[TEMPLATE]
                ) from error
            if not entered and otherwise is not None:
                return otherwise()(d, v, write)
            return None

        return loop

    def _slot(self, name: str, pipe: nodes.Pipe, number: int) -> int:
        found = self._find(name)
        if found is None or pipe.assigns:
            return found.slot if found else DOLLAR
        is_element = number == len(pipe.declared) - 1
        if name in self.tree.assigned and (is_element or name in self.tree.range_assigned):
            found.knowledge = MIXED
        else:
            found.knowledge = INTERFACE if is_element else UNKNOWN
        return found.slot

    def _typed(self, pipe: nodes.Pipe) -> rules.Scope | None:
        """The scope of a body that visits elements with a Go type of their own."""
        scope = self.scope
        if not pipe.declared or pipe.assigns or scope is None or scope.name in self.tree.range_assigned:
            return scope
        return rules.Scope(scope.name, scope.slot, UNKNOWN, scope.outer)

    def _template(self, item: nodes.Template) -> Statement:
        base, name = item.base, item.name
        evaluate = self.pipe(item.pipe)[0] if item.pipe else None

        def call(d: Any, v: Frame, write: Write) -> None:
            templates: TemplateSet = v[RUN]
            template = templates.templates.get(name)
            try:
                if template is None:
                    raise Fault(item, f"template {runtime._quoted(name)} not defined")
                data = evaluate(d, v) if evaluate is not None else None
                templates.budget.spend(4)
            except Fault as fault:
                raise runtime.located(fault, base, v[TEMPLATE]) from fault.cause
            except FunctionError as error:
                raise runtime.located(Fault(item, str(error), error), base, v[TEMPLATE]) from error
            try:
                write(templates.run(template, data))
            except RecursionError:  # raised again on the way out until there is room to tell where
                raise runtime.located(Fault(item, runtime.TOO_DEEP), base, v[TEMPLATE]) from None

        return call

    # -- expressions --------------------------------------------------------------------------------------------

    def pipe(self, pipe: nodes.Pipe) -> Known:
        """A pipeline; its variables are declared for what follows. Interfaces are unwrapped: None is invalid."""
        scope = self.scope
        slots: list[int] = []
        for variable in pipe.declared:
            if not pipe.assigns:
                slots.append(self.slots)
                self.scope = rules.Scope(variable.names[0], self.slots, UNKNOWN, self.scope)
                self.slots += 1
        declared, self.scope = self.scope, scope
        before: nodes.Node | None = None
        evaluate: Expression | None = None
        knowledge = UNKNOWN
        for command in pipe.commands:
            evaluate, knowledge = self._command(command, evaluate, knowledge, before or pipe)
            if knowledge == MIXED:
                evaluate = _unmixed(evaluate)
            if knowledge in (INTERFACE, MIXED):  # a pipe unwraps interfaces: nil is invalid from here on
                knowledge = UNKNOWN
            before = command
        assert evaluate is not None
        if knowledge == MIXED:
            evaluate = _unmixed(evaluate)
        if knowledge in (INTERFACE, MIXED):
            knowledge = UNKNOWN
        if not pipe.declared:
            return evaluate, knowledge
        if pipe.assigns:
            return self._assign(pipe, evaluate), knowledge
        self.scope = declared
        found = declared
        for variable in pipe.declared:
            assert found is not None
            name = variable.names[0]
            found.knowledge = UNKNOWN if name in self.tree.assigned else knowledge
            if name in self.tree.range_assigned:
                found.knowledge = MIXED
                evaluate = _mixed(evaluate)
            found = found.outer
        return _store(evaluate, tuple(slots)), knowledge

    def _assign(self, pipe: nodes.Pipe, evaluate: Expression) -> Expression:
        slots = []
        for variable in pipe.declared:
            found = self._find(variable.names[0])
            if found is None:
                return _failing(
                    rules.last_visited(pipe), f"undefined variable: {variable.names[0]}", evaluate
                )
            slots.append(found.slot)
            if found.knowledge in (INTERFACE, MIXED):
                evaluate = _mixed(evaluate)
        return _store(evaluate, tuple(slots))

    def _find(self, name: str) -> rules.Scope | None:
        if name == "$":
            return _DOLLAR_SCOPE
        scope = self.scope
        while scope is not None and scope.name != name:
            scope = scope.outer
        return scope

    def _command(
        self, command: nodes.Command, final: Expression | None, final_knowledge: str, before: nodes.Node
    ) -> Known:
        """A command, fed with the one before; the first has its pipeline before it."""
        first, args = command.args[0], command.args[1:]
        if isinstance(first, nodes.Identifier):
            return self._call(first, command, args, final, final_knowledge)
        if args or final is not None:
            bare = isinstance(first, nodes.Variable) and len(first.names) == 1
            if isinstance(first, (nodes.Field, nodes.Variable, nodes.Chain)) and not bare:
                return self._invoke(first, args, final, final_knowledge)
            blamed = first
            if isinstance(first, nodes.Pipe):
                blamed = before if isinstance(before, nodes.Pipe) else rules.last_visited(before)
            return _failing(blamed, f"can't give argument to non-function {first}", final), UNKNOWN
        if isinstance(first, nodes.Nil):
            return _failing(first, "nil is not a command", None), UNKNOWN
        return self._operand(first)

    def _operand(self, node: nodes.Node) -> Known:
        """An operand without arguments."""
        if isinstance(node, nodes.Field):
            return self._fields(node, _dot, self.dot, node.names)
        if isinstance(node, nodes.Variable):
            evaluate, knowledge = self._variable(node)
            if len(node.names) == 1:
                return evaluate, knowledge
            return self._fields(node, evaluate, knowledge, node.names[1:])
        if isinstance(node, nodes.Pipe):
            return self.pipe(node)
        if isinstance(node, nodes.Identifier):
            evaluate, knowledge = self._call(node, node, [], None, UNKNOWN)
            return evaluate, knowledge or INTERFACE
        if isinstance(node, nodes.Chain):
            if isinstance(node.node, nodes.Nil):
                return _failing(node, f"indirection through explicit nil in {node}", None), UNKNOWN
            evaluate, knowledge = self._operand(node.node)
            blamed = rules.last_visited(node)
            found, known = self._fields(blamed, evaluate, knowledge, node.names)
            return self._placed(found, node, blamed), known
        if isinstance(node, nodes.Dot):
            return _dot, self.dot
        try:
            value = rules.constant(node, "any")
        except Refused as error:
            return _failing(node, str(error), None), UNKNOWN
        return _constant(value), _type_name(value)

    def _placed(self, evaluate: Expression, node: nodes.Node, blamed: nodes.Node) -> Expression:
        """The same, but what is blamed depends on where `and` and `or` in the node stopped."""
        if next(rules.stops_within(node), None) is None:
            return evaluate
        stops = self.stops

        def placed(d: Any, v: Frame) -> Any:
            try:
                return evaluate(d, v)
            except Fault as fault:
                if fault.node is blamed:
                    fault.node = rules.last_visited(node, stops)
                raise

        return placed

    def _variable(self, node: nodes.Variable) -> Known:
        found = self._find(node.names[0])
        if found is None:
            return _failing(node, f"undefined variable: {node.names[0]}", None), UNKNOWN
        slot = found.slot
        if slot == DOLLAR:
            return _dollar, UNKNOWN

        def variable(d: Any, v: Frame) -> Any:
            return v[slot]

        return variable, found.knowledge

    def _fields(
        self, node: nodes.Node, receiver: Expression, knowledge: str, names: tuple[str, ...]
    ) -> Known:
        missing = self.missing
        if missing != "zero":

            def careful(d: Any, v: Frame) -> Any:
                return runtime.chain(receiver(d, v), names, knowledge, node, missing)[0]

            return careful, MIXED if missing == "default" else INTERFACE
        return _field_chain(node, receiver, knowledge, names), INTERFACE

    # -- calls --------------------------------------------------------------------------------------------------

    def _call(
        self,
        identifier: nodes.Identifier,
        command: nodes.Node,
        args: list[nodes.Node],
        final: Expression | None,
        final_knowledge: str,
    ) -> Known:
        name = identifier.name
        function = self.functions.get(name)
        if function is None:
            return _failing(identifier, f"{runtime._quoted(name)} is not a defined function", final), UNKNOWN
        mistake = rules.arity_mistake(function, name, len(args), final is not None)
        if mistake:
            return _failing(identifier, mistake, final), UNKNOWN
        arguments = [self._argument(arg, rules.parameter_at(function, at)) for at, arg in enumerate(args)]
        if function is builtins.LEN:
            operand, known = (final, final_knowledge) if final else self._operand(args[0])
            if known == INTERFACE and self.missing == "zero" and not final:
                operand, known = self._exact_nil(args[0], operand)
            operand = operand if known in (INTERFACE, MIXED) else _mixed(operand)
            return _applied(name, function.call, [operand], None, command), "int"
        if function is builtins.AND or function is builtins.OR:
            return _logic(
                function is builtins.OR,
                arguments,
                final and _plain(final, final_knowledge),
                self.stops.setdefault(id(command), [0]),
            ), UNKNOWN
        check: Callable[[Any], Any] | None = None
        if final is not None:
            # A piped value is evaluated before the arguments, but checked and passed after them.
            parameter = rules.parameter_at(function, len(args))
            final = _plain(final, final_knowledge)
            known = UNKNOWN if final_knowledge == MIXED else final_knowledge
            check = _check(parameter, known, args[-1] if args else identifier, self.stops)
        knowledge = rules.knowledge_of(function.returns)
        if name == "eq" and function is builtins.FUNCTIONS["eq"] and final is None and len(arguments) == 2:
            return _equals(arguments[0], arguments[1], command), knowledge
        if name == "not" and function is builtins.FUNCTIONS["not"] and arguments:
            operand = arguments[0]
            return (lambda d, v: not operand(d, v)), knowledge
        if function is builtins.CALL:
            callee = str(args[0]) if args else ""
            return _call_value(arguments, final, command, callee), knowledge
        body = function.call if name in self.fixed else None
        return _applied(name, body, arguments, final, command, check), knowledge

    def _argument(self, node: nodes.Node, parameter: str) -> Expression:
        if node.constant:
            try:
                return _constant(rules.constant(node, parameter))
            except Refused as error:
                return _failing(node, str(error), None)
        evaluate, knowledge = self._operand(node)
        if knowledge == INTERFACE and self.missing == "zero" and not rules.takes_anything(parameter):
            evaluate, knowledge = self._exact_nil(node, evaluate)
        return self._checked(evaluate, knowledge, parameter, node)

    def _exact_nil(self, node: nodes.Node, evaluate: Expression) -> Known:
        """The same, but INVALID for a field of nothing, which is no nil interface."""
        if isinstance(node, nodes.Chain):
            receiver, knowledge = self._operand(node.node)
            blamed = rules.last_visited(node)
            chain = _careful_chain(blamed, receiver, knowledge, node.names)
            return self._placed(chain, node, blamed), MIXED
        if isinstance(node, nodes.Field):
            careful = _careful_chain(node, _dot, self.dot, node.names)
        elif isinstance(node, nodes.Variable) and len(node.names) > 1:
            receiver, knowledge = self._variable(node)
            careful = _careful_chain(node, receiver, knowledge, node.names[1:])
        else:
            return evaluate, INTERFACE

        def exact(d: Any, v: Frame) -> Any:
            value = evaluate(d, v)
            return careful(d, v) if value is None else value

        return exact, MIXED

    def _checked(
        self, evaluate: Expression, knowledge: str, parameter: str, blamed: nodes.Node
    ) -> Expression:
        if rules.takes_anything(parameter):
            return _plain(evaluate, knowledge)
        check = _check(parameter, knowledge, blamed, self.stops)
        if check is None:
            return evaluate
        exact = rules.EXACT.get(parameter)

        def checked(d: Any, v: Frame) -> Any:
            value = evaluate(d, v)
            return value if type(value) is exact else check(value)

        return checked

    def _invoke(
        self, node: nodes.Node, args: list[nodes.Node], final: Expression | None, final_knowledge: str
    ) -> Known:
        """A field with arguments: only a method can take them, which is known when it is reached."""
        names: tuple[str, ...]
        if isinstance(node, nodes.Field):
            receiver: Expression = _dot
            knowledge, names = self.dot, node.names
        elif isinstance(node, nodes.Variable):
            receiver, knowledge = self._variable(node)
            names = node.names[1:]
        else:
            assert isinstance(node, nodes.Chain)
            receiver, knowledge = self._operand(node.node)
            names = node.names
        missing, scope, dot = self.missing, self.scope, self.dot
        blamed = rules.last_visited(args[-1]) if args else node

        def call(d: Any, v: Frame) -> Any:
            piped = final(d, v) if final is not None else None

            def arguments(method: Function, name: str) -> list[Any]:
                saved, self.scope, self.dot = (self.scope, self.dot), scope, dot
                try:
                    given = [
                        self._argument(arg, rules.parameter_at(method, at))(d, v)
                        for at, arg in enumerate(args)
                    ]
                finally:
                    self.scope, self.dot = saved
                if final is not None:
                    given.append(runtime.check_argument(piped, method, len(args), final_knowledge, blamed))
                return given

            return runtime.invoke(
                receiver(d, v), names, knowledge, node, missing, arguments, len(args), int(final is not None)
            )

        return call, UNKNOWN


# -- closures --------------------------------------------------------------------------------------------------------


def _dot(d: Any, v: Frame) -> Any:
    return d


def _dollar(d: Any, v: Frame) -> Any:
    return v[DOLLAR]


def _counted(write: Write) -> Write:
    """The same, but it ends a loop whose output grows beyond the limit."""
    size = 0

    def counted(text: str) -> None:
        nonlocal size
        size += len(text)
        if size > MAX_TEMPLATE_TEXT_BYTES:
            raise FunctionError(TOO_LONG)
        write(text)

    return counted


def _nothing(d: Any, v: Frame, write: Write) -> None:
    return None


def _leave(d: Any, v: Frame, write: Write) -> int:
    return LEAVE


def _again(d: Any, v: Frame, write: Write) -> int:
    return AGAIN


_DOLLAR_SCOPE: Final = rules.Scope("$", DOLLAR, UNKNOWN, None)


def _type_name(value: Any) -> str:
    for name, exact in rules.EXACT.items():
        if type(value) is exact:
            return name
    return UNKNOWN


def _constant(value: Any) -> Expression:
    def constant(d: Any, v: Frame) -> Any:
        return value

    return constant


def _failing(node: nodes.Node | nodes.Template, reason: str, before: Expression | None) -> Expression:
    def fail(d: Any, v: Frame) -> Any:
        if before is not None:
            before(d, v)
        raise Fault(node, reason)

    return fail


def _check(
    parameter: str, knowledge: str, blamed: nodes.Node, stops: rules.Stops
) -> Callable[[Any], Any] | None:
    """What makes sure that a value may be passed, None where it surely may."""
    if knowledge == parameter or rules.takes_anything(parameter):
        return None

    def check(value: Any) -> Any:
        try:
            return rules.checked(value, parameter, knowledge)
        except Refused as error:
            raise Fault(rules.blamed(blamed, str(error), stops), str(error)) from None

    return check


def _unmixed(evaluate: Expression) -> Expression:
    def unmixed(d: Any, v: Frame) -> Any:
        value = evaluate(d, v)
        return None if value is INVALID else value

    return unmixed


def _plain(evaluate: Expression, knowledge: str) -> Expression:
    return _unmixed(evaluate) if knowledge == MIXED else evaluate


def _mixed(evaluate: Expression) -> Expression:
    def mixed(d: Any, v: Frame) -> Any:
        value = evaluate(d, v)
        return INVALID if value is None else value

    return mixed


def _store(evaluate: Expression, slots: tuple[int, ...]) -> Expression:
    if len(slots) == 1:
        slot = slots[0]

        def store(d: Any, v: Frame) -> Any:
            value = v[slot] = evaluate(d, v)
            return None if value is INVALID else value

        return store

    def store_all(d: Any, v: Frame) -> Any:
        value = evaluate(d, v)
        for each in slots:
            v[each] = value
        return None if value is INVALID else value

    return store_all


def _field_chain(
    node: nodes.Node, receiver: Expression, knowledge: str, names: tuple[str, ...]
) -> Expression:
    """Map entries one after the other; whatever is no plain map is left to the rules."""
    if len(names) == 1:
        name = names[0]

        def one(d: Any, v: Frame) -> Any:
            value = receiver(d, v)
            try:
                return value.get(name)
            except (AttributeError, LookupError, *CALL_FAILURES):
                return runtime.chain(value, names, knowledge, node, "zero")[0]

        return one
    if receiver is _dot and len(names) == 2:
        first, second = names

        def two(d: Any, v: Frame) -> Any:
            try:
                return d.get(first).get(second)
            except (AttributeError, LookupError, *CALL_FAILURES):
                return runtime.chain(d, names, knowledge, node, "zero")[0]

        return two

    def many(d: Any, v: Frame) -> Any:
        value = start = receiver(d, v)
        try:
            for name in names:
                value = value.get(name)
        except (AttributeError, LookupError, *CALL_FAILURES):
            return runtime.chain(start, names, knowledge, node, "zero")[0]
        return value

    return many


def _careful_chain(
    node: nodes.Node, receiver: Expression, knowledge: str, names: tuple[str, ...]
) -> Expression:
    def careful(d: Any, v: Frame) -> Any:
        value, known = runtime.chain(receiver(d, v), names, knowledge, node, "zero")
        return INVALID if value is None and known == UNKNOWN else value

    return careful


def _logic(
    stops_at: bool, operands: list[Expression], final: Expression | None, stopped: list[int]
) -> Expression:
    every = tuple(operands)

    def logic(d: Any, v: Frame) -> Any:
        piped = final(d, v) if final is not None else None
        value = None
        for place, operand in enumerate(every):
            stopped[0] = place
            value = operand(d, v)
            stopped[0] = place  # again: the operand may have come by here
            if (not value) is not stops_at:
                return value
        return piped if final is not None else value

    return logic


def _equals(first: Expression, second: Expression, command: nodes.Node) -> Expression:
    def equals(d: Any, v: Frame) -> bool:
        a, b = first(d, v), second(d, v)
        if type(a) is str and type(b) is str:
            return a == b
        try:
            return equal(a, b)
        except FunctionError as error:
            raise Fault(command, f"error calling eq: {error}", error) from error

    return equals


def _call_value(
    operands: list[Expression], final: Expression | None, command: nodes.Node, callee: str
) -> Expression:
    def call(d: Any, v: Frame) -> Any:
        piped = [final(d, v)] if final is not None else []
        given = [operand(d, v) for operand in operands] + piped
        name = callee or (given[0] if isinstance(given[0], str) else f"<{type_of(given[0])} Value>")
        try:
            return builtins.CALL.call(*given)
        except FunctionError as error:
            text = str(error)
            text = f"non-function {name} {text}" if text.startswith("of type") else text
            raise Fault(command, f"error calling call: {text}", error) from error

    return call


def _applied(
    name: str,
    body: Callable[..., Any] | None,
    operands: list[Expression],
    final: Expression | None,
    command: nodes.Node,
    check: Callable[[Any], Any] | None = None,
) -> Expression:
    """A function with its arguments; a piped value is evaluated first, and checked and passed last. Without `body` the
    run has it."""

    def failed(error: FunctionError | TemplateError) -> Fault:
        return Fault(command, f"error calling {name}: {error}", error)

    if len(operands) + (final is not None) == 1:
        only = operands[0] if operands else final
        assert only is not None

        def call_one(d: Any, v: Frame) -> Any:
            value = only(d, v)
            try:
                return (body or v[RUN].calls[name])(check(value) if check else value)
            except CALL_FAILURES as error:
                raise failed(error) from error

        return call_one
    if len(operands) + (final is not None) == 2:
        # In the order of evaluation; a piped value comes first and is passed second.
        first, second = (final, operands[0]) if final is not None else (operands[0], operands[1])
        swapped = final is not None

        def call_two(d: Any, v: Frame) -> Any:
            a = first(d, v)
            b = second(d, v)
            try:
                call = body or v[RUN].calls[name]
                return call(b, check(a) if check else a) if swapped else call(a, b)
            except CALL_FAILURES as error:
                raise failed(error) from error

        return call_two
    every = tuple(operands)

    def call_many(d: Any, v: Frame) -> Any:
        if final is None:
            given = [operand(d, v) for operand in every]
        else:
            last = final(d, v)
            given = [operand(d, v) for operand in every]
            given.append(check(last) if check else last)
        try:
            return (body or v[RUN].calls[name])(*given)
        except CALL_FAILURES as error:
            raise failed(error) from error

    return call_many
