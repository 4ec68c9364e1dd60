"""A chart repository over HTTP for development: packs a folder's charts and serves them with an index."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from helmflow.core.errors import ChartError
from helmflow.core.records import dataclass
from helmflow.helm.chart import load, package
from helmflow.providers.charts import indexing


@dataclass(frozen=True, slots=True)
class Repository:
    """What is served: bytes by path, and how many charts that is."""

    files: Mapping[str, bytes]
    charts: int


def build(folder: Path) -> Repository:
    """Every chart folder and every .tgz directly below `folder`, packed and indexed. Raises ChartError."""
    if not folder.is_dir():
        raise ChartError(f"{folder} is no folder", error_id="repository.no-folder")
    files: dict[str, bytes] = {}
    index = indexing.empty()
    for path in sorted(folder.iterdir()):
        if path.suffix == ".tgz":
            chart, name, content = load.load(path), path.name, path.read_bytes()
        elif (path / "Chart.yaml").is_file():
            chart = load.load(path)
            name, content = package.archive(chart)
        else:
            continue
        files["/" + name] = content
        indexing.add(index, indexing.entry(chart, name, content))
    # JSON is YAML, and every reader of index.yaml takes it.
    files["/index.yaml"] = json.dumps(index, indent=1).encode()
    return Repository(files, sum(len(versions) for versions in index["entries"].values()))


@contextmanager
def serving(repository: Repository, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve while the block runs; yields the repository's address."""
    try:
        server = ThreadingHTTPServer((host, port), _handler(repository.files))
    except OSError as cause:
        raise ChartError(
            f"cannot listen on {host}:{port}: {cause.strerror}",
            error_id="repository.cannot-listen",
            hint="is it being served already? choose another --port",
        ) from cause
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(files: Mapping[str, bytes]) -> type[BaseHTTPRequestHandler]:
    """A request handler over fixed files, with ETags so that clients may ask conditionally."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            content = files.get(self.path.partition("?")[0])
            if content is None:
                self._send(HTTPStatus.NOT_FOUND, b"not found\n", "", with_body=with_body)
                return
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            if self.headers.get("If-None-Match") == etag:
                self._send(HTTPStatus.NOT_MODIFIED, b"", etag, with_body=False)
                return
            self._send(HTTPStatus.OK, content, etag, with_body=with_body)

        def _send(self, status: HTTPStatus, content: bytes, etag: str, *, with_body: bool) -> None:
            self.send_response(status)
            if etag:
                self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not worth a line each."""

    return Handler
