"""The Kubernetes REST API in this process: one Request in, one Response out."""

from __future__ import annotations

from pathlib import Path

from helmflow.core.clock import Clock, SystemClock
from helmflow.kube.transport import Request, Response


class ApiServer:
    """A simulated cluster. State lives in the SQLite file `storage_path`, or in memory without one.

    Thread-safe; several processes may open the same file at once.
    """

    def __init__(self, storage_path: Path | None = None, clock: Clock | None = None) -> None:
        self.storage_path = storage_path
        self.clock = clock or SystemClock()

    def handle(self, request: Request) -> Response:
        """Answer one request; a watch answers with an endless body."""
        return Response(status=404, headers={"content-type": "text/plain"}, chunks=iter([request.path.encode()]))

    def close(self) -> None:
        """End open watches and release the file."""
