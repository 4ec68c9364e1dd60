"""Draws docs/plan-schema.json from the types and words that documents are made of: `python -m tests.plan_schema`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from helmflow.core import events
from helmflow.core.errors import Mistake
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.execute.report import Outcome
from helmflow.plan.model import ActionKind, ChangeKind

PATH = Path(__file__).parents[1] / "docs" / "plan-schema.json"
Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
SECONDS: Schema = {"type": "number", "minimum": 0}
COUNT: Schema = {"type": "integer", "minimum": 0}
TIME: Schema = {"type": "string", "format": "date-time"}


def closed(**properties: Schema) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def many(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def named(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def words(*kinds: str) -> Schema:
    return {"enum": list(kinds)}


SHARED: dict[str, Schema] = {
    "object": closed(api_version=TEXT, kind=TEXT, namespace=said(TEXT, '"" for cluster scope'), name=TEXT),
    "mistake": closed(message=TEXT, error_id=said(TEXT, "stable; docs/errors.md"), where=TEXT, hint=TEXT),
    "counts": said(
        {"type": "object", "additionalProperties": COUNT},
        "fields left out of the diff, by the rule that dropped them",
    ),
    "cause": closed(
        why=words("planned", "drift", "both"),
        manager=said(TEXT, 'the field manager that wrote the field last, "" where nobody else did'),
        since=said(TEXT, "RFC 3339"),
    ),
    "field": closed(
        path=said(TEXT, "items of keyed lists by their key: spec.containers[name=main].image"),
        change=words("added", "removed", "changed", "moved"),
        before={},
        after={},
        causes=many(named("cause")),
    ),
    "change": closed(
        apiVersion=TEXT,
        kind=TEXT,
        namespace=TEXT,
        name=TEXT,
        change=words(*(kind.value for kind in ChangeKind)),
        reason=TEXT,
        hook=FLAG,
        drift=said(FLAG, "only the cluster has changed, not what is wanted"),
        ignored=named("counts"),
        fields=many(named("field")),
    ),
    "risk": closed(
        level=words("data", "reach", "restart", "note"),
        code=TEXT,
        release=TEXT,
        object=maybe(named("object")),
        phrase=TEXT,
    ),
}
VERSIONS: dict[str, Schema] = {
    "chart": TEXT,
    "chartVersion": TEXT,
    "appVersion": TEXT,
    "chartDigest": said(TEXT, 'the archive\'s sha256, "" for a folder'),
}
IDENTITY: dict[str, Schema] = {"name": TEXT, "namespace": TEXT, "context": TEXT}
PLAN: dict[str, Schema] = {
    "plannedRelease": closed(
        **IDENTITY,
        **VERSIONS,
        action=words(*(kind.value for kind in ActionKind)),
        code=said(TEXT, "stable short name of the reason"),
        reason=TEXT,
        because=said(many(TEXT), "what differs from the deployed revision"),
        warnings=many(named("mistake")),
        objects=many(named("change")),
        needs=many(TEXT),
    ),
    "orphan": closed(
        name=TEXT,
        namespace=TEXT,
        context=TEXT,
        revision=COUNT,
        status=TEXT,
    ),
    "plan": said(
        closed(
            format={"const": 1},
            document={"const": "plan"},
            command=TEXT,
            environment=TEXT,
            cluster=TEXT,
            changes=said(FLAG, "whether anything would be written"),
            risks=said(many(named("risk")), "worst first"),
            ignored=named("counts"),
            orphans=said(many(named("orphan")), "installed by these files, and no longer in them"),
            releases=many(named("plannedRelease")),
        ),
        "helmflow diff -o json, helmflow plan -o json",
    ),
}
RUN: dict[str, Schema] = {
    "failure": closed(
        message=TEXT,
        error_id=TEXT,
        where=TEXT,
        hint=TEXT,
        step=TEXT,
        waitingFor={"type": "object", "additionalProperties": TEXT},
        logs=many(TEXT),
    ),
    "timeline": closed(
        began=said(maybe(SECONDS), "since the run began; null where nothing was done"),
        ended=maybe(SECONDS),
        steps=many(closed(step=TEXT, detail=TEXT, began=maybe(SECONDS), ended=maybe(SECONDS))),
    ),
    "ranRelease": closed(
        **IDENTITY,
        action=TEXT,
        outcome=words(*(outcome.value for outcome in Outcome)),
        reason=TEXT,
        becauseOf=maybe(TEXT),
        **VERSIONS,
        manifestDigest=said(TEXT, "sha256 of the manifest that the revision holds"),
        revision=COUNT,
        status=TEXT,
        seconds=SECONDS,
        because=many(TEXT),
        needs=many(TEXT),
        objects=many(named("change")),
        kept=many(named("object")),
        failure=maybe(named("failure")),
        warnings=many(named("mistake")),
        timeline=named("timeline"),
    ),
    "run": said(
        closed(
            format={"const": 1},
            document={"const": "run"},
            command=TEXT,
            environment=TEXT,
            cluster=TEXT,
            started=said(TEXT, 'RFC 3339, "" where nothing was run'),
            seconds=SECONDS,
            ok=FLAG,
            cancelled=FLAG,
            signal=TEXT,
            error=maybe(named("mistake")),
            writes=COUNT,
            requests=COUNT,
            outcomes=closed(**{outcome.value: COUNT for outcome in Outcome}),
            criticalPath=said(many(TEXT), "the chain of needs that the run's length came from"),
            ignored=named("counts"),
            releases=many(named("ranRelease")),
        ),
        "--report FILE.json and -o json of sync, apply and destroy; --resume reads it",
    ),
}


def draw() -> Schema:
    """The whole schema."""
    kinds = get_args(events.Event)
    happened = {kind.__name__: _event(kind) for kind in kinds}
    one = said({"oneOf": [named(name) for name in happened]}, "one line of --output jsonl and of --log-file")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "helmflow's documents",
        "description": "Plans, reports of runs, and events (#/$defs/event). `format` grows where a change breaks readers.",
        "oneOf": [named("plan"), named("run")],
        "$defs": {**SHARED, **PLAN, **RUN, "event": one, **happened},
    }


def _event(kind: Any) -> Schema:
    hints = get_type_hints(kind)
    fields = {field.name: _type(hints[field.name]) for field in dataclasses.fields(kind)}
    first = str(kind.__doc__ or "").split(". ")[0].strip().rstrip(".")
    return said(closed(event={"const": kind.__name__}, time=TIME, **fields), first)


def _type(hint: Any) -> Schema:
    plain: dict[Any, Schema] = {
        str: TEXT,
        bool: FLAG,
        int: COUNT,
        float: SECONDS,
        ReleaseId: TEXT,
        ObjectRef: named("object"),
        Mistake: named("mistake"),
    }
    if hint in plain:
        return plain[hint]
    inside = get_args(hint)
    if get_origin(hint) is tuple:
        return many(_type(inside[0]))
    if type(None) in inside:
        return maybe(_type(next(one for one in inside if one is not type(None))))
    assert len(inside) == 2, hint
    return {"type": "object", "additionalProperties": _type(inside[1])}


def text() -> str:
    return json.dumps(draw(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
    print(f"{PATH} is drawn")
