"""A Transport that answers from a script, and a clock that moves by sleeping."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from helmflow.core.errors import ClusterError
from helmflow.kube import errors
from helmflow.kube.transport import Request, Response

Answer = Response | ClusterError
Respond = Callable[[Request], Answer]

API = {"kind": "APIGroupDiscoveryList", "items": []}


class SteppingClock:
    """Sleeping takes no time and is remembered."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """A fixed day and what was slept since."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """What was slept so far."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Move on."""
        with self._lock:
            self.slept.append(seconds)
            self._seconds += seconds


class Script:
    """Answers discovery by itself and everything else from a list, then from `otherwise`."""

    def __init__(self, *answers: Answer | Respond, otherwise: Respond | None = None) -> None:
        self.answers = list(answers)
        self.otherwise = otherwise
        self.requests: list[Request] = []

    def send(self, request: Request) -> Response:
        """The next answer."""
        if request.path in ("/api", "/apis"):
            return served(request.path)
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else self.otherwise
        assert answer is not None, f"nothing more was expected, but {request.method} {request.path} came"
        found = answer(request) if callable(answer) else answer
        if isinstance(found, ClusterError):
            raise found
        return found

    @property
    def asked(self) -> list[str]:
        """METHOD path of every request but discovery."""
        return [f"{r.method} {r.path}" for r in self.requests]


def ok(body: Any, status: int = 200, **headers: str) -> Response:
    """An answer with a JSON body."""
    return Response(
        status=status,
        headers={k.replace("_", "-"): v for k, v in headers.items()},
        chunks=iter([json.dumps(body).encode()]),
    )


def refused(
    code: int, reason: str = "", message: str = "no", *, details: Any = None, **headers: str
) -> Response:
    """An answer with a Status."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }
    return ok({**status, **({"details": details} if details else {})}, code, **headers)


def lost() -> ClusterError:
    """No answer."""
    return errors.Unreachable("connection reset", error_id="cluster.unreachable")


def events(*lines: Any) -> Response:
    """A watch that ends after these events."""
    return Response(
        status=200, headers={}, chunks=iter([json.dumps(line).encode() + b"\n" for line in lines])
    )


def served(path: str) -> Response:
    """Aggregated discovery of the kinds that tests use."""
    if path == "/api":
        kinds = [
            ("configmaps", "ConfigMap", "Namespaced"),
            ("pods", "Pod", "Namespaced"),
            ("namespaces", "Namespace", "Cluster"),
            ("secrets", "Secret", "Namespaced"),
            ("events", "Event", "Namespaced"),
        ]
        return ok(discovery([("", [("v1", kinds)])]), etag='"core"')
    apps = [("deployments", "Deployment", "Namespaced"), ("replicasets", "ReplicaSet", "Namespaced")]
    return ok(discovery([("apps", [("v1", apps)])]), etag='"groups"')


def discovery(groups: list[tuple[str, list[tuple[str, list[tuple[str, str, str]]]]]]) -> Any:
    """An APIGroupDiscoveryList."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "items": [
            {
                "metadata": {"name": group},
                "versions": [
                    {
                        "version": version,
                        "freshness": "Current",
                        "resources": [
                            {
                                "resource": plural,
                                "responseKind": {"kind": kind},
                                "scope": scope,
                                "verbs": ["get", "list", "watch", "create", "patch", "delete"],
                                "subresources": [{"subresource": "status"}],
                            }
                            for plural, kind, scope in kinds
                        ],
                    }
                    for version, kinds in versions
                ],
            }
            for group, versions in groups
        ],
    }


def endless(first: list[bytes], stop: threading.Event) -> Iterator[bytes]:
    """A body that does not end before `stop`."""
    yield from first
    stop.wait(10)
