"""Stored releases in a real PostgreSQL: what is written and read, who comes first, and what goes wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from helmflow.core.clock import SystemClock
from helmflow.core.errors import HelmflowError, Refusal
from helmflow.helm.release.record import ReleaseStatus, Revision
from helmflow.helm.release.storage import RevisionStore
from helmflow.providers.records import sql
from helmflow.providers.records.conninfo import VARIABLE
from helmflow.providers.records.database import Database
from helmflow.providers.records.schema import Schema
from tests import postgres, revisions
from tests.revisions import CHART

Stores = Callable[[str], RevisionStore]


@pytest.fixture
def stores(connection_string: str) -> Stores:
    """The stores of an empty database."""
    return opened(connection_string)


@pytest.fixture
def releases(stores: Stores) -> RevisionStore:
    """An empty store."""
    return stores("apps")


def opened(connection_string: str) -> Stores:
    return sql.stores({VARIABLE: connection_string}, SystemClock())


def revision(name: str = "web", *rest: Any, **fields: object) -> Revision:
    """A small revision in the namespace of these tests."""
    return revisions.revision("apps", name, *rest, **fields)


def test_reading_makes_no_tables(releases: RevisionStore, connection_string: str) -> None:
    assert releases.list() == ()
    assert releases.history("web") == ()
    assert releases.select("owner=helm") == ()
    assert releases.current([("apps", "web")]) == ()
    with pytest.raises(HelmflowError) as absent:
        releases.get("web", 1)
    assert absent.value.error_id == "release.not-found"
    import psycopg

    with psycopg.connect(connection_string) as connection:
        assert connection.execute("SELECT to_regclass('releases_v1')").fetchone() == (None,)


def test_a_revision_is_stored_and_read(releases: RevisionStore) -> None:
    made = revision(labels={"team": "blue", "empty": ""})
    releases.create(made)
    assert replace(releases.get("web", 1), chart=CHART) == made
    (stored,) = releases.history("web")
    assert (stored.name, stored.namespace, stored.number, stored.status) == (
        "web",
        "apps",
        1,
        ReleaseStatus.DEPLOYED,
    )
    assert stored.labels == {"team": "blue", "empty": ""}


def test_an_update_changes_the_row_and_its_labels(releases: RevisionStore, connection_string: str) -> None:
    releases.create(revision(status="pending-install", labels={"team": "blue", "old": "x", "same": "s"}))
    releases.update(revision(labels={"team": "green", "new": "y", "same": "s"}, notes="done"))
    read = releases.get("web", 1)
    assert (read.status, read.notes) == (ReleaseStatus.DEPLOYED, "done")
    assert read.labels == {"team": "green", "new": "y", "same": "s"}
    assert postgres.rows(connection_string) == {
        "releases": [
            (
                "sh.helm.release.v1.web.v1",
                "helm.sh/release.v1",
                "web",
                "apps",
                1,
                "deployed",
                "helm",
                True,
                True,
            )
        ],
        "labels": [
            ("sh.helm.release.v1.web.v1", "apps", key, value)
            for key, value in (("new", "y"), ("same", "s"), ("team", "green"))
        ],
    }
    releases.update(revision())
    assert releases.get("web", 1).labels == {}


def test_a_number_is_taken_once(releases: RevisionStore, stores: Stores) -> None:
    releases.create(revision())
    with pytest.raises(HelmflowError) as taken:
        releases.create(revision(status="failed"))
    assert taken.value.error_id == "release.exists"
    stores("other").create(revision())


def test_what_is_not_stored_is_not_found(releases: RevisionStore) -> None:
    with pytest.raises(HelmflowError) as absent:
        releases.update(revision(labels={"a": "b"}))
    assert absent.value.error_id == "release.not-found"
    assert releases.delete("web", 1) is False
    assert releases.list() == ()


def test_a_deleted_revision_is_gone_with_its_labels(releases: RevisionStore, connection_string: str) -> None:
    releases.create(revision(labels={"team": "blue"}))
    assert releases.delete("web", 1) is True
    assert postgres.rows(connection_string) == {"releases": [], "labels": []}


def test_lists_are_sorted_and_bounded_to_what_was_asked(stores: Stores) -> None:
    for namespace, name, number, status in [
        ("b", "web", 2, "deployed"),
        ("b", "web", 10, "failed"),
        ("b", "web", 1, "superseded"),
        ("a", "db", 1, "deployed"),
    ]:
        stores(namespace).create(revision(name, number, status, labels={"tier": name, "n": str(number)}))
    everywhere = stores("")
    found = [(r.namespace, r.name, r.number) for r in everywhere.list()]
    assert found == [("a", "db", 1), ("b", "web", 1), ("b", "web", 2), ("b", "web", 10)]
    assert [r.number for r in stores("b").list()] == [1, 2, 10]
    assert [r.number for r in stores("b").list(names=("web", "other"))] == [1, 2, 10]
    assert stores("b").list(names=("other",)) == ()
    assert [r.name for r in everywhere.select("owner=helm,tier=db")] == ["db"]
    assert [r.number for r in everywhere.select("status notin (superseded),n>5")] == [10]
    assert everywhere.select("tier=db", "b") == ()
    with pytest.raises(HelmflowError) as bad:
        everywhere.select("a in b")
    assert bad.value.error_id == "cli.bad-selector"
    now = everywhere.current([("b", "web"), ("a", "db"), ("a", "nothing")])
    assert [(r.name, r.number) for r in now] == [("db", 1), ("web", 2), ("web", 10)]
    payloads = everywhere.get_many(everywhere.list())
    assert sorted(number for _, _, number in payloads) == [1, 1, 2, 10]
    assert payloads["b", "web", 1].labels == {"tier": "web", "n": "1"}


def test_many_payloads_come_in_parts(stores: Stores) -> None:
    def make(number: int) -> None:
        stores("apps").create(revision(f"r{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(sql.AT_ONCE + 5)))
    everything = stores("").list()
    assert len(stores("").get_many(everything)) == sql.AT_ONCE + 5
    assert len(stores("").current([(r.namespace, r.name) for r in everything])) == sql.AT_ONCE + 5


def test_a_record_may_be_larger_than_a_secret(releases: RevisionStore) -> None:
    noise = os.urandom(1_000_000).hex()
    releases.create(revision(manifest=noise))
    assert releases.get("web", 1).manifest == noise


def test_a_record_beyond_every_bound_is_refused(
    releases: RevisionStore, monkeypatch: pytest.MonkeyPatch, connection_string: str
) -> None:
    monkeypatch.setattr(sql.SqlStore, "max_record_bytes", 1000)
    with pytest.raises(Refusal) as refused:
        releases.create(revision(manifest=os.urandom(5000).hex()))
    assert refused.value.error_id == "release.too-large"


def test_a_record_that_cannot_be_read_says_so_in_plans(
    releases: RevisionStore, connection_string: str
) -> None:
    import psycopg

    releases.create(revision())
    releases.create(revision("db"))
    with psycopg.connect(connection_string) as connection:
        connection.execute("UPDATE releases_v1 SET body = 'broken' WHERE name = 'db'")
        connection.execute("UPDATE releases_v1 SET status = 'odd' WHERE name = 'db'")
    db, web = releases.current([("apps", "web"), ("apps", "db")])
    assert (db.name, bool(db.damaged)) == ("db", True)
    assert (web.name, web.damaged) == ("web", "")
    assert {r.name: r.status for r in releases.list()}["db"] is ReleaseStatus.UNKNOWN
    assert [name for _, name, _ in releases.get_many(releases.list())] == ["web"]
    with pytest.raises(HelmflowError) as unreadable:
        releases.get("db", 1)
    assert unreadable.value.error_id == "release.unreadable"


def test_labels_belong_to_releases_with_long_names(releases: RevisionStore, connection_string: str) -> None:
    name = "n" * 53
    releases.create(revision("short", labels={"a": "b"}))
    before = postgres.tables(connection_string)
    releases.create(revision(name, 1234, labels={"team": "blue"}))
    assert releases.get(name, 1234).labels == {"team": "blue"}
    changed = {c for c in postgres.tables(connection_string)["columns"] if c not in before["columns"]}
    assert {(c[0], c[2], c[4]) for c in changed} == {("custom_labels_v1", "releasekey", 90)}


def test_tables_of_an_older_helm_are_completed(releases: RevisionStore, connection_string: str) -> None:
    import psycopg

    releases.create(revision(labels={"team": "blue"}))
    complete = postgres.tables(connection_string)
    with psycopg.connect(connection_string) as connection:
        connection.execute("DROP TABLE custom_labels_v1")
        connection.execute("DELETE FROM gorp_migrations WHERE id = 'custom_labels'")
    again = opened(connection_string)("apps")
    assert [(r.name, r.labels) for r in again.list()] == [("web", {})]
    again.create(revision(number=2, labels={"team": "green"}))
    assert again.get("web", 2).labels == {"team": "green"}
    assert postgres.tables(connection_string) == complete


def test_the_tables_are_made_once_by_many_at_once(connection_string: str) -> None:
    start = threading.Barrier(8)

    def make(number: int) -> None:
        store = opened(connection_string)("apps")
        start.wait()
        store.create(revision(f"r{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert len(opened(connection_string)("apps").list()) == 8


def test_a_lost_connection_is_opened_again(releases: RevisionStore, connection_string: str) -> None:
    releases.create(revision())
    _end_connections(connection_string)
    assert [r.number for r in releases.list()] == [1]
    _end_connections(connection_string)
    releases.create(revision(number=2))
    _end_connections(connection_string)
    releases.update(revision(number=2, status="superseded"))
    assert [str(r.status) for r in releases.list()] == ["deployed", "superseded"]


@pytest.mark.parametrize("lost", ["before the server has it", "after the server did it"])
def test_a_write_whose_answer_was_lost_is_resolved_by_reading(
    postgres_server: postgres.Server, connection_string: str, lost: str
) -> None:
    with postgres.Cut(postgres_server.port) as cut:
        address = connection_string.replace(f":{postgres_server.port}/", f":{cut.port}/")
        store = opened(address)("apps")
        store.create(revision(number=1))
        for number, write in enumerate(
            (
                lambda: store.create(revision(number=2, labels={"a": "b"})),
                lambda: store.update(revision(number=2, status="superseded", labels={"c": "d"})),
                lambda: store.delete("web", 2),
            )
        ):
            cut.next = lost
            write()
            assert cut.next == "", number
            left = [
                (r.number, str(r.status), dict(r.labels)) for r in opened(connection_string)("apps").list()
            ]
            expected: list[tuple[int, str, dict[str, str]]] = [(1, "deployed", {})]
            if number == 0:
                expected.append((2, "deployed", {"a": "b"}))
            if number == 1:
                expected.append((2, "superseded", {"c": "d"}))
            assert left == expected


def test_nobody_listening_is_said_at_once(unused_port: int) -> None:
    store = opened(f"postgres://u:hidden-word@127.0.0.1:{unused_port}/x?sslmode=disable")("apps")
    with pytest.raises(HelmflowError) as refused:
        store.list()
    assert refused.value.error_id == "release.sql-unavailable"
    assert str(unused_port) in refused.value.message
    assert "hidden-word" not in refused.value.message


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_a_wrong_password_is_never_shown(postgres_server: postgres.Server) -> None:
    address = postgres_server.url("postgres").replace(postgres.ADDRESS_PASSWORD, "Hidden%2FWord")
    with pytest.raises(HelmflowError) as refused:
        opened(address)("apps").list()
    assert refused.value.error_id == "release.sql-unavailable"
    assert "password authentication failed" in refused.value.message
    said = f"{refused.value!r} {refused.value} {refused.value.hint} {refused.value.__cause__!r}"
    assert "Hidden" not in said
    assert "Word" not in said


def test_tls_is_required_unless_said_otherwise_as_in_helm(connection_string: str) -> None:
    with pytest.raises(HelmflowError) as refused:
        opened(connection_string.replace("?sslmode=disable", ""))("apps").list()
    assert refused.value.error_id == "release.sql-unavailable"
    assert "SSL" in refused.value.message


def test_a_statement_that_waits_too_long_is_given_up_by_the_server(connection_string: str) -> None:
    import psycopg

    opened(connection_string)("apps").create(revision())
    database = Database(connection_string, {}, seconds=0.3)
    store = sql.SqlStore(database, Schema(database), "apps", SystemClock())
    with psycopg.connect(connection_string) as other:
        other.execute("LOCK TABLE releases_v1 IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(HelmflowError) as late:
            store.update(revision(status="failed"))
    assert late.value.error_id == "release.sql-unavailable"
    time.sleep(0.1)
    assert [str(r.status) for r in store.list()] == ["deployed"]  # nothing happens after it was given up


@pytest.mark.skipif(os.name != "posix", reason="stops a process")
def test_a_server_that_answers_nothing_is_hung_up_on(
    connection_string: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helmflow.providers.records import database as module

    monkeypatch.setattr(module, "GRACE_S", 0.2)
    database = Database(connection_string, {}, seconds=0.3)
    ((backend,),) = database.rows("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(HelmflowError) as silent:
            database.rows("SELECT 1")
    finally:
        os.kill(backend, signal.SIGCONT)
    assert silent.value.error_id == "release.sql-unavailable"
    assert "no answer" in silent.value.message
    assert database.rows("SELECT 1") == [(1,)]


def test_another_user_is_told_about_row_security(
    postgres_server: postgres.Server, connection_string: str
) -> None:
    import psycopg

    opened(connection_string)("apps").create(revision(manifest="hidden-words"))
    with psycopg.connect(connection_string, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        connection.execute("GRANT SELECT ON gorp_migrations TO guest")
    login = f"helm:{postgres.ADDRESS_PASSWORD}@"
    store = opened(connection_string.replace(login, "guest:guest@"))("apps")
    assert store.list() == ()
    with pytest.raises(HelmflowError) as refused:
        store.create(revision(number=2, manifest="hidden-words"))
    assert refused.value.error_id == "release.sql-failed"
    assert "row-level security" in refused.value.message
    assert refused.value.hint


def test_without_the_library_it_is_said_what_to_install() -> None:
    code = f"""
import sys
sys.modules["psycopg"] = None
from helmflow.core.clock import SystemClock
from helmflow.core.errors import ConfigError
from helmflow.providers.records import sql
try:
    sql.stores({{"{VARIABLE}": "postgres://u:p@h/d"}}, SystemClock())
except ConfigError as error:
    print(error.error_id, error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "release.sql-extra pip install 'helmflow[sql]'\n"


def _end_connections(connection_string: str) -> None:
    import psycopg

    with psycopg.connect(connection_string) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )


def test_a_socket_and_pairs_do_as_well_as_a_url(
    postgres_server: postgres.Server, connection_string: str
) -> None:
    import psycopg

    with psycopg.connect(connection_string) as connection:
        (folder,) = connection.execute("SHOW unix_socket_directories").fetchone() or ("",)
        (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
    password = postgres.PASSWORD.replace("'", "\\'")
    address = f"host={folder} port={postgres_server.port} user=helm password='{password}' dbname={name}"
    store = opened(f"{address} search_path=records")("apps")
    with psycopg.connect(connection_string) as connection:
        connection.execute("CREATE SCHEMA records")
    store.create(revision())
    assert [r.name for r in store.list()] == ["web"]
    assert opened(connection_string)("apps").list() == ()  # the other schema has none
