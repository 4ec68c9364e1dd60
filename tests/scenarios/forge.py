"""A forge on loopback with the few requests that comments take: GitHub's and GitLab's, kept in memory."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_GITHUB = re.compile(r"^/repos/([^/]+/[^/]+)/issues/(?:(\d+)/comments|comments/(\d+))(?:\?.*?page=(\d+))?$")
_GITLAB = re.compile(r"^/projects/(\d+)/merge_requests/(\d+)/notes(?:/(\d+))?(?:\?.*?page=(\d+))?$")


@dataclass
class Forge:
    """Comments by number, in the order they were written; `asked` are all requests."""

    url: str = ""
    comments: dict[int, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        found = _GITHUB.match(path) or _GITLAB.match(path)
        if found is None:
            return 404, {"message": "Not Found"}
        if method == "GET":
            page = int(found[4] or 1)
            listed = [{"id": number, "body": text} for number, text in self.comments.items()]
            return 200, listed[(page - 1) * 100 : page * 100]
        if method == "POST":
            number = len(self.comments) + 1
            self.comments[number] = body["body"]
            return 201, {"id": number}
        self.comments[int(found[3])] = body["body"]
        return 200, {}


@contextmanager
def serving() -> Iterator[Forge]:
    """A forge on a free port."""
    forge = Forge()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"null")
            forge.asked.append(f"{self.command} {self.path.partition('?')[0]}")
            forge.tokens.add(str(self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN")))
            status, answer = forge.answer(self.command, self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = handle_one

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
