"""Process exit codes: Helmfile's."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says to its caller."""

    OK = 0
    FAILED = 1
    CHANGES = 2  # with --detailed-exitcode
    USAGE = 3  # a wrong flag or command, or no release matched
    INTERRUPTED = 130
    TERMINATED = 143


def stopped_by(signal: str) -> ExitCode:
    """The code of a run that was stopped; what no signal stopped, such as the loss of a lease, is a failure."""
    return {"SIGINT": ExitCode.INTERRUPTED, "SIGTERM": ExitCode.TERMINATED}.get(signal, ExitCode.FAILED)
