"""What generated code is linked with: its helpers, and the functions of every run, imported when first called."""

from __future__ import annotations

from helmflow.core import answers
from helmflow.core.errors import TemplateError
from helmflow.core.lazy import FunctionType
from helmflow.gotemplate import builtins, rules, runtime
from helmflow.gotemplate.functions import Function, FunctionError, Late
from helmflow.gotemplate.gotypes import NilMap
from helmflow.gotemplate.printf import TOO_LONG, bounded, format_value, sprintf
from helmflow.gotemplate.rules import Refused
from helmflow.gotemplate.runtime import Fault
from helmflow.gotemplate.values import INVALID, KINDS, TYPES, equal, kind_of, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType
    from typing import Any, Final

    from helmflow.gotemplate.templates import Template, TemplateSet

    Program = Callable[[Any, TemplateSet, Template], str]


def link(code: CodeType, names: dict[str, Any]) -> Program:
    """The program over the helpers and functions of `namespace`."""
    return FunctionType(code, names)


def namespace(functions: Mapping[str, Function], fixed: frozenset[str]) -> dict[str, Any]:
    """What generated code refers to."""
    found: dict[str, Any] = dict(_HELPERS)
    for name in fixed:
        function = functions[name]
        call = function.call
        if type(call) is Late:
            late: Any = _Asked if _is_costly(function, call) else _Unlinked
            call = late(found, "f_" + name, call)
        found["f_" + name] = call
    return found


class _Unlinked:
    """Stands in a namespace for a function whose module is not imported yet, and makes way for it at the first call."""

    __slots__ = ("function", "name", "names")

    def __init__(self, names: dict[str, Any], name: str, function: Late) -> None:
        self.names = names
        self.name = name
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        body = self.names[self.name] = self.function.body()
        return body(*arguments)


_COSTLY: Final = ("helmflow.sprig.regex", "helmflow.sprig.semver")  # to import, and to call


def _is_costly(function: Function, call: Late) -> bool:
    """Whether the function turns texts into a text or a truth, and is worth remembering what it said of them."""
    return (
        call.module in _COSTLY
        and not function.variadic
        and function.returns in ("string", "bool")
        and all(parameter == "string" for parameter in function.params)
    )


class _Asked(_Unlinked):
    """The same for a function whose answers are remembered: it may never be imported, and stays in its place."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        return answers.find(self._answer, self.name, *arguments)

    def _answer(self, *arguments: str) -> Any:
        return self.function.body()(*arguments)


class ArgumentRefused(Refused):
    """An argument of a method that Go would not pass; -1 is the method itself."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(text)
        self.position = position


class MethodFailed(FunctionError):
    """A method's failure, told with its name."""

    def __init__(self, text: str, cause: BaseException) -> None:
        super().__init__(text)
        self.cause = cause


def _too_long() -> None:
    raise FunctionError(TOO_LONG)


def _differ(a: Any, b: Any) -> bool:
    return not equal(a, b)


def _length_of_pipe(value: Any) -> int:
    return int(builtins.LEN.call(INVALID if value is None else value))


def _refuse(reason: str, _before: Any) -> Any:
    raise Refused(reason)


def _find(templates: TemplateSet, name: str) -> Template:
    template = templates.templates.get(name)
    if template is None:
        raise Refused(f"template {runtime._quoted(name)} not defined")
    return template


def _template(templates: TemplateSet, template: Template, data: Any) -> str:
    templates.budget.spend(4)
    return templates.run(template, data)


_NOWHERE: Final[Any] = None  # what is thrown there names no node: whoever catches it knows the place


def _invoke(receiver: Any, name: str, knowledge: str, given: tuple[Any, ...], known: tuple[str, ...]) -> Any:
    """A method with arguments of which none is a number constant."""

    def arguments(method: Function, _name: str) -> list[Any]:
        checked = []
        for position, value in enumerate(given):
            try:
                checked.append(rules.checked(value, rules.parameter_at(method, position), known[position]))
            except Refused as error:
                raise ArgumentRefused(str(error), position) from None
        return checked

    try:
        return runtime.invoke(receiver, (name,), knowledge, _NOWHERE, "zero", arguments, len(given), 0)
    except Fault as fault:
        if fault.cause is not None:
            raise MethodFailed(fault.reason, fault.cause) from fault.cause
        raise ArgumentRefused(fault.reason, -1) from None


_HELPERS: Final[dict[str, Any]] = {
    "FAILURES": (
        FunctionError,
        TemplateError,
        Refused,
        AttributeError,
        LookupError,
        TypeError,
        RecursionError,
    ),
    **{kind.__name__: kind for kind in rules.NUMBER_CLASSES},
    "INVALID": INVALID,
    "NilMap": NilMap,
    "bounded": bounded,
    "checked": rules.checked,
    "differ": _differ,
    "digits": int.__repr__,
    "elements": runtime.elements,
    "equal": equal,
    "find": _find,
    "format_value": format_value,
    "invoke": _invoke,
    "kind_of": kind_of,
    "kinds": KINDS,
    "length": builtins.LEN.call,
    "length_of_pipe": _length_of_pipe,
    "pairs": runtime.pairs,
    "refuse": _refuse,
    "shown": runtime.shown,
    "sprintf": sprintf,
    "type_of": type_of,
    "types": TYPES,
    "template": _template,
    "too_long": _too_long,
}
