"""Best practices: each rule finds what breaks it, and leaves a chart that keeps them all alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from helmflow.helm.chart import lint_practices
from tests.charts import write_chart

GOOD = {
    "Chart.yaml": (
        "apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: '>=1.29.0-0'\ndependencies:\n"
        "- {name: db, version: ^1.2.0, repository: 'https://charts.example.com'}\n"
    ),
    "Chart.lock": (
        "dependencies:\n- {name: db, version: 1.2.3, repository: 'https://charts.example.com'}\n"
        "digest: sha256:x\ngenerated: '2026-01-01T00:00:00Z'\n"
    ),
    "charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.2.3\n",
    "values.yaml": "image: {name: web, tag: ''}\nhost: ''\nreplicas: 1\n",
    "values-production.yaml": "host: example.com\nreplicas: 3\ndb: {size: 1}\n",
    "templates/_helpers.tpl": '{{ define "web.name" }}web{{ end }}',
    "templates/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ include "web.name" . }}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: "{{ .Values.image.name }}:{{ .Values.image.tag | default .Chart.Version }}"
        readinessProbe: {httpGet: {path: /, port: 80}}
        {{- if .Values.host }}
        env: [{name: HOST, value: {{ .Values.host }}}]
        {{- end }}
""",
    "templates/account.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n",
    "templates/role.yaml": """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
""",
    "templates/tests/test.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: test, annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: t, image: 'busybox:1'}]}
""",
}


def found(path: Path, **changes: str | None) -> list[str]:
    files = {name: text for name, text in {**GOOD, **changes}.items() if text is not None}
    messages = lint_practices.check(str(write_chart(path / "web", files)), {})
    return [f"{message.path}: {message.text}" for message in messages]


def test_a_chart_that_keeps_them_all(tmp_path: Path) -> None:
    assert found(tmp_path) == []


DEPLOYMENT = GOOD["templates/deployment.yaml"]
BROKEN: list[tuple[str, dict[str, str | None], str]] = [
    ("helpers", {"templates/_helpers.tpl": None, "templates/deployment.yaml": None}, "templates/: no named templates"),
    ("helpers", {"templates/deployment.yaml": None}, "templates/: named templates are defined and never included"),
    ("helpers", {"templates/_b.tpl": '{{- define "name" }}{{ end }}'},
     "templates/_b.tpl: the named template 'name' has no prefix 'web.'"),
    ("environment-values", {"values-production.yaml": None}, "values.yaml: no values per environment"),
    ("environment-values", {"values-production.yaml": "hots: x\n"}, "values-production.yaml: sets 'hots'"),
    ("environment-values", {"ci/test-values.yaml": "a: b: c\n"}, "ci/test-values.yaml: cannot be read"),
    ("required", {"templates/c.yaml": "# {{ .Values.host }}\n"}, "templates/c.yaml: .Values.host is empty by default"),
    ("required", {"templates/c.yaml": "# {{ $.Values.image.tag | quote }}\n"}, "templates/c.yaml: .Values.image.tag is"),
    ("strict-versions", {"Chart.yaml": GOOD["Chart.yaml"].replace("1.0.0", "v1.0")}, "Chart.yaml: version 'v1.0' is no"),
    ("strict-versions", {"Chart.yaml": GOOD["Chart.yaml"].replace("kubeVersion: '>=1.29.0-0'\n", "")},
     "Chart.yaml: kubeVersion is missing"),
    ("strict-versions", {"Chart.yaml": GOOD["Chart.yaml"].replace("^1.2.0", "'>=1.2.0'")},
     "Chart.yaml: the dependency 'db' takes any later version"),
    ("strict-versions", {"Chart.lock": None}, "Chart.yaml: there is no Chart.lock"),
    ("image-versions", {"templates/deployment.yaml": DEPLOYMENT.replace(":{{ .Values.image.tag | default .Chart.Version }}", "")},
     "templates/deployment.yaml: the image 'web' names no version"),
    ("image-versions", {"templates/p.yaml": GOOD["templates/tests/test.yaml"].replace("helm.sh/hook: test", "a: b")
                        .replace("busybox:1", "host:5000/busybox:latest").replace("spec: {", "spec: {serviceAccountName: a, ")},
     "templates/p.yaml: the image 'host:5000/busybox:latest' names no version"),
    ("least-privilege", {"templates/role.yaml": GOOD["templates/role.yaml"].replace("[get]", "['*']")},
     "templates/role.yaml: Role web grants everything of verbs"),
    ("least-privilege", {"templates/b.yaml": "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\n"
                         "roleRef: {kind: ClusterRole, name: cluster-admin}\n"},
     "templates/b.yaml: ClusterRoleBinding b makes somebody cluster-admin"),
    ("least-privilege", {"templates/deployment.yaml": DEPLOYMENT.replace("serviceAccountName: web", "{}")
                         .replace("      {}\n", "")},
     "templates/deployment.yaml: Deployment web runs with the namespace's default account"),
    ("atomic-upgrades", {"templates/deployment.yaml": DEPLOYMENT.replace("{app: web}}\n  t", "{app: web, helm.sh/chart: web-1.0.0}}\n  t")},
     "templates/deployment.yaml: Deployment web selects by helm.sh/chart"),
    ("atomic-upgrades", {"templates/deployment.yaml": DEPLOYMENT.replace("readinessProbe", "livenessProbe")},
     "templates/deployment.yaml: Deployment web has a container without readinessProbe"),
    ("atomic-upgrades", {"templates/h.yaml": GOOD["templates/tests/test.yaml"].replace("hook: test", "hook: pre-install")},
     "templates/h.yaml: the hook test has no helm.sh/hook-delete-policy"),
    ("tests", {"templates/tests/test.yaml": None}, "templates/tests/: no test hook"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "changes", "told"), BROKEN, ids=[f"{row[0]}-{n}" for n, row in enumerate(BROKEN)]
)
def test_each_rule_finds_what_breaks_it(
    tmp_path: Path, rule: str, changes: dict[str, str | None], told: str
) -> None:
    messages = found(tmp_path, **changes)
    assert len(messages) == 1
    assert messages[0].startswith(told)
    assert messages[0].endswith(f" [{rule}]")


def test_every_rule_has_a_row_here_and_in_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "best-practices.md").read_text(encoding="utf-8")
    ids = [rule.id for rule in lint_practices.RULES]
    assert {row[0] for row in BROKEN} == set(ids)
    for rule in lint_practices.RULES:
        assert f"| `{rule.id}` | {rule.title} |" in page


@pytest.mark.parametrize(
    "changes",
    [
        {"Chart.yaml": "apiVersion: v2\nname: web\n"},
        {"templates/x.yaml": "{{ fail `no` }}"},
        {"templates/x.yaml": "- a\n- b\n"},
        {"templates/x.yaml": "kind: Deployment\nspec: {template: [1]}\n"},
        {"templates/x.yaml": "kind: Role\nrules: {a: 1}\nmetadata: 3\n"},
        {"values.yaml": "[]"},
        {"values-x.yaml": "- a\n"},
    ],
)
def test_charts_that_are_broken_otherwise_break_nothing(tmp_path: Path, changes: dict[str, str]) -> None:
    found(tmp_path, **changes)
