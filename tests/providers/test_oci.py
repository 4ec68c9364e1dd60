"""A real OCI registry: what we push Helm pulls, what Helm pushes we pull."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helmflow.core import yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.helm.chart import create, load, package
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.charts.oci import RegistryClient
from helmflow.providers.http import NO_CREDENTIALS

BINARY = shutil.which("docker-registry")
pytestmark = pytest.mark.skipif(BINARY is None, reason="no OCI registry: apt-get install docker-registry")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a registry that forgets everything at the end."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}, secret: x}}\n"
    )
    assert BINARY is not None
    process = subprocess.Popen(
        [BINARY, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait()


def packed(tmp_path: Path, version: str) -> tuple[bytes, dict[str, object]]:
    folder = tmp_path / "made" / "web"
    if not folder.exists():
        create.create("web", folder.parent)
    chart = package.versioned(load.load(folder), version)
    metadata = next(file.data for file in chart.raw if file.name == "Chart.yaml")
    return package.archive(chart)[1], yaml_dialect.load(metadata)


def test_versions_go_there_and_come_back(registry: str, tmp_path: Path) -> None:
    client = RegistryClient(ChartCache(tmp_path / "cache"))
    for version in ("1.0.0", "1.2.0", "2.0.0-rc.1", "1.1.0+build.5"):
        archive, metadata = packed(tmp_path, version)
        client.push(archive, metadata, f"oci://{registry}/charts", NO_CREDENTIALS, plain_http=True)
    reference = f"oci://{registry}/charts/web"
    assert client.tags(reference, NO_CREDENTIALS, plain_http=True) == [
        "2.0.0-rc.1",
        "1.2.0",
        "1.1.0+build.5",
        "1.0.0",
    ]
    for wanted, version in (
        ("", "1.2.0"),
        ("~1.1", "1.1.0+build.5"),
        ("1.0.0", "1.0.0"),
        (">1-0", "2.0.0-rc.1"),
    ):
        pulled = client.pull(reference, wanted, NO_CREDENTIALS, plain_http=True)
        assert pulled.version == version
        assert pulled.path.read_bytes() == packed(tmp_path, version)[0]
    by_digest = client.pull(f"{reference}@{pulled.digest}", "", NO_CREDENTIALS, plain_http=True)
    assert by_digest.version == "2.0.0-rc.1"


def test_helm_pulls_what_we_push(registry: str, tmp_path: Path) -> None:
    helm_python = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")
    archive, metadata = packed(tmp_path, "3.1.4")
    RegistryClient(ChartCache(tmp_path / "cache")).push(
        archive, metadata, f"oci://{registry}/ours", NO_CREDENTIALS, plain_http=True
    )
    (tmp_path / "down").mkdir()
    helm_python.pull(
        f"oci://{registry}/ours/web", version="3.1.4", destination=str(tmp_path / "down"), plain_http=True
    )
    assert (tmp_path / "down" / "web-3.1.4.tgz").read_bytes() == archive


def test_we_pull_what_helm_pushes(registry: str, tmp_path: Path) -> None:
    helm_python = pytest.importorskip("helm_python", reason="the Helm SDK is not installed")
    archive, _ = packed(tmp_path, "4.0.0")
    path = tmp_path / "web-4.0.0.tgz"
    path.write_bytes(archive)
    helm_python.push(str(path), f"oci://{registry}/theirs", plain_http=True)
    pulled = RegistryClient(ChartCache(tmp_path / "cache")).pull(
        f"oci://{registry}/theirs/web", "4.0.0", NO_CREDENTIALS, plain_http=True
    )
    assert pulled.path.read_bytes() == archive


@pytest.mark.parametrize(
    ("path", "version", "error_id"),
    [
        ("charts/nothing", "1.0.0", "oci.refused"),
        ("charts/web", "9.x", "chart.no-such-version"),
        ("charts/web", "?", "chart.bad-version-range"),
    ],
)
def test_what_is_not_there_is_said(
    registry: str, tmp_path: Path, path: str, version: str, error_id: str
) -> None:
    client = RegistryClient(ChartCache(tmp_path / "cache"))
    archive, metadata = packed(tmp_path, "1.0.0")
    client.push(archive, metadata, f"oci://{registry}/charts", NO_CREDENTIALS, plain_http=True)
    with pytest.raises(ChartError) as failure:
        client.pull(f"oci://{registry}/{path}", version, NO_CREDENTIALS, plain_http=True)
    assert failure.value.error_id == error_id


@pytest.mark.parametrize(
    "reference", ["oci://", "oci://host", "oci://host/", "oci://host/a b", "oci://h/../x", "oci://h/x@sha1:0"]
)
def test_bad_references(reference: str, tmp_path: Path) -> None:
    with pytest.raises(ChartError) as failure:
        RegistryClient(ChartCache(tmp_path)).pull(reference, "", NO_CREDENTIALS, plain_http=True)
    assert failure.value.error_id == "oci.bad-reference"
