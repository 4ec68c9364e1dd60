"""Registries that lie, redirect, ask elsewhere or never end: clear errors, bounded, and no credentials for strangers."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from helmflow.core import limits
from helmflow.core.errors import ChartError
from helmflow.core.sensitive import SecretText
from helmflow.helm.chart import package, records
from helmflow.providers.charts import oci_session
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.charts.oci import CHART_TYPE, CONFIG_TYPE, MANIFEST_TYPE, Pulled, RegistryClient
from helmflow.providers.http import NO_CREDENTIALS, Credentials
from tests.charts import chart_of

USER = Credentials(username="user", password=SecretText("right"))
BASIC = "Basic " + base64.b64encode(b"user:right").decode()
CHART = chart_of({})
ARCHIVE = package.archive(CHART)[1]
CONFIG = json.dumps(records.metadata(CHART.metadata)).encode()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(layer: bytes = ARCHIVE, kind: str = CHART_TYPE) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest(CONFIG), "size": len(CONFIG)},
            "layers": [{"mediaType": kind, "digest": digest(layer), "size": len(layer)}],
        }
    ).encode()


@dataclass
class Registry:
    """What a server answers by path: bytes, a redirect ("-> URL") or a stream; and what it was sent."""

    answers: dict[str, Any] = field(default_factory=dict)
    challenge: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    host: str = ""

    def __post_init__(self) -> None:
        self.put(manifest())
        for content in (ARCHIVE, CONFIG):
            self.answers[f"/v2/c/blobs/{digest(content)}"] = content

    def put(self, body: bytes) -> None:
        for name in ("1.2.3", digest(body)):
            self.answers[f"/v2/c/manifests/{name}"] = body


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization", "")
            registry.requests.append((self.path, given))
            answer = registry.answers.get(self.path.partition("?")[0])
            if registry.challenge and given not in (BASIC, "Bearer t") and not self.path.startswith("/token"):
                self.reply(
                    401, b"{}", {"WWW-Authenticate": registry.challenge.replace("HOST", registry.host)}
                )
            elif answer is None:
                self.reply(404, b"{}")
            elif isinstance(answer, str):
                self.reply(307, b"", {"Location": answer.removeprefix("-> ")})
            elif isinstance(answer, bytes):
                self.reply(200, answer)
            else:
                answer(self)

        do_HEAD = do_GET

        def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": MANIFEST_TYPE, **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()


def pull(
    registry: Registry, tmp_path: Path, *, at: str = "", credentials: Credentials = NO_CREDENTIALS
) -> Pulled:
    client = RegistryClient(ChartCache(tmp_path / "cache"))
    version = "" if at else "1.2.3"
    return client.pull(f"oci://{registry.host}/c{at}", version, credentials, plain_http=True)


def endless(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 20))
    except OSError:
        pass


def silent(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(b"{")
    threading.Event().wait(5)


Change = Callable[[Registry], str]


def other_blob(registry: Registry) -> str:
    registry.answers[f"/v2/c/blobs/{digest(ARCHIVE)}"] = ARCHIVE + b"x"
    return "oci.digest-mismatch"


def other_manifest(registry: Registry) -> str:
    registry.answers[f"/v2/c/manifests/{digest(manifest())}"] = manifest(kind="x")
    return "oci.digest-mismatch"


def an_image(registry: Registry) -> str:
    registry.put(manifest(kind="application/vnd.oci.image.layer.v1.tar+gzip"))
    return "oci.no-chart"


def huge_manifest(registry: Registry) -> str:
    registry.put(manifest() + b" " * limits.MAX_MANIFEST_BYTES)
    return "http.too-large"


def endless_manifest(registry: Registry) -> str:
    registry.answers["/v2/c/manifests/1.2.3"] = endless
    return "http.too-large"


def endless_layer(registry: Registry) -> str:
    registry.answers[f"/v2/c/blobs/{digest(ARCHIVE)}"] = endless
    return "http.too-large"


def no_json(registry: Registry) -> str:
    registry.put(b"<html>")
    return "oci.refused"


def no_manifest(registry: Registry) -> str:
    registry.put(b"[]")
    return "oci.refused"


def bad_digest(registry: Registry) -> str:
    registry.put(manifest().replace(digest(ARCHIVE).encode(), b"../../../etc/passwd"))
    return "oci.digest-mismatch"


def no_answer(registry: Registry) -> str:
    registry.answers["/v2/c/manifests/1.2.3"] = silent
    return "http.unreachable"


CHANGES = [
    other_blob,
    an_image,
    huge_manifest,
    endless_manifest,
    endless_layer,
    no_json,
    no_manifest,
    bad_digest,
    no_answer,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_a_registry_may_do(tmp_path: Path, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oci_session, "TIMEOUT_S", 0.5)
    with serving(Registry()) as registry:
        error_id = change(registry)
        with pytest.raises(ChartError) as failure:
            pull(registry, tmp_path)
        assert failure.value.error_id == error_id


def test_a_digest_is_a_promise(tmp_path: Path) -> None:
    with serving(Registry()) as registry:
        pinned = f"@{digest(manifest())}"
        assert pull(registry, tmp_path, at=pinned).digest == digest(manifest())
        other_manifest(registry)
        with pytest.raises(ChartError) as failure:
            pull(registry, tmp_path / "anew", at=pinned)
        assert failure.value.error_id == "oci.digest-mismatch"


def test_a_blob_on_another_host_is_fetched_without_credentials(tmp_path: Path) -> None:
    with serving(Registry()) as other, serving(Registry(challenge='Basic realm="charts"')) as registry:
        path = f"/v2/c/blobs/{digest(ARCHIVE)}"
        registry.answers[path] = f"-> http://{other.host.replace('127.0.0.1', 'localhost')}{path}"
        assert pull(registry, tmp_path, credentials=USER).path.read_bytes() == ARCHIVE
        assert any(given == BASIC for _, given in registry.requests)
        assert [given for _, given in other.requests] == [""]


@pytest.mark.parametrize(
    "credentials", [NO_CREDENTIALS, Credentials(username="user", password=SecretText("wrong"))]
)
def test_a_registry_that_wants_a_password(tmp_path: Path, credentials: Credentials) -> None:
    with serving(Registry(challenge='Basic realm="charts"')) as registry:
        with pytest.raises(ChartError) as failure:
            pull(registry, tmp_path, credentials=credentials)
        assert failure.value.error_id in ("http.unauthorized", "oci.refused")
        assert "wrong" not in str(failure.value)
        assert len(registry.requests) <= 4


def test_a_token_service_gives_a_token(tmp_path: Path) -> None:
    challenge = 'Bearer realm="http://HOST/token",service="charts",scope="repository:c:pull"'
    with serving(Registry(challenge=challenge)) as registry:
        registry.answers["/token"] = b'{"token": "t"}'
        assert pull(registry, tmp_path, credentials=USER).path.read_bytes() == ARCHIVE
        assert {given for path, given in registry.requests if path.startswith("/token")} == {BASIC}


def test_a_password_goes_to_no_token_service_in_the_open() -> None:
    """The registry has TLS, the service that it names has none."""
    session = oci_session.PatientRegistry("registry.example.com", plain_http=False, tls_verify=True)
    session.auth.set_basic_auth("user", "right")
    challenge = type("H", (), {"realm": "http://127.0.0.1:1/token", "service": "", "scope": ""})()
    with pytest.raises(ValueError, match="without TLS"):
        session.auth.request_token(challenge)
