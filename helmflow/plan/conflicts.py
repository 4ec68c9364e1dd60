"""Fields that other managers own: taken from people and their tools, yielded to controllers; pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from helmflow.core.records import dataclass
from helmflow.kube.errors import OwnedField
from helmflow.kube.ownership import MANAGER
from helmflow.plan.objects import RELEASE_NAME

Json = Any

# Command lines and other release tools: what they changed by hand, the chart changes back.
_PEOPLE: Final = re.compile(
    r"^(kubectl.*|helm|Helm|helmflow|Go-http-client|before-first-apply|terraform.*|Terraform|HashiCorp|nelm|werf"
    r"|kapp|kluctl|k9s|node-fetch|Mozilla|python-requests|ancient-changes|OpenAPI-Generator)$"
)
_REPLICAS: Final = (".spec.replicas",)
_PLAIN_PATH: Final = re.compile(r"(?:\.[A-Za-z0-9_-]+)+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a conflict is settled: the body to apply, and whether to take fields from others."""

    body: dict[str, Json]
    force: bool


def settle(fields: Sequence[OwnedField], body: dict[str, Json], live: Mapping[str, Json]) -> Verdict | None:
    """The verdict on all conflicting fields of one object; None where a person has to decide.

    What applied the release's own ownership annotation is Helm under another name (an SDK in some program). Replicas
    that an autoscaler set stay as they are; those of a `kubectl scale` are drift like those of a `kubectl edit`.
    """
    yielded = [owned.field for owned in fields if _yields(owned)]
    if any(not _PLAIN_PATH.fullmatch(path) for path in yielded):
        return None
    rest = [owned for owned in fields if owned.field not in yielded]
    tools = {str(entry.get("manager")) for entry in release_tools(live)}
    if any(not _PEOPLE.match(owned.manager) and owned.manager not in tools for owned in rest):
        return None
    kept = copy.deepcopy(body)
    for path in yielded:
        _drop(kept, path[1:].split("."))
    return Verdict(kept, bool(rest))


def named(fields: Sequence[OwnedField]) -> tuple[str, ...]:
    """Conflicting fields with their owners, to compare those of a plan with those that its run meets."""
    return tuple(sorted({f"{owned.field} by {owned.manager}" for owned in fields}))


def release_tools(live: Mapping[str, Json]) -> tuple[Mapping[str, Json], ...]:
    """The managedFields entries of other managers that applied the annotation which names the release."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    return tuple(
        entry
        for entry in entries
        if entry.get("operation") == "Apply"
        and entry.get("manager") != MANAGER
        and f"f:{RELEASE_NAME}"
        in (((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {})
    )


def taken_over(live: Mapping[str, Json]) -> list[dict[str, Json]] | None:
    """The JSON patch that makes another tool's ownership of this release ours; None where nothing is to be done.

    Without it fields that leave the chart would stay, because that tool would still own them.
    """
    metadata = live.get("metadata") or {}
    entries = metadata.get("managedFields") or []
    tools = release_tools(live)
    if not tools or any(_is_ours(entry) for entry in entries):
        return None
    first = tools[0]
    renamed = [
        {**entry, "manager": MANAGER} if entry is first else entry
        for entry in entries
        if entry is first or entry not in tools
    ]
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata.get("resourceVersion")},
        {"op": "replace", "path": "/metadata/managedFields", "value": renamed},
    ]


def _is_ours(entry: Mapping[str, Json]) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply"


def _yields(owned: OwnedField) -> bool:
    return owned.field in _REPLICAS and not _PEOPLE.match(owned.manager)


def _drop(body: Json, path: list[str]) -> None:
    for key in path[:-1]:
        body = body.get(key) if isinstance(body, dict) else None
    if isinstance(body, dict):
        body.pop(path[-1], None)
