"""What a template function is to the engine: a callable with its Go signature."""

from __future__ import annotations

from helmflow.core.lazy import imported
from helmflow.core.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class FunctionError(Exception):
    """A function's returned error or panic; `str` is Go's text, without the engine's "error calling X: "."""


@dataclass(frozen=True, slots=True)
class Function:
    """A template function.

    `params` are Go parameter types as the engine checks and prints them ("string", "int", "int64", "float64",
    "bool", "any" for interface {}, "[]any", "[]string", "map[string]any", "error", "time.Time", ...); with
    `variadic` the last one repeats. `returns` is the static Go result type. `random` marks functions whose result
    differs from call to call (random, time, keys), so that plans can tell a random difference from a real one.
    """

    name: str
    call: Callable[..., Any]
    params: tuple[str, ...]
    variadic: bool = False
    returns: str = "any"
    random: bool = False


class Late:
    """The body of a function in a module's FUNCTIONS, imported when it is first needed."""

    __slots__ = ("_body", "module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name
        self._body: Callable[..., Any] | None = None

    def body(self) -> Callable[..., Any]:
        """The function itself, for whom calls it often."""
        if self._body is None:
            found: Function = imported(self.module).FUNCTIONS[self.name]
            self._body = found.call
        return self._body

    def __call__(self, *arguments: Any) -> Any:
        return (self._body or self.body())(*arguments)


def function(
    name: str, *params: str, returns: str = "any", random: bool = False
) -> Callable[[Callable[..., Any]], Function]:
    """Decorator: `@function("trunc", "int", "string", returns="string")`; a last parameter "...any" is variadic."""

    def wrap(call: Callable[..., Any]) -> Function:
        variadic = bool(params) and params[-1].startswith("...")
        types = (*params[:-1], params[-1][3:]) if variadic else params
        return Function(name, call, types, variadic, returns, random)

    return wrap


def table(*functions: Function) -> dict[str, Function]:
    """Functions by name."""
    return {function.name: function for function in functions}
