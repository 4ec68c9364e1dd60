"""helmflow template: what charts render to, without a cluster."""

from __future__ import annotations

from collections.abc import Iterator

from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.flows.options import RunOptions


def template(options: RunOptions, emit: Emit) -> Iterator[tuple[ReleaseId, str]]:
    """Every selected release and the text that `helm template` prints for it, in the order of needs."""
    raise NotImplementedError
