"""--resume without a file: what the last run did not finish, by the cluster's own records."""

from __future__ import annotations

import pytest

from helmflow.core.errors import ConfigError
from helmflow.execute.report import Outcome
from helmflow.flows import resume
from helmflow.flows.options import StateOptions
from tests.flows import charts
from tests.flows.town import Town

FILES = """\
project: resumed
releases:
- {name: first, namespace: NS(apps), chart: ./charts/app}
- {name: second, namespace: NS(apps), chart: ./charts/broken, needs: [first]}
- {name: third, namespace: NS(apps), chart: ./charts/app, needs: [second]}
"""
AGAIN = StateOptions(resume=resume.LAST)


def test_a_failed_run_is_taken_up_where_it_stopped(town: Town) -> None:
    town.chart("app", extra=charts.EXTRA)
    town.chart("broken", bad="apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: []}\n")
    town.file("helmflow.yaml", FILES)
    with pytest.raises(ConfigError) as none:
        town.sync(state=AGAIN)
    assert none.value.error_id == "resume.nothing"
    assert not town.sync().ok
    (town.folder / "charts/broken/templates/bad.yaml").unlink()
    report = town.sync(state=AGAIN)
    assert [(one.id.name, one.outcome) for one in report.releases] == [
        ("second", Outcome.DONE),
        ("third", Outcome.DONE),
    ]
    with pytest.raises(ConfigError) as nothing:
        town.sync(state=AGAIN)
    assert "went well" in nothing.value.message
