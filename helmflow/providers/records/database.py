"""Database: PostgreSQL connections for release records, their timeouts, what is tried again and how errors are told."""

from __future__ import annotations

import socket
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.core.limits import MAX_SQL_SECONDS
from helmflow.providers.records import conninfo

if TYPE_CHECKING:
    from psycopg import Connection, Cursor, Error

CONNECT_S: Final = 10
ATTEMPTS: Final = 3
GRACE_S: Final = 5.0  # how much longer we wait than the server may work, so that it is the one to give up

_AGAIN: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock: nothing was done
_NO_TABLE: Final = "42P01"
_TAKEN: Final = frozenset({"23505", "42P07"})  # unique violation, duplicate table
_HINTS: Final = {
    "42501": "Helm's tables have row level security: connect as the user who made them, or give this one a policy",
    "25006": "the server is a read-only replica: connect to its primary",
}

T = TypeVar("T")
Row = tuple[Any, ...]
Values = Sequence[object] | Mapping[str, object]


class NoTable(HelmflowError):
    """A statement named a table that does not exist."""


class Taken(HelmflowError):
    """A row of that key, or a table of that name, exists."""


class Database:
    """One PostgreSQL database. Connections are opened when needed, one per call at the same time. Thread-safe."""

    def __init__(
        self, connection_string: str, environ: Mapping[str, str], *, seconds: float = MAX_SQL_SECONDS
    ) -> None:
        try:
            import psycopg
        except ImportError:
            raise ConfigError(
                "HELM_DRIVER=sql needs a library that speaks to PostgreSQL",
                error_id="release.sql-extra",
                hint="pip install 'helmflow[sql]'",
            ) from None
        known = frozenset(option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults())
        self._parameters = {
            "connect_timeout": str(CONNECT_S),
            "fallback_application_name": "helmflow",
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
            **conninfo.parameters(connection_string, known, environ),
            "client_encoding": "UTF8",
        }
        self._hidden = [text for text in (connection_string, self._parameters.get("password", "")) if text]
        self._seconds = seconds
        self._idle: list[Connection[Row]] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)

    def rows(self, statement: str, values: Values = ()) -> list[Row]:
        """What a SELECT finds; NoTable where there is no such table."""
        return self.call(lambda cursor: cursor.execute(statement.encode(), values).fetchall())

    def change(self, statement: str, values: Values) -> int:
        """Execute a statement that may be executed twice; how many rows it changed the last time."""
        return self.call(lambda cursor: cursor.execute(statement.encode(), values).rowcount)

    def call(self, work: Callable[[Cursor[Row]], T]) -> T:
        """Do `work`, again where it is known that nothing was done or where the connection was lost.

        After a lost connection nobody can tell whether the server did it: `work` has to be such that doing it twice
        does no harm. Raises HelmflowError `release.sql-unavailable` and `release.sql-failed`, NoTable and Taken.
        """
        import psycopg

        attempt = 0
        while True:
            attempt += 1
            connection = self._connection()
            try:
                with self._watched(connection), connection.cursor() as cursor:
                    answer = work(cursor)
            except psycopg.Error as failure:
                lost = connection.closed
                self._put_back(connection)
                if attempt < ATTEMPTS and (lost or failure.sqlstate in _AGAIN):
                    self._close_idle()  # what was opened before the server went away is of no use either
                    continue
                raise self._told(failure) from None
            except BaseException:
                connection.close()
                raise
            self._put_back(connection)
            return answer

    def _connection(self) -> Connection[Row]:
        import psycopg

        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            made = psycopg.connect(**self._parameters, autocommit=True, prepare_threshold=None)  # type: ignore[arg-type]
            if "statement_timeout" not in self._parameters.get("options", ""):
                made.execute(f"SET statement_timeout = {int(self._seconds * 1000)}".encode())
        except psycopg.Error as failure:
            raise self._unavailable(str(failure), working=False) from None
        return made

    def _put_back(self, connection: Connection[Row]) -> None:
        if not connection.closed:
            with self._lock:
                self._idle.append(connection)

    def _close_idle(self) -> None:
        with self._lock:
            _close(self._idle)

    @contextmanager
    def _watched(self, connection: Connection[Row]) -> Iterator[None]:
        """Hang up on a server that answers nothing at all, not even that it gave up."""
        silent = threading.Event()

        def hang_up() -> None:
            silent.set()
            with suppress(OSError):
                line = socket.socket(fileno=connection.fileno())
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
                line.detach()  # it is libpq's to close

        timer = threading.Timer(self._seconds + GRACE_S, hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception:
            if silent.is_set():
                raise self._unavailable(f"no answer within {self._seconds + GRACE_S:g} s") from None
            raise
        finally:
            timer.cancel()

    def _told(self, failure: Error) -> HelmflowError:
        code = failure.sqlstate or ""
        # Only the first line: the details of some errors quote the row, and a record holds secrets.
        message = failure.diag.message_primary or str(failure)
        if not code or code.startswith(("08", "57")):
            return self._unavailable(message)
        kind = NoTable if code == _NO_TABLE else Taken if code in _TAKEN else HelmflowError
        return kind(
            f"the database of release records refused: {self._masked(message)}",
            error_id="release.sql-failed",
            hint=_HINTS.get(code, ""),
        )

    def _unavailable(self, message: str, *, working: bool = True) -> HelmflowError:
        unknown = (
            "; what was being written may be stored or not: run again, it looks first" if working else ""
        )
        return HelmflowError(
            f"the database of release records cannot be reached: {self._masked(message)}",
            error_id="release.sql-unavailable",
            hint=f"check {conninfo.VARIABLE} and the server{unknown}",
        )

    def _masked(self, message: str) -> str:
        for text in self._hidden:
            message = message.replace(text, "***")
        return " ".join(message.split())


def _close(connections: list[Connection[Row]]) -> None:
    while connections:
        connections.pop().close()
