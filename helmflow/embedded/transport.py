"""InProcessTransport: the Transport port onto an ApiServer in this process."""

from __future__ import annotations

from helmflow.embedded.server import ApiServer
from helmflow.kube.transport import Request, Response


class InProcessTransport:
    """Sends requests to `server` by a function call."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def send(self, request: Request) -> Response:
        """The server's answer; a watch ends with its `timeoutSeconds`, or when the response is closed."""
        return self.server.handle(request)
