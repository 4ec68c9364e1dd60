"""Values, secrets and state files by path, glob or URL, and what a missing one means."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass
from helmflow.core.source import Span

if TYPE_CHECKING:
    from helmflow.state.context import Context

Handler = Literal["Error", "Warn", "Info", "Debug"]
_URL = re.compile(r"^(?:([a-z0-9]+)::)?([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What a missing file means, and for git sources a missing ref."""

    handler: str = "Error"
    ignore_missing_git_branch: bool = False


def is_remote(path: str) -> bool:
    """Whether a path is a go-getter URL: `https://...`, `git::https://...@path?ref=...`, `s3://...`."""
    return bool(_URL.match(path))


def under(base_dir: Path, path: str) -> Path:
    """A path of a state file, relative to its directory, without `.` and `..` (as Go joins paths)."""
    import os

    return Path(os.path.normpath(base_dir / path))


def expand(base_dir: Path, pattern: str) -> list[Path]:
    """The files a path or glob names, sorted; hidden ones too, as Go's Glob."""
    path = str(under(base_dir, pattern))
    if not any(mark in pattern for mark in "*?["):
        return [Path(path)] if Path(path).exists() else []
    translated = path.replace("[^", "[!")
    return sorted(map(Path, glob.glob(translated, include_hidden=True)), key=str)


def resolve(
    context: Context, pattern: str, base_dir: Path, missing: Missing, what: str, span: Span | None = None
) -> list[Path]:
    """The local files that `pattern` names; [] where there are none and the handler lets that pass.

    Raises ConfigError `file.missing` with Helmfile's text.
    """
    if is_remote(pattern):
        found = _remote(context, pattern, base_dir, missing, span)
    else:
        found = expand(base_dir, pattern)
        for path in found:
            _confine(context, path, span)
    if found:
        return found
    message = f'{what} file matching "{pattern}" does not exist in "{base_dir}"'
    match missing.handler:
        case "Error":
            raise ConfigError(message, error_id="file.missing", span=span, hint=near(base_dir, pattern))
        case "Warn":
            context.warn(f'skipping missing {what} file matching "{pattern}"', "file.skipped", span)
        case "Info" | "Debug":
            pass
        case other:
            raise ConfigError(
                f"invalid missing file handler {other!r}: it must be one of Error, Warn, Info, Debug",
                error_id="state.bad-choice",
                span=span,
            )
    return []


def _remote(context: Context, url: str, base_dir: Path, missing: Missing, span: Span | None) -> list[Path]:
    try:
        return [context.locate(url, base_dir)]
    except ConfigError as error:
        if error.error_id == "remote.not-found":
            return []
        if error.error_id == "remote.missing-ref" and missing.ignore_missing_git_branch:
            return []
        error.span = error.span or span
        raise


def _confine(context: Context, path: Path, span: Span | None) -> None:
    from helmflow.state.context import Trust

    if context.trust is Trust.UNTRUSTED and not path.resolve().is_relative_to(context.cwd.resolve()):
        raise ConfigError(
            f"{path}: --untrusted reads only files below {context.cwd}", error_id="state.untrusted", span=span
        )


def near(base_dir: Path, pattern: str) -> str:
    """The name of a similar file in the same directory, else what such paths are relative to."""
    import difflib

    wanted = under(base_dir, pattern)
    if is_remote(pattern):
        return ""
    if not wanted.parent.is_dir():
        return f"there is no directory {str(Path(pattern).parent)!r} beside the file that names it"
    names = [entry.name for entry in wanted.parent.iterdir() if entry.is_file()]
    close = difflib.get_close_matches(wanted.name, names, 1)
    if close:
        return f"did you mean {str(Path(pattern).with_name(close[0]))!r}?"
    return "paths are relative to the file that names them"
