"""Flags that already have the type they want: typer would load pydantic to say so, a quarter of a short command's time."""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import partial
from typing import Any, Final, get_args, get_origin

MAX_DIGITS: Final = 16  # beyond them typer's own rules decide


def leave_plain(command: Any) -> None:
    """Let the parameters of a typer command, and of those below it, take what needs no conversion as it is."""
    command.get_params = partial(_parameters, command.get_params)  # --help is made there, on first use
    for below in getattr(command, "commands", {}).values():
        leave_plain(below)


def _parameters(get: Callable[[Any], list[Any]], context: Any) -> list[Any]:
    found = get(context)
    for parameter in found:
        if not isinstance(parameter.process_value, partial):
            parameter.process_value = partial(_process, parameter, parameter.process_value)
    return found


def _process(parameter: Any, convert: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    """What `convert`, typer's own way, makes of the value; without it where the value is fit already."""
    many = parameter.multiple or parameter.nargs == -1
    if value is None and many:
        value = ()
    descriptor = getattr(parameter, "type_descriptor", None)
    if descriptor is not None and isinstance(value, str):
        value = _number(value, descriptor.annotation)
    missing = parameter.required and parameter.value_is_missing(value)
    if missing or descriptor is None or not _fits(value, descriptor.annotation):
        return convert(context, value)
    if many:
        value = list(value)
    return parameter.callback(context, parameter, value) if parameter.callback else value


def _number(text: str, annotation: Any) -> str | int | float:
    """A plain number as what is wanted; anything less plain as it stands."""
    if len(text) < MAX_DIGITS and text.isascii() and text.isdecimal():
        if annotation is int:
            return int(text)
        if annotation is float:
            return float(text)
    return text


def _fits(value: Any, annotation: Any) -> bool:
    if value is None:
        return True
    if get_origin(annotation) is list:
        (item,) = get_args(annotation)
        return isinstance(value, list | tuple) and all(_fits(one, item) for one in value)
    if isinstance(annotation, types.UnionType):
        return any(_fits(value, one) for one in get_args(annotation))
    return isinstance(annotation, type) and type(value) is annotation
