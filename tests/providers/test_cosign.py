"""cosign: signatures made by its specification, in a real registry, are accepted; everything else is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from helmflow.core.errors import ChartError
from helmflow.helm.chart import load, package, records
from helmflow.providers.charts import cosign
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.charts.download import Wanted, download
from helmflow.providers.charts.oci import MANIFEST_TYPE, RegistryClient
from helmflow.providers.http import NO_CREDENTIALS
from tests.charts import chart_of

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
KEYS: dict[str, Any] = {
    "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def public(folder: Path, key: Any, name: str = "cosign.pub") -> Path:
    path = folder / name
    path.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


def payload(name: str, digest: str, kind: str = cosign.TYPE) -> bytes:
    """The text that is signed."""
    critical = {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": digest},
        "type": kind,
    }
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()


def signature(key: Any, text: bytes) -> str:
    match key:
        case ec.EllipticCurvePrivateKey():
            made = key.sign(text, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPrivateKey():
            made = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        case _:
            made = key.sign(text)
    return base64.b64encode(made).decode()


def send(url: str, method: str, body: bytes = b"", kind: str = "application/octet-stream") -> str:
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind})
    with urllib.request.urlopen(request) as answer:
        return str(answer.headers.get("Location") or "")


def upload(base: str, content: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    place = send(f"{base}/blobs/uploads/", "POST")
    send(f"{place}{'&' if '?' in place else '?'}digest={digest}", "PUT", content)
    return {"digest": digest, "size": len(content)}


def sign_in_registry(host: str, path: str, digest: str, layers: list[tuple[bytes, str]]) -> None:
    """What `cosign sign --key` leaves behind: a manifest under sha256-HEX.sig."""
    base = f"http://{host}/v2/{path}"
    config = upload(base, b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [
            {"mediaType": PAYLOAD_TYPE, **upload(base, text), "annotations": {cosign.SIGNATURE: made}}
            for text, made in layers
        ],
    }
    body = json.dumps(manifest).encode()
    send(f"{base}/manifests/{digest.replace(':', '-')}.sig", "PUT", body, MANIFEST_TYPE)


def pushed(host: str, folder: str, tmp_path: Path) -> tuple[str, str]:
    """A chart in the registry: its path there and its digest."""
    chart = chart_of({"values.yaml": f"a: {folder}\n"})
    _, content = package.archive(chart)
    client = RegistryClient(ChartCache(tmp_path / "push-cache"))
    metadata = records.metadata(chart.metadata)
    digest = client.push(content, metadata, f"oci://{host}/{folder}", NO_CREDENTIALS, plain_http=True)
    return f"{folder}/c", digest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELMFLOW_CACHE_HOME", str(tmp_path / "cache"))


def fetch(host: str, path: str, key: Path, version: str = "1.2.3") -> None:
    download(Wanted(chart=f"oci://{host}/{path}", version=version, plain_http=True, cosign_key=str(key)))


@pytest.mark.parametrize("kind", KEYS)
def test_a_signed_chart_is_accepted(oci_registry: str, tmp_path: Path, kind: str) -> None:
    path, digest = pushed(oci_registry, f"signed-{kind}", tmp_path)
    text = payload(f"{oci_registry}/{path}", digest)
    sign_in_registry(oci_registry, path, digest, [(text, signature(KEYS[kind], text))])
    fetch(oci_registry, path, public(tmp_path, KEYS[kind]))


def test_one_good_signature_among_others_is_enough(oci_registry: str, tmp_path: Path) -> None:
    path, digest = pushed(oci_registry, "several", tmp_path)
    text = payload("x", digest)
    layers = [(text + b" ", "bm9uZQ=="), (text + b"\n", "###"), (text, signature(KEYS["ecdsa"], text))]
    sign_in_registry(oci_registry, path, digest, layers)
    fetch(oci_registry, path, public(tmp_path, KEYS["ecdsa"]))


@pytest.mark.parametrize(
    ("case", "error_id"),
    [
        ("unsigned", "cosign.unsigned"),
        ("other key", "cosign.bad-signature"),
        ("payload changed", "cosign.bad-signature"),
        ("other digest", "cosign.other-digest"),
        ("other type", "cosign.other-digest"),
        ("no json", "cosign.other-digest"),
    ],
)
def test_what_is_not_signed_by_the_key_is_refused(
    oci_registry: str, tmp_path: Path, case: str, error_id: str
) -> None:
    key = KEYS["ecdsa"]
    path, digest = pushed(oci_registry, f"refused-{case.replace(' ', '-')}", tmp_path)
    text = payload("x", digest)
    made = signature(key, text)
    match case:
        case "other key":
            made = signature(ec.generate_private_key(ec.SECP256R1()), text)
        case "payload changed":
            text += b" "
        case "other digest":
            text = payload("x", "sha256:" + "0" * 64)
            made = signature(key, text)
        case "other type":
            text = payload("x", digest, "something else")
            made = signature(key, text)
        case "no json":
            text = b"{"
            made = signature(key, text)
    if case != "unsigned":
        sign_in_registry(oci_registry, path, digest, [(text, made)])
    with pytest.raises(ChartError) as failure:
        fetch(oci_registry, path, public(tmp_path, key))
    assert failure.value.error_id == error_id


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_key_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(ChartError) as failure:
        cosign.load_key(tmp_path / "k")
    assert failure.value.error_id == "cosign.bad-key"


def test_signatures_are_kept_for_offline_runs(oci_registry: str, tmp_path: Path) -> None:
    path, digest = pushed(oci_registry, "offline", tmp_path)
    text = payload("x", digest)
    sign_in_registry(oci_registry, path, digest, [(text, signature(KEYS["ecdsa"], text))])
    reference = f"oci://{oci_registry}/{path}"
    cache = ChartCache(tmp_path / "kept")
    online = RegistryClient(cache).signatures(reference, digest, NO_CREDENTIALS, plain_http=True)
    offline = RegistryClient(cache, offline=True).signatures(
        reference, digest, NO_CREDENTIALS, plain_http=True
    )
    assert online == offline
    assert len(offline) == 1
    cosign.verify(digest, offline, cosign.load_key(public(tmp_path, KEYS["ecdsa"])), reference)


def test_a_digest_pins_content_and_signature(oci_registry: str, tmp_path: Path) -> None:
    path, digest = pushed(oci_registry, "pinned", tmp_path)
    text = payload("x", digest)
    sign_in_registry(oci_registry, path, digest, [(text, signature(KEYS["ecdsa"], text))])
    fetch(oci_registry, f"{path}@{digest}", public(tmp_path, KEYS["ecdsa"]), version="")
    assert load.load_archive(
        download(Wanted(chart=f"oci://{oci_registry}/{path}@{digest}", plain_http=True)).content
    )
