"""The examples for CI: linted, and their shell steps run against a local repository, a local forge and the embedded cluster."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.scenarios import forge as forges
from tests.scenarios.forge import Forge

EXAMPLES = Path(__file__).parents[2] / "examples" / "ci"
WORKFLOW = EXAMPLES / "github" / ".github" / "workflows" / "helmflow.yaml"
ACTION = EXAMPLES / "github" / ".github" / "actions" / "setup-helmflow" / "action.yaml"
GITLAB = EXAMPLES / "gitlab" / ".gitlab-ci.yml"
JENKINS = EXAMPLES / "jenkins" / "Jenkinsfile"

STATE = """\
environments:
  production: {}
---
releases:
  - name: web
    namespace: apps
    chart: ./chart
    kubeContext: embedded
    values: [values.yaml]
"""
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {color: {{ .Values.color | quote }}}
"""
# What the forge puts in for its expressions; anything else that the examples use fails the test.
EXPRESSIONS = {
    "${{ github.token }}": "job-token",
    "${{ github.event.number }}": "7",
    "${{ secrets.READER_KUBECONFIG }}": "apiVersion: v1\nkind: Config\n",
    "${{ secrets.DEPLOYER_KUBECONFIG }}": "apiVersion: v1\nkind: Config\n",
}


@dataclass
class Repository:
    """A git repository with a project in it, and what a runner of the forge would set."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", *identity, *words], cwd=self.folder, env=self.environ, check=True, capture_output=True, text=True
        ).stdout  # fmt: skip

    def write(self, color: str) -> None:
        (self.folder / "values.yaml").write_text(f"color: {color}\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"color {color}")

    def bash(self, script: str, extra: Mapping[str, str] | None = None, *, code: int = 0) -> str:
        """One step, as runners run it."""
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=self.folder, env={**self.environ, **(extra or {})},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def forge() -> Iterator[Forge]:
    with forges.serving() as running:
        yield running


@pytest.fixture
def repository(tmp_path: Path, forge: Forge) -> Repository:
    """main with one release, and a runner's environment."""
    folder = tmp_path / "repository"
    for name, text in {
        "helmflow.yaml": STATE,
        "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "chart/templates/config.yaml": CONFIG,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "ci").mkdir()
    shutil.copy(EXAMPLES / "scripts" / "sticky_comment.py", folder / "ci")
    (folder / ".gitignore").write_text("plan.*\nrun.*\nmanifests.yaml\n")
    commands = tmp_path / "bin"
    commands.mkdir()
    program = commands / "helmflow"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m helmflow "$@"\n')
    program.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HELM", "KUBE", "XDG", "GIT"))
    }
    made = Repository(
        folder,
        {
            **kept,
            "HOME": str(home),
            "PATH": f"{commands}:{os.environ['PATH']}",
            "HELMFLOW_STATE_HOME": str(home / "state"),
            "HELMFLOW_CACHE_HOME": str(home / "cache"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "HELMFLOW_ENVIRONMENT": "production",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        },
    )
    made.git("init", "-q", "-b", "main")
    made.write("red")
    return made


def resolved(value: str) -> str:
    for expression, text in EXPRESSIONS.items():
        value = value.replace(expression, text)
    assert "${{" not in value, value
    return value


def github_job(name: str) -> Any:
    return yaml.safe_load(WORKFLOW.read_text())["jobs"][name]


def run_github_job(repository: Repository, name: str, forge: Forge, tmp_path: Path) -> str:
    """Every shell step of a job, with what GitHub keeps between them; gives the job's summary."""
    files = {key: tmp_path / key.lower() for key in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.write_text("")
    environ = {
        **{key: str(path) for key, path in files.items()},
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_API_URL": forge.url,
        "GITHUB_REPOSITORY": "owner/name",
    }
    for step in github_job(name)["steps"]:
        if "run" not in step:
            continue
        own = {key: resolved(str(value)) for key, value in (step.get("env") or {}).items()}
        assert "${{" not in step["run"], "an expression in a script is an injection"
        repository.bash(step["run"], {**environ, **own})
        for line in files["GITHUB_ENV"].read_text().splitlines():
            key, _, value = line.partition("=")
            environ[key] = value
    return files["GITHUB_STEP_SUMMARY"].read_text()


def test_a_pull_request_from_its_first_commit_to_after_the_merge(
    repository: Repository, forge: Forge, tmp_path: Path
) -> None:
    summary = run_github_job(repository, "sync", forge, tmp_path)
    assert "1 done" in summary
    repository.git("checkout", "-q", "-b", "change")
    repository.write("blue")
    run_github_job(repository, "preview", forge, tmp_path)
    assert list(forge.comments) == [1]
    assert forge.comments[1].startswith("<!-- helmflow plan production -->\n")
    assert "+   color: blue" in forge.comments[1]
    assert (repository.folder / "plan.html").read_text().startswith("<!doctype html>")
    forge.comments[2] = "Looks good"
    repository.write("green")
    run_github_job(repository, "preview", forge, tmp_path)
    assert list(forge.comments) == [1, 2]
    assert "color: green" in forge.comments[1]
    assert "color: blue" not in forge.comments[1]
    assert forge.tokens == {"Bearer job-token"}
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge", "change")
    run_github_job(repository, "sync", forge, tmp_path)
    repository.bash("helmflow diff --detailed-exitcode")
    run_github_job(repository, "preview", forge, tmp_path)
    assert "1 unchanged" in forge.comments[1]
    assert "<details>" not in forge.comments[1]


def test_a_failed_sync_fails_its_job_and_says_why(
    repository: Repository, forge: Forge, tmp_path: Path
) -> None:
    template = repository.folder / "chart" / "templates" / "config.yaml"
    template.write_text(CONFIG.replace("data: {", "data: {bad: [1], "))
    with pytest.raises(AssertionError):
        run_github_job(repository, "sync", forge, tmp_path)
    assert "❌" in (tmp_path / "github_step_summary").read_text()


def test_a_fork_is_rendered_without_trust(repository: Repository, forge: Forge, tmp_path: Path) -> None:
    summary = run_github_job(repository, "preview-of-a-fork", forge, tmp_path)
    assert 'color: "red"' in summary
    assert forge.asked == []
    bad = repository.folder / "helmflow.yaml"
    bad.write_text(
        STATE.replace("[values.yaml]", '[values.yaml, {color: {{ exec "touch" (list "owned") | quote }}}]')
    )
    bad.rename(bad.with_suffix(".yaml.gotmpl"))
    with pytest.raises(AssertionError):
        run_github_job(repository, "preview-of-a-fork", forge, tmp_path)
    assert not (repository.folder / "owned").exists()


def test_gitlab(repository: Repository, forge: Forge) -> None:
    jobs = yaml.safe_load(GITLAB.read_text())
    repository.environ |= {
        "CI_API_V4_URL": forge.url, "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7", "GITLAB_TOKEN": "secret"
    }  # fmt: skip
    for job in ("preview", "sync", "preview", "preview-of-a-fork"):
        repository.bash("\n".join(["set -eo pipefail", *jobs[job]["script"]]))
    assert forge.asked.count("POST /projects/3/merge_requests/7/notes") == 1
    assert forge.asked.count("PUT /projects/3/merge_requests/7/notes/1") == 1
    assert "1 unchanged" in forge.comments[1]


def jenkins_scripts() -> dict[str, str]:
    """The shell of every stage."""
    text = JENKINS.read_text()
    stages = re.split(r"stage\('([^']+)'\)", text)[1:]
    return {
        name: script
        for name, body in zip(stages[::2], stages[1::2], strict=True)
        for script in re.findall(r"sh '''\n(.*?)'''", body, re.DOTALL)
    }


def test_jenkins(repository: Repository, forge: Forge) -> None:
    repository.environ |= {
        "GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "owner/name", "CHANGE_ID": "7", "GITHUB_TOKEN": "x"
    }  # fmt: skip
    scripts = jenkins_scripts()
    assert list(scripts) == ["setup", "preview", "preview of a fork", "sync"]
    for stage in ("preview", "sync", "preview", "preview of a fork"):
        repository.bash(scripts[stage])
    assert [line.partition(" ")[0] for line in forge.asked] == ["GET", "POST", "GET", "PATCH"]


def test_a_full_page_of_comments_is_turned(repository: Repository, forge: Forge) -> None:
    forge.comments = dict.fromkeys(range(1, 251), "talk")
    (repository.folder / "plan.md").write_text("<!-- helmflow plan production -->\nhello\n")
    environ = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "o/n", "PR_NUMBER": "7", "GITHUB_TOKEN": "x"}
    for said in ("commented", "updated the comment"):
        assert repository.bash("python3 ci/sticky_comment.py plan.md", environ).strip() == said
    assert len(forge.comments) == 251
    (repository.folder / "plan.md").write_text("no marker\n")
    repository.bash("python3 ci/sticky_comment.py plan.md", environ, code=1)


def scripts() -> dict[str, str]:
    """Every piece of shell in the examples."""
    found = {f"jenkins {name}": script for name, script in jenkins_scripts().items()}
    for name, job in yaml.safe_load(WORKFLOW.read_text())["jobs"].items():
        found |= {f"github {name} {i}": step["run"] for i, step in enumerate(job["steps"]) if "run" in step}
    for i, step in enumerate(yaml.safe_load(ACTION.read_text())["runs"]["steps"]):
        if "run" in step:
            assert step["shell"] == "bash"
            found[f"action {i}"] = step["run"]
    for name, job in yaml.safe_load(GITLAB.read_text()).items():
        if isinstance(job, dict) and "script" in job:
            found[f"gitlab {name}"] = "\n".join([*job.get("before_script", []), *job["script"]])
    return found


@pytest.mark.parametrize("name", scripts())
def test_every_script_is_shell_without_expressions(name: str) -> None:
    script = scripts()[name]
    assert "${{" not in script
    subprocess.run(["bash", "-n", "-c", script], check=True)
    if "jenkins" in name or "github" in name or "action" in name:
        assert script.strip().startswith("set -eu")


def test_the_workflow_gives_no_more_rights_than_it_needs() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert set(workflow[True]) == {"pull_request", "push"}  # YAML 1.1 reads `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert jobs["preview"]["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert "permissions" not in jobs["preview-of-a-fork"]
    assert "secrets." not in str(jobs["preview-of-a-fork"])
    assert "!github.event.pull_request.head.repo.fork" in jobs["preview"]["if"]
    for job in jobs.values():
        for step in job["steps"]:
            assert set(step) <= {"name", "id", "if", "uses", "with", "env", "run", "shell"}
            assert ("uses" in step) != ("run" in step)
            if "uses" in step:
                assert step["uses"].startswith("./") or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
    text = JENKINS.read_text()
    assert text.count("{") == text.count("}")
    assert 'sh "' not in text  # Groovy would put variables, and so secrets, into the script
