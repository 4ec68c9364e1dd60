"""Hook annotations of a manifest: events, weight, what deletes it, when its logs are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from helmflow.helm.render.manifests import Manifest

EVENTS: Final = (
    "pre-install", "post-install", "pre-delete", "post-delete", "pre-upgrade", "post-upgrade",
    "pre-rollback", "post-rollback", "test",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChartHook:
    """A manifest that runs at lifecycle events instead of being part of the release."""

    manifest: Manifest
    name: str
    path: str
    events: tuple[str, ...]
    weight: int = 0
    delete_policies: tuple[str, ...] = ()
    output_log_policies: tuple[str, ...] = ()
