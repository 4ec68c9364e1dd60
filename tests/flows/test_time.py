"""Templates that print the time: what a plan says a second, a day and a year later."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from helmflow.core.clock import SystemClock, template_nanos, templates_at
from helmflow.flows import sync
from helmflow.flows.options import accept
from tests.flows.town import Town

STAMPED = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  annotations: {deployed: "{{ now | date "FORMAT" }}"}
data: {color: "{{ .Values.color }}"}
"""


@dataclass
class Moved(SystemClock):
    """The machine's clock, set to another day."""

    at: datetime
    _began: float = field(default_factory=lambda: SystemClock().monotonic())

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.monotonic() - self._began)


def _sync(town: Town, at: datetime) -> int:
    session = town.session()
    session.clock = Moved(at)
    report = sync.sync(session.options, session.emit, accept, session)
    assert report.ok
    return report.writes


@pytest.mark.parametrize(
    "form", ["2006-01-02", "15:04", "2006", "Mon Jan 2", "02", "2006-01-02T15:04:05Z07:00"]
)
@pytest.mark.parametrize("passed", [timedelta(seconds=2), timedelta(minutes=2), timedelta(days=400)])
def test_a_date_alone_is_never_a_change(town: Town, form: str, passed: timedelta) -> None:
    midnight = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    town.chart("web", stamped=STAMPED.replace("FORMAT", form))
    town.file("charts/web/values.yaml", "color: red\n")
    town.file("helmflow.yaml", "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web}\n")
    assert _sync(town, midnight)
    assert _sync(town, midnight + passed) == 0
    town.file("charts/web/values.yaml", "color: green\n")
    assert _sync(town, midnight + passed)


def test_templates_read_the_clock_they_are_given() -> None:
    moment = datetime(2020, 5, 17, tzinfo=UTC)
    with templates_at(Moved(moment), ahead=timedelta(days=1)):
        assert template_nanos() // 10**9 == int(moment.timestamp()) + 86400
    assert template_nanos() // 10**9 > int(moment.timestamp()) + 10**7
