"""Real HTTP servers for tests: files with a log of requests, optional basic auth, redirects to elsewhere."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What one server offers and what it was asked."""

    files: dict[str, bytes]
    user: tuple[str, str] | None = None
    redirects: Mapping[str, str] = field(default_factory=dict)
    failures: int = 0
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of every request for `path`."""
        return [headers for asked, headers in self.requests if asked == path]


@contextmanager
def serving(site: Site, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Serve `site` on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            site.requests.append((self.path, headers))
            if site.failures:
                site.failures -= 1
                return self.answer(503, b"busy")
            if site.user is not None:
                wanted = "Basic " + base64.b64encode(":".join(site.user).encode()).decode()
                if headers.get("authorization") != wanted:
                    return self.answer(401, b"who are you?")
            if self.path in site.redirects:
                return self.answer(302, b"", {"Location": site.redirects[self.path]})
            content = site.files.get(self.path)
            if content is None:
                return self.answer(404, b"no such file")
            etag = f'"{hash(content)}"'
            if headers.get("if-none-match") == etag:
                return self.answer(304, b"", {"ETag": etag})
            return self.answer(200, content, {"ETag": etag})

        def answer(self, status: int, body: bytes, extra: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (extra or {}).items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    if tls is not None:
        # each connection greets in its own thread: one that is refused must not stop the server
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    site.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
