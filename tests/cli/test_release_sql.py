"""helmflow release with records in PostgreSQL on the command line: alone, and in turns with the real helm programs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helmflow.providers.records.conninfo import VARIABLE
from tests import helm_programs, postgres
from tests.cli.project import Project, project

CHART: dict[str, str | bytes] = {
    "demo/Chart.yaml": "apiVersion: v2\nname: demo\nversion: 1.2.3\nappVersion: '9'\n",
    "demo/values.yaml": "color: grey\n",
    "demo/templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
    "data:\n  color: {{ .Values.color }}\n",
    "demo/templates/NOTES.txt": "Color {{ .Values.color }}.\n",
    "demo/templates/test.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}-test\n  annotations:\n"
    "    helm.sh/hook: test\n    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded\n"
    "spec:\n  restartPolicy: Never\n  containers: [{name: main, image: busybox}]\n",
}
TOLD = ("name", "namespace", "revision", "status", "chart", "app_version")


@dataclass
class Pair:
    """A folder with a chart, a cluster on loopback and a database, for helmflow and helm."""

    here: Project
    url: str

    def ours(self, *words: str) -> str:
        ran = self.here.run("release", *words, "-n", "lab")
        assert ran.code == 0, ran.err + ran.out
        return ran.out

    def theirs(self, generation: int, *words: str) -> str:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HELM", "KUBE", "XDG"))}
        done = subprocess.run(
            [helm_programs.binary(generation), *words, "-n", "lab"],
            cwd=self.here.folder,
            env={**kept, "HOME": str(self.here.home), **self.here.environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def pair(tmp_path: Path, connection_string: str) -> Iterator[Pair]:
    """An empty cluster and an empty database."""
    from helmflow.embedded.loopback import serve, write_kubeconfig
    from helmflow.embedded.server import ApiServer

    listening = serve(ApiServer()).start()
    write_kubeconfig(tmp_path / "kubeconfig", listening)
    made = project(tmp_path, CHART)
    made.environ |= {
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "HELM_DRIVER": "sql",
        VARIABLE: connection_string,
    }
    yield Pair(made, connection_string)
    listening.stop()


@pytest.mark.apiserver  # with the other long ones of this file
def test_a_release_lives_its_life_in_a_database(pair: Pair) -> None:
    pair.ours("install", "web", "demo", "--create-namespace")
    pair.ours("upgrade", "web", "demo", "--set", "color=red")
    assert "color: red" in pair.ours("get", "all", "web")
    pair.ours("rollback", "web")
    (row,) = json.loads(pair.ours("list", "-o", "json"))
    assert (row["name"], row["revision"], row["status"]) == ("web", 3, "deployed")
    assert len(json.loads(pair.ours("history", "web", "-o", "json"))) == 3
    pair.ours("uninstall", "web")
    assert postgres.rows(pair.url) == {"releases": [], "labels": []}


def test_a_database_that_refuses_is_told_without_the_password(pair: Pair) -> None:
    pair.here.environ[VARIABLE] = pair.url.replace(postgres.ADDRESS_PASSWORD, "Hidden%40Word")
    for words in (["list", "-o", "json"], ["install", "web", "demo", "--debug"]):
        ran = pair.here.run("release", *words, "-n", "lab")
        assert ran.code == 1
        assert "release.sql-unavailable" in ran.err
        assert "Hidden" not in ran.err + ran.out


@pytest.mark.apiserver
@pytest.mark.parametrize("generation", [3, 4])
def test_the_helm_program_and_helmflow_take_turns(pair: Pair, generation: int) -> None:
    def helm(*words: str) -> Any:
        return pair.theirs(generation, *words)

    def same_lists() -> list[tuple[Any, ...]]:
        ours, theirs = json.loads(pair.ours("list", "-o", "json")), json.loads(helm("list", "-o", "json"))
        found = [tuple(str(row[key]) for key in TOLD) for row in theirs]
        assert [tuple(str(row[key]) for key in TOLD) for row in ours] == found
        return found

    def same_past() -> list[tuple[Any, ...]]:
        told = ("revision", "status", "chart", "app_version", "description")
        ours = json.loads(pair.ours("history", "web", "-o", "json"))
        theirs = json.loads(helm("history", "web", "-o", "json"))
        assert [tuple(str(r[key]) for key in told) for r in ours] == [
            tuple(str(r[key]) for key in told) for r in theirs
        ]
        return [(row["revision"], row["status"]) for row in theirs]

    helm("install", "web", "demo", "--create-namespace", "--set", "color=red")
    assert same_lists() == [("web", "lab", "1", "deployed", "demo-1.2.3", "9")]
    for what in ("manifest", "notes", "hooks", "values"):
        mine = pair.ours("get", what, "web").strip()
        assert (
            mine
            == helm("get", what, "web")
            .removeprefix("USER-SUPPLIED VALUES:\n")
            .removeprefix("NOTES:\n")
            .strip()
        )
    pair.ours("upgrade", "web", "demo", "--set", "color=green")
    assert "Phase:          Succeeded" in helm("test", "web")
    assert "Phase:          Succeeded" in pair.ours("test", "web")
    helm("upgrade", "web", "demo", "--set", "color=blue")
    pair.ours("rollback", "web", "2")
    helm("rollback", "web", "1")
    assert same_past() == [
        *((number, "superseded") for number in (1, 2, 3, 4)),
        (5, "deployed"),
    ]
    same_lists()
    assert "STATUS: deployed" in pair.ours("status", "web")
    assert "STATUS: deployed" in helm("status", "web")
    pair.ours("uninstall", "web", "--keep-history")
    assert "STATUS: uninstalled" in helm("status", "web")
    pair.ours("install", "web", "demo")
    helm("uninstall", "web")
    assert postgres.rows(pair.url) == {"releases": [], "labels": []}


@pytest.mark.apiserver
@pytest.mark.parametrize("generation", [3, 4])
def test_whoever_comes_first_makes_the_same_tables(
    pair: Pair, postgres_server: postgres.Server, generation: int
) -> None:
    pair.theirs(generation, "install", "web", "demo", "--create-namespace", "--labels", "team=a")
    theirs, their_rows = postgres.tables(pair.url), postgres.rows(pair.url)
    pair.theirs(generation, "uninstall", "web")
    pair.url = pair.here.environ[VARIABLE] = postgres_server.database()
    pair.ours("install", "web", "demo", "--labels", "team=a")
    assert postgres.tables(pair.url) == theirs
    our_rows = postgres.rows(pair.url)
    assert our_rows["releases"] == their_rows["releases"]
    labels = [label for label in our_rows["labels"] if not str(label[2]).startswith("helmflow.dev/")]
    assert labels == their_rows["labels"]
