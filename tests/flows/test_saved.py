"""Saved plans: exactly what was planned, or nothing."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from helmflow.core.errors import ConfigError, Refusal
from helmflow.core.ids import ObjectRef
from helmflow.execute.report import Outcome, RunReport
from helmflow.flows import saved
from helmflow.kube.client import MERGE_PATCH
from tests.flows import charts
from tests.flows.town import Town, report_of


def _save(town: Town, key: str = "") -> Path:
    path = town.folder / "plan.hfp"
    session = town.session()
    session.environ = {**session.environ, "HELMFLOW_PLAN_KEY": key}
    saved.save(session.options, session.emit, path, session)
    return path


def _apply(town: Town, path: Path, key: str = "") -> RunReport:
    session = town.session()
    session.environ = {**session.environ, "HELMFLOW_PLAN_KEY": key}
    return saved.apply_saved(session.options, session.emit, path, given=session)


def test_a_saved_plan_is_carried_out_later(town: Town) -> None:
    charts.five(town)
    path = _save(town)
    assert town.history("web") == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    town.file("values.yaml", "color: changed after the plan was made\n")
    report = _apply(town, path)
    assert {release.outcome for release in report.releases} == {Outcome.DONE}
    live = town.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "red"
    town.file("values.yaml", "color: red\nextra: true\n")
    assert town.sync().writes == 0


def test_a_plan_of_an_upgrade_holds_its_changes(town: Town) -> None:
    charts.small(town)
    town.sync()
    town.file("values.yaml", "color: green\n")
    report = _apply(town, _save(town))
    assert report_of(report, "web").revision == 2
    live = town.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "green"


def test_a_plan_holds_its_deletions(town: Town) -> None:
    charts.small(town)
    town.chart("web", extra=charts.EXTRA)
    town.file("values.yaml", "color: red\nextra: true\n")
    town.sync()
    town.file("values.yaml", "color: red\n")
    assert _apply(town, _save(town)).ok
    assert town.names("ConfigMap") == ["web"]


def test_what_has_moved_is_named_and_nothing_is_written(town: Town) -> None:
    charts.small(town)
    town.sync()
    town.file("values.yaml", "color: green\n")
    path = _save(town)
    live = town.find("ConfigMap", "web")
    assert live is not None
    live["data"]["color"] = "purple"
    town.client.replace(live, manager="kubectl-edit")
    with pytest.raises(Refusal) as refused:
        _apply(town, path)
    assert refused.value.error_id == "plan.stale"
    assert "ConfigMap" in refused.value.message
    assert "was changed" in refused.value.message
    assert town.wire is not None
    assert not town.wire.writes


def test_a_plan_is_carried_out_once(town: Town) -> None:
    charts.small(town)
    path = _save(town)
    assert _apply(town, path).ok
    with pytest.raises(Refusal) as refused:
        _apply(town, path)
    assert "was not installed, is revision 1 (deployed)" in refused.value.message


def test_secrets_are_encrypted_or_refused(town: Town) -> None:
    charts.small(town)
    town.chart(
        "web", secret="apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n"
    )
    with pytest.raises(Refusal) as refused:
        _save(town)
    assert refused.value.error_id == "plan.secrets"
    path = _save(town, key="a long pass phrase")
    with pytest.raises(ConfigError) as wrong:
        _apply(town, path, key="another one")
    assert wrong.value.error_id == "plan.key"
    assert _apply(town, path, key="a long pass phrase").ok


def test_a_file_that_was_changed_is_refused(town: Town) -> None:
    charts.small(town)
    path = _save(town)
    document = json.loads(path.read_text())
    document["sha256"] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as error:
        _apply(town, path)
    assert error.value.error_id == "plan.tampered"
    path.write_text("no json")
    with pytest.raises(ConfigError) as error:
        _apply(town, path)
    assert error.value.error_id == "plan.unreadable"


def test_a_stale_plan_names_the_fields_that_moved_and_who_moved_them(town: Town) -> None:
    charts.small(town)
    town.sync()
    town.file("values.yaml", "color: green\n")
    path = _save(town)
    ref = ObjectRef("v1", "ConfigMap", town.ns("apps"), "web")
    town.client.patch(ref, MERGE_PATCH, {"data": {"color": "pink", "extra": "1"}}, manager="kubectl-patch")
    with pytest.raises(Refusal) as refused:
        _apply(town, path)
    assert refused.value.error_id == "plan.stale"
    text = refused.value.message
    assert "data.color (by kubectl-patch at " in text
    assert "data.extra (by kubectl-patch at " in text
    assert "data.lines" not in text
    assert town.wire is not None
    assert town.wire.writes == []
