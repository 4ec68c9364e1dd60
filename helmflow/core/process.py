"""The only place that starts a subprocess: commands the user wrote, sops and kustomize."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from helmflow.core.errors import HelmflowError
from helmflow.core.records import dataclass


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ended: exit status (negative: killed by that signal), its output and its error output."""

    status: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_s: float | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Finished:
    """Run `command` without a shell; `env` is added to this process's environment.

    With `on_line`, output and error output are merged and handed over line by line as they come.
    Raises HelmflowError `process.not-found` where the command does not exist, `process.timeout` past `timeout_s`.
    """
    environment = {**os.environ, **env} if env else None
    merged = subprocess.STDOUT if on_line else subprocess.PIPE
    try:
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=merged,
            text=True,
            errors="replace",
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as cause:
        raise HelmflowError(
            f"cannot run {command[0]!r}: {cause.strerror}",
            error_id="process.not-found",
            hint="check that the command is installed and executable",
        ) from cause
    with process:
        try:
            if on_line is None:
                stdout, stderr = process.communicate(stdin, timeout=timeout_s)
                return Finished(process.returncode, stdout, stderr)
            if process.stdin is not None:
                process.stdin.write(stdin or "")
                process.stdin.close()
            lines: list[str] = []
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                on_line(line.rstrip("\n"))
            return Finished(process.wait(timeout_s), "".join(lines), "")
        except subprocess.TimeoutExpired as cause:
            process.kill()
            raise HelmflowError(
                f"{command[0]!r} did not finish within {timeout_s:g} s", error_id="process.timeout"
            ) from cause
        except BaseException:
            process.kill()
            raise


def attached(command: Sequence[str]) -> int:
    """Run `command` with this process's own input and output; its exit status, 128+N where signal N ended it.

    Raises HelmflowError `process.not-found` where the command does not exist.
    """
    try:
        status = subprocess.call(list(command))
    except (FileNotFoundError, PermissionError) as cause:
        raise HelmflowError(
            f"cannot run {command[0]!r}: {cause.strerror}", error_id="process.not-found"
        ) from cause
    return status if status >= 0 else 128 - status


def detached(command: Sequence[str], log: Path) -> None:
    """Start `command` so that it outlives this process; its output goes to `log`."""
    with log.open("w", encoding="utf-8") as output:
        subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            close_fds=True,
        )
