"""Which state files a run reads: the default search, and every form of --file."""

from __future__ import annotations

from pathlib import Path

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass
from helmflow.state import files
from helmflow.state.context import Context

_SINGLE = (("helmflow.yaml", "helmflow.yaml.gotmpl"), ("helmfile.yaml", "helmfile.yaml.gotmpl"))
_FOLDER = "helmfile.d"


@dataclass(frozen=True, slots=True)
class Found:
    """The files to visit in order; `several` for a directory, whose files Helmfile names by absolute paths."""

    paths: tuple[Path, ...]
    several: bool = False
    text: str | None = None


def find(context: Context, file: str, stdin: str | None) -> Found:
    """The state files that `file` names; "" searches the working directory. Raises ConfigError."""
    if file == "-":
        return Found((context.cwd / "stdin.yaml.gotmpl",), text=_stdin(stdin))
    if not file:
        return _search(context)
    path = context.locate(file, context.cwd) if files.is_remote(file) else files.under(context.cwd, file)
    if path.is_dir():
        return Found(_in_folder(path), several=True)
    if not path.is_file():
        raise ConfigError(
            f"specified state file {file} is not found", error_id="state.no-file", hint=_near(path)
        )
    return Found((path,))


def _stdin(stdin: str | None) -> str:
    if stdin is not None:
        return stdin
    import sys

    return sys.stdin.read()


def _search(context: Context) -> Found:
    folder = context.cwd / _FOLDER
    for names in _SINGLE:
        present = [context.cwd / name for name in names if (context.cwd / name).is_file()]
        if len(present) > 1:
            raise ConfigError(
                f"both {names[0]} and {names[1]} exist",
                error_id="state.ambiguous-file",
                hint="remove one of them, or name one with -f",
            )
        if present and folder.is_dir() and names[0].startswith("helmfile"):
            raise ConfigError(
                f"both {present[0].name} and the directory {_FOLDER} exist",
                error_id="state.ambiguous-file",
                hint="remove one of them, or name one with -f",
            )
        if present:
            return Found(tuple(present))
    if folder.is_dir():
        return Found(_in_folder(folder), several=True)
    raise ConfigError(
        "no state file found",
        error_id="state.no-file",
        hint="it is helmflow.yaml, helmfile.yaml, either with .gotmpl, or files in helmfile.d; or name it with -f",
    )


def in_folder(path: Path) -> tuple[Path, ...]:
    """The state files of a directory, sorted by name."""
    found = [*path.glob("*.y*ml"), *path.glob("*.y*ml.gotmpl")]
    return tuple(sorted((entry for entry in found if entry.is_file()), key=str))


def _in_folder(path: Path) -> tuple[Path, ...]:
    found = in_folder(path)
    if not found:
        raise ConfigError(f"no state files in {path}", error_id="state.no-file")
    return found


def _near(path: Path) -> str:
    import difflib

    if not path.parent.is_dir():
        return f"there is no directory {path.parent}"
    close = difflib.get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], 1)
    return f"did you mean {close[0]!r}?" if close else f"nothing of a similar name is in {path.parent}"
