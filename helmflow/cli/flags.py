"""What a flag is, and how a command with flags becomes a typer command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Final

from helmflow.cli.exit_codes import ExitCode
from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass

if TYPE_CHECKING:
    import typer


class UsageMistake(ConfigError):
    """A word on the command line that is no command, flag or value."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag, defined once. `kind` is bool, int, float, str or list (repeatable); `names` as people type them.

    A bool whose `default` is None or True has a --no-NAME form. `envvars` are read where the flag is absent.
    With `choices`, any other word is a mistake of usage.
    """

    dest: str
    names: tuple[str, ...]
    kind: type
    help: str
    default: Any = None
    envvars: tuple[str, ...] = ()
    hidden: bool = False
    choices: tuple[str, ...] = ()

    def check(self, word: str) -> None:
        """Raise UsageMistake `cli.bad-choice` for a word that is none of `choices`; "" is no word at all."""
        if not self.choices or not word or word in self.choices:
            return
        import difflib

        close = difflib.get_close_matches(word, self.choices, 1)
        hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(self.choices)}"
        name = next(name for name in self.names if name.startswith("--"))
        raise UsageMistake(f"{name} does not take {word!r}", error_id="cli.bad-choice", hint=hint)

    @property
    def takes_value(self) -> bool:
        """Whether the next word belongs to the flag."""
        return self.kind is not bool

    def parameter(self) -> inspect.Parameter:
        """The flag as a parameter that typer understands."""
        import typer

        names = list(self.names)
        if self.kind is bool and self.default is not False:
            long = next(name for name in names if name.startswith("--"))
            names[names.index(long)] = f"{long}/--no-{long.removeprefix('--')}"
        option = typer.Option(
            *names, help=self.help, envvar=list(self.envvars) or None, hidden=self.hidden, show_default=False
        )
        default: Any = self.default
        annotation: Any
        if self.kind is list:
            annotation, default = list[str], []
        elif self.kind is bool and default is None:
            annotation = bool | None
        elif default is None:
            annotation, default = self.kind, self.kind()
        else:
            annotation = self.kind
        return inspect.Parameter(
            self.dest,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[annotation, option],
        )


def flag(
    dest: str,
    *names: str,
    kind: type = str,
    help: str,
    default: Any = None,
    env: str = "",
    choices: tuple[str, ...] = (),
) -> Flag:
    """A Flag; `env` NAME stands for HELMFLOW_NAME and HELMFILE_NAME."""
    if kind is bool and default is None:
        default = False
    envvars = (f"HELMFLOW_{env}", f"HELMFILE_{env}") if env else ()
    return Flag(dest, names, kind, help, default, envvars, choices=choices)


def tristate(dest: str, *names: str, help: str) -> Flag:
    """A bool that may be left to the state file: --NAME, --no-NAME or nothing."""
    return Flag(dest, names, bool, help, None)


# What flags of Helm mean that take a value or stand alone; only in commands where they are no switches.
ALONE: Final = {"--wait": "watcher", "--dry-run": "unset", "--resume": "last-run"}
# Those of them that also take the next word, where it is no flag.
ALSO_APART: Final = frozenset({"--resume"})


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional word of a command; `many` takes all that are left."""

    dest: str
    metavar: str
    help: str
    required: bool = True
    many: bool = False

    def parameter(self) -> inspect.Parameter:
        """The argument as a parameter that typer understands."""
        import typer

        argument = typer.Argument(metavar=self.metavar, help=self.help, show_default=False)
        annotation: Any = list[str] if self.many else str
        default: Any = inspect.Parameter.empty if self.required else ([] if self.many else "")
        return inspect.Parameter(
            self.dest,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[annotation, argument],
        )


Handler = Callable[[SimpleNamespace], int]


def add_command(
    app: typer.Typer,
    name: str,
    handler: Handler,
    flags: Iterable[Flag],
    arguments: Sequence[Argument] = (),
    *,
    hidden: bool = False,
) -> None:
    """Register `handler` under `name`: it receives every flag and argument, and `name` as `command`, as one
    namespace and returns the exit code."""

    unique = {flag.dest: flag for flag in flags}
    limited = [one for one in unique.values() if one.choices]

    def command(**given: Any) -> int:
        for one in limited:
            one.check(given[one.dest])
        return handler(SimpleNamespace(**{"command": name, **given}))  # an argument of that name wins

    parameters = [argument.parameter() for argument in arguments]
    parameters.extend(item.parameter() for item in unique.values())
    parameters.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = handler.__doc__
    app.command(name, hidden=hidden)(command)


def seconds(text: str) -> int:
    """90, 90s, 5m, 1h30m as whole seconds. Raises ConfigError."""
    import re

    if text.isdigit():
        return int(text)
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    if not text or parts is None:
        raise ConfigError(
            f"{text!r} is no duration", error_id="cli.bad-duration", hint="write it as 90s or 5m"
        )
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + seconds
