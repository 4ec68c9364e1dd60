"""A fleet for measurements: releases of twenty objects of ten kinds each, spread over namespaces."""

from __future__ import annotations

from pathlib import Path

KINDS = 10
OBJECTS = 20
_PAIR = """\
{{{{- range $i := until 2 }}}}
---
{text}
{{{{- end }}}}
"""
_NAME = "{{ $.Release.Name }}-{{ $i }}"
TEMPLATES = {
    "serviceaccount": f"apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {_NAME}}}\n",
    "configmap": f'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {_NAME}}}\ndata: {{color: {{{{ $.Values.color | quote }}}}, lines: "one\\ntwo\\n"}}\n',
    "secret": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {_NAME}}}\nstringData: {{password: {{{{ $.Release.Name }}}}-{{{{ $i }}}}}}\n",
    "service": f"""\
apiVersion: v1
kind: Service
metadata: {{name: {_NAME}}}
spec:
  selector: {{app: {_NAME}}}
  ports: [{{name: http, port: 80, targetPort: 8080}}]
""",
    "deployment": f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {_NAME}}}
spec:
  replicas: {{{{ $.Values.replicas }}}}
  selector: {{matchLabels: {{app: {_NAME}}}}}
  template:
    metadata: {{labels: {{app: {_NAME}}}}}
    spec:
      serviceAccountName: {_NAME}
      containers:
        - name: main
          image: "example/app:{{{{ $.Values.tag }}}}"
          env: [{{name: COLOR, value: {{{{ $.Values.color | quote }}}}}}]
          ports: [{{containerPort: 8080}}]
          resources: {{requests: {{cpu: 10m, memory: 16Mi}}}}
""",
    "ingress": f"""\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {_NAME}}}
spec:
  rules:
    - host: {_NAME}.example.com
      http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: {_NAME}, port: {{number: 80}}}}}}}}]}}
""",
    "role": f"""\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {_NAME}}}
rules: [{{apiGroups: [""], resources: [configmaps], verbs: [get, list]}}]
""",
    "rolebinding": f"""\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {_NAME}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {_NAME}}}
subjects: [{{kind: ServiceAccount, name: {_NAME}, namespace: {{{{ $.Release.Namespace }}}}}}]
""",
    "pdb": f"""\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {_NAME}}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: {_NAME}}}}}}}
""",
    "networkpolicy": f"""\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {_NAME}}}
spec: {{podSelector: {{matchLabels: {{app: {_NAME}}}}}, policyTypes: [Ingress]}}
""",
}


def write_chart(folder: Path, *, replicas: int = 0) -> Path:
    """The chart, in `folder`/unit."""
    chart = folder / "unit"
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text(
        "apiVersion: v2\nname: unit\nversion: 1.0.0\nappVersion: '1'\n", encoding="utf-8"
    )
    (chart / "values.yaml").write_text(f'color: red\ntag: "1"\nreplicas: {replicas}\n', encoding="utf-8")
    for name, text in TEMPLATES.items():
        (chart / "templates" / f"{name}.yaml").write_text(_PAIR.format(text=text), encoding="utf-8")
    return chart


def names(releases: int, namespaces: int, prefix: str = "fleet") -> list[tuple[str, str]]:
    """(release, namespace) pairs."""
    return [(f"r{number:02}", f"{prefix}-{number % namespaces}") for number in range(releases)]


def state(
    chart: Path, releases: list[tuple[str, str]], changed: set[str] | None = None, *, color: str = "blue"
) -> str:
    """A state file, the same for helmflow and Helmfile; `changed` releases have another color."""
    lines = ["releases:"]
    for name, namespace in releases:
        lines.append(f"  - name: {name}\n    namespace: {namespace}\n    chart: {chart}")
        if changed and name in changed:
            lines.append(f"    values: [{{color: {color}}}]")
    return "\n".join(lines) + "\n"
