"""Hook annotations of a manifest: events, weight, what deletes it, when its logs are shown."""

from __future__ import annotations

from helmflow.core.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from helmflow.helm.render.manifests import Manifest

HOOK: Final = "helm.sh/hook"
WEIGHT: Final = "helm.sh/hook-weight"
DELETE_POLICY: Final = "helm.sh/hook-delete-policy"
OUTPUT_LOG_POLICY: Final = "helm.sh/hook-output-log-policy"

EVENTS: Final = (
    "pre-install", "post-install", "pre-delete", "post-delete", "pre-upgrade", "post-upgrade",
    "pre-rollback", "post-rollback", "test",
)  # fmt: skip
_MEANS: Final = {**{event: event for event in EVENTS}, "test-success": "test"}
TEST_FAILURE: Final = "test-failure"
_LEGACY: Final = {TEST_FAILURE: "test"}
CRD_INSTALL: Final = "crd-install"


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


def events_of(annotation: str, *, legacy: bool) -> tuple[tuple[str, ...], str]:
    """The events in a hook annotation and, where there is one, the first that Helm does not know.

    With `legacy`, Helm 2's test-failure counts as test.
    """
    events: list[str] = []
    for part in annotation.split(","):
        word = part.strip().lower()
        event = _MEANS.get(word) or (_LEGACY.get(word) if legacy else None)
        if event is None:
            return tuple(events), word or annotation
        events.append(event)
    return tuple(events), ""


def make_hook(manifest: Manifest, annotations: Mapping[str, str], events: tuple[str, ...]) -> ChartHook:
    """The hook that a manifest's annotations describe."""
    return ChartHook(
        manifest=manifest,
        name=manifest.ref.name,
        path=manifest.source_path,
        events=events,
        weight=_weight(annotations.get(WEIGHT, "")),
        delete_policies=_words(annotations.get(DELETE_POLICY)),
        output_log_policies=_words(annotations.get(OUTPUT_LOG_POLICY)),
    )


def _words(annotation: str | None) -> tuple[str, ...]:
    return () if annotation is None else tuple(part.strip().lower() for part in annotation.split(","))


def _weight(text: str) -> int:
    """Go's Atoi, 0 for what it refuses."""
    digits = text[1:] if text.startswith(("+", "-")) else text
    weight = int(text) if digits.isascii() and digits.isdigit() else 0
    return weight if -(1 << 63) <= weight < 1 << 63 else 0
