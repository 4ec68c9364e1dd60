"""The behaviours that each defeat at least one other tool, beside those of tests/flows/test_behaviours.py.

The list, and where each is:

1  a plan leaves every resourceVersion alone            behaviours: test_planning_leaves_every_resource_version_alone
2  50 x 20 unchanged objects cost no more than they must test_requests: test_an_unchanged_plan_of_a_fleet
3  a key that leaves stringData leaves the Secret        behaviours: test_a_key_that_leaves_string_data_leaves_the_secret
4  strategies change their type                          behaviours: test_a_strategy_may_change_its_type; here
5  volume claim templates change                         here
6  an object made anew between plan and apply            here
7  drift between plan and apply                          here
8  replicas that belong to an autoscaler                 behaviours: test_replicas_that_...
9  an image that cannot be pulled                        behaviours: test_an_image_that_cannot_be_pulled_fails_early; here
10 a claim that waits for its first consumer             here
11 a Job that still runs                                 here
12 a CRD, its objects and their namespace, all new       here
13 a run that was killed                                 flows/test_crash
14 two runs, two releases, one namespace                 here
15 a webhook that cannot do dry-runs                     here, test_webhooks
16 duplicate environment names                           behaviours: test_duplicate_environment_names_are_explained
17 secrets never show                                    here, behaviours, scenarios/test_secrets
18 releases go from Helm to helmflow and back            test_helm_programs, test_interop, flows/test_interop
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from helmflow.core.events import ObjectWaiting
from helmflow.core.ids import ObjectRef
from helmflow.execute.report import Outcome
from helmflow.kube.client import MERGE_PATCH, STRATEGIC_PATCH
from helmflow.kube.transport import Request, Response
from helmflow.plan.model import ChangeKind, Plan
from tests.flows import charts
from tests.flows.test_behaviours import one
from tests.flows.town import Town, plan_of, report_of

STATEFUL_SET = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  {{- with .Values.strategy }}
  updateStrategy: {type: {{ . }}}
  {{- end }}
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: "db:1"}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: {{ .Values.size | default "1Gi" }}}}
"""
FAILING = "embedded.helmflow.dev/fail: image-pull"


def waiting(town: Town, more: str = "") -> None:
    town.file(
        "helmflow.yaml",
        "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web, wait: true, timeout: 60,"
        f" values: [values.yaml]{more}}}\n",
    )


def changing(town: Town, change: Any) -> Any:
    """A confirmation that lets somebody else change the cluster between plan and apply."""

    def confirm(_: Plan) -> bool:
        change()
        return True

    return confirm


def test_04_a_stateful_set_may_change_its_strategy(town: Town) -> None:
    one(town, db=STATEFUL_SET)
    town.file("values.yaml", "strategy: RollingUpdate\n")
    assert town.sync().ok
    town.file("values.yaml", "strategy: OnDelete\n")
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    live = town.find("StatefulSet", "db", api="apps/v1")
    assert live is not None
    assert live["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert town.sync().writes == 0


def test_05_volume_claim_templates_change_without_losing_pods(town: Town) -> None:
    one(town, db=STATEFUL_SET)
    waiting(town)
    assert town.sync().ok
    ref = ObjectRef("apps/v1", "StatefulSet", town.ns("apps"), "db")
    before = {p["metadata"]["name"]: p["metadata"]["uid"] for p in _pods(town)}
    old = town.client.get(ref)["metadata"]["uid"]
    town.file("values.yaml", "size: 2Gi\n")
    (change,) = [c for c in plan_of(town.diff(), "web").changes if c.shows]
    assert change.kind is ChangeKind.REPLACE
    assert "pods and claims stay" in change.reason
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    live = town.client.get(ref)
    assert live["metadata"]["uid"] != old
    assert live["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert {p["metadata"]["name"]: p["metadata"]["uid"] for p in _pods(town)} == before
    assert town.sync().writes == 0


def _pods(town: Town) -> list[Any]:
    return list(town.client.list("v1", "Pod", town.ns("apps")).items)


def test_06_an_object_that_took_the_place_of_another_is_not_touched(town: Town) -> None:
    charts.small(town)
    assert town.sync().ok
    town.file("values.yaml", "color: green\n")
    ref = ObjectRef("v1", "ConfigMap", town.ns("apps"), "web")

    def swap() -> None:
        town.client.delete(ref)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "web", "namespace": ref.namespace},
        }
        town.client.create({**body, "data": {"theirs": "1"}}, manager="somebody")

    report = town.apply(changing(town, swap))
    failed = report_of(report, "web")
    assert failed.outcome is Outcome.FAILED
    assert town.client.get(ref)["data"] == {"theirs": "1"}


def test_07_drift_that_does_not_touch_the_plan_is_no_reason_to_stop(town: Town) -> None:
    charts.small(town)
    assert town.sync().ok
    town.file("values.yaml", "color: green\n")
    ref = ObjectRef("v1", "ConfigMap", town.ns("apps"), "web")

    def label() -> None:
        town.client.patch(ref, MERGE_PATCH, {"metadata": {"labels": {"note": "x"}}}, manager="kubectl-edit")

    report = town.apply(changing(town, label))
    assert report.ok, report_of(report, "web").failure
    live = town.client.get(ref)
    assert live["data"]["color"] == "green"
    assert live["metadata"]["labels"]["note"] == "x"


@pytest.mark.parametrize("drifted", [False, True], ids=["clean", "drifted"])
def test_07_drift_in_what_the_plan_changes_stops_it(town: Town, drifted: bool) -> None:
    """Also where the plan had settled another conflict, so that fields are taken by force."""
    charts.small(town)
    assert town.sync().ok
    ref = ObjectRef("v1", "ConfigMap", town.ns("apps"), "web")
    if drifted:
        town.client.patch(ref, MERGE_PATCH, {"data": {"lines": "drift"}}, manager="kubectl-edit")
    town.file("values.yaml", "color: green\n")

    def edit() -> None:
        town.client.patch(ref, MERGE_PATCH, {"data": {"color": "black"}}, manager="kubectl-edit")

    report = town.apply(changing(town, edit))
    failed = report_of(report, "web")
    assert failed.outcome is Outcome.FAILED
    assert failed.failure is not None
    assert failed.failure.error_id == "cluster.field-conflict"
    assert town.client.get(ref)["data"]["color"] == "black"
    # Whoever looks at the new plan and agrees gets what the chart says.
    assert town.sync().ok
    assert town.client.get(ref)["data"]["color"] == "green"


def test_09_broken_pods_of_the_old_revision_do_not_fail_the_new_one(town: Town) -> None:
    text = charts.DEPLOYMENT.replace(
        "metadata: {labels: {app: {{ .Release.Name }}}}",
        "metadata:\n      labels: {app: {{ .Release.Name }}}\n"
        "      annotations: {version: {{ .Values.version | quote }}, {{ .Values.fail }}}",
    )
    one(town, deployment=text)
    town.file("values.yaml", f'version: "1"\nfail: "{FAILING}"\n')
    assert town.sync().ok  # nobody waits
    _until(lambda: any("ImagePull" in json.dumps(p.get("status", {})) for p in _pods(town)))
    waiting(town)
    town.file("values.yaml", 'version: "2"\nfail: "a: b"\n')
    report = town.sync()
    assert report.ok, report_of(report, "web").failure


def _until(holds: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_10_a_claim_that_waits_for_its_first_consumer_is_not_waited_for(town: Town) -> None:
    name = f"late-{town.number}"
    town.client.create(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name},
            "provisioner": "example.com/none",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    )
    claim = f"""\
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {{name: data}}
    spec:
      storageClassName: {name}
      accessModes: [ReadWriteOnce]
      resources: {{requests: {{storage: 1Gi}}}}
    """
    one(town, claim=claim)
    waiting(town)
    started = time.monotonic()
    report = town.sync()
    town.client.delete(ObjectRef("storage.k8s.io/v1", "StorageClass", "", name))
    assert report.ok, report_of(report, "web").failure
    assert time.monotonic() - started < 20


def test_11_a_job_that_still_runs_is_waited_for(town: Town) -> None:
    job = """\
    apiVersion: batch/v1
    kind: Job
    metadata: {name: long}
    spec:
      template:
        metadata: {annotations: {embedded.helmflow.dev/run-for: "3s"}}
        spec: {restartPolicy: Never, containers: [{name: main, image: a}]}
    """
    one(town, job=job)
    waiting(town, ", waitForJobs: true")
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    live = town.find("Job", "long", api="batch/v1")
    assert live is not None
    assert live["status"]["succeeded"] == 1
    said = [e for e in town.events if isinstance(e, ObjectWaiting) and e.ref.kind == "Job"]
    assert [e.ready for e in said][-1] is True
    assert not said[0].ready


CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget, listKind: GadgetList}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [size]
              properties: {size: {type: integer, minimum: 1}}
"""
GADGET = """\
apiVersion: GROUP/v1
kind: Gadget
metadata: {name: one}
spec: {size: {{ .Values.size | toJson }}, {{ .Values.more | default "" }}}
"""


@pytest.mark.parametrize("place", ["crds", "templates"])
def test_12_a_definition_its_objects_and_their_namespace_may_all_be_new(town: Town, place: str) -> None:
    group = f"t{town.number}-{place}.example.com"
    one(town, gadget=GADGET.replace("GROUP", group), deployment=charts.DEPLOYMENT)
    town.file(f"charts/web/{place}/crd.yaml", CRD.replace("GROUP", group))
    town.file("values.yaml", "size: much\n")
    plan = plan_of(town.diff(), "web")
    assert plan.action.kind == "refuse", plan.action
    assert "spec.size" in plan.action.reason
    assert "integer" in plan.action.reason
    town.file("values.yaml", "size: 2\nmore: 'colour: red'\n")
    plan = plan_of(town.diff(), "web")
    assert "colour" in plan.action.reason
    town.file("values.yaml", "size: 2\n")
    plan = plan_of(town.diff(), "web")
    shown = {(c.kind, c.ref.kind) for c in plan.changes}
    assert {(ChangeKind.CREATE, "Gadget"), (ChangeKind.CREATE, "Deployment")} <= shown
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    assert town.sync().writes == 0
    town.destroy()
    town.client.delete(
        ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"gadgets.{group}")
    )


def test_12_a_field_that_its_kind_does_not_have_is_told_while_planning(town: Town) -> None:
    one(town, deployment=charts.DEPLOYMENT.replace("  replicas:", "  replica:"))
    report = town.sync()
    failure = report_of(report, "web").failure
    assert failure is not None
    assert "replica" in failure.message
    assert town.names("Deployment", api="apps/v1") == []


def test_14_two_runs_do_not_wait_for_each_other_in_one_namespace(town: Town, tmp_path: Any) -> None:
    town.chart(
        "app",
        config=charts.CONFIG,
        prepare=charts.PRE_INSTALL.replace(
            "    spec:\n      restartPolicy",
            "    metadata: {annotations: {embedded.helmflow.dev/run-for: 2s}}\n    spec:\n      restartPolicy",
        ),
    )
    for name in ("left", "right"):
        town.file(
            f"{name}.yaml", f"releases:\n  - {{name: {name}, namespace: NS(apps), chart: ./charts/app}}\n"
        )
    from helmflow.flows.options import StateOptions

    spans: dict[str, tuple[float, float]] = {}
    reports: list[Any] = []
    events: list[Any] = []

    def run(name: str) -> None:
        from helmflow.flows import sync
        from helmflow.flows.options import accept

        session = town.session(state=StateOptions(file=f"{name}.yaml"))
        session.emit = events.append
        began = time.monotonic()
        reports.append(sync.sync(session.options, session.emit, accept, session))
        spans[name] = (began, time.monotonic())

    threads = [threading.Thread(target=run, args=(name,)) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(report.ok for report in reports)
    assert not [e for e in events if isinstance(e, ObjectWaiting) and e.ref.kind == "Lease"]
    assert max(start for start, _ in spans.values()) < min(end for _, end in spans.values())


def test_15_a_webhook_that_cannot_do_dry_runs_costs_only_the_preview(town: Town) -> None:
    """The embedded cluster calls no webhooks: there the test only says that one does no harm."""
    charts.small(town)
    assert town.sync().ok
    ref = ObjectRef(
        "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", f"slow-{town.number}"
    )
    town.client.create(
        {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "metadata": {"name": ref.name},
            "webhooks": [
                {
                    "name": "slow.example.com",
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "failurePolicy": "Fail",
                    "timeoutSeconds": 1,
                    "clientConfig": {"url": "https://127.0.0.1:1/"},
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": town.ns("apps")}},
                    "rules": [
                        {
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "operations": ["UPDATE"],
                            "resources": ["configmaps"],
                        }
                    ],
                }
            ],
        }
    )
    try:
        town.file("values.yaml", "color: green\n")
        plan = plan_of(town.diff(), "web")
        (change,) = [c for c in plan.changes if c.shows]
        assert change.kind is ChangeKind.UPDATE
        assert "green" in change.after
    finally:
        town.client.delete(ref)
    assert town.sync().ok


def test_15_a_webhook_that_refuses_dry_runs_costs_only_the_preview(town: Town) -> None:
    """The refusal comes from the wire, on both clusters; test_webhooks has a server that really refuses."""
    from tests.apiserver.test_storms import Storm, status

    charts.small(town)
    assert town.sync().ok
    town.file("values.yaml", "color: green\n")
    calm = town.transport

    def refused(storm: Storm, request: Request) -> Response | None:
        if dict(request.query).get("dryRun") != "All":
            return None
        return status(
            400, "BadRequest", message='admission webhook "old.example.com" does not support dry run'
        )

    town.transport = lambda: Storm(calm(), refused)
    (change,) = [c for c in plan_of(town.diff(), "web").changes if c.shows]
    assert change.reason == "not verified by the cluster"
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    live = town.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "green"


def test_17_secrets_show_nowhere(town: Town) -> None:
    """Neither a Secret's, nor an environment literal, nor an annotation of the last client-side apply.

    Errors and logs: scenarios/test_secrets.
    """
    text = charts.DEPLOYMENT.replace(
        "          image: web:1\n",
        "          image: web:1\n          env: [{name: PASSWORD, value: {{ .Values.password | quote }}}]\n",
    )
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: {{ .Values.password | quote }}}\n"
    one(town, deployment=text, secret=secret)
    town.file("old.txt", "old-hidden-1")
    town.file("new.txt", "new-hidden-2")
    town.file(
        "helmflow.yaml",
        "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web, values: [{password: ref+file://old.txt}]}\n",
    )
    town.sync()
    ref = ObjectRef("v1", "Secret", town.ns("apps"), "s")
    last = json.dumps({"stringData": {"password": "old-hidden-1"}})
    note = {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": last}}}
    town.client.patch(ref, STRATEGIC_PATCH, note, manager="kubectl")
    town.file(
        "helmflow.yaml",
        "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web, values: [{password: ref+file://new.txt}]}\n",
    )
    plan = plan_of(town.diff(), "web")
    shown = "".join(c.before + c.after + c.reason for c in plan.changes)
    assert "PASSWORD" in shown
    assert "hidden" not in shown
