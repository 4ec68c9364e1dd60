"""The Transport port: one request to one Kubernetes API server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from helmflow.core.records import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. `path` starts with "/"; `query` pairs are not yet encoded; `timeout_s` bounds the read."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer. `chunks` yields the body as it arrives: once for a plain answer, without end for a watch.

    Header names are lower case. `close` stops a stream before its end.
    """

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks)

    def close(self) -> None:
        """Give the connection up before the body's end."""
        close = getattr(self.chunks, "close", None)
        if close is not None:
            close()


class Transport(Protocol):
    """One request to one Kubernetes API server; raises ClusterError `cluster.unreachable`, nothing else."""

    def send(self, request: Request) -> Response:
        """Send and answer as soon as the headers are there."""
