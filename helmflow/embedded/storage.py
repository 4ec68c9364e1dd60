"""Objects, the one resourceVersion counter, the watch log and the controllers' queue, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

KEPT_EVENTS: Final = 20_000  # the watch log's length; older resourceVersions answer 410
_COMPACT_EVERY: Final = 2_000
_BUSY_MS: Final = 30_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
  resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, uid TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  revision INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, kind TEXT NOT NULL, previous INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_uid ON objects (uid);
CREATE INDEX IF NOT EXISTS objects_by_namespace ON objects (namespace, resource);
CREATE INDEX IF NOT EXISTS events_by_resource ON events (resource, revision);
CREATE TABLE IF NOT EXISTS owners (owner TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (owner, resource, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (task TEXT PRIMARY KEY, due REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS queue_by_due ON queue (due);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Record(NamedTuple):
    """One stored object: its text is the JSON body."""

    namespace: str
    name: str
    revision: int
    body: str

    def parse(self) -> Json:
        """A fresh copy of the object."""
        parsed: Json = json.loads(self.body)
        return parsed


class Logged(NamedTuple):
    """One change of the watch log: kind is ADDED, MODIFIED or DELETED; previous is the replaced body."""

    revision: int
    resource: str
    namespace: str
    kind: str
    body: str
    previous: str | None


class Storage:
    """One connection, one lock. Several processes may open the same file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = sqlite3.connect(
            str(path) if path else ":memory:",
            isolation_level=None,
            check_same_thread=False,
            timeout=_BUSY_MS / 1000,
        )
        weakref.finalize(self, self._connection.close)
        self._execute = self._connection.execute
        if path is not None:
            path.chmod(0o600)
            self._execute("PRAGMA journal_mode=WAL")
        self._execute("PRAGMA synchronous=NORMAL")
        self._execute("PRAGMA temp_store=MEMORY")
        self._depth = 0
        self._touched = False
        self._writes = 0
        with self.lock:
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Release the file."""
        with self.lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, alone among threads and processes; may nest."""
        with self.lock:
            if self._depth:
                yield
                return
            self._execute("BEGIN IMMEDIATE")
            self._depth, self._touched = 1, False
            try:
                yield
            except BaseException:
                self._execute("ROLLBACK")
                raise
            else:
                self._execute("COMMIT")
                if self._touched:
                    self.changed.notify_all()
            finally:
                self._depth = 0

    def foreign_version(self) -> int:
        """A number that moves when another process has written."""
        return int(self._execute("PRAGMA data_version").fetchone()[0])

    def revision(self) -> int:
        """The latest resourceVersion."""
        found = self._execute("SELECT MAX(revision) FROM events").fetchone()[0]
        return int(found or 1)

    def get(self, resource: str, namespace: str, name: str) -> Record | None:
        """One object."""
        row = self._execute(
            "SELECT namespace, name, revision, body FROM objects WHERE resource=? AND namespace=? AND name=?",
            (resource, namespace, name),
        ).fetchone()
        return Record(*row) if row else None

    def records(self, resource: str, namespace: str | None = None) -> list[Record]:
        """Every object of one resource, in key order."""
        if namespace:
            rows = self._execute(
                "SELECT namespace, name, revision, body FROM objects WHERE resource=? AND namespace=? ORDER BY name",
                (resource, namespace),
            )
        else:
            rows = self._execute(
                "SELECT namespace, name, revision, body FROM objects WHERE resource=? ORDER BY namespace, name",
                (resource,),
            )
        return [Record(*row) for row in rows.fetchall()]

    def resources_in(self, namespace: str) -> list[str]:
        """The resources that have objects in a namespace."""
        rows = self._execute(
            "SELECT DISTINCT resource FROM objects WHERE namespace=? ORDER BY resource", (namespace,)
        )
        return [row[0] for row in rows.fetchall()]

    def by_uid(self, uid: str) -> tuple[str, Record] | None:
        """The object with this uid, and its resource."""
        row = self._execute(
            "SELECT resource, namespace, name, revision, body FROM objects WHERE uid=?", (uid,)
        ).fetchone()
        return (row[0], Record(*row[1:])) if row else None

    def owned_by(self, uid: str) -> list[tuple[str, str, str]]:
        """Resource, namespace and name of every object that names `uid` as an owner."""
        rows = self._execute(
            "SELECT resource, namespace, name FROM owners WHERE owner=? ORDER BY 1, 2, 3", (uid,)
        )
        return [(row[0], row[1], row[2]) for row in rows.fetchall()]

    def next_revision(self) -> int:
        """The resourceVersion of the next write; only inside a transaction."""
        return self.revision() + 1

    def put(self, resource: str, body: Json) -> str:
        """Write an object: sets its resourceVersion, logs the change, returns the stored text."""
        metadata = body["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        before = self.get(resource, namespace, name)
        revision = self.next_revision()
        metadata["resourceVersion"] = str(revision)
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        self._execute(
            "INSERT OR REPLACE INTO objects VALUES (?,?,?,?,?,?)",
            (resource, namespace, name, revision, metadata.get("uid", ""), text),
        )
        owners = [o.get("uid", "") for o in metadata.get("ownerReferences", ())]
        if before is not None and '"ownerReferences"' in before.body:
            self._execute(
                "DELETE FROM owners WHERE resource=? AND namespace=? AND name=?", (resource, namespace, name)
            )
        for owner in owners:
            self._execute("INSERT OR IGNORE INTO owners VALUES (?,?,?,?)", (owner, resource, namespace, name))
        self._log(
            revision,
            resource,
            namespace,
            "MODIFIED" if before else "ADDED",
            before.revision if before else 0,
            text,
        )
        return text

    def remove(self, resource: str, body: Json) -> str:
        """Delete an object; the log keeps its last state under a new resourceVersion."""
        metadata = body["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        before = self.get(resource, namespace, name)
        self._execute(
            "DELETE FROM objects WHERE resource=? AND namespace=? AND name=?", (resource, namespace, name)
        )
        self._execute(
            "DELETE FROM owners WHERE resource=? AND namespace=? AND name=?", (resource, namespace, name)
        )
        revision = self.next_revision()
        metadata["resourceVersion"] = str(revision)
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        self._log(revision, resource, namespace, "DELETED", before.revision if before else 0, text)
        return text

    def log_after(self, resource: str, revision: int, namespace: str | None) -> list[Logged]:
        """The changes of one resource after `revision`."""
        where = "" if namespace is None else " AND e.namespace=?"
        rows = self._execute(
            "SELECT e.revision, e.resource, e.namespace, e.kind, e.body, p.body FROM events e "
            "LEFT JOIN events p ON p.revision=e.previous WHERE e.resource=? AND e.revision>?"
            + where
            + " ORDER BY e.revision LIMIT 1000",
            (resource, revision) if namespace is None else (resource, revision, namespace),
        )
        return [Logged(*row) for row in rows.fetchall()]

    def compacted(self) -> int:
        """The resourceVersion before which the log is gone."""
        return int(self.meta("compacted") or 0)

    def meta(self, name: str) -> str | None:
        """One named value."""
        row = self._execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return str(row[0]) if row else None

    def set_meta(self, name: str, value: str) -> None:
        """Write one named value."""
        self._execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (name, value))

    def next_due(self) -> float | None:
        """When the controllers' next task is due, in seconds since the epoch."""
        row = self._execute("SELECT MIN(due) FROM queue").fetchone()
        return row[0] if row else None

    def enqueue(self, task: str, due: float) -> None:
        """Ask for a task no later than `due`."""
        self._execute(
            "INSERT INTO queue VALUES (?,?) ON CONFLICT(task) DO UPDATE SET due=MIN(due, excluded.due)",
            (task, due),
        )

    def take(self, now: float) -> tuple[str, float] | None:
        """The earliest task due by `now`, removed from the queue."""
        row = self._execute(
            "SELECT task, due FROM queue WHERE due<=? ORDER BY due, task LIMIT 1", (now,)
        ).fetchone()
        if row is None:
            return None
        self._execute("DELETE FROM queue WHERE task=?", (row[0],))
        return row[0], row[1]

    def compact(self, keep: int = KEPT_EVENTS) -> None:
        """Forget all but the last `keep` changes; what a kept change replaced stays."""
        horizon = self.revision() - keep
        if horizon > self.compacted():
            self._execute(
                "DELETE FROM events WHERE revision<=? AND revision NOT IN (SELECT previous FROM events WHERE revision>?)",
                (horizon, horizon),
            )
            self.set_meta("compacted", str(horizon))

    def _log(self, revision: int, resource: str, namespace: str, kind: str, previous: int, text: str) -> None:
        self._execute(
            "INSERT INTO events VALUES (?,?,?,?,?,?)", (revision, resource, namespace, kind, previous, text)
        )
        self._touched = True
        self._writes += 1
        if self._writes % _COMPACT_EVERY == 0:
            self.compact()
