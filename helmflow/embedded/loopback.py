"""The embedded server on https://127.0.0.1, for kubectl, helm and any other client; and the kubeconfig that points there.

TLS because client-go sends tokens over TLS only; the certificate is made anew for every start and named in the kubeconfig.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import ssl
import tempfile
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from helmflow.embedded.server import ApiServer
from helmflow.embedded.status import ApiError
from helmflow.kube.transport import Request

_MAX_BODY: Final = 64 * 1024 * 1024
_HOST: Final = "127.0.0.1"
_FORBIDDEN_ORIGIN: Final = "Origin"
_HANDSHAKE_S: Final = 10.0


class Loopback:
    """A listening server. `url`, `token` and `certificate` (PEM) are what clients need; `stop` ends it and its watches."""

    def __init__(self, server: ApiServer, port: int, token: str) -> None:
        self.token = token
        self._api = server
        self.certificate, key = _self_signed()
        self._http = _Server((_HOST, port), _handler(server, token))
        self._http.context = _context(self.certificate, key)
        self.port: int = self._http.server_address[1]
        self.url = f"https://{_HOST}:{self.port}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )

    def start(self) -> Loopback:
        """Serve from a background thread."""
        self._thread.start()
        return self

    def run(self) -> None:
        """Serve in this thread until `stop`."""
        self._http.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """End it."""
        self._http.shutdown()
        self._http.server_close()
        self._api.close()


def serve(server: ApiServer, port: int = 0, token: str = "") -> Loopback:
    """Listen on 127.0.0.1 only; port 0 takes a free one, an empty token makes a fresh one. Call start() or run()."""
    return Loopback(server, port, token or secrets.token_urlsafe(24))


def kubeconfig(url: str, token: str, certificate: str, name: str = "embedded") -> dict[str, Any]:
    """A kubeconfig document for the server; `certificate` is its PEM text."""
    authority = base64.b64encode(certificate.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }


def write_kubeconfig(path: Path, listening: Loopback, name: str = "embedded") -> None:
    """Write the kubeconfig (JSON, which is YAML), readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    document = kubeconfig(listening.url, listening.token, listening.certificate, name)
    path.write_text(json.dumps(document, indent=2) + "\n")


def _self_signed() -> tuple[str, bytes]:
    """A certificate for 127.0.0.1 and its key, both PEM."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "helmflow-embedded")])
    now = datetime.now(UTC)
    names = [x509.IPAddress(ipaddress.ip_address(_HOST)), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem


def _context(certificate: str, key: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.NamedTemporaryFile() as file:  # ssl loads keys from files only
        file.write(certificate.encode() + key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a slow client delays nobody."""
        request.settimeout(_HANDSHAKE_S)
        with self.context.wrap_socket(request, server_side=True) as secured:
            secured.settimeout(None)
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)


def _handler(server: ApiServer, token: str) -> type[BaseHTTPRequestHandler]:
    wanted = f"Bearer {token}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "helmflow-embedded"
        sys_version = ""
        wbufsize = 64 * 1024
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged."""

        def _serve(self) -> None:
            body = self._body()
            if body is None:
                return
            if not secrets.compare_digest(self.headers.get("Authorization", ""), wanted):
                self._send_status(ApiError(401, "Unauthorized"))
                return
            if self.headers.get(_FORBIDDEN_ORIGIN):
                # No browser page has business here, whatever it found out about the token.
                self._send_status(ApiError(403, "requests from web pages are refused"))
                return
            parts = urlsplit(self.path)
            request = Request(
                method=self.command,
                path=parts.path,
                query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
                headers=dict(self.headers.items()),
                body=body,
            )
            try:
                response = server.handle(request)
            except Exception as error:  # noqa: BLE001 - a bug must not look like a lost connection
                traceback.print_exc()
                self._send_status(ApiError(500, f"Internal error occurred: {error!r}"))
                return
            try:
                self._answer(response.status, dict(response.headers), response.chunks)
            except (ConnectionError, TimeoutError, ssl.SSLError):
                self.close_connection = True
            finally:
                response.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

        def _body(self) -> bytes | None:
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                return self._chunked_body()
            length = self.headers.get("Content-Length") or "0"
            if not length.isdigit() or int(length) > _MAX_BODY:
                self._send_status(ApiError(413, "Request entity too large", reason="RequestEntityTooLarge"))
                self.close_connection = True
                return None
            return self.rfile.read(int(length)) if int(length) else b""

        def _chunked_body(self) -> bytes:
            parts: list[bytes] = []
            while True:
                size = int(self.rfile.readline().split(b";")[0].strip() or b"0", 16)
                if size == 0:
                    while self.rfile.readline().strip():
                        pass
                    return b"".join(parts)
                parts.append(self.rfile.read(size))
                self.rfile.readline()

        def _send_status(self, error: ApiError) -> None:
            body = json.dumps(error.status()).encode()
            headers = {"content-type": "application/json", "content-length": str(len(body))}
            self._answer(error.code, headers, iter([body]))

        def _answer(self, status: int, headers: dict[str, str], chunks: Iterator[bytes]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "content-length" in headers or status == 304:
                self.end_headers()
                if self.command != "HEAD":
                    for chunk in chunks:
                        self.wfile.write(chunk)
                self.wfile.flush()
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            for chunk in chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()

    return Handler
