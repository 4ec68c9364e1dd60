"""The HTTP transport against real servers on loopback: TLS, credentials, renewal, streams, proxies, failures."""

from __future__ import annotations

import http.server
import json
import os
import socket
import ssl
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.errors import ClusterError, ConfigError
from helmflow.core.sensitive import SecretText
from helmflow.kube import errors
from helmflow.kube.http import HttpTransport
from helmflow.kube.kubeconfig import Credentials, Impersonation, Target
from helmflow.kube.transport import Request, Response
from tests.apiserver.certificates import Authority

Handle = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Served:
    """A server on loopback and the headers of what it was asked."""

    port: int
    handle: Handle
    headers: list[Any] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    certificates: list[Any] = field(default_factory=list)


def answer(
    handler: http.server.BaseHTTPRequestHandler, status: int = 200, body: bytes = b"{}", **headers: str
) -> None:
    """Answer with a body of known length."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Start servers; they end with the test."""
    running: list[http.server.ThreadingHTTPServer] = []

    def start(handle: Handle = answer, tls: ssl.SSLContext | None = None) -> Served:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                served.headers.append(self.headers)
                served.connections.add(self.client_address)
                if tls is not None:
                    served.certificates.append(self.connection.getpeercert())  # type: ignore[attr-defined]
                served.handle(self)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

            def log_message(self, *arguments: object) -> None:
                return

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        served = Served(server.server_port, handle)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return served

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def target(served: Served, *, scheme: str = "http", **more: Any) -> Target:
    """A target on that server."""
    return Target(context="x", server=f"{scheme}://127.0.0.1:{served.port}", **more)


def get(transport: HttpTransport, path: str = "/x", **more: Any) -> Response:
    """One GET."""
    return transport.send(Request(method="GET", path=path, **more))


def test_a_request_arrives_as_it_was_made(serve: Callable[..., Served]) -> None:
    def echo(handler: http.server.BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        answer(
            handler, 201, f"{handler.command} {handler.path} ".encode() + body, X_Kind="a", Warning="299 - x"
        )

    transport = HttpTransport(target(serve(echo)))
    sent = Request(
        method="PATCH",
        path="/api/v1/a%2Fb",
        query=(("q", "a=b,c in (d)"), ("x", "é")),
        headers={"Content-Type": "t"},
        body=b"body",
    )
    found = transport.send(sent)
    assert found.status == 201
    assert found.headers["x-kind"] == "a"
    assert found.headers["warning"] == "299 - x"
    assert found.read() == b"PATCH /api/v1/a%2Fb?q=a%3Db%2Cc+in+%28d%29&x=%C3%A9 body"


def test_connections_are_kept_alive(serve: Callable[..., Served]) -> None:
    served = serve()
    transport = HttpTransport(target(served))
    for _ in range(5):
        get(transport).read()
    assert len(served.connections) == 1
    transport.close()


def test_a_connection_that_the_server_closed_is_opened_again(serve: Callable[..., Served]) -> None:
    def once(handler: http.server.BaseHTTPRequestHandler) -> None:
        answer(handler)
        handler.close_connection = True

    served = serve(once)
    transport = HttpTransport(target(served))
    for _ in range(3):
        assert get(transport).status == 200
        time.sleep(0.05)
    assert len(served.connections) == 3


@pytest.mark.parametrize(
    ("who", "header"),
    [
        (Credentials(token=SecretText("abc")), "Bearer abc"),
        (Credentials(username="u", password=SecretText("p")), "Basic dTpw"),
        (Credentials(), None),
    ],
)
def test_credentials_become_headers(
    serve: Callable[..., Served], who: Credentials, header: str | None
) -> None:
    served = serve()
    get(HttpTransport(target(served, credentials=who)))
    assert served.headers[0]["Authorization"] == header


def test_acting_as_somebody_else(serve: Callable[..., Served]) -> None:
    served = serve()
    who = Impersonation(user="jane", groups=("a", "b"), uid="7", extra={"scopes": ("s1", "s2")})
    get(HttpTransport(target(served, impersonate=who)))
    (headers,) = served.headers
    assert headers["Impersonate-User"] == "jane"
    assert headers.get_all("Impersonate-Group") == ["a", "b"]
    assert headers["Impersonate-Uid"] == "7"
    assert headers.get_all("Impersonate-Extra-scopes") == ["s1", "s2"]


def only(token: str) -> Handle:
    """Accepts one token."""

    def handle(handler: http.server.BaseHTTPRequestHandler) -> None:
        answer(handler, 200 if handler.headers["Authorization"] == f"Bearer {token}" else 401)

    return handle


def test_a_refused_token_file_is_read_again(serve: Callable[..., Served], tmp_path: Path) -> None:
    served = serve(only("old"))
    file = tmp_path / "token"
    file.write_text("old\n")
    transport = HttpTransport(target(served, credentials=Credentials(token_file=file)))
    assert get(transport).status == 200
    file.write_text("new\n")
    served.handle = only("new")
    assert get(transport).status == 200


def test_a_refused_fixed_token_is_not_tried_again(serve: Callable[..., Served]) -> None:
    served = serve(only("x"))
    assert get(HttpTransport(target(served, credentials=Credentials(token=SecretText("y"))))).status == 401
    assert len(served.headers) == 1


def plugin(tmp_path: Path, status: dict[str, Any], *, exit_code: int = 0) -> dict[str, Any]:
    """A credential plugin that answers with `status` and counts its runs."""
    script = tmp_path / "plugin"
    body = json.dumps(
        {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    )
    script.write_text(
        f"#!{sys.executable}\nimport os, sys\nopen({str(tmp_path / 'runs')!r}, 'a').write('x')\n"
        f"text = {body!r}.replace('RUN', str(len(open({str(tmp_path / 'runs')!r}).read())))\nprint(text)\n"
        f"sys.exit({exit_code})\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(script),
        "interactiveMode": "Never",
        "env": None,
    }


def test_a_plugin_runs_once_for_many_requests_and_again_when_refused(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    served = serve(only("t1"))
    who = Credentials(exec=plugin(tmp_path, {"token": "tRUN"}), folder=tmp_path)
    transport = HttpTransport(target(served, credentials=who))
    threads = [threading.Thread(target=lambda: get(transport)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "runs").read_text() == "x"
    served.handle = only("t2")
    assert get(transport).status == 200
    assert (tmp_path / "runs").read_text() == "xx"


def test_a_plugins_token_is_renewed_when_it_expires(serve: Callable[..., Served], tmp_path: Path) -> None:
    served = serve()
    who = Credentials(
        exec=plugin(tmp_path, {"token": "tRUN", "expirationTimestamp": "2020-01-01T00:00:00Z"}),
        folder=tmp_path,
    )
    transport = HttpTransport(target(served, credentials=who))
    get(transport)
    get(transport)
    assert [h["Authorization"] for h in served.headers] == ["Bearer t1", "Bearer t2"]


@pytest.mark.parametrize(
    ("status", "exit_code", "said"),
    [({"token": "x"}, 3, "returned 3"), ({}, 0, "neither a token nor a certificate")],
)
def test_a_failing_plugin_is_named(
    serve: Callable[..., Served], tmp_path: Path, status: dict[str, Any], exit_code: int, said: str
) -> None:
    who = Credentials(
        exec={**plugin(tmp_path, status, exit_code=exit_code), "installHint": "install it"}, folder=tmp_path
    )
    with pytest.raises(ClusterError) as failure:
        get(HttpTransport(target(serve(), credentials=who)))
    assert failure.value.error_id == "cluster.credentials"
    assert said in failure.value.message
    assert "plugin" in failure.value.message


def test_a_plugin_that_is_not_installed_says_how_to_get_it(serve: Callable[..., Served]) -> None:
    who = Credentials(
        exec={"apiVersion": "v1", "command": "no-such-plugin", "installHint": "brew install it"}
    )
    with pytest.raises(ClusterError) as failure:
        get(HttpTransport(target(serve(), credentials=who)))
    assert failure.value.hint == "brew install it"


def tls(tmp_path: Path, *, clients: bool = False) -> tuple[Authority, ssl.SSLContext]:
    """An authority and a server's TLS under it."""
    authority = Authority(tmp_path)
    pair = authority.server("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(authority.path)
    return authority, context


def test_a_trusted_certificate_and_a_client_certificate(serve: Callable[..., Served], tmp_path: Path) -> None:
    authority, context = tls(tmp_path, clients=True)
    served = serve(answer, context)
    mine = authority.client("jane", "group")
    who = Credentials(
        client_certificate=mine.certificate.read_bytes(), client_key=SecretText(mine.key.read_text())
    )
    before = set(os.listdir("/tmp"))
    found = get(
        HttpTransport(target(served, scheme="https", ca=authority.path.read_bytes(), credentials=who))
    )
    assert found.status == 200
    subject = dict(pair[0] for pair in served.certificates[0]["subject"])
    assert subject["commonName"] == "jane"
    left = [name for name in set(os.listdir("/tmp")) - before if "PRIVATE KEY" in _text(Path("/tmp") / name)]
    assert left == [], "no key stays on disk"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace") if path.is_file() else ""
    except OSError:
        return ""


def test_an_untrusted_certificate_is_told_apart_and_not_tried_again(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    _, context = tls(tmp_path)
    served = serve(answer, context)
    with pytest.raises(errors.Unreachable) as failure:
        get(HttpTransport(target(served, scheme="https")))
    assert failure.value.error_id == "cluster.certificate"
    assert get(HttpTransport(target(served, scheme="https", skip_tls_verify=True))).status == 200


def test_another_server_name_can_be_expected(serve: Callable[..., Served], tmp_path: Path) -> None:
    authority, context = tls(tmp_path)
    served = serve(answer, context)
    ca = authority.path.read_bytes()
    assert (
        get(HttpTransport(target(served, scheme="https", ca=ca, tls_server_name="kubernetes"))).status == 200
    )
    with pytest.raises(errors.Unreachable):
        get(HttpTransport(target(served, scheme="https", ca=ca, tls_server_name="elsewhere")))


def test_certificates_that_cannot_be_used_are_a_mistake(serve: Callable[..., Served]) -> None:
    with pytest.raises(ConfigError) as failure:
        get(HttpTransport(target(serve(), scheme="https", ca=b"no certificate")))
    assert failure.value.error_id == "cluster.kubeconfig"


def test_a_stream_arrives_piece_by_piece_and_can_be_closed_elsewhere(serve: Callable[..., Served]) -> None:
    ended = threading.Event()

    def stream(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for n in range(2):
            piece = f"line{n}\n".encode()
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        ended.wait(5)

    transport = HttpTransport(target(serve(stream)))
    found = get(transport, query=(("watch", "true"),), timeout_s=30)
    assert [next(found.chunks), next(found.chunks)] == [b"line0\n", b"line1\n"]
    closer = threading.Timer(0.2, found.close)
    closer.start()
    began = time.monotonic()
    assert list(found.chunks) == []
    assert time.monotonic() - began < 3
    ended.set()


def test_a_stream_that_breaks_off_is_unreachable(serve: Callable[..., Served]) -> None:
    def broken(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"6\r\nline0\n\r\n")
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    found = get(HttpTransport(target(serve(broken))), query=(("watch", "true"),))
    with pytest.raises(errors.Unreachable):
        list(found.chunks)


def test_an_answer_that_does_not_come_is_unreachable(serve: Callable[..., Served]) -> None:
    served = serve(lambda handler: time.sleep(1))
    with pytest.raises(errors.Unreachable) as failure:
        get(HttpTransport(target(served)), timeout_s=0.2)
    assert "in time" in failure.value.message


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(errors.Unreachable) as failure:
        get(HttpTransport(Target(context="x", server=f"http://127.0.0.1:{port}")))
    assert failure.value.error_id == "cluster.unreachable"
    assert "refused" in failure.value.message


def test_a_server_below_a_path_is_reached(serve: Callable[..., Served]) -> None:
    served = serve(lambda handler: answer(handler, body=handler.path.encode()))
    base = target(served)
    below = Target(context="x", server=f"{base.server}/k8s/clusters/c-1")
    assert get(HttpTransport(below), "/api/v1").read() == b"/k8s/clusters/c-1/api/v1"


def test_a_proxy_is_used_where_the_context_names_one(serve: Callable[..., Served]) -> None:
    proxy = serve(lambda handler: answer(handler, body=handler.path.encode()))
    through = Target(
        context="x", server="http://cluster.invalid:8080", proxy_url=f"http://127.0.0.1:{proxy.port}"
    )
    assert get(HttpTransport(through)).read() == b"http://cluster.invalid:8080/x"


def test_proxies_of_the_environment_are_used_and_bypassed(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(lambda handler: answer(handler, body=b"by proxy"))
    served = serve(lambda handler: answer(handler, body=b"direct"))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert get(HttpTransport(target(served))).read() == b"direct"
    monkeypatch.setenv("no_proxy", "elsewhere")
    assert get(HttpTransport(target(served))).read() == b"by proxy"
