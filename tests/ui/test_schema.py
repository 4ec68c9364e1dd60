"""docs/plan-schema.json holds for everything that is written, and is drawn from the types of today."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema

from helmflow.ui import plan_json, run_json
from helmflow.ui.jsonl import JsonLines
from helmflow.ui.recording import Recorder
from tests import plan_schema
from tests.flows import charts
from tests.flows.town import Town
from tests.ui import reports
from tests.ui.test_views import RUN

PATH = plan_schema.PATH
SCHEMA: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))


def check(document: Any, definition: str = "") -> None:
    schema = {**SCHEMA, "$ref": f"#/$defs/{definition}"} if definition else SCHEMA
    if definition:
        schema = {key: value for key, value in schema.items() if key != "oneOf"}
    jsonschema.Draft202012Validator(schema).validate(document)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_plans_and_runs_follow_the_schema() -> None:
    check(plan_json.document(reports.plan()))
    check(run_json.document(reports.report(), reports.plan(), reports.recorder()))
    check(run_json.document(reports.report(), None, Recorder()))


def test_real_plans_runs_and_events_follow_the_schema(tmp_path: Path) -> None:
    from helmflow.embedded.server import ApiServer
    from helmflow.embedded.transport import InProcessTransport

    server = ApiServer()
    town = Town(tmp_path, lambda: InProcessTransport(server))
    charts.five(town)
    check(json.loads(plan_json.render(town.diff())))
    town.file("values.yaml", "color: blue\nreplicas: 2\n")
    for run in (town.sync, town.destroy):
        recorder = Recorder()
        report = run()
        for event in town.events:
            recorder.handle(event)
        check(json.loads(run_json.render(report, None, recorder)))
        for line in lines(town.events):
            check(line, "event")
    server.close()


def test_every_event_follows_the_schema() -> None:
    for line in lines(RUN):
        check(line, "event")


def lines(happened: Any) -> list[Any]:
    stream = io.StringIO()
    reporter = JsonLines(stream)
    for event in happened:
        reporter.handle(event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_schema_is_drawn_from_the_types_of_today() -> None:
    assert PATH.read_text(encoding="utf-8") == plan_schema.text(), "draw it: python -m tests.plan_schema"
