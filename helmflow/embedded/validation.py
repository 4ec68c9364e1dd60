"""Validation: what the API server refuses to store, and how it says so."""

from __future__ import annotations

from typing import Any, Final

from helmflow.embedded import change_rules, kind_rules, naming, workload_rules
from helmflow.embedded.kinds import Resource
from helmflow.embedded.status import Cause, unprocessable

Json = dict[str, Any]
Causes = list[Cause]

_CREATE: Final = {**workload_rules.RULES, **kind_rules.RULES}


def create(resource: Resource, value: Json) -> None:
    """Raise the 422 that a new object deserves, if any."""
    causes = naming.check_new(resource, value)
    rule = _CREATE.get((resource.group, resource.kind))
    if rule is not None:
        causes += rule(value)
    _raise(resource, value, causes)


def update(resource: Resource, old: Json, new: Json, subresource: str) -> None:
    """Raise the 422 that a change deserves, if any."""
    causes = naming.check_kept(old["metadata"], new["metadata"])
    causes += naming.check_maps(new["metadata"])
    if not subresource:
        rule = _CREATE.get((resource.group, resource.kind))
        if rule is not None:
            causes += rule(new)
        change = change_rules.RULES.get((resource.group, resource.kind))
        if change is not None:
            causes += change(old, new)
    _raise(resource, new, causes)


def _raise(resource: Resource, value: Json, causes: Causes) -> None:
    if causes:
        raise unprocessable(resource.group, resource.kind, value["metadata"].get("name", ""), causes)
