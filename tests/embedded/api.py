"""A small JSON client and a clock that only moves when somebody sleeps, for the embedded server's tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from helmflow.embedded.server import ApiServer
from helmflow.kube.transport import Request, Response

Json = dict[str, Any]

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class FakeClock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.slept = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.at += timedelta(seconds=seconds)


class Api:
    """An ApiServer with virtual time."""

    def __init__(self, path: Path | None = None) -> None:
        self.clock = FakeClock()
        self.server = ApiServer(path, self.clock)
        self.pass_time(0.1)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        kind: str = "application/json",
        accept: str = "",
        **query: str,
    ) -> Response:
        headers = {"content-type": kind, "user-agent": "tests/1", "accept": accept or "application/json"}
        payload = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        return self.server.handle(
            Request(method=method, path=path, query=tuple(query.items()), headers=headers, body=payload)
        )

    def call(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str
    ) -> tuple[int, Json]:
        response = self.send(method, path, body, kind, **query)
        text = response.read()
        return response.status, json.loads(text) if text[:1] == b"{" else {"text": text.decode()}

    def ok(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str
    ) -> Json:
        status, answer = self.call(method, path, body, kind, **query)
        assert status < 300, answer
        return answer

    def get(self, path: str, **query: str) -> Json:
        return self.ok("GET", path, **query)

    def apply(self, path: str, body: Json, manager: str = "helm", **query: str) -> Json:
        return self.ok("PATCH", path, body, APPLY, fieldManager=manager, **query)

    def refused(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str
    ) -> Json:
        status, answer = self.call(method, path, body, kind, **query)
        assert status >= 400, answer
        return answer

    def watch(self, path: str, **query: str) -> list[Json]:
        """Every event until the watch's own timeout."""
        response = self.send("GET", path, watch="true", **{"timeoutSeconds": "5", **query})
        return [json.loads(line) for chunk in response.chunks for line in chunk.splitlines()]

    def pass_time(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.get("/api/v1/namespaces/default")


def deployment(name: str = "web", *, replicas: int = 2, image: str = "nginx:1", **annotations: str) -> Json:
    labels = {"app": name}
    marks = {f"embedded.helmflow.dev/{k.replace('_', '-')}": v for k, v in annotations.items()}
    template: Json = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 80}]}]},
    }
    if marks:
        template["metadata"]["annotations"] = marks
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }  # fmt: skip


def config_map(name: str = "settings", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def condition(value: Json, kind: str) -> Json:
    return next((c for c in value.get("status", {}).get("conditions") or () if c["type"] == kind), {})


CORE = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default"
BATCH = "/apis/batch/v1/namespaces/default"
