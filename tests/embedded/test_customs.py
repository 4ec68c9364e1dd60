from __future__ import annotations

from typing import Any

import pytest

from tests.embedded.api import APPLY, MERGE, STRATEGIC, Api, condition

Json = dict[str, Any]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


def definition(**names: Any) -> Json:
    item = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
    }
    spec = {
        "type": "object",
        "required": ["color"],
        "properties": {
            "color": {"type": "string", "enum": ["red", "blue"]},
            "count": {"type": "integer", "minimum": 1, "default": 3},
            "tag": {"type": "string", "pattern": "^v[0-9]+$", "maxLength": 4},
            "when": {"x-kubernetes-int-or-string": True},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "parts": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": item,
            },
            "note": {"type": "string", "nullable": True},
        },
    }
    schema = {
        "type": "object",
        "properties": {
            "spec": spec,
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
        },
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {
        "status": {}, "scale": {"specReplicasPath": ".spec.count", "statusReplicasPath": ".status.count"}}}  # fmt: skip
    older = {"name": "v1beta1", "served": True, "storage": False, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "versions": [older, version],
                 "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], **names}},
    }  # fmt: skip


def widget(**spec: Any) -> Json:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "one"},
        "spec": {"color": "red", **spec},
    }


@pytest.fixture
def served(api: Api) -> Api:
    api.ok("POST", DEFINITIONS, definition())
    api.pass_time(0.5)
    return api


def test_a_definition_is_established_and_discovered(api: Api) -> None:
    made = api.ok("POST", DEFINITIONS, definition())
    assert made["status"]["storedVersions"] == ["v1"]
    assert api.call("GET", WIDGETS)[0] == 404
    api.pass_time(0.5)
    value = api.get(f"{DEFINITIONS}/widgets.example.com")
    assert condition(value, "Established")["status"] == "True"
    assert value["spec"]["names"]["singular"] == "widget"
    resources = api.get("/apis/example.com/v1")["resources"]
    assert [r["name"] for r in resources] == ["widgets", "widgets/status", "widgets/scale"]
    assert [v["version"] for v in api.get("/apis/example.com")["versions"]] == ["v1", "v1beta1"]
    assert api.get("/openapi/v3/apis/example.com/v1")["components"]["schemas"]["com.example.v1.Widget"][
        "properties"
    ]["spec"]


def test_defaults_and_pruning(served: Api) -> None:
    made = served.ok("POST", WIDGETS, widget(unknown=1, free={"any": {"thing": 1}}))
    assert made["spec"] == {"color": "red", "free": {"any": {"thing": 1}}, "count": 3}
    assert made["metadata"]["generation"] == 1
    strict = served.refused("POST", WIDGETS, widget(unknown=1), fieldValidation="Strict")
    assert (strict["code"], 'unknown field "spec.unknown"' in strict["message"]) == (400, True)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"color": "green"}, 'spec.color: Unsupported value: "green": supported values: "red", "blue"'),
        (
            {"count": 0},
            "spec.count: Invalid value: 0: spec.count in body should be greater than or equal to 1",
        ),
        (
            {"count": "x"},
            'spec.count: Invalid value: "string": spec.count in body must be of type integer: "string"',
        ),
        ({"tag": "x1"}, "spec.tag: Invalid value: \"x1\": spec.tag in body should match '^v[0-9]+$'"),
        ({"tag": "v12345"}, "spec.tag: Too long: may not be more than 4 bytes"),
        ({"parts": [{"size": 1}]}, "spec.parts[0].name: Required value"),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, 'spec.parts[1]: Duplicate value: {"name":"a"}'),
    ],
)
def test_what_breaks_the_schema_is_refused(served: Api, spec: Json, text: str) -> None:
    answer = served.refused("POST", WIDGETS, widget(**spec))
    assert answer["code"] == 422
    assert text in answer["message"]


def test_a_missing_required_field(served: Api) -> None:
    body = widget()
    del body["spec"]["color"]
    assert (
        served.refused("POST", WIDGETS, body)["message"]
        == 'Widget.example.com "one" is invalid: spec.color: Required value'
    )


def test_apply_merges_keyed_lists_and_refuses_unknown_fields(served: Api) -> None:
    served.apply(f"{WIDGETS}/one", widget(parts=[{"name": "a", "size": 1}]))
    other = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "one"},
        "spec": {"parts": [{"name": "b", "size": 2}]},
    }
    both = served.apply(f"{WIDGETS}/one", other, manager="other")
    assert [p["name"] for p in both["spec"]["parts"]] == ["a", "b"]
    answer = served.refused("PATCH", f"{WIDGETS}/one", widget(unknown=1), APPLY, fieldManager="helm")
    assert (answer["code"], ".spec.unknown: field not declared in schema" in answer["message"]) == (500, True)
    kept = served.apply(f"{WIDGETS}/one", widget(note=None))
    assert kept["spec"]["note"] is None


def test_status_scale_versions_and_patches(served: Api) -> None:
    made = served.ok("POST", WIDGETS, {**widget(), "status": {"phase": "early"}})
    assert "status" not in made
    changed = served.ok(
        "PATCH", f"{WIDGETS}/one/status", {"status": {"phase": "ok"}, "spec": {"color": "blue"}}, MERGE
    )
    assert (changed["status"], changed["spec"]["color"], changed["metadata"]["generation"]) == (
        {"phase": "ok"},
        "red",
        1,
    )
    assert served.get(f"{WIDGETS}/one/scale")["spec"]["replicas"] == 3
    old = served.get("/apis/example.com/v1beta1/namespaces/default/widgets/one")
    assert (old["apiVersion"], old["spec"]["color"]) == ("example.com/v1beta1", "red")
    assert served.refused("PATCH", f"{WIDGETS}/one", {}, STRATEGIC)["code"] == 415
    bumped = served.ok("PATCH", f"{WIDGETS}/one", {"spec": {"color": "blue"}}, MERGE)
    assert bumped["metadata"]["generation"] == 2


def test_deleting_a_definition_deletes_its_objects(served: Api) -> None:
    served.ok("POST", WIDGETS, widget())
    served.ok("DELETE", f"{DEFINITIONS}/widgets.example.com")
    served.pass_time(2)
    assert served.refused("GET", f"{DEFINITIONS}/widgets.example.com")["code"] == 404
    assert served.call("GET", WIDGETS)[0] == 404


def test_two_definitions_may_not_share_a_kind(served: Api) -> None:
    body = definition(plural="gadgets")
    body["metadata"]["name"] = "gadgets.example.com"
    served.ok("POST", DEFINITIONS, body)
    served.pass_time(0.5)
    value = served.get(f"{DEFINITIONS}/gadgets.example.com")
    assert (condition(value, "NamesAccepted")["status"], condition(value, "Established")["status"]) == (
        "False",
        "False",
    )
    assert condition(value, "NamesAccepted")["reason"] == "KindConflict"
