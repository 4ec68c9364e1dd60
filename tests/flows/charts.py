"""Templates that the flow tests share."""

from __future__ import annotations

from tests.flows.town import Town

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  color: {{ .Values.color | default "blue" | quote }}
  lines: |
    one
    two
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas | default 1 }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      containers:
        - name: main
          image: web:1
          resources: {limits: {cpu: 1000m}}
"""
PRE_INSTALL = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-prepare
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: busybox}]
"""
EXTRA = """\
{{- if .Values.extra }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-extra
{{- end }}
"""


def small(town: Town) -> None:
    """One release of one ConfigMap."""
    town.chart("web", config=CONFIG)
    town.file(
        "helmflow.yaml",
        """\
        releases:
          - name: web
            namespace: NS(apps)
            chart: ./charts/web
            values: [values.yaml]
        """,
    )
    town.file("values.yaml", "color: red\n")


def five(town: Town) -> None:
    """Five releases in two namespaces with needs, hooks and waiting."""
    town.chart("app", config=CONFIG, deployment=DEPLOYMENT, prepare=PRE_INSTALL, extra=EXTRA)
    town.file(
        "helmflow.yaml",
        """\
        helmDefaults: {wait: true, timeout: 60}
        releases:
          - {name: database, namespace: NS(data), chart: ./charts/app, values: [values.yaml]}
          - {name: cache, namespace: NS(data), chart: ./charts/app, values: [values.yaml]}
          - {name: orders, namespace: NS(apps), chart: ./charts/app, needs: [NS(data)/database, NS(data)/cache], values: [values.yaml]}
          - {name: catalog, namespace: NS(apps), chart: ./charts/app, needs: [NS(data)/database], values: [values.yaml]}
          - {name: web, namespace: NS(apps), chart: ./charts/app, needs: [orders, catalog], values: [values.yaml]}
        """,
    )
    town.file("values.yaml", "color: red\nextra: true\n")
