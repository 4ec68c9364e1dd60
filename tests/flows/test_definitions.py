"""crds: skip, create and upgrade of a release, from the file to the cluster."""

from __future__ import annotations

from helmflow.core.ids import ObjectRef
from tests.flows import charts
from tests.flows.town import Town, plan_of, report_of

CRD = """\
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
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {PROPERTIES}}}}}
"""


def _group(town: Town) -> str:
    return f"d{town.number}.example.org"


def _town(town: Town, mode: str, properties: str = "size: {type: integer}", *, force: bool = False) -> None:
    town.chart("web", config=charts.CONFIG)
    town.file(
        "charts/web/crds/gadgets.yaml", CRD.replace("GROUP", _group(town)).replace("PROPERTIES", properties)
    )
    said = f", crds: {mode}" if mode else ""
    town.file(
        "helmflow.yaml",
        f"releases:\n  - {{name: web, namespace: NS(apps), chart: ./charts/web{said}, force: {str(force).lower()}}}\n",
    )


def _properties(town: Town) -> list[str]:
    ref = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"gadgets.{_group(town)}")
    live = town.client.find(ref)
    if live is None:
        return []
    schema = live["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return sorted(schema["properties"]["spec"]["properties"])


def test_skip_leaves_them_alone(town: Town) -> None:
    _town(town, "skip")
    assert town.sync().ok
    assert _properties(town) == []


def test_create_makes_what_is_missing_and_changes_nothing(town: Town) -> None:
    _town(town, "")
    assert town.sync().ok
    assert _properties(town) == ["size"]
    _town(town, "create", "size: {type: integer}, color: {type: string}")
    assert town.sync().writes == 0
    assert _properties(town) == ["size"]


def test_upgrade_keeps_them_up_to_date_before_the_objects(town: Town) -> None:
    _town(town, "upgrade")
    assert town.sync().ok
    assert town.sync().writes == 0
    _town(town, "upgrade", "size: {type: integer}, color: {type: string}")
    plan = plan_of(town.diff(), "web")
    assert plan.action.code == "crds"
    assert any(change.ref.kind == "CustomResourceDefinition" and change.shows for change in plan.changes)
    assert town.sync().ok
    assert _properties(town) == ["color", "size"]
    assert town.sync().writes == 0


def test_what_would_lose_data_is_refused_unless_it_is_forced(town: Town) -> None:
    _town(town, "upgrade")
    assert town.sync().ok
    _town(town, "upgrade", "color: {type: string}")
    report = town.sync()
    failure = report_of(report, "web").failure
    assert failure is not None
    assert failure.error_id == "release.crd-breaks"
    assert ".spec.size is removed" in failure.message
    assert report.writes == 0
    _town(town, "upgrade", "color: {type: string}", force=True)
    assert town.sync().ok
    assert _properties(town) == ["color"]


def test_what_only_narrows_is_shown(town: Town) -> None:
    _town(town, "upgrade")
    assert town.sync().ok
    _town(town, "upgrade", "size: {type: integer, minimum: 3}")
    plan = plan_of(town.diff(), "web")
    assert [warning.error_id for warning in plan.warnings] == ["release.crd-narrows"]
    assert town.sync().ok
