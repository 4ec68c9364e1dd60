"""Runs whose release records are in PostgreSQL: with real Helm as the other party, with a killed run before, and as plans."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.clock import SystemClock
from helmflow.core.errors import HelmflowError
from helmflow.execute.report import Outcome
from helmflow.flows import history, permissions, runs
from helmflow.flows.listing import Wanted, listing
from helmflow.helm.release.record import Revision
from helmflow.kube.transport import Transport
from helmflow.providers.records import sql
from helmflow.providers.records.conninfo import VARIABLE
from tests import helm_sdk, postgres
from tests.flows import charts
from tests.flows.conftest import CLUSTERS
from tests.flows.town import RECORD_FIELDS, Killed, Town, plan_of, report_of

NOTES = "The colour is {{ .Values.color }}.\n"
WEB: dict[str, Any] = {"name": "web"}


class SqlTown(Town):
    """A town whose records are in a database, and real Helm beside it."""

    url: str
    kubeconfig: Path

    def revisions(self, name: str = "web") -> list[Revision]:
        """What is stored of a release."""
        store = sql.stores({VARIABLE: self.url}, SystemClock())(self.ns("apps"))
        return [store.get(name, stored.number) for stored in store.history(name)]

    def states(self, name: str = "web") -> list[str]:
        return [str(revision.status) for revision in self.revisions(name)]

    def helm(self, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
        """What actions of Helm's SDK answer."""
        pytest.importorskip("helm_python", reason="the Helm SDK is a wheel for Linux x86-64 only")
        config = {
            "kubeconfig_path": str(self.kubeconfig),
            "namespace": self.ns("apps"),
            "storage_driver": "sql",
        }
        return helm_sdk.helm_calls(config, calls)


@pytest.fixture(params=CLUSTERS)
def sql_town(
    request: pytest.FixtureRequest, tmp_path: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SqlTown]:
    """An empty project, a cluster that Helm reaches too, and an empty database."""
    monkeypatch.setenv("HELM_DRIVER", "sql")
    monkeypatch.setenv(VARIABLE, connection_string)
    (tmp_path / "town").mkdir()
    clusters = _embedded if request.param == "embedded" else _real
    for transport, path in clusters(tmp_path):
        made = SqlTown(tmp_path / "town", transport)
        made.url, made.kubeconfig = connection_string, path
        yield made
        made.close()


def _embedded(folder: Path) -> Iterator[tuple[Callable[[], Transport], Path]]:
    from helmflow.embedded.loopback import serve, write_kubeconfig
    from helmflow.embedded.server import ApiServer
    from helmflow.embedded.transport import InProcessTransport

    server = ApiServer()
    listening = serve(server).start()
    write_kubeconfig(folder / "kubeconfig", listening)
    yield lambda: InProcessTransport(server), folder / "kubeconfig"
    listening.stop()


def _real(folder: Path) -> Iterator[tuple[Callable[[], Transport], Path]]:
    from helmflow.kube import kubeconfig
    from helmflow.kube.http import HttpTransport
    from tests.apiserver import fixture

    path = fixture.cluster().kubeconfig
    target = kubeconfig.load([path], "real")
    yield lambda: HttpTransport(target), path


def shop(town: Town) -> str:
    """One release with a hook, notes and labels; its chart's folder."""
    charts.small(town)
    town.chart("web", config=charts.CONFIG, prepare=charts.PRE_INSTALL, NOTES__txt=NOTES)
    return str(town.folder / "charts/web")


def test_helm_goes_on_with_what_helmflow_stored(sql_town: SqlTown) -> None:
    town = sql_town
    chart = shop(town)
    assert town.sync().ok
    assert town.find("Secret", "sh.helm.release.v1.web.v1") is None
    (stored,) = town.revisions()
    listed, values, metadata, status, _, past, _ = town.helm(
        ("list", {}),
        ("get_values", WEB),
        ("get_metadata", WEB),
        ("status", WEB),
        ("upgrade", {**WEB, "chart": chart, "values": {"color": "green"}, "timeout": 60}),
        ("history", WEB),
        ("rollback", {**WEB, "version": 1, "timeout": 60}),
    )
    assert [(r["name"], str(r["revision"]), r["status"]) for r in listed] == [("web", "1", "deployed")]
    assert values == {"color": "red"}
    assert metadata["chart"] == "web"
    assert status["manifest"].strip() == stored.manifest.strip()
    assert len(past) == 2
    assert town.states() == ["superseded", "superseded", "deployed"]
    assert plan_of(town.diff(), "web").action.reason == "unchanged"
    assert town.sync().writes == 0
    town.helm(("uninstall", {**WEB, "timeout": 60}))
    assert postgres.rows(town.url) == {"releases": [], "labels": []}


def test_helmflow_goes_on_with_what_helm_stored(sql_town: SqlTown) -> None:
    town = sql_town
    chart = shop(town)
    install = {**WEB, "chart": chart, "values": {"color": "red"}, "create_namespace": True, "timeout": 60}
    town.helm(("install", {**install, "labels": {"team": "a"}}))
    assert [dict(r.labels) for r in town.revisions()] == [{"team": "a"}]
    assert plan_of(town.diff(), "web").action.reason == "unchanged"
    assert town.sync().writes == 0
    town.file("values.yaml", "color: green\n")
    report = town.sync()
    assert report_of(report, "web").revision == 2
    assert town.rollback().ok
    assert town.states() == ["superseded", "superseded", "deployed"]
    assert town.revisions()[-1].config == {"color": "red"}
    session = town.session()
    assert [row.revision for row in history.history(session.options, session.emit, session)] == [1, 2, 3]
    session = town.session()
    rows = listing(session.options, session.emit, Wanted(everywhere=True), session)
    assert [(row.name, row.revision, row.status) for row in rows] == [("web", 3, "deployed")]
    listed, past = town.helm(("list", {}), ("history", WEB))
    assert [(r["name"], str(r["revision"])) for r in listed] == [("web", "3")]
    assert len(past) == 3
    assert town.destroy().ok
    assert postgres.rows(town.url) == {"releases": [], "labels": []}


def test_both_write_the_same_rows(
    sql_town: SqlTown, postgres_server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = sql_town
    chart = shop(town)
    options = {**WEB, "chart": chart, "timeout": 60}
    town.helm(
        ("install", {**options, "values": {"color": "red"}, "create_namespace": True}),
        ("upgrade", {**options, "values": {"color": "green"}}),
        ("rollback", {**WEB, "version": 1, "timeout": 60}),
    )
    theirs, their_rows, tables = town.revisions(), postgres.rows(town.url), postgres.tables(town.url)
    town.helm(("uninstall", {**WEB, "timeout": 60}))

    town.url = postgres_server.database()
    monkeypatch.setenv(VARIABLE, town.url)
    town.sync()
    town.file("values.yaml", "color: green\n")
    town.sync()
    town.rollback(1)
    ours, our_rows = town.revisions(), postgres.rows(town.url)
    assert postgres.tables(town.url) == tables
    assert our_rows["releases"] == their_rows["releases"]
    # Who ran helmflow is written beside what Helm writes.
    assert {str(label[2]).partition("/")[0] for label in our_rows["labels"]} == {"helmflow.dev"}
    for mine, other in zip(ours, theirs, strict=True):
        for field in RECORD_FIELDS:
            assert getattr(mine, field) == getattr(other, field), field
        assert mine.chart["metadata"] == other.chart["metadata"]
        assert [dataclasses.replace(h, last_run=other.hooks[0].last_run) for h in mine.hooks] == list(
            other.hooks
        )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of the one that died
@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=() if n in (2, 5, 7) else pytest.mark.nightly) for n in range(1, 12)]
)
def test_a_run_that_died_is_finished(sql_town: SqlTown, number: int) -> None:
    town = sql_town
    shop(town)
    try:
        town.sync(kill_after=number)
    except Killed:
        time.sleep(1.1)  # the dead run's lease ends
    report = town.sync()
    assert report_of(report, "web").outcome in (Outcome.DONE, Outcome.UNCHANGED), report_of(
        report, "web"
    ).failure
    states = town.states()
    assert states[-1] == "deployed"
    assert set(states[:-1]) <= {"superseded", "failed"}
    assert town.names("Lease", api="coordination.k8s.io/v1") == []
    assert town.sync().writes == 0


@pytest.mark.parametrize("statements", [0, 1, 2])
def test_a_database_that_goes_away_in_the_middle_fails_the_release_only(
    sql_town: SqlTown, postgres_server: postgres.Server, monkeypatch: pytest.MonkeyPatch, statements: int
) -> None:
    town = sql_town
    shop(town)
    town.sync()
    town.file("values.yaml", "color: green\n")
    with postgres.Cut(postgres_server.port) as line:
        line.left = statements
        monkeypatch.setenv(VARIABLE, town.url.replace(f":{postgres_server.port}/", f":{line.port}/"))
        failed = report_of(town.sync(), "web")
    assert failed.failure is not None
    assert failed.failure.error_id == "release.sql-unavailable"
    monkeypatch.setenv(VARIABLE, town.url)
    time.sleep(1.1)  # the lease ends, where it could not be given back
    assert town.sync().ok
    states = town.states()
    assert (states[-1], set(states[:-1])) == (
        "deployed",
        {"superseded"} if len(states) == 2 else {"superseded", "failed"},
    )
    assert town.sync().writes == 0


def test_a_pending_record_of_a_dead_run_is_repaired(sql_town: SqlTown) -> None:
    from helmflow.helm.release.record import ReleaseStatus

    town = sql_town
    shop(town)
    town.sync()
    (done,) = town.revisions()
    store = sql.stores({VARIABLE: town.url}, SystemClock())(town.ns("apps"))
    pending = dataclasses.replace(
        done, number=2, status=ReleaseStatus.PENDING_UPGRADE, last_deployed="2026-01-01T00:00:00Z"
    )
    store.create(pending)
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    assert town.states()[-1] == "deployed"


def test_history_is_pruned_and_runs_are_found(sql_town: SqlTown) -> None:
    town = sql_town
    shop(town)
    state = town.folder / "helmflow.yaml"
    state.write_text(state.read_text() + "helmDefaults: {historyMax: 2}\n")
    for color in ("red", "green", "blue", "black"):
        town.file("values.yaml", f"color: {color}\n")
        assert town.sync().ok
    assert [r.number for r in town.revisions()] == [3, 4]
    session = town.session()
    found = runs.runs(session.options, session.emit, given=session)
    assert len(found) == 2


def test_a_group_of_namespaces_is_read_with_one_question(
    sql_town: SqlTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helmflow.providers.records.database import Database

    town = sql_town
    charts.five(town)
    assert town.sync().ok
    asked: list[str] = []
    rows = Database.rows
    monkeypatch.setattr(
        Database,
        "rows",
        lambda self, statement, values=(): (asked.append(statement), rows(self, statement, values))[1],
    )
    plan = town.diff()
    assert {release.action.reason for release in plan.releases} == {"unchanged"}
    assert len(asked) <= 2, asked  # the plan's releases; the inventory's others


def test_the_connection_string_is_in_no_output(sql_town: SqlTown) -> None:
    town = sql_town
    shop(town)
    report, plan = town.sync(), town.diff()
    for said in (repr(report), repr(plan), repr(town.events)):
        assert postgres.PASSWORD not in said
        assert postgres.ADDRESS_PASSWORD not in said


def test_permissions_name_no_records_of_the_cluster(sql_town: SqlTown) -> None:
    town = sql_town
    shop(town)
    session = town.session()
    roles = permissions.permissions(session.options, session.emit, given=session)
    assert "secrets" not in repr(roles)


@pytest.mark.parametrize(
    ("driver", "error"), [("memory", "release.driver"), ("sql", "release.sql-connection")]
)
def test_a_driver_that_cannot_work_is_refused_before_anything_is_read(
    town: Town, monkeypatch: pytest.MonkeyPatch, driver: str, error: str
) -> None:
    monkeypatch.setenv("HELM_DRIVER", driver)
    monkeypatch.delenv(VARIABLE, raising=False)
    charts.small(town)
    with pytest.raises(HelmflowError) as refused:
        town.sync()
    assert refused.value.error_id == error
