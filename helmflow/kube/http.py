"""HttpTransport: the Transport port onto an API server over HTTP, with keep-alive, TLS, proxies and credentials."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning, NewConnectionError, ProxyError, SSLError
from urllib3.exceptions import TimeoutError as HttpTimeout

from helmflow.core.clock import Clock, SystemClock
from helmflow.core.errors import ClusterError, ConfigError
from helmflow.core.limits import MAX_RESPONSE_BYTES
from helmflow.kube import errors
from helmflow.kube.credentials import Proof, Prover
from helmflow.kube.kubeconfig import Impersonation, Target
from helmflow.kube.transport import Request, Response

POOL: Final = 32  # idle keep-alive connections; watches open more
CONNECT_S: Final = 10.0
CHUNK: Final = 65536


class HttpTransport:
    """One API server over HTTP. Thread-safe."""

    def __init__(self, target: Target, *, clock: Clock | None = None) -> None:
        self._target = target
        self._prover = Prover(target, clock or SystemClock())
        self._fixed = _impersonation_headers(target.impersonate)
        self._lock = threading.Lock()
        self._manager: urllib3.PoolManager | None = None
        self._certified: tuple[bytes | None, bytes | None] = (None, None)

    def send(self, request: Request) -> Response:
        """Send and answer as soon as the headers are there; a 401 is tried once more with renewed credentials."""
        proof = self._prover.proof()
        answer = self._send(request, proof)
        if answer.status == 401 and self._prover.renew(proof):
            answer.close()
            answer = self._send(request, self._prover.proof())
        return answer

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            if self._manager is not None:
                self._manager.clear()

    def _send(self, request: Request, proof: Proof) -> Response:
        url = self._target.server + request.path + (f"?{urlencode(request.query)}" if request.query else "")
        headers = urllib3.HTTPHeaderDict(request.headers)
        headers.extend(self._fixed)
        if proof.authorization:
            headers["Authorization"] = proof.authorization
        streaming = ("watch", "true") in request.query or ("follow", "true") in request.query
        try:
            answer = self._pools(proof).urlopen(
                request.method,
                url,
                body=request.body or None,
                headers=headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=request.timeout_s),
                preload_content=False,
            )
            plain = {name.lower(): value for name, value in answer.headers.items()}
            if streaming and answer.status < 400:
                return Response(
                    status=answer.status, headers=plain, chunks=_Stream(answer, self._target.server)
                )
            return Response(
                status=answer.status, headers=plain, chunks=iter((_body(answer, self._target.server),))
            )
        except (HTTPError, OSError) as cause:
            raise unreachable(self._target.server, cause) from cause

    def _pools(self, proof: Proof) -> urllib3.PoolManager:
        """The connection pools; new ones where a plugin has handed out another client certificate."""
        wanted = (proof.certificate, proof.key)
        with self._lock:
            if self._manager is None or self._certified != wanted:
                self._manager, self._certified = _manager(self._target, proof), wanted
            return self._manager


class _Stream(Iterator[bytes]):
    """An endless body. `close` may be called from another thread than the one that reads."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, server: str) -> None:
        self._answer = answer
        self._server = server
        self._pieces = answer.stream(CHUNK)
        self._closed = False
        connection = getattr(answer, "connection", None)
        self._socket: socket.socket | None = getattr(connection, "sock", None)

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            self._answer.close()
            raise
        except (HTTPError, OSError, ValueError, AttributeError) as cause:
            self._answer.close()
            if self._closed:
                raise StopIteration from cause
            raise unreachable(self._server, cause) from cause

    def close(self) -> None:
        """Wake the reader: its next read finds the end."""
        self._closed = True
        if self._socket is not None:
            with suppress(OSError, ValueError):
                self._socket.shutdown(socket.SHUT_RDWR)


def unreachable(server: str, cause: Exception) -> ClusterError:
    """The error for a request that got no answer."""
    text = str(cause)
    if isinstance(cause, SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
        return errors.Unreachable(
            f"the certificate of {server} is not trusted: {_short(text)}",
            error_id="cluster.certificate",
            hint="check certificate-authority of this cluster in the kubeconfig",
        )
    if isinstance(cause, NewConnectionError):
        detail = text.rpartition(": ")[2]
    elif isinstance(cause, HttpTimeout | TimeoutError):
        detail = "no answer in time"
    elif isinstance(cause, ProxyError):
        detail = f"the proxy does not let us through: {_short(text)}"
    else:
        detail = _short(text) or type(cause).__name__
    return errors.Unreachable(
        f"the cluster at {server} cannot be reached: {detail}",
        error_id="cluster.unreachable",
        hint="check that the cluster runs and that this context names its address",
    )


def _body(answer: urllib3.BaseHTTPResponse, server: str) -> bytes:
    body = answer.read(MAX_RESPONSE_BYTES + 1)
    if len(body) > MAX_RESPONSE_BYTES:
        answer.close()
        raise ClusterError(
            f"an answer of {server} is larger than {MAX_RESPONSE_BYTES} bytes", error_id="cluster.too-large"
        )
    answer.release_conn()
    return body


def _manager(target: Target, proof: Proof) -> urllib3.PoolManager:
    options: dict[str, Any] = {
        "num_pools": 2,
        "maxsize": POOL,
        "socket_options": [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ],
    }
    address = urlsplit(target.server)
    if address.scheme == "https":
        options["ssl_context"] = _tls(target, proof)
        if target.tls_server_name:
            options["server_hostname"] = options["assert_hostname"] = target.tls_server_name
        elif target.skip_tls_verify:
            options["assert_hostname"] = False
        if target.skip_tls_verify:
            urllib3.disable_warnings(InsecureRequestWarning)  # the kubeconfig's author knows
    proxy = _proxy(target, address.scheme, address.hostname or "")
    if not proxy:
        return urllib3.PoolManager(**options)
    if proxy.startswith("socks"):
        try:
            from urllib3.contrib.socks import SOCKSProxyManager
        except ImportError as cause:
            raise ConfigError(
                f"the proxy {proxy} needs SOCKS support",
                error_id="cluster.proxy",
                hint="pip install 'urllib3[socks]'",
            ) from cause
        return SOCKSProxyManager(proxy, **options)
    return urllib3.ProxyManager(proxy, **options)


def _tls(target: Target, proof: Proof) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cadata=target.ca.decode("ascii", "replace") if target.ca else None
        )
        if target.skip_tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if proof.certificate and proof.key:
            _load_certificate(context, proof.certificate, proof.key)
        return context
    except ssl.SSLError as cause:
        raise ConfigError(
            f"the certificates of context {target.context!r} cannot be used: {cause}",
            error_id="cluster.kubeconfig",
        ) from cause


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """The ssl module reads client certificates from files only: one, for this user's eyes, gone at once."""
    handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(certificate.rstrip() + b"\n" + key.rstrip() + b"\n")
        context.load_cert_chain(path)
    finally:
        os.unlink(path)


def _proxy(target: Target, scheme: str, host: str) -> str:
    if target.proxy_url:
        return target.proxy_url
    found = getproxies()
    if not found or proxy_bypass(host):
        return ""
    return found.get(scheme) or found.get("all") or ""


def _impersonation_headers(who: Impersonation) -> list[tuple[str, str]]:
    headers = [("Impersonate-User", who.user)] if who.user else []
    headers += [("Impersonate-Group", group) for group in who.groups]
    headers += [("Impersonate-Uid", who.uid)] if who.uid else []
    extra: Mapping[str, tuple[str, ...]] = who.extra
    headers += [
        (f"Impersonate-Extra-{key}", value) for key, values in sorted(extra.items()) for value in values
    ]
    return headers


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}..."
