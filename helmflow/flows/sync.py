"""helmflow sync: make the cluster what the files say, without showing a diff first."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows.options import Confirm, RunOptions, accept


def sync(options: RunOptions, emit: Emit, confirm: Confirm = accept) -> RunReport:
    """Plan every selected release and carry the plan out.

    Raises HelmflowError where planning fails; failures of releases are in the report.
    """
    raise NotImplementedError
