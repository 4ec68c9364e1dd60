"""Helm's flags of `release ...`: what each of them does, what is refused by name, and that all of them are known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helmflow.cli import single_flags
from tests.scenarios.shop import Shop

WHERE = ("--kube-context", "embedded", "-n", "lab")
# What `helm COMMAND --help` of Helm 3.21 and 4.2 lists, -h and the names of whole programs (plugins, colours) left out.
_SOURCE = """set set-string set-json set-file set-literal values version devel repo username password cert-file key-file
    ca-file insecure-skip-tls-verify plain-http pass-credentials verify keyring dependency-update"""
_APPLY = "wait wait-for-jobs timeout no-hooks dry-run force force-replace force-conflicts server-side"
_DEPLOY = f"""{_SOURCE} {_APPLY} atomic rollback-on-failure take-ownership skip-crds skip-schema-validation enable-dns
    create-namespace labels post-renderer post-renderer-args render-subchart-notes hide-notes hide-secret description
    output disable-openapi-validation"""
_KUBE = """kube-context kubeconfig namespace debug kube-apiserver kube-as-user kube-as-group kube-ca-file kube-token
    kube-insecure-skip-tls-verify kube-tls-server-name qps burst-limit registry-config repository-config repository-cache
    content-cache color"""
KNOWN = {
    "INSTALL": f"{_DEPLOY} generate-name name-template replace",
    "UPGRADE": f"""{_DEPLOY} install reuse-values reset-values reset-then-reuse-values history-max cleanup-on-fail
        recreate-pods""",
    "ROLLBACK": f"{_APPLY} cleanup-on-fail history-max recreate-pods description",
    "UNINSTALL": "wait timeout no-hooks dry-run description cascade keep-history ignore-not-found",
    "HISTORY": "max output",
    "STATUS": "revision output show-desc show-resources",
    "LIST": """all-namespaces all deployed failed pending superseded uninstalled uninstalling filter selector date
        reverse short no-headers time-format max offset output""",
    "GET": "revision output all template",
    "TEST": "logs filter timeout hide-notes",
}


@pytest.mark.parametrize("command", KNOWN)
def test_every_flag_of_helm_is_known(command: str) -> None:
    names = {name.removeprefix("--") for one in getattr(single_flags, command) for name in one.names}
    assert set(f"{KNOWN[command]} {_KUBE}".split()) - names == set()


@pytest.fixture
def lab(shop: Shop) -> Shop:
    """A chart with a map, a Secret, notes, and a subchart with notes."""
    for name, text in {
        "demo/Chart.yaml": "apiVersion: v2\nname: demo\nversion: 1.0.0\n",
        "demo/templates/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
        'data:\n  v: {{ .Values.v | default "0" | quote }}\n',
        "demo/templates/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}-s\n"
        "stringData:\n  key: hushhush\n",
        "demo/templates/NOTES.txt": "of the parent\n",
        "demo/charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
        "demo/charts/sub/templates/NOTES.txt": "of the child\n",
    }.items():
        path = shop.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return shop


def _run(shop: Shop, *words: str, code: int = 0) -> str:
    done = shop.run("release", *words, *WHERE)
    assert "Traceback" not in done.err, done.err
    assert done.code == code, done.err + done.out
    return done.out + done.err


def test_a_dry_run_prints_what_helm_prints_and_writes_nothing(lab: Shop) -> None:
    said = _run(lab, "install", "web", "./demo", "--dry-run")
    assert re.sub(r"LAST DEPLOYED: \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", "LAST DEPLOYED: -", said) == (
        "NAME: web\nLAST DEPLOYED: -\nNAMESPACE: lab\nSTATUS: pending-install\nREVISION: 1\n"
        "DESCRIPTION: Dry run complete\nHOOKS:\nMANIFEST:\n"
        "---\n# Source: demo/templates/secret.yaml\napiVersion: v1\nkind: Secret\nmetadata:\n  name: web-s\n"
        "stringData:\n  key: hushhush\n\n"
        "---\n# Source: demo/templates/map.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n"
        'data:\n  v: "0"\n\n\nNOTES:\nof the parent\n'
    )
    assert not (lab.home / "state" / "embedded").exists()  # the cluster was not even made
    hidden = _run(lab, "install", "web", "./demo", "--dry-run=client", "--hide-secret", "--hide-notes")
    assert "# HIDDEN: The Secret output has been suppressed\n---\n" in hidden
    assert "hushhush" not in hidden
    assert "NOTES" not in hidden
    _run(lab, "install", "web", "./demo", "--create-namespace", "--render-subchart-notes")
    server = _run(lab, "upgrade", "web", "./demo", "--dry-run=server", "--set", "v=7", "--reuse-values")
    assert "STATUS: pending-upgrade\nREVISION: 2\n" in server
    assert 'v: "7"' in server
    assert json.loads(_run(lab, "history", "web", "-o", "json"))[-1]["revision"] == 1
    assert "of the child" in _run(lab, "get", "notes", "web")
    assert "is not wanted" in _run(lab, "uninstall", "web", "--dry-run")
    assert "STATUS: deployed" in _run(lab, "status", "web")


def test_names_are_made_and_mistakes_about_them_said(lab: Shop) -> None:
    assert re.match(r"NAME: demo-\d{10}\n", _run(lab, "install", "./demo", "-g", "--dry-run"))
    made = _run(lab, "install", "./demo", "--name-template", 'x-{{ "Y" | lower }}', "--dry-run")
    assert made.startswith("NAME: x-y\n")
    for words in (("web", "./demo", "-g"), ("web", "./demo", "--name-template", "x"), ("./demo",)):
        assert "cli.bad-name" in _run(lab, "install", *words, "--dry-run", code=1)


def test_labels_and_descriptions_are_stored_and_taken_away(lab: Shop) -> None:
    def labels() -> dict[str, str]:
        found = json.loads(_run(lab, "get", "metadata", "web", "-o", "json"))["labels"]
        assert isinstance(found, dict)
        return found

    install = ("install", "web", "./demo", "--create-namespace", "--labels", "a=b,c=d", "--wait=legacy")
    _run(lab, *install, "--description", "by hand")
    assert labels() == {"a": "b", "c": "d"}
    assert "DESCRIPTION: by hand" in _run(lab, "status", "web")
    _run(
        lab, "upgrade", "web", "./demo", "--labels", "a=null,e=f", "--wait=hookOnly", "--server-side", "auto"
    )
    assert labels() == {"c": "d", "e": "f"}
    assert "web" in _run(lab, "list", "--no-headers", "--time-format", "2006-01", "-f", "^we")
    assert (
        _run(lab, "get", "all", "web", "--template", "{{ .Release.Name }}.{{ .Release.Version }}")
        == "web.2\n"
    )
    assert len(json.loads(_run(lab, "history", "web", "--max", "1", "-o", "json"))) == 1
    assert "REVISION: 1" in _run(lab, "status", "web", "--revision", "1")
    assert "cli.bad-labels" in _run(lab, "upgrade", "web", "./demo", "--labels", "owner=me", code=1)
    assert "release.not-found" in _run(lab, "uninstall", "other", code=1)
    _run(lab, "uninstall", "other", "web", "--ignore-not-found", "--wait", "--cascade", "foreground")
    assert "release.not-found" in _run(lab, "status", "web", code=1)


def test_a_chart_may_come_from_a_repository_that_nobody_added(lab: Shop, repository_url: str) -> None:
    said = _run(lab, "install", "c", "metrics", "--repo", repository_url, "--dry-run", "--username", "u")
    assert "# Source: metrics/templates/" in said
    assert "cli.bad-repo" in _run(lab, "install", "c", "oci://x/y", "--repo", repository_url, code=1)


@pytest.mark.parametrize(
    "words", [("--server-side=false",), ("--wait=often",), ("--dry-run=maybe",), ("-o", "xml")]
)
def test_what_cannot_mean_anything_is_refused_by_name(lab: Shop, words: tuple[str, ...]) -> None:
    said = _run(lab, "install", "web", "./demo", *words, code=1)
    assert "cli.bad-choice" in said
    assert words[0].partition("=")[0].replace("-o", "--output") in said


def test_post_renderers_and_generated_files_of_charts_work(lab: Shop, tmp_path: Path) -> None:
    script = tmp_path / "shout"
    script.write_text('#!/bin/sh\nsed "s/hushhush/$1/"\n', encoding="utf-8")
    script.chmod(0o755)
    said = _run(
        lab,
        "install",
        "w",
        "./demo",
        "--dry-run",
        "--post-renderer",
        str(script),
        "--post-renderer-args",
        "loud",
    )
    assert "key: loud" in said
