"""Charts as tutorials teach them, in own words: what each shows is golden, recorded from the real Helm.

`python -m tests.record_tutorials` records tests/golden/tutorials.json again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Tutorial:
    """A chart's files and what its user sets."""

    files: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)


def metadata(name: str, extra: str = "", version: str = "1.0.0") -> str:
    return f"apiVersion: v2\nname: {name}\nversion: {version}\n{extra}"


SHOW = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-{{ .Chart.Name }}
data:
  values: {{ toJson .Values | quote }}
"""


def subchart(name: str, values: str = "{}", version: str = "1.0.0", chart: str = "") -> dict[str, str]:
    folder = f"charts/{name}"
    return {
        f"{folder}/Chart.yaml": metadata(chart or name, version=version),
        f"{folder}/values.yaml": values,
        f"{folder}/templates/show.yaml": SHOW,
    }


ALIASED = {
    "Chart.yaml": metadata(
        "umbrella",
        "dependencies:\n"
        "- {name: store, version: ^1.0.0, repository: '', alias: orders}\n"
        "- {name: store, version: ^1.0.0, repository: '', alias: customers}\n"
        "- {name: store, version: ^1.0.0, repository: ''}\n",
    ),
    "values.yaml": "orders: {size: 10Gi}\ncustomers: {size: 20Gi}\n",
    "templates/show.yaml": SHOW,
    **subchart("store", "size: 1Gi\nreplicas: 2\n"),
}
SWITCHED = {
    "Chart.yaml": metadata(
        "shop",
        "dependencies:\n"
        "- {name: front, version: 1.0.0, condition: 'front.enabled,global.front.enabled', tags: [web, small]}\n"
        "- {name: back, version: 1.0.0, condition: back.enabled, tags: [api]}\n"
        "- {name: jobs, version: 1.0.0, tags: [api, small]}\n",
    ),
    "values.yaml": "tags: {web: false, api: true}\nback: {enabled: false}\n",
    "templates/show.yaml": SHOW,
    **subchart("front"),
    **subchart("back"),
    **subchart("jobs"),
}
IMPORTING = {
    "Chart.yaml": metadata(
        "importer",
        "dependencies:\n"
        "- name: child\n  version: 1.0.0\n  import-values:\n  - ports\n  - {child: defaults.storage, parent: storage}\n"
        "  - {child: not.there, parent: nothing}\n",
    ),
    "values.yaml": "storage: {class: fast}\nservice: {port: 8080}\n",
    "templates/show.yaml": SHOW,
    **subchart(
        "child",
        "exports:\n  ports:\n    service: {port: 80, name: http}\ndefaults:\n  storage: {class: slow, size: 5Gi, note: null}\n",
    ),
}
GLOBALS = {
    "Chart.yaml": metadata("family", "dependencies: [{name: kid, version: 1.0.0}]\n"),
    "values.yaml": "global: {registry: local, limits: {cpu: 1}}\nkid: {global: {registry: ignored, own: true}}\n",
    "templates/show.yaml": SHOW,
    **subchart("kid", "global: {limits: {cpu: 2, memory: 1Gi}, tier: back}\nname: kid\n"),
}
CONTROLLER = {
    "Chart.yaml": metadata("database", "description: a controller with defaults\n"),
    "values.yaml": "registry: quay.io/example\nport: 3306\n",
    "templates/rc.yaml": """apiVersion: v1
kind: ReplicationController
metadata:
  name: {{ .Release.Name }}-db
  labels:
    heritage: {{ .Release.Service }}
    chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
spec:
  replicas: {{ default 1 .Values.replicas }}
  selector:
    app: db
  template:
    metadata:
      labels:
        app: db
    spec:
      containers:
      - name: db
        image: {{ .Values.registry }}/mariadb:{{ default "10.6" .Values.tag }}
        imagePullPolicy: {{ default "Always" .Values.pullPolicy }}
        ports:
        - containerPort: {{ .Values.port }}
        env:
        - name: MODE
          value: {{ .Values.mode | default "disk" | quote }}
""",
}
PULL_SECRET = {
    "Chart.yaml": metadata("puller"),
    "values.yaml": "credentials:\n  registry: quay.io\n  username: someone\n  password: sesame\n  email: someone@host.com\n",
    "templates/_helpers.tpl": """{{- define "puller.dockerconfig" }}
{{- with .Values.credentials }}
{{- printf "{\\"auths\\":{\\"%s\\":{\\"username\\":\\"%s\\",\\"password\\":\\"%s\\",\\"email\\":\\"%s\\",\\"auth\\":\\"%s\\"}}}" .registry .username .password .email (printf "%s:%s" .username .password | b64enc) | b64enc }}
{{- end }}
{{- end }}
""",
    "templates/secret.yaml": """apiVersion: v1
kind: Secret
metadata:
  name: registry
type: kubernetes.io/dockerconfigjson
data:
  .dockerconfigjson: {{ template "puller.dockerconfig" . }}
""",
}
CHECKSUM = {
    "Chart.yaml": metadata("roller"),
    "values.yaml": "color: blue\n",
    "templates/config.yaml": "kind: ConfigMap\napiVersion: v1\nmetadata: {name: cm}\ndata: {color: {{ .Values.color | quote }}}\n",
    "templates/deployment.yaml": """apiVersion: apps/v1
kind: Deployment
metadata:
  name: roller
spec:
  selector:
    matchLabels: {app: roller}
  template:
    metadata:
      labels: {app: roller}
      annotations:
        checksum/config: {{ include (print $.Template.BasePath "/config.yaml") . | sha256sum }}
    spec:
      containers:
      - {name: roller, image: busybox}
""",
}
HOOKED = {
    "Chart.yaml": metadata("hooked"),
    "templates/config.yaml": "kind: ConfigMap\napiVersion: v1\nmetadata: {name: cm}\n",
    "templates/job.yaml": """apiVersion: batch/v1
kind: Job
metadata:
  name: "{{ .Release.Name }}"
  labels:
    app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
    helm.sh/chart: "{{ .Chart.Name }}-{{ .Chart.Version }}"
  annotations:
    "helm.sh/hook": post-install
    "helm.sh/hook-weight": "-5"
    "helm.sh/hook-delete-policy": hook-succeeded
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: post-install-job
        image: "alpine:3.3"
        command: ["/bin/sleep","{{ default "10" .Values.sleepyTime }}"]
""",
    "templates/NOTES.txt": "Thank you for {{ .Chart.Name }}, {{ .Release.Name }} of {{ .Release.Namespace }}.\n",
}

TUTORIALS: dict[str, Tutorial] = {
    "alias-three-times": Tutorial(ALIASED, {"customers": {"replicas": 3}, "store": {"size": "2Gi"}}),
    "tags-and-conditions": Tutorial(SWITCHED),
    "a-condition-wins-over-tags": Tutorial(SWITCHED, {"front": {"enabled": True}, "tags": {"api": False}}),
    "the-first-condition-that-is-there-wins": Tutorial(SWITCHED, {"global": {"front": {"enabled": True}}, "back": {"enabled": None}}),
    "a-true-tag-is-enough": Tutorial(SWITCHED, {"tags": {"small": True}, "back": {"enabled": True}}),
    "import-values": Tutorial(IMPORTING),
    "import-values-below-the-parents-own": Tutorial(IMPORTING, {"service": {"name": "web"}, "storage": {"size": None}}),
    "globals": Tutorial(GLOBALS),
    "globals-from-the-user": Tutorial(GLOBALS, {"global": {"limits": {"cpu": 4}, "extra": ["a"]}, "kid": {"name": None}}),
    "controller-with-defaults": Tutorial(CONTROLLER),
    "controller-with-values": Tutorial(CONTROLLER, {"replicas": 3, "tag": "11", "mode": "memory", "port": 13306}),
    "image-pull-secret": Tutorial(PULL_SECRET),
    "checksum-annotation": Tutorial(CHECKSUM),
    "checksum-annotation-changes": Tutorial(CHECKSUM, {"color": "red"}),
    "post-install-hook": Tutorial(HOOKED, {"sleepyTime": "20"}),
}  # fmt: skip
