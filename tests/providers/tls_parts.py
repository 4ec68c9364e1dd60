"""TLS for tests: an authority with a server's and a client's certificate, and a proxy that forwards and tunnels."""

from __future__ import annotations

import ipaddress
import select
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "charts.example.invalid"


@dataclass(frozen=True)
class Files:
    """PEM files below one folder: ca.pem, and server and client as NAME.pem with NAME.key."""

    folder: Path

    def of(self, name: str) -> str:
        return str(self.folder / name)

    def demanding(self) -> ssl.SSLContext:
        """A server that talks to clients of this authority only."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.of("ca.pem"))
        context.load_cert_chain(self.of("server.pem"), self.of("server.key"))
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def make(folder: Path) -> Files:
    """New keys and certificates, good for an hour."""
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test CA")])
    hosts = x509.SubjectAlternativeName(
        [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    for name, is_ca in (("ca", True), ("server", False), ("client", False)):
        key = authority if is_ca else ec.generate_private_key(ec.SECP256R1())
        subject = issuer if is_ca else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if name == "server":
            builder = builder.add_extension(hosts, critical=False)
        signed = builder.sign(authority, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return Files(folder)


@dataclass
class Proxy:
    """What a proxy was asked for, with which headers; whatever the host, it goes to `target`."""

    target: str
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""


@contextmanager
def proxying(target: str) -> Iterator[Proxy]:
    """A forward proxy on a free port, for plain requests and for tunnels, to the one server `target` (HOST:PORT)."""
    proxy = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def noted(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            proxy.asked.append((f"{self.command} {self.path}", headers))

        def do_GET(self) -> None:
            self.noted()
            path = "/" + self.path.split("/", 3)[3]
            kept = {n: v for n, v in self.headers.items() if n.lower() in ("authorization", "if-none-match")}
            straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            asked = urllib.request.Request(f"http://{proxy.target}{path}", headers=kept)
            with straight.open(asked, timeout=10) as answer:
                content = answer.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_CONNECT(self) -> None:
            self.noted()
            host, _, port = proxy.target.rpartition(":")
            self.send_response(200)
            self.end_headers()
            with socket.create_connection((host, int(port))) as there:
                pair = {self.connection: there, there: self.connection}
                while True:
                    for one in select.select(list(pair), [], [])[0]:
                        content = one.recv(65536)
                        if not content:
                            self.close_connection = True
                            return
                        pair[one].sendall(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    proxy.url = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
