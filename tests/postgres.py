"""A PostgreSQL for tests, the distribution's: in a temporary folder, on a loopback port, as an unprivileged user."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

NEEDED = "PostgreSQL is not installed: `python -m tests.postgres` as root, or your distribution's package"
PASSWORD = "p@ss/w%rd:'6"
ADDRESS_PASSWORD = "p%40ss%2Fw%25rd%3A%276"  # the same in a URL
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Server:
    """A running server; every test has a database of its own."""

    port: int
    pid: int

    def url(self, database: str, *, port: int = 0) -> str:
        """A connection string as Helm takes it."""
        return f"postgres://helm:{ADDRESS_PASSWORD}@127.0.0.1:{port or self.port}/{database}?sslmode=disable"

    def database(self) -> str:
        """A new empty database's connection string."""
        import psycopg

        name = f"records{os.getpid()}_{next(_NUMBERS)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real PostgreSQL for all tests of a process; skips where there is none."""
    with running() as server:
        yield server


@pytest.fixture
def connection_string(postgres_server: Server) -> str:
    """A new empty database."""
    return postgres_server.database()


def binaries() -> Path | None:
    """Where the server's programs are: the newest version's."""
    versions = [
        p for p in Path("/usr/lib/postgresql").glob("*/bin/postgres") if p.parent.parent.name.isdecimal()
    ]
    if versions:
        return max(versions, key=lambda p: int(p.parent.parent.name)).parent
    found = shutil.which("postgres")
    return Path(found).parent if found else None


@contextmanager
def running() -> Iterator[Server]:
    """A server for as long as the context lasts; skips where there is none to start."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'helmflow[sql]'")
    programs = binaries()
    user = _user()
    if programs is None or user is None:
        pytest.skip(NEEDED)
    folder = Path(tempfile.mkdtemp(prefix="helmflow-pg-"))
    try:
        (folder / "password").write_text(PASSWORD)
        os.chown(folder, user.pw_uid, user.pw_gid)
        os.chown(folder / "password", user.pw_uid, user.pw_gid)
        data = folder / "data"
        initdb = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "helm",
            "-A",
            "scram-sha-256",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        _run([*initdb, "--locale=C", f"--pwfile={folder / 'password'}"], user)
        port = _free_port()
        quick = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        where = ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k", str(folder)]
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *where, *quick], stdout=log, stderr=log, **_as(user)
            )
        try:
            _wait(port, server, folder / "log")
            yield Server(port, server.pid)
        finally:
            server.send_signal(signal.SIGCONT)
            server.send_signal(signal.SIGQUIT)  # nothing of it is kept
            server.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tables(url: str) -> dict[str, list[tuple[object, ...]]]:
    """What `url` holds: columns, indexes, rights and rows of every table, the moments left out."""
    import psycopg

    found: dict[str, list[tuple[object, ...]]] = {}
    with psycopg.connect(url) as connection:
        for name, statement in _CATALOGUES.items():
            found[name] = sorted(connection.execute(statement.encode()).fetchall(), key=repr)
    return found


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """The rows of both tables of records, without bodies and moments."""
    import psycopg

    with psycopg.connect(url) as connection:
        return {name: connection.execute(statement.encode()).fetchall() for name, statement in _ROWS.items()}


_CATALOGUES = {
    "columns": "SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, is_nullable, "
    "column_default FROM information_schema.columns WHERE table_schema = 'public'",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "rights": "SELECT relname, relrowsecurity, relforcerowsecurity, relacl::text FROM pg_class "
    "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
    "migrations": "SELECT id, applied_at IS NOT NULL FROM gorp_migrations",
}
_ROWS = {
    "releases": "SELECT key, type, name, namespace, version, status, owner, createdAt > 0, modifiedAt > 0 FROM releases_v1 "
    "ORDER BY namespace, key",
    "labels": "SELECT releaseKey, releaseNamespace, key, value FROM custom_labels_v1 "
    "ORDER BY releaseNamespace, releaseKey, key",
}


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("postgres")  # PostgreSQL refuses to run as root
    except KeyError:
        return None


def _as(user: pwd.struct_passwd) -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}


def _run(command: list[object], user: pwd.struct_passwd) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **_as(user)
    )
    assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(200):
        assert server.poll() is None, log.read_text()
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user="helm", password=PASSWORD, dbname="postgres"
            ).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
            continue
        return
    raise AssertionError(log.read_text())


class Cut:
    """A line to the server that is cut at a statement that changes something: once as `next` says, or for good.

    `left` is how many such statements it carries until it is closed for good; below 0 it carries all.
    """

    def __init__(self, port: int) -> None:
        self.next = ""
        self.left = -1
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Cut:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._target))
        silent = threading.Event()

        def answers() -> None:
            while data := _received(server):
                if silent.is_set():
                    break
                client.sendall(data)
            _close(client)

        threading.Thread(target=answers, daemon=True).start()
        while data := _received(client):
            changes = any(word in data for word in (b"INSERT", b"UPDATE", b"DELETE"))
            if changes and self.left == 0:
                self._listening.close()
                break
            if changes and self.left > 0:
                self.left -= 1
            if changes and self.next:
                how, self.next = self.next, ""
                if how.startswith("before"):
                    break
                silent.set()
            server.sendall(data)
        _close(client)
        if not silent.is_set():
            _close(server)


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(1 << 20)
    except OSError:
        return b""


def _close(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()


def main() -> int:
    """Install the distribution's server where root can with apt; without one the tests that need it skip and say so."""
    if binaries() is None and shutil.which("apt-get") and os.geteuid() == 0:
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.call(["apt-get", "-qq", *words], env=env)
    found = binaries()
    print(f"ready: {found}" if found else NEEDED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
