"""WATCH: events from the log onward, initial events, bookmarks, selectors, timeouts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from helmflow.core.clock import SystemClock
from helmflow.embedded import reading, tables
from helmflow.embedded.cluster import Cluster
from helmflow.embedded.kinds import Resource
from helmflow.embedded.reading import Form
from helmflow.embedded.status import ApiError
from helmflow.embedded.storage import Logged

Json = dict[str, Any]

_POLL_S: Final = 0.05  # how often other processes' writes are looked for
_BOOKMARK_S: Final = 60.0
_DEFAULT_TIMEOUT_S: Final = 1800.0


class WatchStream(Iterator[bytes]):
    """The body of a watch response: one JSON line per event. `close` may be called from another thread."""

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        namespace: str,
        query: Mapping[str, str],
        form: Form,
        advance: Callable[[], float | None],
    ) -> None:
        self._cluster = cluster
        self._resource = resource
        self._namespace = namespace or None
        self._query = query
        self._form = form
        self._advance = advance
        self._match = reading.matcher(resource, query)
        self._bookmarks = query.get("allowWatchBookmarks") == "true"
        self._closed = False
        self._expired = False
        self._pending: list[bytes] = []
        clock = cluster.clock
        self._deadline = clock.monotonic() + float(query.get("timeoutSeconds") or _DEFAULT_TIMEOUT_S)
        self._next_bookmark = clock.monotonic() + _BOOKMARK_S
        self._columns_sent = False
        self._revision = self._start()

    def __iter__(self) -> WatchStream:
        return self

    def __next__(self) -> bytes:
        storage, clock = self._cluster.storage, self._cluster.clock
        with storage.lock:
            while True:
                if self._closed:
                    raise StopIteration
                if self._pending:
                    lines, self._pending = self._pending, []
                    return b"".join(lines)
                if self._expired:
                    self._closed = True
                    continue
                due = self._advance()
                self._collect()
                if self._pending:
                    continue
                left = self._deadline - clock.monotonic()
                if left <= 0:
                    self._closed = True
                    continue
                self._rest(min(left, self._pause(due)))

    def close(self) -> None:
        """End the stream."""
        with self._cluster.storage.lock:
            self._closed = True
            self._cluster.storage.changed.notify_all()

    def _start(self) -> int:
        """The resourceVersion from which on events are sent; queues the initial state where it is asked for."""
        storage, text = self._cluster.storage, self._query.get("resourceVersion", "")
        if text and not text.isdigit():
            raise ApiError(
                400, f'invalid resource version "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
            )
        initial = self._query.get("sendInitialEvents") == "true"
        current = storage.revision()
        if initial or text in ("", "0"):
            if not (initial or text in ("", "0")) or self._query.get("sendInitialEvents") == "false":
                return current
            for record in storage.records(self._resource.key, self._namespace):
                value = json.loads(reading.served_text(self._resource, record.body))
                if self._match is None or self._match(value):
                    self._emit("ADDED", value)
            if initial:
                self._bookmark(current, {"k8s.io/initial-events-end": "true"})
            return current
        revision = int(text)
        if revision < storage.compacted():
            self._expire(revision)
        return revision

    def _expire(self, revision: int) -> None:
        message = f"too old resource version: {revision} ({self._cluster.storage.compacted()})"
        self._pending.append(_line("ERROR", ApiError(410, message).status()))
        self._expired = True

    def _collect(self) -> None:
        storage, clock = self._cluster.storage, self._cluster.clock
        if self._revision < storage.compacted():
            self._expire(self._revision)
            return
        for event in storage.log_after(self._resource.key, self._revision, self._namespace):
            self._revision = event.revision
            self._send(event)
        if self._bookmarks and clock.monotonic() >= self._next_bookmark:
            self._next_bookmark = clock.monotonic() + _BOOKMARK_S
            self._bookmark(max(self._revision, storage.revision()), {})

    def _send(self, event: Logged) -> None:
        value = json.loads(reading.served_text(self._resource, event.body))
        if self._match is None:
            self._emit(event.kind, value)
            return
        before = (
            event.previous is not None
            and event.kind != "ADDED"
            and self._match(json.loads(reading.served_text(self._resource, event.previous)))
        )
        now = event.kind != "DELETED" and self._match(value)
        if event.kind == "DELETED":
            if before or self._match(value):
                self._emit("DELETED", value)
        elif now:
            self._emit("MODIFIED" if before else "ADDED", value)
        elif before and event.previous is not None:
            gone = json.loads(reading.served_text(self._resource, event.previous))
            gone["metadata"]["resourceVersion"] = str(event.revision)
            self._emit("DELETED", gone)

    def _emit(self, kind: str, value: Json) -> None:
        self._pending.append(_line(kind, self._shaped(value)))

    def _shaped(self, value: Json) -> Json:
        if self._form.kind == "Table":
            include = self._query.get("includeObject", "Metadata")
            made = tables.table(self._cluster, self._resource, [value], include, self._form.group_version)
            made["metadata"] = {"resourceVersion": value["metadata"]["resourceVersion"]}
            if self._columns_sent:
                made["columnDefinitions"] = None
            self._columns_sent = True
            return made
        if self._form.kind:
            return tables.metadata_only(value, self._form.group_version)
        return value

    def _bookmark(self, revision: int, annotations: Json) -> None:
        metadata: Json = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        value: Json = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": metadata,
        }
        if self._form.kind == "Table":
            row = {
                "cells": [],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": self._form.group_version,
                    "metadata": metadata,
                },
            }
            value = {
                "kind": "Table", "apiVersion": self._form.group_version, "metadata": {"resourceVersion": str(revision)},
                "columnDefinitions": None, "rows": [row],
            }  # fmt: skip
        elif self._form.kind:
            value = {
                "kind": "PartialObjectMetadata",
                "apiVersion": self._form.group_version,
                "metadata": metadata,
            }
        self._pending.append(_line("BOOKMARK", value))

    def _pause(self, due: float | None) -> float:
        """How long nothing can happen: until the controllers' next task or the next look at the file."""
        pause = self._next_bookmark - self._cluster.clock.monotonic() if self._bookmarks else _BOOKMARK_S
        if due is not None:
            pause = min(pause, due - self._cluster.clock.now().timestamp())
        if self._cluster.storage.path is not None:
            pause = min(pause, _POLL_S)
        return max(pause, 0.0005)

    def _rest(self, pause: float) -> None:
        if isinstance(self._cluster.clock, SystemClock):
            self._cluster.storage.changed.wait(pause)
        else:
            self._cluster.clock.sleep(pause)


def _line(kind: str, value: Json) -> bytes:
    return (
        json.dumps({"type": kind, "object": value}, separators=(",", ":"), ensure_ascii=False).encode()
        + b"\n"
    )
