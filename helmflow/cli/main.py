"""The typer app: words to commands, errors to exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import ALONE, ALSO_APART, Flag, UsageMistake
from helmflow.cli.plain_values import leave_plain
from helmflow.core.errors import HelmflowError, RunFailed

if TYPE_CHECKING:
    import typer

# Which module registers a command; only the module of the command that is run is imported.
COMMANDS: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("sync", "apply", "diff", "destroy", "test", "rollback", "plan", "runs"), "release_commands"
    ),
    **dict.fromkeys(
        (
            "list",
            "status",
            "build",
            "template",
            "lint",
            "print-env",
            "write-values",
            "show-dag",
            "graph",
            "history",
        ),
        "inspect_commands",
    ),
    **dict.fromkeys(("explain", "compare", "schema"), "explain_commands"),
    **dict.fromkeys(("repos", "deps", "chart"), "chart_commands"),
    **dict.fromkeys(("repo", "search", "outdated", "update", "vendor", "images"), "source_commands"),
    **dict.fromkeys(("permissions", "fetch", "cache", "init", "create", "migrate"), "project_commands"),
    "cluster": "cluster_commands",
    "release": "single_commands",
    "registry": "registry_commands",
    "version": "inspect_commands",
}
# The type checker's words for what people typed.
_PLAINER: Final = {
    "Input should be a valid integer, unable to parse string as an integer": "it takes a whole number",
    "Input should be a valid number, unable to parse string as a number": "it takes a number",
}
GROUPS: Final = frozenset({"chart", "cluster", "cache", "explain", "release", "registry", "repo"})


def run_cli(arguments: Sequence[str]) -> int:
    """Run one command line; the process's exit code. Errors are printed, bugs keep their traceback."""
    import typer

    words = hoist(arguments)
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        app = typer.main.get_command(build_app(_command_of(words)))
        leave_plain(app)
        result = app(settle_booleans(words, app), standalone_mode=False, prog_name="helmflow")
        return int(result or 0)
    except typer.Exit as request:
        return request.exit_code
    except typer.TyperException as mistake:
        return _usage(mistake)
    except RunFailed as failed:
        return failed.exit_code
    except HelmflowError as error:
        from helmflow.ui import error_view

        sys.stdout.flush()
        sys.stderr.write(error_view.render(error) + "\n")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except _Terminated:
        return ExitCode.TERMINATED
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    finally:
        signal.signal(signal.SIGTERM, previous)


def build_app(command: str = "") -> typer.Typer:
    """The typer app; with `command`, only its module is imported, otherwise all are."""
    import typer

    app = typer.Typer(
        name="helmflow",
        help="Helm releases from one file: planned, shown, synced and destroyed in dependency order.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    wanted = {COMMANDS[command]} if command in COMMANDS else set(COMMANDS.values())
    for module in sorted(wanted):
        importlib.import_module(f"helmflow.cli.{module}").register(app)

    @app.callback()
    def _root() -> None:
        """Keeps typer from merging a single command into the root."""

    return app


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move flags before the command behind it, so that global flags may stand on either side of it.

    `-e dev sync -i` becomes `sync -e dev -i`. Words after `--` are never moved.
    """
    before: list[str] = []
    rest = list(arguments)
    values = _flags_with_values()
    while (
        rest
        and rest[0].startswith("-")
        and rest[0] not in ("--", "--help", "--install-completion", "--show-completion")
    ):
        word = rest.pop(0)
        before.append(word)
        if word in values and rest:
            before.append(rest.pop(0))
    if not rest or rest[0] == "--":
        return [*before, *rest]
    command = [rest.pop(0)]
    if command[0] in GROUPS and rest and not rest[0].startswith("-"):
        command.append(rest.pop(0))
    return [*command, *before, *rest]


def settle_booleans(words: Sequence[str], command: Any) -> list[str]:
    """`--flag=true` and `--flag=false`, which Go's flags take, as the flag, its --no- form, or nothing.

    A flag that may stand alone although it takes a value, such as release's --wait, gets what it means alone.
    """
    rest = list(words)
    settled: list[str] = []
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest[0]]
        settled.append(rest.pop(0))
    switches = {
        name: (parameter.secondary_opts or [""])[0]
        for parameter in command.params
        if getattr(parameter, "is_flag", False)
        for name in parameter.opts
    }
    alone = {
        name: ALONE[name]
        for parameter in command.params
        if not getattr(parameter, "is_flag", False)
        for name in parameter.opts
        if name in ALONE
    }
    while rest and rest[0] != "--":
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word in alone and not (word in ALSO_APART and rest and not rest[0].startswith("-")):
            word = f"{word}={alone[word]}"
        if equals and name in switches and value.lower() in ("true", "t", "1"):
            settled.append(name)
        elif equals and name in switches and value.lower() in ("false", "f", "0"):
            settled.extend([switches[name]] if switches[name] else [])
        else:
            settled.append(word)
    return [*settled, *rest]


def _usage(mistake: typer.TyperException) -> int:
    """What was wrong with the words, on standard error, in the form of every other error."""
    from helmflow.ui import error_view

    message = getattr(mistake, "format_message", mistake.__str__)()
    context = getattr(mistake, "ctx", None)
    if message.startswith("Usage:"):  # no word at all: the help is the answer
        sys.stderr.write(message + "\n")
        return ExitCode.USAGE
    path = context.command_path if context else "helmflow"
    hint = f"{path} --help lists what there is"
    for theirs, ours in _PLAINER.items():
        message = message.replace(theirs, ours)
    if "No such option: --dry" in message:
        message = message.partition(" (")[0]
        hint = "`helmflow diff` shows what would change, `helmflow plan` everything that would be done"
    sys.stderr.write(error_view.render(UsageMistake(message, error_id="cli.usage", hint=hint)) + "\n")
    return ExitCode.USAGE


def _flags_with_values() -> frozenset[str]:
    from helmflow.cli.options import EVERYWHERE

    def taking(flags: Sequence[Flag]) -> frozenset[str]:
        return frozenset(name for flag in flags if flag.takes_value for name in flag.names)

    return taking(EVERYWHERE)


def _command_of(words: Sequence[str]) -> str:
    return words[0] if words and not words[0].startswith("-") else ""


class _Terminated(BaseException):
    """SIGTERM where no run is in progress that stops in its own order."""


def _terminate(number: int, frame: object) -> None:
    raise _Terminated
