"""A registry that sends clients to a token service, as public registries do; only its base address answers."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def token_registry(user: str, password: str) -> Iterator[str]:
    """HOST:PORT."""
    right = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"]
            given = self.headers.get("Authorization", "")
            if self.path.startswith("/token"):
                self.answer(200 if given == right else 401, b'{"token": "t"}')
            elif given == "Bearer t":
                self.answer(200, b"{}")
            else:
                realm = f'Bearer realm="http://{host}/token",service="charts"'
                self.answer(401, b"{}", realm)

        def answer(self, status: int, body: bytes, challenge: str = "") -> None:
            self.send_response(status)
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
