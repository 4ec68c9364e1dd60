"""The framing of a watch: bytes as they arrive -> events, one JSON document per line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from helmflow.core.errors import ClusterError
from helmflow.core.records import dataclass
from helmflow.kube import errors, objects
from helmflow.kube.objects import KubeObject
from helmflow.kube.transport import Response


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object (of a bookmark only the resourceVersion is set)."""

    type: str
    object: KubeObject

    @property
    def resource_version(self) -> str:
        """Where a later watch can start."""
        return objects.resource_version(self.object)


class WatchStream:
    """One watch request. Ends when the server ends it; Gone when its resourceVersion is too old.

    `close` may be called from another thread; iteration then ends, or raises Unreachable.
    """

    def __init__(self, response: Response, asked: str) -> None:
        self._response = response
        self._asked = asked
        self._closed = False

    def __iter__(self) -> Iterator[WatchEvent]:
        for line in lines(self._response):
            try:
                parsed = json.loads(line)
                kind, body = str(parsed["type"]), parsed["object"]
            except (ValueError, KeyError, TypeError) as cause:
                raise errors.Unreachable(
                    f"{self._asked}: the watch sent no event: {line[:80]!r}", error_id="cluster.unreachable"
                ) from cause
            if kind == "ERROR":
                raise self._failure(body)
            yield WatchEvent(kind, body)
            if self._closed:
                return

    def close(self) -> None:
        """Give the watch up."""
        self._closed = True
        try:
            self._response.close()
        except ValueError:
            return  # the body is a generator that another thread is running: it ends with its next event

    def _failure(self, body: object) -> ClusterError:
        code = body.get("code") if isinstance(body, dict) else None
        return errors.from_status(
            code if isinstance(code, int) else 500, {}, json.dumps(body).encode(), asked=self._asked
        )


def lines(response: Response) -> Iterator[bytes]:
    """The body's lines as they arrive, without their ends; blank ones are dropped."""
    pending = b""
    for chunk in response.chunks:
        pending += chunk
        *complete, pending = pending.split(b"\n")
        yield from (line for line in complete if line.strip())
    if pending.strip():
        yield pending
