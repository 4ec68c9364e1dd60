"""What a failed release says: the object, its pods, their containers and last words, read before anything goes back."""

from __future__ import annotations

import re

from helmflow.core.events import Warned
from helmflow.execute.report import Outcome
from helmflow.flows.options import OnFailure, RunningOptions
from helmflow.kube.transport import Request, Response
from tests.flows.town import Town, Wire, report_of
from tests.kube.scripted import refused

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
      annotations: {{ .Values.told | toJson }}
    spec:
      containers: [{name: main, image: "web:1"}]
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: {{ .Release.Name }}}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {{ .Values.told | toJson }}}
    spec:
      restartPolicy: Never
      containers: [{name: once, image: "job:1"}]
"""
FILES = """\
helmDefaults: {wait: true, waitForJobs: true, timeout: 90}
releases:
- {name: pulls, namespace: NS(apps), chart: ./charts/app, values: [{told: {embedded.helmflow.dev/fail: image-pull}}]}
- name: crashes
  namespace: NS(apps)
  chart: ./charts/app
  values: [{told: {embedded.helmflow.dev/fail: crash-loop, embedded.helmflow.dev/exit-code: "3", embedded.helmflow.dev/log: "no database\\ngiving up"}}]
- name: ends
  namespace: NS(apps)
  chart: ./charts/job
  values: [{told: {embedded.helmflow.dev/exit-code: "7", embedded.helmflow.dev/log: "bad input"}}]
- {name: fits, namespace: NS(data), chart: ./charts/app, values: [{told: {}}]}
"""
QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "0"}}}


def test_every_failure_names_who_is_to_blame_although_all_went_back(town: Town) -> None:
    town.chart("app", deployment=DEPLOYMENT)
    town.chart("job", job=JOB)
    town.file("helmflow.yaml", FILES)
    town.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": town.ns("data")}})
    town.client.create({**QUOTA, "metadata": {"name": "none", "namespace": town.ns("data")}})
    running = RunningOptions(lease_duration_s=1.0, atomic=True, on_failure=OnFailure.CONTINUE)
    report = town.sync(running=running)

    def said(name: str) -> str:
        ended = report_of(report, name)
        assert ended.outcome is Outcome.FAILED
        assert ended.failure is not None
        assert town.history(name, "data" if name == "fits" else "apps") == []  # taken back
        return ended.failure.message

    pod = r"Deployment/{0}: Pod/{0}-\w+-\w+, container main: "
    pulls, crashes, ends, fits = (said(name) for name in ("pulls", "crashes", "ends", "fits"))
    assert pulls.startswith("apps/v1/Deployment") or "Deployment" in pulls.splitlines()[0]
    assert re.search(pod.format("pulls") + "(ErrImagePull|ImagePullBackOff)", pulls)
    assert "event: " in pulls
    assert re.search(pod.format("crashes") + "CrashLoopBackOff", crashes)
    assert "    | no database\n    | giving up" in crashes
    assert re.search(r"Job/ends: Pod/ends-\w+, container once: ", ends)
    assert "    | bad input" in ends
    assert "exceeded quota: none" in fits
    assert town.names("Deployment", api="apps/v1") == []


def test_a_record_that_would_not_fit_is_refused_while_planning(town: Town) -> None:
    town.chart("big", map="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n")
    # Not compressible: digits of a generator, in a file that no template reads.
    state, digits = 1, []
    for _ in range(300_000):
        state = state * 6364136223846793005 % 2**64
        digits.append(f"{state >> 48:x}")
    town.file("charts/big/data.txt", "".join(digits))
    town.file("helmflow.yaml", "releases:\n- {name: big, namespace: NS(apps), chart: ./charts/big}\n")
    (planned,) = town.diff().releases
    assert planned.action.error is not None
    assert planned.action.error.error_id == "release.too-large"
    assert re.search(
        r"needs \d+ KiB and must fit into 1024 KiB \(.*chart files \d+ KiB", planned.action.error.message
    )
    assert not town.sync().ok
    assert town.wire is not None
    assert town.wire.writes == []


def test_a_cluster_that_asks_to_slow_down_is_obeyed_and_named_once(town: Town) -> None:
    town.chart("app", map="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n")
    town.file("helmflow.yaml", "releases:\n- {name: web, namespace: NS(apps), chart: ./charts/app}\n")
    session = town.session()

    class Busy:
        left = 3

        def send(self, request: Request) -> Response:
            if request.method == "GET" and self.left and request.path.startswith("/api/v1/"):
                self.left -= 1
                return refused(429, "TooManyRequests", retry_after="0.01")
            return wire.send(request)

    assert isinstance(town.wire, Wire)
    wire = town.wire
    opened = session.opener
    assert opened is not None

    def busy(context: str, options: object) -> object:
        from dataclasses import replace

        return replace(opened(context, options), transport=Busy())  # type: ignore[arg-type]

    session.opener = busy  # type: ignore[assignment]
    from helmflow.flows import sync

    assert sync.sync(session.options, session.emit, given=session).ok
    said = [one.warning for one in town.events if isinstance(one, Warned)]
    assert [one.error_id for one in said] == ["cluster.throttled"]
    assert "asked to slow down" in said[0].message
