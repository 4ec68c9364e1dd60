"""helmflow diff: what sync would change, as a Plan."""

from __future__ import annotations

from helmflow.core.events import Emit
from helmflow.flows.options import RunOptions
from helmflow.plan.model import Plan


def diff(options: RunOptions, emit: Emit) -> Plan:
    """The plan of every selected release. Writes nothing."""
    raise NotImplementedError
