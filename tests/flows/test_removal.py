"""Custom resources, operators and definitions: in which order they go, what holds them, and how it goes on."""

from __future__ import annotations

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.flows.options import RunningOptions
from helmflow.kube.client import MERGE_PATCH
from tests.flows import charts
from tests.flows.town import Town, report_of

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
GADGET = """\
apiVersion: GROUP/v1
kind: Gadget
metadata: {name: "{{ .Release.Name }}", finalizers: FINALIZERS}
"""


def _group(town: Town) -> str:
    return f"g{town.number}.example.org"


def _deleted(town: Town) -> list[str]:
    assert town.wire is not None
    paths = [w.path for w in town.wire.writes if w.method == "DELETE"]
    return [path.rpartition("/")[2] for path in paths if "secrets" not in path and "leases" not in path]


def _town(town: Town, finalizers: str = "[]", *, together: bool = False) -> None:
    definition = DEFINITION.replace("GROUP", _group(town))
    gadget = GADGET.replace("GROUP", _group(town)).replace("FINALIZERS", finalizers)
    if together:
        town.chart("all", crd=definition, gadget=gadget, operator=charts.CONFIG)
        town.file("helmflow.yaml", "releases:\n  - {name: all, namespace: NS(apps), chart: ./charts/all}\n")
        return
    town.chart("operator", crd=definition, config=charts.CONFIG)
    town.chart("thing", gadget=gadget)
    town.file(
        "helmflow.yaml",
        """\
        releases:
          - {name: thing, namespace: NS(apps), chart: ./charts/thing}
          - {name: operator, namespace: NS(apps), chart: ./charts/operator}
        """,
    )


def test_custom_resources_go_before_their_operator(town: Town) -> None:
    _town(town, together=True)
    assert town.sync().ok
    running = RunningOptions(lease_duration_s=1.0, delete_data=True)
    assert town.destroy(running=running).ok
    assert _deleted(town)[0] == "all"
    assert town.wire is not None
    kinds = [w.path.split("/")[-2] for w in town.wire.writes if w.method == "DELETE"]
    assert kinds[0] == "gadgets"
    assert {"configmaps", "customresourcedefinitions"} < set(kinds)


def test_releases_with_objects_of_a_kind_go_before_the_one_that_defines_it(town: Town) -> None:
    _town(town)
    (town.folder / "only.yaml").write_text(
        (town.folder / "helmflow.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    town.file(
        "helmflow.yaml", "releases:\n  - {name: operator, namespace: NS(apps), chart: ./charts/operator}\n"
    )
    assert town.sync().ok
    (town.folder / "helmflow.yaml").write_text(
        (town.folder / "only.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    assert town.sync().ok
    assert town.destroy(running=RunningOptions(lease_duration_s=1.0, delete_data=True, concurrency=4)).ok
    assert _deleted(town).index("thing") < _deleted(town).index("operator")


def test_what_a_finalizer_holds_is_named_and_the_destroy_goes_on_later(town: Town) -> None:
    _town(town, "[example.org/held]", together=True)
    assert town.sync().ok
    running = RunningOptions(lease_duration_s=1.0, delete_data=True, delete_timeout_s=1.0)
    report = town.destroy(running=running)
    failure = report_of(report, "all").failure
    assert failure is not None
    assert "example.org/held" in failure.message
    assert town.names("ConfigMap") == ["all"]  # the operator is still there to finish it
    assert town.statuses("all") == ["uninstalling"]
    town.client.patch(
        ObjectRef(f"{_group(town)}/v1", "Gadget", town.ns("apps"), "all"),
        MERGE_PATCH,
        {"metadata": {"finalizers": None}},
    )
    assert town.destroy(running=running).ok
    assert town.names("ConfigMap") == []
    assert town.history("all") == []


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "CustomResourceDefinition", "Namespace"])
def test_what_holds_data_is_never_deleted_by_default(town: Town, kind: str) -> None:
    bodies = {
        "PersistentVolumeClaim": (
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
            "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
        ),
        "CustomResourceDefinition": DEFINITION.replace("GROUP", _group(town)),
        "Namespace": f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {town.ns('edge')}}}\n",
    }
    town.chart("all", body=bodies[kind])
    town.file("helmflow.yaml", "releases:\n  - {name: all, namespace: NS(apps), chart: ./charts/all}\n")
    assert town.sync().ok
    report = town.destroy()
    assert report.ok
    assert [ref.kind for ref in report_of(report, "all").kept] == [kind]
    assert town.history("all") == []
    assert town.sync().ok  # it is taken back: its annotations still name the release
    assert town.destroy(running=RunningOptions(lease_duration_s=1.0, delete_data=True)).ok
    assert not report_of(report, "all").failure
    assert _deleted(town)
