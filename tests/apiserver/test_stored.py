"""Releases that were stored long ago: APIs that are no longer served, in manifests and in who owns what."""

from __future__ import annotations

from typing import Any

from helmflow.core.ids import ObjectRef
from helmflow.helm.release.store import ReleaseStore
from tests.flows import charts
from tests.flows.town import Town, plan_of, report_of

OLD = """\
---
# Source: web/templates/pdb.yaml
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata:
  name: web
spec:
  minAvailable: 1
  selector: {matchLabels: {app: web}}
---
# Source: web/templates/ingress.yaml
apiVersion: extensions/v1beta1
kind: Ingress
metadata:
  name: web
spec:
  backend: {serviceName: web, servicePort: 80}
"""
NEW = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: web
spec:
  minAvailable: {{ .Values.least | default 1 }}
  selector: {matchLabels: {app: web}}
"""


def _aged(town: Town, manifest: str) -> None:
    """Let the deployed revision's record end with these documents, as if it had been written years ago."""
    store = ReleaseStore(town.client, town.ns("apps"))
    from dataclasses import replace

    deployed = town.history("web")[-1]
    store.update(replace(deployed, manifest=deployed.manifest + manifest))


def test_a_stored_api_that_is_no_longer_served_stops_nothing(town: Town) -> None:
    charts.small(town)
    town.chart("web", pdb=NEW)
    assert town.sync().ok
    _aged(town, OLD)
    plan = plan_of(town.diff(), "web")
    assert plan.action.writes  # the stored documents are not those of the chart
    town.file("values.yaml", "color: green\nleast: 2\n")
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    budget = town.find("PodDisruptionBudget", "web", api="policy/v1")
    assert budget is not None
    assert budget["spec"]["minAvailable"] == 2
    _aged(town, OLD)
    report = town.destroy()
    assert report.ok, report_of(report, "web").failure
    assert town.names("ConfigMap") == []
    assert town.history("web") == []


def _definition(group: str, *versions: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == "v1",
                    "schema": {"openAPIV3Schema": schema},
                }
                for version in versions
            ],
        },
    }


def test_an_object_last_applied_in_a_version_that_is_gone_is_still_ours(town: Town) -> None:
    group = f"t{town.number}.example.com"
    town.client.apply(_definition(group, "v1alpha1", "v1"))
    gadget = (
        "apiVersion: GROUP/VERSION\nkind: Gadget\nmetadata: {name: one}\nspec: {size: {{ .Values.size }}}\n"
    )
    charts.small(town)
    town.chart("web", gadget=gadget.replace("GROUP", group).replace("VERSION", "v1alpha1"))
    town.file("values.yaml", "size: 1\n")
    _until_served(town, f"{group}/v1alpha1")
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    ref = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"gadgets.{group}")
    town.client.update(ref, lambda live: {**live, "spec": _definition(group, "v1")["spec"]})
    _until_gone(town, f"{group}/v1alpha1")
    town.chart("web", gadget=gadget.replace("GROUP", group).replace("VERSION", "v1"))
    town.file("values.yaml", "size: 2\n")
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    live = town.client.get(ObjectRef(f"{group}/v1", "Gadget", town.ns("apps"), "one"))
    assert live["spec"]["size"] == 2
    assert town.sync().writes == 0
    assert town.destroy().ok
    town.client.delete(ref)


def _until_served(town: Town, api: str) -> None:
    _until(lambda: town.client.discovery().find(api, "Gadget") is not None)


def _until_gone(town: Town, api: str) -> None:
    _until(lambda: town.client.discovery().find(api, "Gadget") is None)


def _until(holds: Any) -> None:
    import time

    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
