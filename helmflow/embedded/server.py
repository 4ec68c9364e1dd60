"""The Kubernetes REST API in this process: one Request in, one Response out."""

from __future__ import annotations

import gzip
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from helmflow.core.clock import Clock, SystemClock
from helmflow.embedded import bootstrap, discovery, openapi, requests
from helmflow.embedded.cluster import Cluster
from helmflow.embedded.controllers import queue
from helmflow.embedded.requests import Call
from helmflow.embedded.status import ApiError
from helmflow.embedded.storage import Storage
from helmflow.embedded.watching import WatchStream
from helmflow.kube.transport import Request, Response

Json = dict[str, Any]

_GZIP_FROM: Final = 128 * 1024  # the real server's own bound
_HEADERS: Final = {"cache-control": "no-cache, private"}
_HEALTH: Final = ("/livez", "/readyz", "/healthz", "/livez/ping", "/readyz/ping", "/healthz/ping")


class ApiServer:
    """A simulated cluster. State lives in the SQLite file `storage_path`, or in memory without one.

    Thread-safe; several processes may open the same file at once. Nothing runs in the background: whatever became due
    since the last request (pods starting, Deployments rolling) happens when the next request or watch looks.
    """

    def __init__(self, storage_path: Path | None = None, clock: Clock | None = None) -> None:
        self.storage_path = storage_path
        self.clock = clock or SystemClock()
        self._storage = Storage(storage_path)
        self._cluster = Cluster(self._storage, self.clock, queue.on_change)
        self._queue = queue.Queue(self._cluster)
        self._watches: weakref.WeakSet[WatchStream] = weakref.WeakSet()
        self._documents: dict[tuple[str, str], tuple[object, bytes, str]] = {}
        with self._storage.transaction():
            bootstrap.fill(self._cluster)

    def handle(self, request: Request) -> Response:
        """Answer one request; a watch answers with an endless body."""
        try:
            return self._route(request)
        except ApiError as error:
            self._cluster.forget()
            return _json_response(error.code, error.status(), request)

    def close(self) -> None:
        """End open watches and release the file."""
        for watch in list(self._watches):
            watch.close()
        self._storage.close()

    def _route(self, request: Request) -> Response:
        path = request.path
        if path.startswith("/openapi/"):
            return self._openapi(request)
        if path == "/version" or path == "/version/":
            return _json_response(200, discovery.VERSION, request)
        if path in _HEALTH:
            headers = {
                **_HEADERS,
                "content-type": "text/plain; charset=utf-8",
                "x-kubernetes-pf-flowschema-uid": "00000000-0000-0000-0000-000000000001",
            }
            return Response(status=200, headers=headers, chunks=iter([b"ok"]))
        parts = [p for p in path.split("/") if p]
        if parts[:1] == ["api"] and (len(parts) < 3):
            return self._discovery(request, parts)
        if parts[:1] == ["apis"] and len(parts) < 4:
            return self._discovery(request, parts)
        if parts[:1] in (["api"], ["apis"]):
            return self._resource(request, parts)
        if not parts:
            return _json_response(
                200,
                {
                    "paths": [
                        "/api",
                        "/api/v1",
                        "/apis",
                        "/healthz",
                        "/livez",
                        "/openapi/v3",
                        "/readyz",
                        "/version",
                    ]
                },
                request,
            )
        return _plain_not_found()

    def _resource(self, request: Request, parts: list[str]) -> Response:
        with self._storage.lock:
            self._cluster.refresh()
            self._queue.advance()
            call = requests.parse(self._cluster.registry, request, parts)
            if call is None:
                return _plain_not_found()
            if call.verb == "watch":
                stream = WatchStream(
                    self._cluster, call.resource, call.namespace, call.query, call.form, self._queue.advance
                )
                self._watches.add(stream)
                headers = {**_HEADERS, "content-type": "application/json"}
                return Response(status=200, headers=headers, chunks=stream)
            return self._answer(call, request)

    def _answer(self, call: Call, request: Request) -> Response:
        if call.verb in ("get", "list"):
            answer = requests.answer(self._cluster, call)
        else:
            with self._storage.transaction():
                answer = requests.answer(self._cluster, call)
        headers = {**_HEADERS, "content-type": answer.content_type}
        if answer.warnings:
            headers["warning"] = ", ".join(
                '299 - "' + w.replace("\\", "\\\\").replace('"', '\\"') + '"' for w in answer.warnings
            )
        return _response(answer.code, headers, answer.body, request)

    def _discovery(self, request: Request, parts: list[str]) -> Response:
        with self._storage.lock:
            self._cluster.refresh()
            self._queue.advance()
            registry = self._cluster.registry
        accept = _header(request, "accept")
        core = parts[0] == "api"
        version = discovery.aggregated_version(accept) if len(parts) == 1 else ""
        make: Callable[[], Json | None]
        if version:
            make = lambda: discovery.aggregated(registry, version, core=core)  # noqa: E731 - one of several
        elif len(parts) == 1:
            make = discovery.legacy_core if core else lambda: discovery.legacy_groups(registry)
        elif core:
            make = lambda: discovery.legacy_resources(registry, "", parts[1])  # noqa: E731
        elif len(parts) == 2:
            make = lambda: discovery.legacy_group(registry, parts[1])  # noqa: E731
        else:
            make = lambda: discovery.legacy_resources(registry, parts[1], parts[2])  # noqa: E731
        found = self._document((request.path, version), registry, make)
        if found is None:
            return _plain_not_found()
        body, tag = found
        kind = (
            f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            if version
            else "application/json"
        )
        headers = {**_HEADERS, "content-type": kind}
        if len(parts) == 1:
            headers |= {"etag": tag, "vary": "Accept"}
            if _header(request, "if-none-match") == tag:
                return Response(status=304, headers=headers, chunks=iter(()))
        return _response(200, headers, body, request)

    def _document(
        self, key: tuple[str, str], registry: object, make: Callable[[], Json | None]
    ) -> tuple[bytes, str] | None:
        """A discovery or OpenAPI document, made once per registry."""
        known = self._documents.get(key)
        if known is not None and known[0] is registry:
            return known[1], known[2]
        made = make()
        if made is None:
            return None
        body = json.dumps(made, separators=(",", ":")).encode()
        tag = discovery.etag(made)
        self._documents[key] = (registry, body, tag)
        return body, tag

    def _openapi(self, request: Request) -> Response:
        with self._storage.lock:
            self._cluster.refresh()
            self._queue.advance()
            registry = self._cluster.registry
        path = request.path.removeprefix("/openapi/").strip("/")
        if path == "v3":
            found = self._document(("openapi", ""), registry, lambda: openapi.index(registry))
        elif path.startswith("v3/"):
            found = self._document(
                ("openapi", path[3:]), registry, lambda: openapi.document(registry, path[3:])
            )
        else:
            found = None
        if found is None:
            return _plain_not_found()
        body, tag = found
        headers = {**_HEADERS, "content-type": "application/json", "etag": tag, "vary": "Accept"}
        if _header(request, "if-none-match") == tag:
            return Response(status=304, headers=headers, chunks=iter(()))
        return _response(200, headers, body, request)


def _header(request: Request, name: str) -> str:
    for key, value in request.headers.items():
        if key.lower() == name:
            return value
    return ""


def _json_response(code: int, value: Json, request: Request) -> Response:
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return _response(code, {**_HEADERS, "content-type": "application/json"}, body, request)


def _response(code: int, headers: dict[str, str], body: bytes, request: Request) -> Response:
    if len(body) > _GZIP_FROM and "gzip" in _header(request, "accept-encoding"):
        body = gzip.compress(body, compresslevel=4, mtime=0)
        headers["content-encoding"] = "gzip"
        headers.setdefault("vary", "Accept-Encoding")
    headers["content-length"] = str(len(body))
    return Response(status=code, headers=headers, chunks=iter([body]))


def _plain_not_found() -> Response:
    headers = {**_HEADERS, "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}
    return Response(status=404, headers=headers, chunks=iter([b"404 page not found\n"]))
