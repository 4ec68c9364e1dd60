"""A Plan as JSON for machines: releases, why, objects and the fields that change (docs/plan-schema.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from helmflow.core import yaml_dialect
from helmflow.core.ids import ReleaseId
from helmflow.plan import fields, risk
from helmflow.plan.fields import FieldChange
from helmflow.plan.model import Change, Plan, ReleasePlan
from helmflow.ui.jsonl import as_json

FORMAT: Final = 1


def render(plan: Plan) -> str:
    """The document, indented, with its format number first."""
    return json.dumps(document(plan), indent=2)


def document(plan: Plan) -> dict[str, Any]:
    """The plan as plain data."""
    return {
        "format": FORMAT,
        "document": "plan",
        "command": plan.command,
        "environment": plan.environment,
        "cluster": plan.cluster,
        "changes": plan.writes,
        "risks": [_risk(found) for found in risk.assess(plan)],
        "ignored": ignored(plan),
        "orphans": [
            {
                "name": one.id.name,
                "namespace": one.id.namespace,
                "context": one.id.context,
                "revision": one.revision,
                "status": one.status,
            }
            for one in plan.orphans
        ],
        "releases": [
            {**release(one), "needs": needs(plan.needs.get(one.id, frozenset()))} for one in plan.releases
        ],
    }


def release(one: ReleasePlan) -> dict[str, Any]:
    """What is planned for one release."""
    return {
        "name": one.id.name,
        "namespace": one.id.namespace,
        "context": one.id.context,
        "chart": one.chart,
        "chartVersion": one.chart_version,
        "appVersion": one.app_version,
        "chartDigest": one.chart_digest,
        "action": one.action.kind.value,
        "code": one.action.code,
        "reason": one.action.reason,
        "because": list(one.because),
        "warnings": [as_json(warning) for warning in one.warnings],
        "objects": [_change(change) for change in one.changes if change.shows],
    }


def needs(releases: frozenset[ReleaseId] | tuple[ReleaseId, ...]) -> list[str]:
    """Releases by the words that name them, sorted."""
    return sorted(str(need) for need in releases)


def ignored(plan: Plan) -> dict[str, int]:
    """How many fields every rule left out of the diff, in the whole plan."""
    found: dict[str, int] = {}
    for one in plan.releases:
        for change in one.changes:
            for rule, count in change.ignored:
                found[rule] = found.get(rule, 0) + count
    return dict(sorted(found.items()))


def _risk(found: risk.Risk) -> dict[str, Any]:
    return {
        "level": found.level.name.lower(),
        "code": found.code,
        "release": str(found.release),
        "object": as_json(found.ref) if found.ref is not None else None,
        "phrase": found.phrase,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "apiVersion": change.ref.api_version,
        "kind": change.ref.kind,
        "namespace": change.ref.namespace,
        "name": change.ref.name,
        "change": change.kind.value,
        "reason": change.reason,
        "hook": change.hook,
        "drift": change.drift,
        "ignored": dict(change.ignored),
        "fields": [_field(field, change) for field in changed_fields(change)],
    }


def changed_fields(change: Change) -> tuple[FieldChange, ...]:
    """The fields that differ between the two texts of a change; none where there is only one."""
    before, after = _body(change.before), _body(change.after)
    return fields.changed(before, after) if before is not None and after is not None else ()


def _field(field: FieldChange, change: Change) -> dict[str, Any]:
    return {
        "path": field.pointer(),
        "change": field.change,
        "before": field.before,
        "after": field.after,
        "causes": [_cause(cause) for cause in change.causes if fields.touches(cause.path, field.path)],
    }


def _cause(cause: Any) -> Mapping[str, Any]:
    why = "both" if cause.planned and cause.drift else "drift" if cause.drift else "planned"
    return {"why": why, "manager": cause.manager, "since": cause.since}


def _body(text: str) -> Any:
    try:
        return yaml_dialect.load_native(text) if text else None
    except ValueError:  # a mask may leave a text that is no YAML any more
        return None
