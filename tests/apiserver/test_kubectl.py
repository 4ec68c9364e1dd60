"""Drift made by the real kubectl, not by patches in its name: who did what is told, and a sync takes it back."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from helmflow.plan.model import ChangeKind
from helmflow.ui import diff_view
from tests.apiserver import binaries
from tests.apiserver.test_interop import Shared, shared
from tests.flows import charts
from tests.flows.test_diff import changed_lines, web
from tests.flows.town import plan_of

__all__ = ["shared"]
pytestmark = pytest.mark.apiserver


def kubectl(shared: Shared, *words: str, stdin: str = "", **environ: str) -> str:
    """What the built kubectl prints; it must succeed."""
    binary = binaries.cache_folder() / "kubectl"
    found = str(binary) if binary.is_file() else shutil.which("kubectl")
    if not found:
        pytest.skip(f"no kubectl: `{binaries.SETUP}` builds it with Go")
    done = subprocess.run(
        [found, "-n", shared.town.ns("apps"), *words],
        input=stdin,
        env={"PATH": os.environ["PATH"], "HOME": str(shared.town.folder), "KUBECONFIG": str(shared.kubeconfig), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def editor(folder: Path, old: str, new: str) -> str:
    """A program that people could have as their EDITOR: it changes one text of the file."""
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\nsed -i 's/{old}/{new}/' \"$1\"\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def said(shared: Shared, kind: str) -> tuple[str, list[str]]:
    """The heading and the lines of what a plan says about an object."""
    plan = plan_of(shared.town.diff(), "web")
    (change,) = [c for c in plan.changes if c.shows and c.ref.kind == kind]
    return diff_view.header(change, plan), changed_lines(change)


def taken_back(shared: Shared) -> None:
    assert shared.town.sync().ok
    assert not shared.town.diff().writes


def test_an_edit(shared: Shared) -> None:
    web(shared.town)
    kubectl(
        shared, "edit", "configmap", "web", EDITOR=editor(shared.town.folder, "color: red", "color: pink")
    )
    heading, lines = said(shared, "ConfigMap")
    assert "changed in the cluster by kubectl-edit at 20" in heading
    assert lines == ["-   color: pink", "+   color: red"]
    taken_back(shared)


def test_a_patch(shared: Shared) -> None:
    web(shared.town)
    kubectl(
        shared, "patch", "configmap", "web", "--type=merge", "-p", '{"data": {"color": "green", "more": "1"}}'
    )
    heading, lines = said(shared, "ConfigMap")
    assert "changed in the cluster by kubectl-patch at 20" in heading
    assert lines == ["-   color: green", "+   color: red"]
    taken_back(shared)
    live = shared.town.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["more"] == "1"  # what the chart does not name is left to others


def test_a_scale_and_another_image(shared: Shared) -> None:
    web(shared.town)
    kubectl(shared, "scale", "deployment", "web", "--replicas=4")
    heading, lines = said(shared, "Deployment")
    assert "changed in the cluster by kubectl" in heading
    assert lines == ["-   replicas: 4", "+   replicas: 1"]
    kubectl(shared, "set", "image", "deployment/web", "main=web:2")
    plan = plan_of(shared.town.diff(), "web")
    (change,) = [c for c in plan.changes if c.shows]
    assert {(cause.path[-1], cause.manager) for cause in change.causes} == {
        ("image", "kubectl-set"),
        ("replicas", "kubectl/scale"),
    }
    taken_back(shared)
    live = shared.town.find("Deployment", "web", api="apps/v1")
    assert live is not None
    assert live["spec"]["replicas"] == 1
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"


@pytest.mark.parametrize("words", [(), ("--server-side", "--force-conflicts")], ids=["client", "server"])
def test_an_apply_over_a_release(shared: Shared, words: tuple[str, ...]) -> None:
    web(shared.town)
    text = charts.CONFIG.replace("{{ .Release.Name }}", "web").replace(
        '{{ .Values.color | default "blue" | quote }}', "black"
    )
    kubectl(shared, "apply", *words, "-f", "-", stdin=text)
    heading, lines = said(shared, "ConfigMap")
    assert "changed in the cluster by kubectl" in heading
    assert lines == ["-   color: black", "+   color: red"]
    taken_back(shared)


def test_what_is_deleted_labelled_and_rolled_out_again(shared: Shared) -> None:
    web(shared.town)
    kubectl(shared, "delete", "configmap", "web")
    plan = plan_of(shared.town.diff(), "web")
    assert [(c.ref.kind, c.kind) for c in plan.changes if c.shows] == [("ConfigMap", ChangeKind.CREATE)]
    taken_back(shared)
    kubectl(shared, "label", "deployment", "web", "team=a")
    kubectl(shared, "annotate", "configmap", "web", "note=b")
    kubectl(shared, "rollout", "restart", "deployment/web")
    assert not shared.town.diff().writes  # nothing of that is the chart's


def test_what_kubectl_made_is_taken_over_only_on_request(shared: Shared) -> None:
    town = shared.town
    charts.small(town)
    kubectl(shared, "create", "namespace", town.ns("apps"))
    kubectl(shared, "create", "configmap", "web", "--from-literal=color=black")
    action = plan_of(town.diff(), "web").action
    assert action.kind == "refuse"
    assert "web" in action.reason
    assert not town.sync().ok
    kubectl(
        shared,
        "annotate",
        "configmap",
        "web",
        "meta.helm.sh/release-name=web",
        f"meta.helm.sh/release-namespace={town.ns('apps')}",
    )
    kubectl(shared, "label", "configmap", "web", "app.kubernetes.io/managed-by=Helm")
    taken_back(shared)
    live = town.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "red"
