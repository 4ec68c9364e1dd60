"""Records shared with the real Helm: what either writes, the other lists, reads, upgrades, rolls back and removes."""

from __future__ import annotations

import base64
import gzip
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.helm.chart import load
from helmflow.helm.release import codec
from helmflow.helm.release.record import HookPhase, ReleaseStatus, Revision
from helmflow.helm.release.store import ReleaseStore
from helmflow.kube import objects
from tests.contracts.conftest import Cluster

helm_python = pytest.importorskip("helm_python", reason="the real Helm SDK is not installed")

CHART = """\
apiVersion: v2
name: shop
version: 1.2.3
appVersion: "9"
description: a <small> & simple shop
keywords: [a, b]
maintainers: [{name: m, email: m@example.com}]
annotations: {z: "1", a: "2"}
"""
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
data:
  colour: {{ .Values.colour | quote }}
"""
HOOK = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-prepare
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "3"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: example/prepare}]
"""


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart with a template, a hook, notes, values, a schema and a file."""
    folder = tmp_path / "shop"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(CHART)
    (folder / "values.yaml").write_text("colour: grey\nnested: {b: [1, 2.5], a: null}\nbig: 10000000\n")
    (folder / "values.schema.json").write_text('{"type": "object"}')
    (folder / "templates" / "settings.yaml").write_text(TEMPLATE)
    (folder / "templates" / "prepare.yaml").write_text(HOOK)
    (folder / "templates" / "NOTES.txt").write_text("The shop is {{ .Values.colour }}.\n")
    (folder / "README.md").write_text("# shop & more\n")
    return folder


@pytest.fixture
def helm(cluster: Cluster, namespace: str) -> Iterator[Any]:
    """The real Helm on the same cluster."""
    if cluster.kubeconfig is None:
        pytest.skip("the real Helm speaks HTTP")
    made = helm_python.Config(
        kubeconfig_path=str(cluster.kubeconfig), namespace=namespace, qps=1000.0, burst_limit=1000
    )
    yield made
    made.close()


def revision(namespace: str, chart: Path, number: int = 1, **fields: Any) -> Revision:
    """A deployed revision of the chart as helmflow stores it."""
    text = TEMPLATE.replace("{{ .Release.Name }}", "web").replace("{{ .Values.colour | quote }}", '"grey"')
    base = Revision(
        name="web",
        namespace=namespace,
        number=number,
        status=ReleaseStatus.DEPLOYED,
        chart=codec.chart_record(load.load(chart)),
        config={"colour": "grey"},
        manifest=f"---\n# Source: shop/templates/settings.yaml\n{text}\n",
        first_deployed="2026-01-01T00:00:00.5Z",
        last_deployed="2026-01-01T00:00:00.5Z",
        description="Install complete",
        notes="The shop is grey.\n",
        apply_method="ssa",
    )
    return replace(base, **fields)


def test_what_helm_stored_is_read_and_would_be_written_alike(
    cluster: Cluster, namespace: str, helm: Any, chart: Path
) -> None:
    helm.install(
        str(chart), "web", {"colour": "blue", "n": 1000000}, namespace=namespace, labels={"team": "a"}
    )
    releases = ReleaseStore(cluster.client, namespace)
    (stored,) = releases.list()
    assert (stored.name, stored.number, stored.status) == ("web", 1, ReleaseStatus.DEPLOYED)
    assert stored.labels == {"team": "a"}
    read = releases.get("web", 1)
    assert (read.chart_name, read.chart_version, read.app_version) == ("shop", "1.2.3", "9")
    assert read.config == {"colour": "blue", "n": 1000000}
    assert 'colour: "blue"' in read.manifest
    assert read.notes == "The shop is blue.\n"
    assert read.server_side
    (hook,) = read.hooks
    assert (hook.kind, hook.weight, hook.last_run.phase) == ("Job", 3, HookPhase.SUCCEEDED)
    assert hook.delete_policies == ("before-hook-creation", "hook-succeeded")
    live = cluster.client.get(ObjectRef("v1", "Secret", namespace, "sh.helm.release.v1.web.v1"))
    written = gzip.decompress(base64.b64decode(base64.b64decode(live["data"]["release"]))).decode()
    assert codec.to_json(read) == written


def test_our_form_of_a_chart_is_helms_but_for_file_times(
    cluster: Cluster, namespace: str, helm: Any, chart: Path
) -> None:
    helm.install(str(chart), "web", namespace=namespace)
    theirs = dict(ReleaseStore(cluster.client, namespace).get("web", 1).chart)
    ours = codec.chart_record(load.load(chart))
    for files in ("templates", "files"):
        assert sorted(f["name"] for f in ours[files]) == sorted(f["name"] for f in theirs[files])
        assert {f["name"]: f["data"] for f in ours[files]} == {f["name"]: f["data"] for f in theirs[files]}
    assert {k: ours[k] for k in ("metadata", "lock", "values", "schema")} == {
        k: theirs[k] for k in ("metadata", "lock", "values", "schema")
    }


@pytest.mark.parametrize("generation", [3, 4])
def test_what_we_stored_is_helms_to_work_with(
    cluster: Cluster, namespace: str, helm: Any, chart: Path, generation: int
) -> None:
    made = revision(namespace, chart, labels={"team": "a"}, apply_method="ssa" if generation == 4 else "")
    cluster.client.create(_settings(namespace))
    ReleaseStore(cluster.client, namespace).create(made)
    (listed,) = helm.list(all_states=True)
    assert (listed["name"], str(listed["revision"]), listed["status"]) == ("web", "1", "deployed")
    assert helm.get_values("web") == {"colour": "grey"}
    assert helm.get_metadata("web")["chart"] == "shop"
    assert helm.status("web")["manifest"].strip() == made.manifest.strip()
    assert len(helm.history("web")) == 1


def test_helm_upgrades_rolls_back_and_removes_what_we_stored(
    cluster: Cluster, namespace: str, helm: Any, chart: Path
) -> None:
    client = cluster.client
    client.apply(
        _settings(namespace), manager=Path(sys.orig_argv[0]).name
    )  # what Helm calls itself in this process
    releases = ReleaseStore(client, namespace)
    releases.create(revision(namespace, chart))
    ref = ObjectRef("v1", "ConfigMap", namespace, "web-settings")
    helm.upgrade(str(chart), "web", {"colour": "green"}, namespace=namespace)
    assert client.get(ref)["data"] == {"colour": "green"}
    assert [(r.number, str(r.status)) for r in releases.history("web")] == [
        (1, "superseded"),
        (2, "deployed"),
    ]
    helm.rollback("web", version=1)
    assert client.get(ref)["data"] == {"colour": "grey"}
    assert [(r.number, str(r.status)) for r in releases.history("web")] == [
        (1, "superseded"),
        (2, "superseded"),
        (3, "deployed"),
    ]
    helm.uninstall("web")
    assert releases.list() == ()
    assert client.find(ref) is None


def _settings(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "web-settings",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": namespace},
        },
        "data": {"colour": "grey"},
    }


def test_objects_of_a_release_know_it(cluster: Cluster, namespace: str, helm: Any, chart: Path) -> None:
    helm.install(str(chart), "web", namespace=namespace)
    live = cluster.client.get(ObjectRef("v1", "ConfigMap", namespace, "web-settings"))
    assert objects.labels_of(live) == {"app.kubernetes.io/managed-by": "Helm"}
    assert objects.annotations_of(live) == {
        "meta.helm.sh/release-name": "web",
        "meta.helm.sh/release-namespace": namespace,
    }
    (entry,) = live["metadata"]["managedFields"]
    assert entry["operation"] == "Apply"
