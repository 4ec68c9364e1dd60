"""The tables of Helm's SQL driver, made once by whoever comes first, in the words of Helm's own migrations."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from helmflow.providers.records.database import NoTable, Taken

if TYPE_CHECKING:
    from psycopg import Cursor

    from helmflow.providers.records.database import Database, Row

RELEASES: Final = "releases_v1"
LABELS: Final = "custom_labels_v1"

_JOURNAL: Final = "gorp_migrations"  # where sql-migrate, Helm's library for this, keeps what was done
_ADVISORY_LOCK: Final = 0x68656C6D666C6F77  # "helmflow": two of us make the tables one after the other
_KEY: Final = 90
_LABEL_KEY: Final = 64
_INDEXED: Final = ("key, namespace", "version", "status", "owner", "createdAt", "modifiedAt")

MIGRATIONS: Final = {
    "init": (
        (
            f"CREATE TABLE {RELEASES} ("
            f"key VARCHAR({_KEY}), type VARCHAR(64) NOT NULL, body TEXT NOT NULL, name VARCHAR(64) NOT NULL, "
            "namespace VARCHAR(64) NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL, owner TEXT NOT NULL, "
            "createdAt INTEGER NOT NULL, modifiedAt INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (key, namespace))"
        ),
        *(f"CREATE INDEX ON {RELEASES} ({columns})" for columns in _INDEXED),
        f"GRANT ALL ON {RELEASES} TO PUBLIC",
        f"ALTER TABLE {RELEASES} ENABLE ROW LEVEL SECURITY",
    ),
    "custom_labels": (
        (
            f"CREATE TABLE {LABELS} ("
            f"releaseKey VARCHAR({_LABEL_KEY}), releaseNamespace VARCHAR(67), key VARCHAR(317), value VARCHAR(63))"
        ),
        f"CREATE INDEX ON {LABELS} (releaseKey, releaseNamespace)",
        f"GRANT ALL ON {LABELS} TO PUBLIC",
        f"ALTER TABLE {LABELS} ENABLE ROW LEVEL SECURITY",
    ),
}
"""What every migration of Helm does, by the id that Helm looks for before it does it itself."""


class Schema:
    """Helm's tables in one database. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._complete = False
        self._wide = False

    def ensure(self, key: str) -> None:
        """Make what is missing to write under `key`. Asks once; reading needs nothing: a missing table is empty."""
        with self._lock:
            if not self._complete:
                if not self._applied():
                    self._make()
                self._complete = True
            if len(key) > _LABEL_KEY and not self._wide:
                self._widen()
                self._wide = True

    def _make(self) -> None:
        try:
            self._database.call(_migrate)
        except Taken:  # Helm, which takes no lock, was making them at the same moment
            self._database.call(_migrate)

    def _widen(self) -> None:
        """Let labels belong to every key: Helm's table of labels has no room for those of names over 42 characters."""
        ((length,),) = self._database.rows(
            "SELECT atttypmod - 4 FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'releasekey'",
            (LABELS,),
        )
        if length < _KEY:
            self._database.change(f"ALTER TABLE {LABELS} ALTER COLUMN releaseKey TYPE VARCHAR({_KEY})", ())

    def _applied(self) -> bool:
        try:
            found = self._database.rows(f"SELECT id FROM {_JOURNAL}")
        except NoTable:
            return False
        return {row[0] for row in found} >= set(MIGRATIONS)


def _migrate(cursor: Cursor[Row]) -> None:
    with cursor.connection.transaction():
        cursor.execute(b"SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {_JOURNAL} (id TEXT NOT NULL PRIMARY KEY, applied_at TIMESTAMP WITH TIME ZONE)".encode()
        )
        done = {row[0] for row in cursor.execute(f"SELECT id FROM {_JOURNAL}".encode())}
        for name, statements in sorted(MIGRATIONS.items()):
            if name not in done:
                for statement in statements:
                    cursor.execute(statement.encode())
                cursor.execute(
                    f"INSERT INTO {_JOURNAL} (id, applied_at) VALUES (%s, now())".encode(), (name,)
                )
