"""What one release brings is there for the next one: kinds, and what templates look up."""

from __future__ import annotations

from tests.flows import charts
from tests.flows.town import Town, report_of

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gadgets.GROUP
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
GADGET = """\
apiVersion: GROUP/v1
kind: Gadget
metadata:
  name: {{ .Release.Name }}
spec: {size: 3}
"""


def _group(town: Town, text: str) -> str:
    return text.replace("GROUP", f"t{town.number}.example.com")


def test_a_custom_resource_follows_its_definition_of_another_release(town: Town) -> None:
    town.chart("kinds", crd=_group(town, CRD))
    has = f'{{{{- if .Capabilities.APIVersions.Has "t{town.number}.example.com/v1/Gadget" }}}}\n'
    town.chart("gadget", gadget=has + _group(town, GADGET) + "{{- end }}\n", config=charts.CONFIG)
    town.file(
        "helmflow.yaml",
        """\
        releases:
          - {name: kinds, namespace: NS(data), chart: ./charts/kinds}
          - {name: one, namespace: NS(apps), chart: ./charts/gadget, needs: [NS(data)/kinds]}
        """,
    )
    assert town.sync().ok
    assert town.names("Gadget", api=f"t{town.number}.example.com/v1") == ["one"]
    assert town.sync().writes == 0
    assert town.destroy().ok


def test_definitions_of_the_crds_folder_come_first(town: Town) -> None:
    town.chart("gadget", gadget=_group(town, GADGET))
    town.file("charts/gadget/crds/gadget.yaml", _group(town, CRD))
    town.file("helmflow.yaml", "releases:\n  - {name: one, namespace: NS(apps), chart: ./charts/gadget}\n")
    assert town.sync().ok
    assert town.names("Gadget", api=f"t{town.number}.example.com/v1") == ["one"]
    assert town.sync().writes == 0


def test_lookup_sees_what_a_needed_release_created(town: Town) -> None:
    town.chart("first", config=charts.CONFIG)
    town.chart(
        "second",
        config="""\
        {{- $found := lookup "v1" "ConfigMap" "NS(data)" "base" }}
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: seen}
        data:
          color: {{ dig "data" "color" "none" $found }}
        """,
    )
    town.file(
        "helmflow.yaml",
        """\
        releases:
          - {name: base, namespace: NS(data), chart: ./charts/first}
          - {name: user, namespace: NS(apps), chart: ./charts/second, needs: [NS(data)/base]}
        """,
    )
    report = town.sync()
    assert report.ok, report_of(report, "user").failure
    seen = town.find("ConfigMap", "seen")
    assert seen is not None
    assert seen["data"]["color"] == "blue"
    assert town.sync().writes == 0
