"""helmflow status: what the cluster has of every release, beside what the files say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.flows.options import RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRelease:
    """One release of the files, as `list` prints it."""

    id: ReleaseId
    chart: str
    version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    installed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseState:
    """One release as the cluster has it: `status` is Helm's word, "" where it was never installed."""

    id: ReleaseId
    status: str = ""
    revision: int = 0
    chart: str = ""
    app_version: str = ""
    last_deployed: str = ""
    description: str = ""
    notes: str = ""
    resources: tuple[Mapping[str, Any], ...] = ()


def listing(options: RunOptions, emit: Emit) -> tuple[ListedRelease, ...]:
    """The releases of the files; never contacts a cluster."""
    raise NotImplementedError


def status(options: RunOptions, emit: Emit) -> tuple[ReleaseState, ...]:
    """The selected releases as the cluster has them."""
    raise NotImplementedError
