"""What a run that was stopped tells its caller."""

from __future__ import annotations

import pytest

from helmflow.cli import release_commands, single_commands
from helmflow.execute.report import RunReport


@pytest.mark.parametrize(
    ("signal", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("the loss of its lease", 1), ("", 1)]
)
def test_who_stopped_a_run_is_in_its_code(signal: str, code: int) -> None:
    report = RunReport(command="sync", environment="", cluster="", releases=(), cancelled=True, signal=signal)
    assert release_commands._exit_code(report, detailed=True) == code
    assert single_commands._code(report) == code
