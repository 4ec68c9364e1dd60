"""A Plan as JSON for machines: releases, why, objects and the fields that change (docs/plan-schema.json)."""

from __future__ import annotations

import json
from typing import Any, Final

from helmflow.core import yaml_dialect
from helmflow.plan import fields
from helmflow.plan.model import Change, Plan, ReleasePlan
from helmflow.ui.jsonl import as_json

FORMAT: Final = 1


def render(plan: Plan) -> str:
    """The document, indented, with its format number first."""
    document = {
        "format": FORMAT,
        "command": plan.command,
        "environment": plan.environment,
        "cluster": plan.cluster,
        "changes": plan.writes,
        "releases": [_release(release) for release in plan.releases],
    }
    return json.dumps(document, indent=2)


def _release(release: ReleasePlan) -> dict[str, Any]:
    return {
        "name": release.id.name,
        "namespace": release.id.namespace,
        "context": release.id.context,
        "chart": release.chart,
        "action": release.action.kind.value,
        "code": release.action.code,
        "reason": release.action.reason,
        "warnings": [as_json(warning) for warning in release.warnings],
        "objects": [_change(change) for change in release.changes if change.shows],
    }


def _change(change: Change) -> dict[str, Any]:
    before, after = _body(change.before), _body(change.after)
    return {
        "apiVersion": change.ref.api_version,
        "kind": change.ref.kind,
        "namespace": change.ref.namespace,
        "name": change.ref.name,
        "change": change.kind.value,
        "reason": change.reason,
        "hook": change.hook,
        "drift": change.drift,
        "fields": [
            {"path": field.pointer(), "change": field.change, "before": field.before, "after": field.after}
            for field in (fields.changed(before, after) if before is not None and after is not None else ())
        ],
    }


def _body(text: str) -> Any:
    return yaml_dialect.load_native(text) if text else None
