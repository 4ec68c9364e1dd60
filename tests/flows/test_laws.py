"""Laws of plans, for random small projects: nothing is left after apply, nothing else is written, no secret is shown."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from helmflow.core.events import Event
from helmflow.core.ids import ObjectRef
from helmflow.embedded.server import ApiServer
from helmflow.embedded.transport import InProcessTransport
from helmflow.execute.report import RunReport
from helmflow.flows.options import ShowOptions
from helmflow.kube.client import MERGE_PATCH
from helmflow.kube.transport import Request
from helmflow.plan.model import ChangeKind, Plan
from helmflow.ui import html, markdown, plan_json, plan_view, report_view, run_json
from helmflow.ui.jsonl import JsonLines
from helmflow.ui.live import LiveReporter
from helmflow.ui.plain import PlainReporter
from helmflow.ui.recording import Recorder
from helmflow.ui.theme import Theme
from tests.flows.town import Town

# Rendering raises the interpreter's recursion limit once, which Hypothesis notices.
pytestmark = pytest.mark.filterwarnings("ignore:The recursion limit will not be reset")
EXAMPLES = settings(
    max_examples=12 if settings.get_current_profile_name() != "nightly" else 100,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
NAMES = ("a", "b", "c", "d")
WORDS = st.text(alphabet="abcxyz01-_. \"'\n:{}#", max_size=12)
KEYS = st.sampled_from(["one", "two", "three"])


def named(kind: str, api: str, name: str, **body: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **body}


def deployment(name: str, replicas: int, env: dict[str, str], image: str) -> dict[str, Any]:
    container = {"name": "main", "image": image, "env": [{"name": key.upper(), "value": value} for key, value in env.items()]}  # fmt: skip
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return named("Deployment", "apps/v1", name, spec={"replicas": replicas, "selector": {"matchLabels": labels}, "template": template})  # fmt: skip


MAPS = st.dictionaries(KEYS, WORDS, max_size=3)
OBJECTS = st.one_of(
    st.builds(lambda name, data: named("ConfigMap", "v1", name, data=data), st.sampled_from(NAMES), MAPS),
    st.builds(lambda name, data: named("Secret", "v1", name, stringData=data), st.sampled_from(NAMES), MAPS),
    st.builds(deployment, st.sampled_from(NAMES), st.integers(0, 3), MAPS, st.sampled_from(["web:1", "web:2"])),
    st.builds(
        lambda name, port: named("Service", "v1", name, spec={"selector": {"app": name}, "ports": [{"port": port, "name": "http"}, {"port": 9000, "name": "m"}]}),
        st.sampled_from(NAMES), st.sampled_from([80, 8080]),
    ),
    st.builds(
        lambda name, verbs: named("Role", "rbac.authorization.k8s.io/v1", name, rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]),
        st.sampled_from(NAMES), st.lists(st.sampled_from(["get", "list", "watch"]), min_size=1, unique=True),
    ),
)  # fmt: skip


def distinct(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({(one["kind"], one["metadata"]["name"]): one for one in objects}.values())


RELEASES = st.dictionaries(
    st.sampled_from(["web", "api", "db"]), st.lists(OBJECTS, min_size=1, max_size=5).map(distinct), min_size=1
)


@contextmanager
def town() -> Iterator[Town]:
    with tempfile.TemporaryDirectory() as folder:
        server = ApiServer()
        yield Town(Path(folder), lambda: InProcessTransport(server))
        server.close()


def write(made: Town, releases: dict[str, list[dict[str, Any]]]) -> None:
    """One release per entry; what a later state leaves out is wanted gone."""
    made.chart("any", all="{{- range .Values.objects }}\n---\n{{ toYaml . }}\n{{- end }}\n")
    entries = [
        {
            "name": name,
            "namespace": made.ns("apps") + name,
            "chart": "./charts/any",
            "installed": name in releases,
            "values": [{"objects": releases.get(name, [])}],
        }
        for name in ("web", "api", "db")
    ]
    made.file("helmflow.yaml", yaml.safe_dump({"releases": entries}))


def written(requests: list[Request]) -> set[tuple[str, str]]:
    """Objects that were written, without records of releases, leases and namespaces: (path, deleted or applied)."""
    found = set()
    for request in requests:
        name = request.path.rsplit("/", 1)[-1]
        own = "/leases" in request.path or "sh.helm.release" in name or request.path.endswith("/secrets")
        if own or request.path.count("/") <= 4 or "helmflow" in name:
            continue
        found.add((request.path, "deleted" if request.method == "DELETE" else "applied"))
    return found


def planned(made: Town, plan: Plan) -> set[tuple[str, str]]:
    client = made.client
    found = set()
    for release in plan.releases:
        for change in release.changes:
            if change.hook or change.kind in (ChangeKind.KEEP, ChangeKind.UNCHANGED):
                continue
            ref = change.ref
            path = client.resource(ref.api_version, ref.kind).path(ref.namespace, ref.name)
            found.add((path, "deleted" if change.kind is ChangeKind.DELETE else "applied"))
    return found


@given(RELEASES, RELEASES, st.booleans())
@EXAMPLES
def test_apply_writes_what_the_plan_lists_and_leaves_nothing(
    first: dict[str, Any], second: dict[str, Any], drift: bool
) -> None:
    with town() as made:
        for number, state in enumerate((first, second)):
            write(made, state)
            if number and drift:
                meddle(made, first)
            plan = made.diff()
            report = made.apply()
            assert report.ok, report
            assert made.wire is not None
            assert written(made.wire.writes) == planned(made, plan)
            after = made.diff()
            assert not after.writes, plan_view.render(after, Theme(False), context=2)
            assert not [change for release in after.releases for change in release.changes if change.shows]
            assert made.apply().writes == 0


def meddle(made: Town, releases: dict[str, list[dict[str, Any]]]) -> None:
    """Somebody edits, deletes and adds."""
    for name, objects in releases.items():
        for number, one in enumerate(objects):
            ref = ObjectRef(one["apiVersion"], one["kind"], made.ns("apps") + name, one["metadata"]["name"])
            if number % 3 == 2:
                made.client.delete(ref)
            elif one["kind"] == "ConfigMap":
                made.client.patch(
                    ref, MERGE_PATCH, {"data": {"one": "edited", "mine": "x"}}, manager="kubectl-edit"
                )
            elif one["kind"] == "Deployment":
                made.client.patch(ref, MERGE_PATCH, {"spec": {"replicas": 7}}, manager="kubectl-scale")


# -- secrets ---------------------------------------------------------------

TEMPLATE = """\
apiVersion: v1
kind: Secret
metadata: {name: vault}
stringData:
  token: {{ .Values.token | quote }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: vault
  annotations: {example.org/token: {{ .Values.token | quote }}}
data:
  url: {{ printf "https://user:%s@host/%s" .Values.token .Values.size | quote }}
  encoded: {{ .Values.token | b64enc }}
  alone: {{ .Values.token | quote }}
  broken: {{ if eq (toString .Values.size) "3" }}[1]{{ else }}"no"{{ end }}
"""
SECRETS = st.text(
    alphabet="abcDEF0123456789<>&\"'\\/+=*_`$@:# äß€", min_size=1, max_size=40
).map(lambda text: f"q7{text}Zx")  # fmt: skip


def forms(secret: str) -> set[str]:
    raw = secret.encode()
    found = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    found.add(base64.b64encode(raw).decode())
    return found


@given(SECRETS, SECRETS)
@EXAMPLES
def test_no_secret_is_in_any_sink(first: str, second: str) -> None:
    with town() as made:
        made.chart("vault", vault=TEMPLATE, NOTES__txt="The token is {{ .Values.token }}.\n")
        values = 'values: [{token: "ref+file://token.txt", size: SIZE}]'
        for size, secret in ((1, first), (2, second), (3, second)):
            (made.folder / "token.txt").write_text(secret, encoding="utf-8")
            made.file(
                "helmflow.yaml",
                f"releases: [{{name: vault, namespace: NS(apps), chart: ./charts/vault, {values.replace('SIZE', str(size))}}}]\n",
            )
            plan = made.diff()
            seen = list(made.events)
            planned_only = dict(shown(plan, None, seen))
            report = made.sync()
            sinks = {
                **{f"plan {name}": text for name, text in planned_only.items()},
                **shown(plan, report, [*seen, *made.events]),
            }
            assert report.ok is (size != 3)
            for name, text in sinks.items():
                for one in (first, second):
                    hidden = [form for form in forms(one) if form in text]
                    assert hidden == [], f"{name}: {one!r} as {hidden}"


def shown(plan: Plan, report: RunReport | None, happened: list[Event]) -> dict[str, str]:
    """Every sink's text, as the command line would write it."""
    from helmflow.core.sensitive import mask_everything

    recorder, stream, lines, screen = Recorder(), io.StringIO(), io.StringIO(), io.StringIO()
    console = Console(file=screen, force_terminal=True, width=60)
    reporters = (recorder, JsonLines(stream), PlainReporter(lines, Theme(False), quiet=False, verbose=True), LiveReporter(console))  # fmt: skip
    for event in happened:
        for reporter in reporters:
            reporter.handle(event)
    for reporter in reporters:
        reporter.close()
    found = {
        "text": mask_everything(plan_view.render(plan, Theme(False), width=60)),
        "json": mask_everything(plan_json.render(plan)),
        "markdown": mask_everything(markdown.render(plan)),
        "html": html.render(plan, report, recorder),
        "jsonl": stream.getvalue(),
        "lines": lines.getvalue(),
        "live": screen.getvalue(),
    }
    if report is not None:
        found |= {
            "report": mask_everything(report_view.render(report, Theme(False), width=60)),
            "run json": mask_everything(run_json.render(report, plan, recorder)),
            "run markdown": mask_everything(markdown.render_run(report, plan, recorder)),
        }
    return found


@pytest.mark.parametrize("secret", ["a", "12", "yes"])
def test_a_short_secret_is_masked_at_its_own_path(secret: str) -> None:
    with town() as made:
        made.chart("vault", vault=TEMPLATE)
        (made.folder / "token.txt").write_text(secret)
        made.file(
            "helmflow.yaml",
            'releases: [{name: vault, namespace: NS(apps), chart: ./charts/vault, values: [{token: "ref+file://token.txt", size: 1}]}]\n',
        )
        change = next(c for c in made.diff().releases[0].changes if c.ref.kind == "Secret")
        assert f"token: {secret}" not in change.after.replace('"', "")
        assert "(masked, " in change.after
        shown_on_request = made.diff(show=ShowOptions(show_secrets=True)).releases[0].changes
        assert any(secret in c.after for c in shown_on_request)
