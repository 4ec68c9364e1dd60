"""helmflow destroy: the same path as sync with nothing desired, in reverse order."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows.options import Confirm, RunOptions, accept


def destroy(options: RunOptions, emit: Emit, confirm: Confirm = accept) -> RunReport:
    """Uninstall every selected release, dependents first. A release that is already gone is unchanged."""
    raise NotImplementedError
