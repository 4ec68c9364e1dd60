"""destroy: reverse order, what is kept, what is gone already."""

from __future__ import annotations

from helmflow.core.events import ReleaseFinished
from helmflow.execute.report import Outcome
from tests.flows import charts
from tests.flows.town import Town, report_of


def test_everything_goes_dependents_first(town: Town) -> None:
    charts.five(town)
    town.sync()
    report = town.destroy()
    assert report.ok
    order = [event.release.name for event in town.events if isinstance(event, ReleaseFinished)]
    assert order[0] == "web"
    assert set(order[-2:]) == {"database", "cache"} or order[-1] == "database"
    assert town.names("ConfigMap") == []
    assert town.names("Deployment", api="apps/v1") == []
    assert town.history("web") == []


def test_what_is_gone_already_is_no_failure_and_no_write(town: Town) -> None:
    charts.small(town)
    town.sync()
    town.destroy()
    report = town.destroy()
    assert report.ok
    assert report.writes == 0
    assert report_of(report, "web").outcome is Outcome.UNCHANGED
    assert report_of(report, "web").reason == "is not installed"


def test_what_says_keep_is_kept_and_reported(town: Town) -> None:
    charts.small(town)
    town.chart(
        "web",
        kept="""\
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: {{ .Release.Name }}-kept
          annotations: {helm.sh/resource-policy: keep}
        """,
    )
    town.sync()
    report = town.destroy()
    assert [ref.name for ref in report_of(report, "web").kept] == ["web-kept"]
    assert town.names("ConfigMap") == ["web-kept"]
    assert town.sync().ok
    assert town.names("ConfigMap") == ["web", "web-kept"]


def test_installed_false_uninstalls(town: Town) -> None:
    charts.small(town)
    town.sync()
    text = (town.folder / "helmflow.yaml").read_text()
    town.file("helmflow.yaml", text + "    installed: false\n")
    report = town.sync()
    assert report_of(report, "web").action == "uninstall"
    assert town.history("web") == []
    assert town.sync().writes == 0
