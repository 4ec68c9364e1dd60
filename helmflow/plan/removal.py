"""What goes before what: custom resources before the operators and definitions that they need to go; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.plan.model import Change, ChangeKind, ReleasePlan

CRD: Final = "CustomResourceDefinition"

# Groups without a dot, and the cluster's own with one; everything else was defined by somebody.
_OWN: Final = (".k8s.io", ".kubernetes.io")


def is_custom(ref: ObjectRef) -> bool:
    """Whether an object is of a kind that a definition brought."""
    group = ref.api_version.rpartition("/")[0]
    return "." in group and not f".{group}".endswith(_OWN)


def custom_first(changes: Sequence[Change]) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Deletions of custom resources, and the others, each in their order.

    Helm deletes unknown kinds last: then the operator that has to finish them is gone, and they stay forever.
    """
    first = tuple(change for change in changes if is_custom(change.ref))
    return first, tuple(change for change in changes if not is_custom(change.ref))


def held(changes: Iterable[Change]) -> bool:
    """Whether somebody has to finish an object before it goes."""
    return any(((change.live or {}).get("metadata") or {}).get("finalizers") for change in changes)


def users_first(releases: Iterable[ReleasePlan]) -> dict[ReleaseId, frozenset[ReleaseId]]:
    """Which releases have to be gone before each: those with objects of the kinds that it defines."""
    plans = list(releases)
    defined: dict[tuple[str, str], ReleaseId] = {}
    for plan in plans:
        for change in plan.changes:
            if change.ref.kind == CRD:
                defined[_defines(change.live or {})] = plan.id
    found: dict[ReleaseId, set[ReleaseId]] = {}
    for plan in plans:
        for change in plan.changes:
            group = change.ref.api_version.rpartition("/")[0]
            definer = defined.get((group, change.ref.kind))
            if change.kind is ChangeKind.DELETE and definer is not None and definer != plan.id:
                found.setdefault(definer, set()).add(plan.id)
    return {definer: frozenset(users) for definer, users in found.items()}


def _defines(crd: Mapping[str, Any]) -> tuple[str, str]:
    spec = crd.get("spec") or {}
    return str(spec.get("group")), str((spec.get("names") or {}).get("kind"))
