"""What commands print and write, through the real command line: documents alone on standard output, reports in files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.flows import charts
from tests.scenarios.shop import Shop
from tests.ui.test_schema import check

STATE = """\
releases:
  - name: web
    namespace: apps
    chart: ./chart
    kubeContext: embedded
    values: [values.yaml]
  - name: api
    namespace: apps
    chart: ./chart
    kubeContext: embedded
    needs: [apps/web]
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: {{ .Release.Name }}}\nstringData: {a: {{ .Values.color | default 1 | quote }}}\n"
TEST = "apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\nspec: {containers: [{name: a, image: 'a:{{ .Values.color }}'}]}\n"


@pytest.fixture
def project(shop: Shop, tmp_path: Path) -> Shop:
    """Two releases of one chart."""
    folder = tmp_path / "project"
    files = {
        "helmflow.yaml": STATE.replace("kubeContext: embedded", f"kubeContext: {shop.context}"),
        "values.yaml": "color: red\n",
        "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
        "chart/templates/config.yaml": charts.CONFIG,
        "chart/templates/secret.yaml": SECRET,
        "chart/templates/test.yaml": TEST,
        "chart/templates/NOTES.txt": "Hello from {{ .Release.Name }}\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Shop(folder, shop.home, shop.environ, shop.context, shop.transport)


def printed(project: Shop, *words: str, code: int = 0) -> str:
    done = project.run(*words)
    assert done.code == code, done.err + done.out
    assert "Traceback" not in done.err
    return done.out


def changed(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("+ ", "- ")) and "(masked" not in line]


def test_documents_stand_alone_on_standard_output(project: Shop) -> None:
    check(json.loads(printed(project, "diff", "-o", "json")))
    for word in ("sync", "apply", "destroy"):
        document = json.loads(printed(project, word, "-o", "json"))
        check(document)
        assert document["command"] == word
    assert printed(project, "diff", "-o", "html").startswith("<!doctype html>")
    assert printed(project, "apply", "-o", "html").count("<!doctype html>") == 1
    assert printed(project, "sync", "-o", "markdown").startswith("<!-- helmflow run default -->")
    for line in printed(project, "sync", "-o", "jsonl", "--always-upgrade").splitlines():
        check(json.loads(line), "event")
    assert f"Plan for {project.context}" in printed(project, "diff", "-o", "simple")


@pytest.mark.parametrize(
    ("word", "name"),
    [("diff", "deep/report.json"), ("diff", "report.md"), ("sync", "report.html"), ("sync", "report")],
)
def test_reports_are_written_beside_the_text(project: Shop, word: str, name: str) -> None:
    more = ("--report-format", "json") if "." not in name else ()
    out = printed(project, word, "--report", name, *more)
    assert "RELEASE" in out
    text = (project.folder / name).read_text()
    if name.endswith("md"):
        assert text.startswith(f"<!-- helmflow {'plan' if word == 'diff' else 'run'} default -->")
    elif name.endswith("html"):
        assert text.startswith("<!doctype html>")
        assert ("Timeline" in text) is (word == "sync")
    else:
        document: dict[str, Any] = json.loads(text)
        check(document)
        assert document["document"] == ("plan" if word == "diff" else "run")


def test_a_report_that_cannot_be_is_refused_before_anything_is_done(project: Shop) -> None:
    for words in (
        ("--report", "report.pdf"),
        ("--report", "a.json", "--report-format", "pdf"),
        ("--report", "."),
    ):
        done = project.run("sync", *words)
        assert done.code == 1
        assert "cli.report-f" in done.err
    assert "2 install" in printed(project, "diff", "-o", "markdown")


def test_a_failed_run_is_reported_and_continued(project: Shop) -> None:
    template = project.folder / "chart" / "templates" / "config.yaml"
    template.write_text(charts.CONFIG + '{{ if eq .Release.Name "api" }}immutable: 7\n{{ end }}')
    out = printed(project, "sync", "--report", "run.json", code=1)
    assert "1 failed" in out
    document = json.loads((project.folder / "run.json").read_text())
    check(document)
    assert [one["outcome"] for one in document["releases"]] == ["done", "failed"]
    assert document["releases"][1]["failure"]["error_id"]
    assert re.fullmatch("sha256:[0-9a-f]{64}", document["releases"][0]["manifestDigest"])
    assert document["releases"][0]["chartVersion"] == "1.0.0"
    template.write_text(charts.CONFIG)
    out = printed(project, "sync", "--resume", "run.json", "--report", "run.json")
    assert "apps/api" in out
    assert "apps/web" not in out
    assert "nothing to do" in printed(project, "sync", "--resume", "run.json")
    assert "resume.unreadable" in project.run("sync", "--resume", "values.yaml").err


def test_what_is_shown_can_be_chosen(project: Shop) -> None:
    printed(project, "sync")
    assert printed(project, "diff", "--detailed-exitcode").strip().endswith("2 releases unchanged")
    project.edit("values.yaml", "red", "blue")
    whole = printed(project, "diff", "--detailed-exitcode", code=2)
    assert "  kind: ConfigMap" in whole
    assert "Pod" not in whole
    assert "Pod" in printed(project, "diff", "--include-tests")
    short = printed(project, "diff", "--context", "0")
    assert "kind: ConfigMap" not in short
    assert changed(short) == changed(whole)
    without = printed(project, "diff", "--suppress", "configmap")
    assert "ConfigMap" not in without
    assert "2 objects not shown" in without  # the test hook is the other one
    assert (
        "Secret"
        not in printed(project, "diff", "--suppress-secrets").split("OBJECTS")[1].split("not shown")[0]
    )
    assert "ConfigMap" not in printed(project, "diff", "--show-only", "templates/secret.yaml")
    assert changed(printed(project, "diff", "--suppress-output-line-regex", "color|^  a:")) == []
    assert changed(printed(project, "diff", "--suppress-diff")) == []
    assert changed(printed(project, "diff", "--against", "release", "--suppress-secrets")) == [
        '-   color: "red"',
        '+   color: "blue"',
    ]
    assert "cli.bad-choice" in project.run("diff", "--against", "nothing").err
    ignored = printed(project, "diff", "--ignore", "kind=ConfigMap,path=data", "--suppress-secrets")
    assert changed(ignored) == []
    assert "ConfigMap (v1) has changed: (only in fields that rules leave out)" in ignored
    assert "1 rule kind=ConfigMap path=data" in ignored
