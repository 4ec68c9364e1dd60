"""Behaviour 18: releases go back and forth between helmflow and the real helm programs, 3 and 4, on both clusters."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from tests import helm_programs
from tests.apiserver.test_interop import Shared, different, shared
from tests.flows.town import plan_of, report_of

__all__ = ["shared"]
pytestmark = pytest.mark.apiserver
GENERATIONS = pytest.mark.parametrize("generation", [3, 4])


def run(shared: Shared, command: Sequence[str], **environ: str) -> subprocess.CompletedProcess[str]:
    """A program in a home of its own, in the town's folder."""
    home = str(shared.town.folder / "home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELM", "KUBE", "XDG"))}
    return subprocess.run(
        command,
        cwd=shared.town.folder,
        env={
            **kept,
            "HOME": home,
            "KUBECONFIG": str(shared.kubeconfig),
            "HELMFLOW_CACHE_HOME": f"{home}/c",
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def helm(shared: Shared, generation: int, *words: str, **environ: str) -> str:
    """What helm prints."""
    command = [helm_programs.binary(generation), *words, "-n", shared.town.ns("apps")]
    done = run(shared, command, **environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


def install(shared: Shared, generation: int, color: str) -> None:
    helm(shared, generation, "install", "web", shared.chart, "--set", f"color={color}", "--create-namespace")


def listed(shared: Shared, generation: int, *words: str) -> list[tuple[Any, ...]]:
    everything = ["-a"] if generation == 3 else []
    rows = json.loads(helm(shared, generation, "list", *everything, "-o", "json", *words))
    return [(row["name"], int(row["revision"]), row["status"], row["chart"]) for row in rows]


def past(shared: Shared, generation: int) -> list[tuple[int, str, str]]:
    rows = json.loads(helm(shared, generation, "history", "web", "-o", "json"))
    return [(row["revision"], row["status"], row["description"]) for row in rows]


def color(shared: Shared) -> str:
    live = shared.town.find("ConfigMap", "web")
    assert live is not None
    return str(live["data"]["color"])


def nothing_is_left(shared: Shared) -> None:
    for kind, api in (("ConfigMap", "v1"), ("Secret", "v1"), ("Service", "v1"), ("Deployment", "apps/v1")):
        assert shared.town.names(kind, api=api) == []


@GENERATIONS
def test_ours_then_theirs_then_ours(shared: Shared, generation: int) -> None:
    shared.sync("red")
    assert listed(shared, generation) == [("web", 1, "deployed", "web-1.0.0")]
    (stored,) = shared.town.history("web")
    assert helm(shared, generation, "get", "values", "web") == "USER-SUPPLIED VALUES:\ncolor: red\n"
    assert helm(shared, generation, "get", "manifest", "web").rstrip() == stored.manifest.rstrip()
    assert "Color red of web, revision 1." in helm(shared, generation, "get", "notes", "web")
    assert "web-prepare" in helm(shared, generation, "get", "hooks", "web")
    helm(shared, generation, "upgrade", "web", shared.chart, "--set", "color=green")
    assert color(shared) == "green"
    shared.sync("green")
    assert shared.town.statuses("web") == ["superseded", "deployed"]  # nothing was left to do
    shared.sync("blue")
    report = shared.town.rollback(2)
    assert report.ok, report_of(report, "web").failure
    assert past(shared, generation) == [
        (1, "superseded", "Install complete"),
        (2, "superseded", "Upgrade complete"),
        (3, "superseded", "Upgrade complete"),
        (4, "deployed", "Rollback to 2"),
    ]
    helm(shared, generation, "rollback", "web", "1")
    assert color(shared) == "red"
    shared.sync("red")
    helm(shared, generation, "uninstall", "web")
    nothing_is_left(shared)


@GENERATIONS
def test_theirs_then_ours_then_theirs(shared: Shared, generation: int) -> None:
    install(shared, generation, "red")
    shared.sync("green")
    assert past(shared, generation)[1:] == [(2, "deployed", "Upgrade complete")]
    helm(shared, generation, "rollback", "web", "1")
    assert color(shared) == "red"
    helm(shared, generation, "upgrade", "web", shared.chart, "--set", "color=blue")
    shared.sync("blue")
    assert len(shared.town.history("web")) == 4
    assert plan_of(shared.town.diff(), "web").action.reason == "unchanged"
    assert shared.town.destroy().ok
    assert listed(shared, generation) == []
    nothing_is_left(shared)


def test_from_3_over_us_to_4(shared: Shared) -> None:
    """How a fleet moves: installed by Helm 3, taken over, and Helm 4 still manages it afterwards."""
    install(shared, 3, "red")
    helm(shared, 3, "upgrade", "web", shared.chart, "--set", "color=pink")
    shared.sync("green")
    helm(shared, 4, "upgrade", "web", shared.chart, "--set", "color=blue")
    assert color(shared) == "blue"
    shared.sync("red")
    helm(shared, 3, "rollback", "web", "1")
    helm(shared, 4, "rollback", "web", "2")
    assert color(shared) == "pink"
    assert [status for _, status, _ in past(shared, 4)] == [*["superseded"] * 6, "deployed"]
    helm(shared, 4, "uninstall", "web")
    nothing_is_left(shared)


@GENERATIONS
def test_what_both_write_is_equal_field_by_field(shared: Shared, generation: int) -> None:
    """An install, an upgrade and a rollback by helm, then the same by helmflow in the same namespace."""
    install(shared, generation, "red")
    helm(shared, generation, "upgrade", "web", shared.chart, "--set", "color=green")
    helm(shared, generation, "rollback", "web", "1")
    theirs = (shared.records(), shared.live())
    helm(shared, generation, "uninstall", "web")
    shared.sync("red")
    shared.sync("green")
    report = shared.town.rollback(1)
    assert report.ok, report_of(report, "web").failure
    ours = (shared.records(), shared.live())
    if generation == 3:
        ours, theirs = (
            ([_as_3(record) for record in records], [_unmanaged(live) for live in objects])
            for records, objects in (ours, theirs)
        )
    found = different(ours, theirs)
    assert not found, "\n".join(found)


def _as_3(record: Any) -> Any:
    """A record without what the generations write differently: the apply method, "not deleted", documents' last line ends."""
    kind, labels, moments, content = record
    info = {key: value for key, value in content["info"].items() if (key, value) != ("deleted", "")}
    hooks = [{**hook, "manifest": hook["manifest"].rstrip()} for hook in content.get("hooks", ())]
    manifest = re.sub(r"\n+(?=---\n|$)", "\n", content["manifest"])
    rest = {key: value for key, value in content.items() if key != "apply_method"}
    return [kind, labels, moments, {**rest, "info": info, "hooks": hooks, "manifest": manifest}]


def _unmanaged(live: Any) -> Any:
    """Helm 3 writes by update, we by apply."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    return {**live, "metadata": metadata}


@GENERATIONS
def test_what_is_uninstalled_keeps_the_same_history(shared: Shared, generation: int) -> None:
    """--keep-history by either side is the same record, and the other one goes on from it."""
    install(shared, generation, "red")
    helm(shared, generation, "uninstall", "web", "--keep-history")
    (theirs,) = shared.records()
    shared.sync("green")
    assert [status for _, status, _ in past(shared, generation)][-1] == "deployed"
    assert color(shared) == "green"
    helm(shared, generation, "uninstall", "web")
    shared.sync("red")
    done = run(
        shared, [*HELMFLOW, "release", "uninstall", "web", "-n", shared.town.ns("apps"), "--keep-history"]
    )
    assert done.returncode == 0, done.stderr
    (ours,) = shared.records()
    found = different(_as_3(ours), _as_3(theirs))
    assert not found, "\n".join(found)
    assert listed(shared, generation)[0][2] == "uninstalled"
    helm(shared, generation, "rollback", "web", "1")
    assert color(shared) == "red"


HELMFLOW = (sys.executable, "-m", "helmflow")


@GENERATIONS
def test_records_in_config_maps_are_shared_too(shared: Shared, generation: int) -> None:
    """HELM_DRIVER=configmap on both sides."""
    driver = {"HELM_DRIVER": "configmap"}

    def helmflow(*words: str) -> str:
        done = run(shared, [*HELMFLOW, *words], **driver)
        assert done.returncode == 0, done.stderr
        return done.stdout

    created = ["install", "web", shared.chart, "--set", "color=red", "--create-namespace"]
    helm(shared, generation, *created, **driver)
    shared.town.file("values.yaml", "color: green\n")
    helmflow("sync")
    assert color(shared) == "green"
    rows = json.loads(helm(shared, generation, "history", "web", "-o", "json", **driver))
    assert [(row["revision"], row["status"]) for row in rows] == [(1, "superseded"), (2, "deployed")]
    helm(shared, generation, "rollback", "web", "1", **driver)
    assert color(shared) == "red"
    namespace = ("-n", shared.town.ns("apps"))
    rows = json.loads(helmflow("release", "history", "web", *namespace, "-o", "json"))
    assert [(row["revision"], row["status"]) for row in rows][-1] == (3, "deployed")
    assert helmflow("release", "get", "values", "web", *namespace) == helm(
        shared, generation, "get", "values", "web", **driver
    ).replace("USER-SUPPLIED VALUES:\n", "")
    assert [name for name in shared.town.names("Secret") if name.startswith("sh.helm")] == []
    helm(shared, generation, "uninstall", "web", **driver)
    nothing_is_left(shared)


TESTS = """\
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-second
  annotations: {helm.sh/hook: test, helm.sh/hook-weight: "5", embedded.helmflow.dev/log: "checked\\nall"}
spec: {restartPolicy: Never, containers: [{name: one, image: "a:1"}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-first
  annotations: {helm.sh/hook: test, embedded.helmflow.dev/log: "hello", embedded.helmflow.dev/exit-code: "{{ .Values.exit | default 0 }}"}
spec: {restartPolicy: Never, containers: [{name: one, image: "a:1"}, {name: two, image: "a:2"}]}
"""


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ((), ""),
        (("--logs",), ""),
        (("--logs", "--filter", "name=web-second"), ""),
        (("--filter", "!name=web-second"), ""),
        (("--logs",), "exit: 3\n"),
        (("--logs",), "last: 3\n"),
        (("--logs",), "none: true\n"),
    ],
    ids=["plain", "logs", "filtered", "left out", "first fails", "last fails", "none"],
)
def test_a_test_prints_what_helm_test_prints(shared: Shared, words: tuple[str, ...], values: str) -> None:
    """Lines, spaces and order, times aside; and it fails when helm's does."""
    if "none" not in values:
        shared.town.chart("web", tests=TESTS)
    shared.town.file("values.yaml", f"color: red\n{values}")
    assert shared.town.sync().ok
    command = [helm_programs.binary(4), "test", "web", "-n", shared.town.ns("apps"), *words]
    theirs = run(shared, command)
    commands = [["release", "test", "web", "-n", shared.town.ns("apps"), *words]]
    if "--filter" not in words:
        commands.append(["test", *words])
    for command in commands:
        ours = run(shared, [*HELMFLOW, *command])
        assert (ours.returncode == 0) is (theirs.returncode == 0), ours.stderr + theirs.stderr
        assert _timeless(ours.stdout) == _timeless(theirs.stdout)


def _timeless(text: str) -> str:
    return re.sub(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", "TIME", text)
