"""Kustomizations (built by the real kustomize) and folders of manifests as charts, through the real command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests import kustomize
from tests.state import real

STATE = """\
kustomizeBinary: {binary}
releases:
- name: built
  namespace: apps
  chart: ./overlay
  strategicMergePatches:
  - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: dev-settings}}, data: {{patched: "yes"}}}}
- name: plain
  chart: ./manifests
  forceNamespace: forced
"""
FILES = {
    "base/kustomization.yaml": "resources: [config.yaml]\n",
    "base/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {braces: '{{ kept }}'}\n",
    "overlay/kustomization.yaml": "namePrefix: dev-\nresources: [../base]\n",
    "manifests/one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n",
    "manifests/two.yml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\n",
    "manifests/README.md": "no manifest\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "p"


def environment(root: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "HELMFLOW_CACHE_HOME": str(root / ".c"),
        "NO_COLOR": "1",
    }


def test_a_kustomization_and_a_folder_of_manifests(project: Path) -> None:
    (project / "helmfile.yaml").write_text(STATE.format(binary=kustomize.binary()), encoding="utf-8")
    ran = real.run(["template"], project, environment(project))
    assert ran.code == 0, ran.error
    found = {one["metadata"]["name"]: one for one in yaml.safe_load_all(ran.out) if one}
    assert list(found) == ["dev-settings", "one", "two"]
    assert found["dev-settings"]["data"] == {"braces": "{{ kept }}", "patched": "yes"}
    assert found["one"]["metadata"]["namespace"] == "forced"


def test_without_kustomize_the_message_says_so(project: Path) -> None:
    (project / "helmfile.yaml").write_text(STATE.format(binary="no-such-kustomize"), encoding="utf-8")
    ran = real.run(["template"], project, environment(project))
    assert ran.code == 1
    assert "error[chart.kustomize]" in ran.error
    assert "install kustomize" in ran.error
    untrusted = real.run(["template", "--untrusted"], project, environment(project))
    assert "error[state.untrusted]" in untrusted.error
