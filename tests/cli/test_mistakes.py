"""What people get wrong: each mistake gives one clear error with place, hint and stable id, and never a traceback."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import golden

CHART = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/values.yaml": "port: 80\n",
    "web/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  port: {{ .Values.port | quote }}\n",
}
EMBEDDED = ("--kube-context", "embedded")
FORBIDDEN = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "message": 'namespaces "kube-system" is forbidden: User "eve" cannot get resource "namespaces" in API group ""',
    "reason": "Forbidden",
    "code": 403,
}


def kubeconfig(server: str) -> str:
    """A kubeconfig whose only context is `team`."""
    return (
        "apiVersion: v1\nkind: Config\ncurrent-context: team\n"
        f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n"
        "users: [{name: u, user: {token: t}}]\ncontexts: [{name: team, context: {cluster: c, user: u}}]\n"
    )


class Forbidding(http.server.BaseHTTPRequestHandler):
    """An API server that answers everything with 403."""

    def do_GET(self) -> None:
        """The one answer."""
        body = json.dumps(FORBIDDEN).encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Silence."""


@dataclass(frozen=True)
class Mistake:
    """Files, a command line, and the exit code it must have."""

    files: dict[str, str | bytes]
    argv: tuple[str, ...]
    code: int = 1
    environ: dict[str, str] = field(default_factory=dict)


def release(text: str = "", *, chart: str = "./web") -> str:
    """A state file of one release."""
    return f"releases:\n  - name: web\n    chart: {chart}\n{text}"


def with_chart(state: str, *argv: str, code: int = 1, **files: str) -> Mistake:
    """A state file beside the chart `web`; `files` replace or add (double underscore for a slash, _dot_ for a dot)."""
    named = {name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}
    return Mistake({"helmflow.yaml": state, **CHART, **named}, argv or ("template",), code)


MISTAKES: dict[str, Mistake] = {
    "no-state-file": Mistake({}, ("list",)),
    "state-file-missing": Mistake({}, ("-f", "nowhere.yaml", "list")),
    "unknown-command": Mistake({}, ("snyc",), 3),
    "unknown-flag": Mistake({}, ("sync", "--concurency", "2"), 3),
    "unknown-key": with_chart("releases:\n  - nmae: web\n    chart: ./web\n", "list"),
    "unknown-top-key": with_chart("relases:\n  - name: web\n", "list"),
    "several-mistakes": with_chart(
        "releases:\n  - nmae: web\n    chart: ./web\n  - name: b\n    chrat: ./web\n    installed: perhaps\n",
        "list",
    ),
    "duplicate-key": with_chart("releases:\n  - name: web\n    name: web2\n    chart: ./web\n", "list"),
    "wrong-type": with_chart("releases:\n  name: web\n", "list"),
    "duplicate-release": with_chart(release("  - name: web\n    chart: ./web\n"), "list"),
    "no-chart": with_chart("releases:\n  - name: web\n", "list"),
    "bad-yaml": with_chart("releases:\n  - name: web\n   chart: ./web\n", "list"),
    "bad-yaml-tab": with_chart("releases:\n\t- name: web\n", "list"),
    "cycle": with_chart(
        "releases:\n"
        "  - {name: a, chart: ./web, needs: [b]}\n  - {name: b, chart: ./web, needs: [c]}\n  - {name: c, chart: ./web, needs: [a]}\n",
        "show-dag",
    ),
    "need-missing": with_chart(
        release("    needs: [databse]\n  - name: database\n    chart: ./web\n"), "show-dag"
    ),
    "no-release-matches": with_chart(release(), "-l", "name=nobody", "list", code=3),
    "no-release-matches-template": with_chart(release(), "-l", "name=nobody", "template", code=3),
    "malformed-selector": with_chart(release(), "-l", "name", "template"),
    "unknown-environment": with_chart(
        "environments:\n  dev: {}\n---\n" + release(), "-e", "prod", "template", code=3
    ),
    "missing-chart": with_chart(release(chart="./nowhere")),
    "unknown-repository": with_chart(release(chart="shop/web")),
    "missing-values-file": with_chart(release("    values: [nowhere.yaml]\n")),
    "bad-values-yaml": with_chart(release("    values: [v.yaml]\n"), v_dot_yaml="a: [1\n"),
    "bad-gotmpl": Mistake(
        {"helmflow.yaml.gotmpl": "releases:\n  - name: {{ .Values.x | nosuch }}\n"}, ("list",)
    ),
    "gotmpl-fails": Mistake(
        {"helmflow.yaml.gotmpl": 'releases:\n  - name: {{ requiredEnv "NOT_SET_HERE" }}\n'}, ("list",)
    ),
    "bad-template": with_chart(release(), web__templates__b_dot_yaml="a: {{ .Values.port | nosuch }}\n"),
    "template-nil": with_chart(release(), web__templates__b_dot_yaml="a: {{ .Values.image.tag }}\n"),
    "template-required": with_chart(
        release(), web__templates__b_dot_yaml='a: {{ required "image.tag must be set" .Values.tag }}\n'
    ),
    "template-not-yaml": with_chart(release(), web__templates__b_dot_yaml="a: b: c\n"),
    "values-schema": with_chart(
        release("    values: [{port: many}]\n"),
        web__values_dot_schema_dot_json='{"type": "object", "properties": {"port": {"type": "integer"}}}',
    ),
    "chart-without-version": with_chart(release(), web__Chart_dot_yaml="apiVersion: v2\nname: web\n"),
    "no-cluster": with_chart(release(), "sync"),
    "unknown-context": with_chart(release(), "--kube-context", "nowhere", "sync"),
    "kubeconfig-missing": with_chart(release(), "--kubeconfig", "nowhere.yaml", "sync"),
    "missing-base": with_chart("bases: [nowhere.yaml]\n", "list"),
    "missing-helmfile": with_chart("helmfiles: [nowhere.yaml]\n", "list"),
    "bad-hook-command": with_chart(
        release("    hooks:\n      - {events: [presync], command: no-such-command}\n"), *EMBEDDED, "sync"
    ),
    "hook-fails": with_chart(
        release(
            "    hooks:\n      - {events: [presync], command: sh, args: [-c, 'echo no disk left; exit 4']}\n"
        ),
        *EMBEDDED,
        "sync",
    ),
    "unreachable": with_chart(
        release(), "--kubeconfig", "kube.yaml", "sync", kube_dot_yaml=kubeconfig("http://127.0.0.1:1")
    ),
    "forbidden": with_chart(
        release(), "--kubeconfig", "kube.yaml", "sync", kube_dot_yaml=kubeconfig("http://127.0.0.1:$PORT")
    ),
    "dependency-missing": with_chart(
        release(),
        web__Chart_dot_yaml="apiVersion: v2\nname: web\nversion: 1.0.0\n"
        "dependencies: [{name: redis, version: 1.x, repository: 'file://../redis'}]\n",
    ),
    "release-name-too-long": with_chart(
        "releases:\n  - name: the-quick-brown-fox-jumps-over-the-lazy-dog-and-runs-away\n    chart: ./web\n"
    ),
    "kind-missing": with_chart(
        release(),
        *EMBEDDED,
        "sync",
        web__templates__b_dot_yaml="apiVersion: shop.example/v1\nkind: Till\nmetadata:\n  name: t\n",
    ),
    "object-refused": with_chart(
        release(),
        *EMBEDDED,
        "sync",
        web__templates__b_dot_yaml="apiVersion: v1\nkind: Service\nmetadata:\n  name: Not_Allowed\n"
        "spec:\n  ports: [{port: 99999}]\n",
    ),
    "manifest-no-map": with_chart(release(), web__templates__b_dot_yaml="- a\n- b\n"),
    "template-unclosed": with_chart(release(), web__templates__b_dot_yaml="{{ if .Values.port }}\na: b\n"),
    "template-variable": with_chart(release(), web__templates__b_dot_yaml="a: {{ $port }}\n"),
    "template-fields": with_chart(release(), web__templates__b_dot_yaml="a: {{ .Values.port.number }}\n"),
    "template-include": with_chart(
        release(),
        web__templates__b_dot_yaml='a: {{ include "web.port" . }}\n',
        web__templates___helpers_dot_tpl='{{- define "web.port" }}\n{{ .Values.port.number }}\n{{- end }}\n',
    ),
    "bad-chart-values": with_chart(release(), web__values_dot_yaml="port: 80\n name: b\n"),
    "bad-chart-yaml": with_chart(release(), web__Chart_dot_yaml="name: web\n  version: 1\n"),
    "bad-chart-version": with_chart(
        release(), web__Chart_dot_yaml="apiVersion: v2\nname: web\nversion: one point two\n"
    ),
    "bad-chart-maintainers": with_chart(
        release(),
        web__Chart_dot_yaml="apiVersion: v2\nname: web\nversion: 1.0.0\nmaintainers:\n  - name: eve\n    email: [a@b.example]\n",
    ),
    "bad-chart-alias": with_chart(
        release(),
        web__Chart_dot_yaml="apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n"
        "  - {name: redis, version: 1.x}\n  - name: redis\n    alias: 'red is'\n",
    ),
    "bad-subchart-type": with_chart(
        release(),
        web__charts__db__Chart_dot_yaml="apiVersion: v2\nname: db\nversion: 1.0.0\ntype: databse\n",
    ),
    "wrong-flag": with_chart(
        release(
            "    wait: 'yes please'\n    atomic: 1\n    verify: 'true'\n    historyMax: many\n    timeout: .inf\n"
        ),
        "list",
    ),
    "bad-set": with_chart(release("    set: [{name: 'a[b]', value: c}]\n")),
    "bad-state-values": with_chart(release(), "--state-values-set", "novalue", "list"),
    "condition-missing": with_chart(release("    condition: shop.enabled\n"), "list"),
    "values-list": with_chart(release("    values: [v.yaml]\n"), v_dot_yaml="- a\n"),
    "values-near": with_chart(release("    values: [vlaues.yaml]\n"), values_dot_yaml="a: 1\n"),
    "secret-not-openable": with_chart(
        release("    secrets: [s.yaml]\n"),
        s_dot_yaml="a: ENC[AES256_GCM,data:aaaa,iv:bbbb,tag:cccc,type:str]\nsops:\n    age:\n"
        "        - recipient: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n"
        "          enc: |\n            -----BEGIN AGE ENCRYPTED FILE-----\n            -----END AGE ENCRYPTED FILE-----\n"
        "    lastmodified: '2024-01-01T00:00:00Z'\n    mac: ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]\n    version: 3.8.1\n",
    ),
    "bad-reference": with_chart(release("    values: [{a: ref+nosuch://shop/key}]\n")),
    "yaml-quote": with_chart("releases:\n  - name: 'web\n    chart: ./web\n", "list"),
    "yaml-at": with_chart("releases:\n  - name: @web\n    chart: ./web\n", "list"),
    "template-in-plain-file": with_chart(
        "releases:\n  - name: {{ .Values.name }}\n    chart: ./web\n", "list"
    ),
    "helmfiles-cycle": with_chart("helmfiles: [b.yaml]\n", "list", b_dot_yaml="helmfiles: [helmflow.yaml]\n"),
    "empty-file": Mistake({"helmflow.yaml": ""}, ("list",)),
    "list-of-releases": Mistake({"helmflow.yaml": "- name: a\n  chart: ./web\n"}, ("list",)),
    "utf-16": Mistake({"helmflow.yaml": release().encode("utf-16")}, ("list",)),
    "latin-1": Mistake(
        {"helmflow.yaml": 'releases:\n- {name: a, chart: "\xe9"}\n'.encode("latin-1")}, ("list",)
    ),
    "no-release-at-all": Mistake({"helmflow.yaml": "releases:\n"}, ("template",), code=3),
    "unnamed-release": with_chart("releases:\n- chart: ./web\n"),
    "values-folder": with_chart(release("    values: [web]\n")),
    "chart-that-is-a-file": Mistake({"helmflow.yaml": release(), "web": "text\n"}, ("template",)),
    "hook-event": with_chart(release("    hooks: [{events: [pre-sync], command: echo}]\n"), "list", code=0),
    "object-without-kind": with_chart(release(), "sync", *EMBEDDED, web__templates__b_dot_yaml="port: 80\n"),
    "no-plan": with_chart(release(), "apply", "plan.json", *EMBEDDED),
    "not-a-plan": with_chart(release(), "apply", "plan.json", *EMBEDDED, plan_dot_json="{}"),
    "bad-output": with_chart(release(), "list", "-o", "jsno", code=3),
    "bad-log-level": with_chart(release(), "list", "--log-level", "loud", code=3),
    "bad-against": with_chart(release(), "diff", "--against", "relase", code=3),
    "dry-run": with_chart(release(), "sync", "--dry-run", code=3),
    "timeout-in-words": with_chart(release(), "sync", "--timeout", "5m", code=3),
    "bad-concurrency": with_chart(release(), "sync", "--concurrency", "many", code=3),
}
assert len(MISTAKES) >= 25


@contextlib.contextmanager
def forbidding(mistake: Mistake) -> Iterator[str]:
    """The port of a server that forbids everything, where a file names $PORT."""
    if not any("$PORT" in str(text) for text in mistake.files.values()):
        yield ""
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forbidding) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


def run(mistake: Mistake, folder: Path) -> tuple[int, str]:
    """Run the command line in `folder`; exit code, and output with everything that differs per machine named."""
    with forbidding(mistake) as port:
        code, text = run_with(mistake, folder, port)
    return code, text.replace(f":{port}", ":$PORT") if port else text


def run_with(mistake: Mistake, folder: Path, port: str) -> tuple[int, str]:
    """The same with the port known."""
    for name, text in mistake.files.items():
        path = folder / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.replace("$PORT", port).encode())
    work = folder / "work"
    work.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELM", "KUBE", "XDG"))}
    environ = {
        **kept,
        "HOME": str(folder),
        "HELMFLOW_CACHE_HOME": str(folder / "cache"),
        "COLUMNS": "100",
        **mistake.environ,
    }
    done = subprocess.run(
        [sys.executable, "-m", "helmflow", *mistake.argv],
        cwd=work,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    text = f"{done.stdout}{done.stderr}".replace(str(work), "$WORK").replace(str(folder), "$HOME")
    return done.returncode, re.sub(r"\b\d+\.\ds\b", "0.0s", text)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_explained(name: str, tmp_path: Path) -> None:
    mistake = MISTAKES[name]
    code, text = run(mistake, tmp_path)
    assert "Traceback" not in text
    golden.check(f"mistakes/{name}", f"$ helmflow {' '.join(mistake.argv)}\n{text}exit {code}\n")
    assert code == mistake.code
