"""Objects whose API version changes, or is no longer served, between two revisions of a release."""

from __future__ import annotations

from dataclasses import replace

from helmflow.flows.options import StateOptions
from helmflow.helm.release.store import ReleaseStore
from tests.flows import charts
from tests.flows.town import Town, plan_of

AUTOSCALER = """\
apiVersion: autoscaling/VERSION
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
"""


def test_an_object_that_moves_to_another_version_is_updated_not_deleted(town: Town) -> None:
    town.chart("web", config=charts.CONFIG, scaler=AUTOSCALER.replace("VERSION", "v1"))
    town.file("helmflow.yaml", "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web}\n")
    assert town.sync().ok
    before = town.find("HorizontalPodAutoscaler", "web", api="autoscaling/v2")
    town.chart("web", scaler=AUTOSCALER.replace("VERSION", "v2"))
    assert town.sync().ok
    after = town.find("HorizontalPodAutoscaler", "web", api="autoscaling/v2")
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert town.sync().writes == 0


BUDGET = """\
apiVersion: policy/VERSION
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
"""


def _from_an_older_cluster(town: Town) -> None:
    """A release whose record names policy/v1beta1, as it was before the cluster was upgraded."""
    town.chart("web", config=charts.CONFIG, budget=BUDGET.replace("VERSION", "v1"))
    town.file("helmflow.yaml", "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web}\n")
    assert town.sync().ok
    store = ReleaseStore(town.client, town.ns("apps"))
    record = store.get("web", 1)
    store.update(replace(record, manifest=record.manifest.replace("policy/v1", "policy/v1beta1")))


def test_a_stored_version_that_is_no_longer_served_is_found_and_deleted(town: Town) -> None:
    _from_an_older_cluster(town)
    assert town.destroy().ok
    assert town.find("PodDisruptionBudget", "web", api="policy/v1") is None
    assert town.history("web") == []


def test_a_chart_that_moved_on_keeps_the_object(town: Town) -> None:
    _from_an_older_cluster(town)
    before = town.find("PodDisruptionBudget", "web", api="policy/v1")
    report = town.sync()
    assert report.ok
    after = town.find("PodDisruptionBudget", "web", api="policy/v1")
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert town.statuses("web") == ["superseded", "deployed"]


def test_a_chart_that_did_not_move_on_is_taken_as_the_newer_version_and_says_so(town: Town) -> None:
    _from_an_older_cluster(town)
    town.chart("web", budget=BUDGET.replace("VERSION", "v1beta1"))
    plan = plan_of(town.diff(), "web")
    assert not plan.action.writes
    assert [warning.error_id for warning in plan.warnings] == ["release.unserved-api"]
    town.chart("web", budget=BUDGET.replace("VERSION", "v1beta1").replace("Unavailable: 1", "Unavailable: 2"))
    assert town.sync().ok
    live = town.find("PodDisruptionBudget", "web", api="policy/v1")
    assert live is not None
    assert live["spec"]["maxUnavailable"] == 2


def test_a_rollback_to_a_version_that_is_gone_brings_the_object_back(town: Town) -> None:
    _from_an_older_cluster(town)
    town.chart("web", budget=BUDGET.replace("VERSION", "v1").replace("Unavailable: 1", "Unavailable: 2"))
    assert town.sync().ok
    assert town.rollback(1).ok
    live = town.find("PodDisruptionBudget", "web", api="policy/v1")
    assert live is not None
    assert live["spec"]["maxUnavailable"] == 1


DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets}
  versions: [VERSIONS]
"""
VERSION = (
    "{name: NAME, served: true, storage: STORAGE, "
    "schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}"
)
GADGET = "apiVersion: GROUP/NAME\nkind: Gadget\nmetadata: {name: web}\nspec: {size: SIZE}\n"


def test_a_custom_resource_outlives_the_version_it_was_applied_in(town: Town) -> None:
    group = f"v{town.number}.example.org"
    old = VERSION.replace("NAME", "v1alpha1").replace("STORAGE", "false")
    new = VERSION.replace("NAME", "v1").replace("STORAGE", "true")
    definition = DEFINITION.replace("GROUP", group)
    gadget = GADGET.replace("GROUP", group)
    town.chart("operator", crd=definition.replace("VERSIONS", f"{old}, {new}"))
    town.chart("web", gadget=gadget.replace("NAME", "v1alpha1").replace("SIZE", "1"))
    town.file(
        "helmflow.yaml",
        "releases:\n"
        "  - {name: operator, namespace: NS(apps), chart: ./charts/operator}\n"
        "  - {name: web, namespace: NS(apps), chart: ./charts/web, needs: [operator]}\n",
    )
    assert town.sync().ok
    town.chart("operator", crd=definition.replace("VERSIONS", new))
    assert town.sync(state=StateOptions(selectors=("name=operator",))).ok
    town.chart("web", gadget=gadget.replace("NAME", "v1").replace("SIZE", "2"))
    report = town.sync()
    assert report.ok, [release.failure for release in report.releases]
    live = town.find("Gadget", "web", api=f"{group}/v1")
    assert live is not None
    assert live["spec"]["size"] == 2
    assert town.sync().writes == 0
    assert town.destroy().ok
    assert town.find("Gadget", "web", api=f"{group}/v1") is None
