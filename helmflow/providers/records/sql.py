"""SqlStore: stored revisions in PostgreSQL, in the tables and the form of Helm's SQL driver."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from helmflow.core.clock import Clock
from helmflow.core.errors import ConfigError, HelmflowError, Refusal
from helmflow.core.limits import MAX_SQL_RECORD_BYTES, MAX_SQL_ROWS, MIB
from helmflow.helm.release import codec, storage
from helmflow.helm.release.record import ReleaseStatus, Revision
from helmflow.helm.release.storage import OWNER, RECORD_TYPE, RevisionStore, StoredRevision
from helmflow.kube import label_selectors
from helmflow.providers.records.conninfo import VARIABLE
from helmflow.providers.records.database import Database, NoTable, Row, Taken
from helmflow.providers.records.schema import LABELS, RELEASES, Schema

AT_ONCE: Final = 200  # payloads of one question

_LABELS: Final = (
    f"(SELECT json_object_agg(l.key, l.value) FROM {LABELS} l "
    "WHERE l.releaseKey = r.key AND l.releaseNamespace = r.namespace AND l.key IS NOT NULL)"
)
_NO_LABELS: Final = "NULL"
_HEAD: Final = f"r.key, r.namespace, r.name, r.version, r.status, {_LABELS}"
_BODY: Final = f"CASE WHEN octet_length(r.body) <= {MAX_SQL_RECORD_BYTES} THEN r.body END"
_FROM: Final = f"FROM {RELEASES} r WHERE r.owner = '{OWNER}'"
_PAIRS: Final = "(SELECT * FROM unnest(%(namespaces)s::text[], %(names)s::text[]))"
_CREATE: Final = (
    f"WITH made AS (INSERT INTO {RELEASES} (key, namespace, type, body, name, version, status, owner, createdAt) "
    "VALUES (%(key)s, %(namespace)s, %(type)s, %(body)s, %(name)s, %(version)s, %(status)s, %(owner)s, %(now)s)) "
    f"INSERT INTO {LABELS} (releaseKey, releaseNamespace, key, value) "
    "SELECT %(key)s, %(namespace)s, g.key, g.value FROM unnest(%(labels)s::text[], %(texts)s::text[]) AS g (key, value)"
)
_UPDATE: Final = (
    "WITH given AS (SELECT * FROM unnest(%(labels)s::text[], %(texts)s::text[]) AS g (key, value)), "
    f"changed AS (UPDATE {RELEASES} SET body = %(body)s, name = %(name)s, version = %(version)s, status = %(status)s, "
    "owner = %(owner)s, modifiedAt = %(now)s WHERE key = %(key)s AND namespace = %(namespace)s RETURNING key), "
    f"had AS (SELECT l.key, l.value FROM {LABELS} l "
    "WHERE l.releaseKey = %(key)s AND l.releaseNamespace = %(namespace)s), "
    f"gone AS (DELETE FROM {LABELS} l WHERE l.releaseKey = %(key)s AND l.releaseNamespace = %(namespace)s "
    "AND (l.key, l.value) NOT IN (SELECT key, value FROM given)), "
    f"come AS (INSERT INTO {LABELS} (releaseKey, releaseNamespace, key, value) SELECT c.key, %(namespace)s, g.key, g.value "
    "FROM changed c, given g WHERE (g.key, g.value) NOT IN (SELECT key, value FROM had WHERE key IS NOT NULL AND value IS NOT NULL)) "
    "SELECT count(*) FROM changed"
)
_DELETE: Final = (
    f"WITH gone AS (DELETE FROM {LABELS} WHERE releaseKey = %(key)s AND releaseNamespace = %(namespace)s) "
    f"DELETE FROM {RELEASES} WHERE key = %(key)s AND namespace = %(namespace)s"
)


def stores(environ: Mapping[str, str], clock: Clock) -> Callable[[str], RevisionStore]:
    """What opens the stores of the database that the environment names; nothing is connected before it is used.

    Raises ConfigError `release.sql-connection` and `release.sql-extra`.
    """
    database = Database(environ.get(VARIABLE, ""), environ)
    schema = Schema(database)
    return lambda namespace: SqlStore(database, schema, namespace, clock)


class SqlStore:
    """RevisionStore in a database that Helm may use as well."""

    max_record_bytes: Final = MAX_SQL_RECORD_BYTES

    def __init__(self, database: Database, schema: Schema, namespace: str, clock: Clock) -> None:
        self.namespace = namespace
        self._database = database
        self._schema = schema
        self._clock = clock

    def list(self, *, names: Sequence[str] = (), namespace: str | None = None) -> tuple[StoredRevision, ...]:
        """One SELECT."""
        where = self.namespace if namespace is None else namespace
        return storage.in_order(stored for stored, _ in self._heads(where, names))

    def select(self, selector: str, namespace: str = "") -> tuple[StoredRevision, ...]:
        """One SELECT; the selector is applied here, Helm's columns being labels too."""
        try:
            fits = label_selectors.parse(selector)
        except ValueError as cause:
            raise ConfigError(f"selector {selector!r}: {cause}", error_id="cli.bad-selector") from cause
        return storage.in_order(stored for stored, labels in self._heads(namespace) if fits(labels))

    def history(self, name: str) -> tuple[StoredRevision, ...]:
        """One SELECT."""
        return self.list(names=(name,))

    def current(self, releases: Iterable[tuple[str, str]]) -> tuple[Revision, ...]:
        """One SELECT for many releases, wherever they are."""
        found: builtins.list[Revision] = []
        for some in _batches(sorted(set(releases))):
            rows = self._rows(
                f"SELECT {_HEAD}, {_BODY} {_FROM} AND r.status <> '{ReleaseStatus.SUPERSEDED}' "
                f"AND (r.namespace, r.name) IN {_PAIRS}",
                some,
            )
            for row in rows:
                try:
                    found.append(_revision(row))
                except HelmflowError as why:
                    _require_unreadable(why)
                    if (stored := _stored(row[:-1])) is not None:
                        found.append(storage.damaged(stored, str(why)))
        return tuple(sorted(found, key=lambda r: (r.namespace, r.name, r.number)))

    def get(self, name: str, number: int) -> Revision:
        """One SELECT."""
        key = storage.key_of(name, number)
        rows = self._rows(
            f"SELECT {_HEAD}, {_BODY} {_FROM} AND r.key = %(key)s AND r.namespace = %(namespace)s",
            {"key": key, "namespace": self.namespace},
        )
        if not rows:
            raise storage.not_found(name, number)
        return _revision(rows[0])

    def get_many(self, revisions: Iterable[StoredRevision]) -> dict[tuple[str, str, int], Revision]:
        """One SELECT for many."""
        wanted = sorted({(r.namespace, storage.key_of(r.name, r.number)) for r in revisions})
        found: dict[tuple[str, str, int], Revision] = {}
        for some in _batches(wanted):
            rows = self._rows(f"SELECT {_HEAD}, {_BODY} {_FROM} AND (r.namespace, r.key) IN {_PAIRS}", some)
            for row in rows:
                _, namespace, name, number, *_ = row
                try:
                    found[namespace, name, number] = _revision(row)
                except HelmflowError as why:
                    _require_unreadable(why)
        return found

    def create(self, revision: Revision) -> None:
        """One INSERT of the revision and its labels."""
        values = self._values(revision)
        try:
            self._database.change(_CREATE, values)
        except Taken:
            # It is ours where the answer to a first attempt was lost: no two operations write the same bytes.
            rows = self._rows(
                f"SELECT r.body {_FROM} AND r.key = %(key)s AND r.namespace = %(namespace)s", values
            )
            if rows != [(values["body"],)]:
                raise storage.exists(revision) from None

    def update(self, revision: Revision) -> None:
        """One UPDATE of the revision and its labels."""
        ((changed,),) = self._database.rows(_UPDATE, self._values(revision))
        if not changed:
            raise storage.not_found(revision.name, revision.number)

    def delete(self, name: str, number: int) -> bool:
        """One DELETE of the revision and its labels."""
        key = storage.key_of(name, number)
        self._schema.ensure(key)
        return self._database.change(_DELETE, {"key": key, "namespace": self.namespace}) > 0

    def _values(self, revision: Revision) -> dict[str, object]:
        key = storage.key_of(revision.name, revision.number)
        body = storage.encoded(revision, self.max_record_bytes)
        self._schema.ensure(key)
        labels = storage.user_labels(revision.labels)
        return {
            "key": key,
            "namespace": self.namespace,
            "type": RECORD_TYPE,
            "body": body,
            "name": revision.name,
            "version": revision.number,
            "status": str(revision.status),
            "owner": OWNER,
            "now": int(self._clock.now().timestamp()),
            "labels": [*labels],
            "texts": [*labels.values()],
        }

    def _heads(
        self, namespace: str, names: Sequence[str] = ()
    ) -> Iterator[tuple[StoredRevision, Mapping[str, str]]]:
        """Every stored revision and all that a label selector may ask for."""
        statement = f"SELECT {_HEAD} {_FROM}"
        if namespace:
            statement += " AND r.namespace = %(namespace)s"
        if names:
            statement += " AND r.name = ANY(%(names)s::text[])"
        statement += f" LIMIT {MAX_SQL_ROWS + 1}"
        rows = self._rows(statement, {"namespace": namespace, "names": [*names]})
        if len(rows) > MAX_SQL_ROWS:
            raise Refusal(
                f"the database holds more than {MAX_SQL_ROWS} stored revisions",
                error_id="release.sql-too-many",
                hint="name a namespace, or let less history be kept (historyMax)",
            )
        for row in rows:
            stored = _stored(row)
            if stored is not None:
                columns = {
                    "name": stored.name,
                    "owner": OWNER,
                    "status": row[4],
                    "version": str(stored.number),
                }
                yield stored, {**stored.labels, **columns}

    def _rows(self, statement: str, values: Mapping[str, object]) -> builtins.list[Row]:
        """What is found; nothing where nobody has made the tables, no labels where an older Helm has made them."""
        for text in (statement, statement.replace(_LABELS, _NO_LABELS)):
            with suppress(NoTable):
                return self._database.rows(text, values)
        return []


def _stored(row: Row) -> StoredRevision | None:
    key, namespace, name, number, status, labels = row
    if key != storage.key_of(name, number):
        return None
    return StoredRevision(
        name=name,
        namespace=namespace,
        number=number,
        status=storage.status_of(status),
        labels=_user_labels(labels),
    )


def _revision(row: Row) -> Revision:
    _, namespace, name, number, _, labels, body = row
    if body is None:
        raise Refusal(
            f"the record of revision {number} of release {namespace}/{name} is larger than {MAX_SQL_RECORD_BYTES // MIB} MiB",
            error_id="release.sql-too-large",
        )
    return codec.decode(body, labels=_user_labels(labels))


def _require_unreadable(why: HelmflowError) -> None:
    """Raise again whatever is not about one damaged record."""
    if why.error_id != "release.unreadable":
        raise why


def _user_labels(found: Mapping[str, str | None] | None) -> dict[str, str]:
    return storage.user_labels({key: value or "" for key, value in (found or {}).items()})


def _batches(wanted: Sequence[tuple[str, str]]) -> Iterator[Mapping[str, builtins.list[str]]]:
    """Pairs by their columns, a limited number at once."""
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        yield {"namespaces": [namespace for namespace, _ in some], "names": [name for _, name in some]}
