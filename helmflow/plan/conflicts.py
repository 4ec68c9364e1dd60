"""Fields that other managers own: taken from people and their tools, yielded to controllers; pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from helmflow.kube.errors import OwnedField

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


def settle(fields: Sequence[OwnedField], body: dict[str, Json]) -> Verdict | None:
    """The verdict on all conflicting fields of one object; None where a person has to decide.

    Replicas that an autoscaler (or anyone through the scale subresource) set stay as they are.
    """
    yielded = [owned.field for owned in fields if _yields(owned)]
    if any(not _PLAIN_PATH.fullmatch(path) for path in yielded):
        return None
    rest = [owned for owned in fields if owned.field not in yielded]
    if any(not _PEOPLE.match(owned.manager) for owned in rest):
        return None
    kept = copy.deepcopy(body)
    for path in yielded:
        _drop(kept, path[1:].split("."))
    return Verdict(kept, bool(rest))


def _yields(owned: OwnedField) -> bool:
    return owned.field in _REPLICAS and (owned.subresource == "scale" or not _PEOPLE.match(owned.manager))


def _drop(body: Json, path: list[str]) -> None:
    for key in path[:-1]:
        body = body.get(key) if isinstance(body, dict) else None
    if isinstance(body, dict):
        body.pop(path[-1], None)
