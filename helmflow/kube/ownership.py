"""Who owns which field, and the requests that put it right: client-side fields migrated, unions switched, replaced or not."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from helmflow.core.errors import ClusterError
from helmflow.kube import errors, fieldsets, objects

MANAGER: Final = "helm"  # Helm's and Nelm's own: another name would own every field a second time
HANDOVER: Final = "helmflow-handover"

# Whose client-side writes become ours: earlier versions of Helm and what wrote before server-side apply existed.
ABSORBED: Final = frozenset(
    {
        "helm", "Helm", "helm-controller", "Go-http-client", "before-first-apply", "kubectl-client-side-apply",
        "terraform-provider-helm", "nelm", "werf",
    }
)  # fmt: skip

_IMMUTABLE: Final = re.compile(
    r"field is immutable|may not change once set|cannot change roleRef|is immutable after creation"
    r"|updates to statefulset spec for fields other than|pod updates may not change fields other than"
    r"|immutable when|is immutable"
)
_UNION: Final = re.compile(r"may not be specified|may not specify more than 1|only allowed for")
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def client_side_entries(live: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The managedFields entries of client-side writers that are ours to take over."""
    return tuple(
        entry
        for entry in _entries(live)
        if entry.get("operation") == "Update"
        and not entry.get("subresource")
        and entry.get("manager") in ABSORBED
    )


def migration(
    live: Mapping[str, Any], *, last: Mapping[str, Any] | None = None, manager: str = MANAGER
) -> list[dict[str, Any]] | None:
    """The JSON patch that turns client-side ownership into server-side; None where nothing is to be migrated.

    Without it server-side apply conflicts with the release's own earlier writes, and with force leaves removed keys
    behind. `last` is the manifest that was applied last: only what it names becomes ours, not what the server added.
    The patch carries the resourceVersion: Conflict where the object has changed meanwhile.
    """
    old = client_side_entries(live)
    if not old:
        return None
    absorbed: dict[str, Any] = {}
    for entry in old:
        absorbed = fieldsets.union(absorbed, _fields(entry))
    if last is not None:
        absorbed = fieldsets.named_by(absorbed, _owned_part(last))
    ours = [e for e in _entries(live) if _is_applied_by(e, manager)]
    for entry in ours:
        absorbed = fieldsets.union(absorbed, _fields(entry))
    kept = [e for e in _entries(live) if e not in old and e not in ours]
    newest = max(str(e.get("time") or "") for e in (*old, *ours))
    mine = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": live.get("apiVersion"),
        "time": newest,
        "fieldsType": "FieldsV1",
        "fieldsV1": absorbed,
    }
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*kept, mine]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": objects.resource_version(live)},
    ]


def renamed_version(live: Mapping[str, Any], served: frozenset[str]) -> list[dict[str, Any]] | None:
    """The JSON patch that moves ownership entries of API versions that are no longer served to the object's own.

    An entry of a version that is gone makes every server-side apply fail. None where there is none.
    """
    entries = _entries(live)
    fresh = [
        e if e.get("apiVersion") in served else {**e, "apiVersion": live.get("apiVersion")} for e in entries
    ]
    if fresh == list(entries):
        return None
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": fresh},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": objects.resource_version(live)},
    ]


def immutable(refusal: ClusterError) -> bool:
    """Whether a refusal means that the object must be replaced.

    A uid that does not fit is refused as immutable too: that object is somebody else's and is not to be replaced.
    """
    if not isinstance(refusal, errors.Invalid):
        return False
    if not refusal.causes:
        return _IMMUTABLE.search(refusal.message) is not None
    return any(
        cause.field not in ("metadata.uid", "metadata.name") and _IMMUTABLE.search(cause.message)
        for cause in refusal.causes
    )


def replaceable_alone(config: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether an object may be deleted and created again without what it owns.

    A StatefulSet with the same selector takes its pods and their claims back, so that changed claim templates cost
    nothing that runs.
    """
    if objects.ref(live)[:2] != ("apps/v1", "StatefulSet"):
        return False
    wanted, found = objects.at(config, "spec", "selector"), objects.at(live, "spec", "selector")
    return wanted is not None and wanted == found


def union_claim(
    refusal: ClusterError, config: Mapping[str, Any], live: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What to apply first where a union is switched (RollingUpdate to Recreate, httpGet to tcpSocket).

    The server refuses the switch while the live object still has the other side, which nobody but the server owns:
    applying the live side makes it ours and changes nothing, applying `config` afterwards removes it. None where the
    refusal is about something else.
    """
    if not isinstance(refusal, errors.Invalid):
        return None
    claimed = copy.deepcopy(dict(config))
    found = False
    for cause in refusal.causes:
        if _UNION.search(cause.message):
            found = _copy_parent(claimed, live, cause.field) or found
    return claimed if found and claimed != config else None


def union_dry_run(refusal: ClusterError, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """A strategic merge patch that shows what the switch will give, for a dry-run: two cannot build on each other."""
    if not isinstance(refusal, errors.Invalid):
        return None
    patch: dict[str, Any] = {}
    for cause in refusal.causes:
        steps = _steps(cause.field)[:-1]
        wanted = _at(config, steps)
        if (
            not _UNION.search(cause.message)
            or not isinstance(wanted, Mapping)
            or any(isinstance(s, int) for s in steps)
        ):
            continue
        place = patch
        for step in steps[:-1]:
            place = place.setdefault(str(step), {})
        place[str(steps[-1])] = {"$retainKeys": sorted(wanted), **wanted}
    return patch or None


def replicas_handover(config: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any] | None:
    """What manager HANDOVER applies before `config` stops naming replicas, so that they do not fall to one.

    None where `config` names replicas, or where we do not own them.
    """
    replicas = objects.at(live, "spec", "replicas")
    if replicas is None or objects.at(config, "spec", "replicas") is not None:
        return None
    owners = [e for e in _entries(live) if "f:replicas" in (_fields(e).get("f:spec") or {})]
    if not owners or any(e.get("manager") != MANAGER for e in owners):
        return None
    ref = objects.ref(live)
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "spec": {"replicas": replicas},
    }


def _entries(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = objects.meta(live).get("managedFields")
    return [e for e in found if isinstance(e, Mapping)] if isinstance(found, list) else []


def _fields(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    found = entry.get("fieldsV1")
    return found if isinstance(found, Mapping) else {}


def _is_applied_by(entry: Mapping[str, Any], manager: str) -> bool:
    return (
        entry.get("operation") == "Apply" and entry.get("manager") == manager and not entry.get("subresource")
    )


def _owned_part(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "status")}


def _copy_parent(claimed: dict[str, Any], live: Mapping[str, Any], field: str) -> bool:
    """Give the parent of a field in `claimed` the live value, so that both sides of the union agree."""
    steps = _steps(field)[:-1]
    value = _at(live, steps)
    if not steps or value is None:
        return False
    place: Any = claimed
    theirs: Any = live
    for step in steps[:-1]:
        theirs = _step(theirs, step)
        place = _same_item(place, theirs, step)
        if place is None:
            return False
    last = steps[-1]
    if not isinstance(place, dict) or not isinstance(last, str) or last not in place:
        return False
    place[last] = copy.deepcopy(value)
    return True


def _same_item(place: Any, theirs: Any, step: str | int) -> Any:
    """The item of ours that is the one of theirs at `step`: by name in lists, since the orders may differ."""
    if isinstance(step, str):
        return place.get(step) if isinstance(place, Mapping) else None
    name = theirs.get("name") if isinstance(theirs, Mapping) else None
    items = place if isinstance(place, list) else []
    return next((item for item in items if isinstance(item, Mapping) and item.get("name") == name), None)


def _steps(field: str) -> list[str | int]:
    return [int(index) if index else name for name, index in _STEP.findall(field)]


def _at(value: Any, steps: list[str | int]) -> Any:
    for step in steps:
        value = _step(value, step)
    return value


def _step(value: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return value[step] if isinstance(value, list) and step < len(value) else None
    return value.get(step) if isinstance(value, Mapping) else None
