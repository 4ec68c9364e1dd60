"""A finished run as JSON: outcome and reason per release, changes, evidence, versions and digests (docs/plan-schema.json)."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from helmflow.execute.report import Outcome, ReleaseReport, RunReport
from helmflow.plan.model import Plan
from helmflow.ui import plan_json
from helmflow.ui.jsonl import as_json
from helmflow.ui.recording import Recorder, Track, critical_path

FORMAT: Final = 1


def render(report: RunReport, plan: Plan | None, recorder: Recorder) -> str:
    """The document, indented, with its format number first."""
    return json.dumps(document(report, plan, recorder), indent=2)


def document(report: RunReport, plan: Plan | None, recorder: Recorder) -> dict[str, Any]:
    """The run as plain data."""
    return {
        "format": FORMAT,
        "document": "run",
        "command": report.command,
        "environment": report.environment,
        "cluster": report.cluster,
        "started": recorder.started,
        "seconds": round(report.seconds, 3),
        "ok": report.ok,
        "cancelled": report.cancelled,
        "signal": report.signal,
        "error": as_json(report.error) if report.error else None,
        "writes": report.writes,
        "requests": report.requests,
        "outcomes": {outcome.value: len(report.having(outcome)) for outcome in Outcome},
        "criticalPath": [str(release) for release in critical_path(recorder)],
        "ignored": plan_json.ignored(plan) if plan else {},
        "releases": [_release(release, plan, recorder) for release in report.releases],
    }


def _release(release: ReleaseReport, plan: Plan | None, recorder: Recorder) -> dict[str, Any]:
    planned = None
    if plan is not None:
        planned = next((one for one in plan.releases if one.id == release.id), None)
    details = plan_json.release(planned) if planned is not None else {}
    manifest = planned.revision.manifest if planned is not None and planned.revision is not None else ""
    track = recorder.tracks.get(release.id, Track())
    return {
        "name": release.id.name,
        "namespace": release.id.namespace,
        "context": release.id.context,
        "action": release.action,
        "outcome": release.outcome.value,
        "reason": release.reason,
        "becauseOf": str(release.because_of) if release.because_of else None,
        "chart": release.chart,
        "chartVersion": details.get("chartVersion", ""),
        "appVersion": details.get("appVersion", ""),
        "chartDigest": details.get("chartDigest", ""),
        "manifestDigest": f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}" if manifest else "",
        "revision": release.revision,
        "status": release.status,
        "seconds": round(release.seconds, 3),
        "because": details.get("because", []),
        "needs": plan_json.needs(plan.needs.get(release.id, frozenset())) if plan else [],
        "objects": details.get("objects", []),
        "kept": [as_json(ref) for ref in release.kept],
        "failure": _failure(release, track),
        "warnings": [as_json(warning) for warning in track.warnings],
        "timeline": _timeline(track),
    }


def _failure(release: ReleaseReport, track: Track) -> dict[str, Any] | None:
    if release.failure is None:
        return None
    return {
        **as_json(release.failure),
        "step": release.failed_step,
        "waitingFor": dict(sorted(track.waiting.items())),
        "logs": list(track.logs),
    }


def _timeline(track: Track) -> dict[str, Any]:
    return {
        "began": _rounded(track.began),
        "ended": _rounded(track.ended),
        "steps": [
            {
                "step": span.step,
                "detail": span.detail,
                "began": _rounded(span.began),
                "ended": _rounded(span.ended),
            }
            for span in sorted(track.steps, key=lambda span: span.began)
        ],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
