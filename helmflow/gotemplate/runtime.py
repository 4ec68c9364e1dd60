"""What running templates share, whichever back end runs them: field access, calls, ranges, printing, limits, faults."""

from __future__ import annotations

import time

from helmflow.core import lazy
from helmflow.core.errors import TemplateError
from helmflow.core.limits import (
    MAX_LIST_ITEMS,
    MAX_RENDER_SECONDS,
    MAX_TEMPLATE_DEPTH,
    MAX_TEMPLATE_OUTPUT_BYTES,
    MAX_TEMPLATE_STEPS,
)
from helmflow.core.source import SourceText, Span
from helmflow.gotemplate.builtins import NO_VALUE
from helmflow.gotemplate.errors import ExecError
from helmflow.gotemplate.functions import Function, FunctionError
from helmflow.gotemplate.gotypes import GoObject, NamedMap, NilSlice
from helmflow.gotemplate.printf import TOO_LONG, format_value
from helmflow.gotemplate.rules import INTERFACE, MIXED, UNKNOWN, Refused, arity_mistake, checked, parameter_at
from helmflow.gotemplate.values import INVALID, kind_of, sorted_keys, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, Final

    from helmflow.gotemplate import nodes
    from helmflow.gotemplate.templates import Template
else:
    nodes = lazy.module("helmflow.gotemplate.nodes")


CALL_FAILURES: Final = (FunctionError, TemplateError)
TOO_DEEP: Final = f"exceeded maximum template depth ({MAX_TEMPLATE_DEPTH})"
_CHECK_EVERY: Final = 2_000
_MANY: Final = 1_000


class Fault(Exception):
    """What went wrong at which node; becomes an ExecError where the action's place in its file is known."""

    def __init__(
        self, node: nodes.Node | nodes.Template, reason: str, cause: BaseException | None = None
    ) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason
        self.cause = cause


class Budget:
    """What one render may still spend; shared by every set that takes part in it."""

    __slots__ = ("_deadline", "_next_check", "output", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self.output = 0
        self._next_check = _CHECK_EVERY
        self._deadline = 0.0

    def spend(self, steps: int) -> None:
        """Count loop rounds and calls; now and then look at the clock. Raises FunctionError beyond a limit."""
        self.steps += steps
        if self.steps >= self._next_check:
            self._check()

    def _check(self) -> None:
        now = time.monotonic()
        if not self._deadline:
            self._deadline = now + MAX_RENDER_SECONDS
        self._next_check = self.steps + _CHECK_EVERY
        if self.steps > MAX_TEMPLATE_STEPS:
            raise FunctionError(f"the templates took more than {MAX_TEMPLATE_STEPS} steps")
        if now > self._deadline:
            raise FunctionError(f"rendering took longer than {MAX_RENDER_SECONDS:.0f} s")

    def write(self, characters: int) -> None:
        """Count output. Raises FunctionError beyond the limit."""
        self.output += characters
        if self.output > MAX_TEMPLATE_OUTPUT_BYTES:
            raise FunctionError(f"the output is larger than {MAX_TEMPLATE_OUTPUT_BYTES} bytes")


def unplaced(template: Template, reason: str = TOO_LONG) -> ExecError:
    """A failure of a template as a whole, such as output beyond the limit."""
    return ExecError(location="", executing=template.name, node="", reason=f"{template.file}: {reason}")


def located(fault: Fault, base: int, template: Template) -> ExecError:
    """The fault as Go reports it. `base` is where the action starts in the template's file."""
    from helmflow.gotemplate.quickparse import offset_of

    text = template.tree.text
    node = fault.node
    position = base + node.pos if node.pos >= 0 else offset_of(node, text, base)
    start = text.rfind("\n", 0, position) + 1
    line = 1 + text.count("\n", 0, position)
    column = len(text[start:position].encode("utf-8", "surrogateescape"))
    shown = str(fault.node)
    return ExecError(
        location=f"{template.file}:{line}:{column}",
        executing=template.name,
        node=shown,
        reason=fault.reason,
        span=Span(SourceText(template.file, text), line, position - start + 1, len(shown)),
        cause=fault.cause,
    )


# -- fields ----------------------------------------------------------------------------------------------------------


def field(receiver: Any, name: str, knowledge: str, missing: str) -> tuple[Any, str]:
    """A field, map entry or argumentless method, and what None would mean. Raises Refused, or what the method raises."""
    if receiver is INVALID:
        receiver, knowledge = None, UNKNOWN
    if receiver is None:
        if knowledge in (INTERFACE, MIXED):
            raise Refused(f"nil pointer evaluating interface {{}}.{name}")
        if missing == "error":
            raise Refused(f"nil data; no entry for key {_quoted(name)}")
        return None, UNKNOWN
    if isinstance(receiver, GoObject):
        method = receiver.go_methods.get(name)
        if method is not None:
            return call_method(receiver, method, name, (), 0), UNKNOWN
        attribute = receiver.go_fields.get(name)
        if attribute is not None and name[:1].isupper():
            return getattr(receiver, attribute), UNKNOWN
    if isinstance(receiver, dict):
        if name in receiver:
            return receiver[name], INTERFACE if _holds_interfaces(receiver) else UNKNOWN
        if missing == "error":
            raise Refused(f"map has no entry for key {_quoted(name)}")
        if missing == "default":
            return INVALID, MIXED
        return getattr(receiver, "go_zero", None), INTERFACE if _holds_interfaces(receiver) else UNKNOWN
    shown = "interface {}" if knowledge in (INTERFACE, MIXED) else type_of(receiver)
    raise Refused(f"can't evaluate field {name} in type {shown}")


def _holds_interfaces(mapping: dict[Any, Any]) -> bool:
    return type(mapping) is dict or isinstance(mapping, NamedMap)


def elements_are_typed(container: Any) -> bool:
    """Whether what `range` visits has a Go type of its own: numbers, and elements of []string and the like."""
    if isinstance(container, dict):
        return not _holds_interfaces(container)
    return not (type(container) is list or isinstance(container, NilSlice))


def _quoted(text: str) -> str:
    from helmflow.gotemplate.strconv import quote

    return quote(text)


def chain(
    receiver: Any, names: Sequence[str], knowledge: str, node: nodes.Node, missing: str
) -> tuple[Any, str]:
    """Fields of fields. Raises Fault at the node."""
    for name in names:
        try:
            receiver, knowledge = field(receiver, name, knowledge, missing)
        except Refused as error:
            raise Fault(node, str(error)) from None
        except CALL_FAILURES as error:
            raise Fault(node, f"error calling {name}: {error}", error) from error
    return receiver, knowledge


def invoke(
    receiver: Any,
    names: Sequence[str],
    knowledge: str,
    node: nodes.Node,
    missing: str,
    arguments: Callable[[Function, str], list[Any]],
    count: int,
    piped: int,
) -> Any:
    """The last name is called with arguments, which only a method takes. `arguments` evaluates them for the method."""
    receiver, knowledge = chain(receiver, names[:-1], knowledge, node, missing)
    name = names[-1]
    if receiver is None or receiver is INVALID:
        return chain(receiver, names[-1:], knowledge, node, missing)[0]
    method = receiver.go_methods.get(name) if isinstance(receiver, GoObject) else None
    if method is None:
        if isinstance(receiver, dict):
            raise Fault(node, f"{name} is not a method but has arguments")
        if isinstance(receiver, GoObject) and name in receiver.go_fields:
            raise Fault(node, f"{name} has arguments but cannot be invoked as function")
        return chain(receiver, names[-1:], knowledge, node, missing)[0]
    mistake = arity_mistake(method, name, count, piped)
    if mistake:
        raise Fault(node, mistake)
    given = arguments(method, name)
    try:
        return method.call(receiver, *given)
    except CALL_FAILURES as error:
        raise Fault(node, f"error calling {name}: {error}", error) from error


def call_method(receiver: Any, method: Function, name: str, arguments: Sequence[Any], piped: int) -> Any:
    """A method without arguments. Raises Refused where it needs some."""
    mistake = arity_mistake(method, name, len(arguments), piped)
    if mistake:
        raise Refused(mistake)
    return method.call(receiver, *arguments)


def check_argument(value: Any, function: Function, position: int, knowledge: str, node: nodes.Node) -> Any:
    """An argument's value as the function gets it. Raises Fault at the node."""
    try:
        return checked(value, parameter_at(function, position), knowledge)
    except Refused as error:
        raise Fault(node, str(error)) from None


# -- printing and ranging --------------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """What an action prints: %v, and `<no value>` for nil."""
    kind = type(value)
    if kind is float or kind is bool or kind is int:
        return format_value(value)
    if value is None or value is INVALID:
        return NO_VALUE
    if isinstance(value, GoObject) and "String" in value.go_pointer_methods:
        return str(value.go_methods["String"].call(value))
    return format_value(value)


def pairs(value: Any, budget: Budget, variables: int) -> Iterable[tuple[Any, Any]]:
    """What `range` visits: keys or indexes with elements. Raises Refused with Go's text."""
    if isinstance(value, dict):
        if not value:
            return ()
        budget.spend(len(value) + 1)
        return _sorted_items(value)
    if isinstance(value, list):
        budget.spend(len(value) + 1)
        return enumerate(value)
    if value is None or value is INVALID:
        return ()
    if isinstance(value, bytes):
        budget.spend(len(value) + 1)
        return enumerate(value)
    if type(value) is not bool and isinstance(value, int) and kind_of(value).startswith(("int", "uint")):
        if variables > 1:
            raise Refused(f"can't use {format_value(value)} to iterate over more than one variable")
        return ((number, number) for number in _counted(value, budget))
    raise Refused(f"range can't iterate over {format_value(value)}")


def _sorted_items(mapping: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """Entries in the order of their keys; no two keys are equal, so that values are not compared."""
    if len(mapping) == 1:
        return [*mapping.items()]
    try:
        return sorted(mapping.items())
    except TypeError:
        return [(key, mapping[key]) for key in sorted_keys(mapping)]


def elements(value: Any, budget: Budget) -> Iterable[Any]:
    """What `range` visits where nobody asks for keys. Raises Refused with Go's text."""
    if isinstance(value, list):
        budget.spend(len(value) + 1)
        return value
    if isinstance(value, dict):
        if not value:
            return ()
        budget.spend(len(value) + 1)
        return [element for _, element in _sorted_items(value)]
    return (element for _, element in pairs(value, budget, 1))


def _counted(count: int, budget: Budget) -> Iterator[int]:
    """0 to count - 1, of count's own type."""
    if count > MAX_LIST_ITEMS:
        raise FunctionError(f"range over {int(count)} visits more than {MAX_LIST_ITEMS} numbers")
    kind = type(count)
    for start in range(0, count, _MANY):
        stop = min(start + _MANY, count)
        budget.spend(stop - start)
        for number in range(start, stop):
            yield number if kind is int else kind(number)
