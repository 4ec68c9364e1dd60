"""helmflow test: run the charts' test hooks and report what they said."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows.options import RunOptions


def test(options: RunOptions, emit: Emit) -> RunReport:
    """Run the test hooks of every selected release; each release's `tests` has one row per hook."""
    raise NotImplementedError
