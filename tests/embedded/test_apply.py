from __future__ import annotations

from typing import Any

from tests.embedded.api import APPLY, APPS, CORE, JSON_PATCH, MERGE, Api, config_map, deployment

MAP = f"{CORE}/configmaps/settings"
WEB = f"{APPS}/deployments/web"


def owners(value: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(e["manager"], e["operation"]): e["fieldsV1"] for e in value["metadata"].get("managedFields", ())}


def test_apply_creates_and_owns_what_it_said(api: Api) -> None:
    status, made = api.call("PATCH", MAP, config_map(a="1"), APPLY, fieldManager="helm")
    assert status == 201
    assert owners(made) == {("helm", "Apply"): {"f:data": {"f:a": {}}}}


def test_applying_the_same_again_changes_nothing(api: Api) -> None:
    first = api.apply(WEB, deployment())
    api.clock.sleep(0)
    api.clock.at = api.clock.at.replace(microsecond=0)
    again = api.apply(WEB, deployment())
    assert again["metadata"]["generation"] == first["metadata"]["generation"]
    assert [e for e in again["metadata"]["managedFields"] if e["manager"] == "helm"] == first["metadata"][
        "managedFields"
    ]


def test_what_is_no_longer_applied_goes(api: Api) -> None:
    api.apply(MAP, config_map(a="1", b="2"))
    assert api.apply(MAP, config_map(a="1"))["data"] == {"a": "1"}


def test_what_another_owns_stays(api: Api) -> None:
    api.apply(MAP, config_map(a="1", b="2"))
    api.apply(MAP, config_map(b="2"), manager="other")
    left = api.apply(MAP, config_map(a="1"))
    assert left["data"] == {"a": "1", "b": "2"}
    assert owners(left) == {
        ("helm", "Apply"): {"f:data": {"f:a": {}}},
        ("other", "Apply"): {"f:data": {"f:b": {}}},
    }


def test_a_conflict_names_managers_and_fields(api: Api) -> None:
    api.apply(MAP, config_map(a="1", b="1"))
    api.ok("PATCH", MAP, {"data": {"a": "2", "b": "2"}}, MERGE, fieldManager="kubectl-edit")
    answer = api.refused("PATCH", MAP, config_map(a="1", b="1"), APPLY, fieldManager="helm")
    assert answer["code"] == 409
    assert (
        answer["message"]
        == 'Apply failed with 2 conflicts: conflicts with "kubectl-edit" using v1:\n- .data.a\n- .data.b'
    )
    assert answer["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using v1',
            "field": ".data.a",
        },
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using v1',
            "field": ".data.b",
        },
    ]
    forced = api.apply(MAP, config_map(a="1", b="1"), force="true")
    assert owners(forced) == {("helm", "Apply"): {"f:data": {"f:a": {}, "f:b": {}}}}


def test_scaling_conflicts_with_its_subresource(api: Api) -> None:
    api.apply(WEB, deployment())
    api.ok("PATCH", f"{WEB}/scale", {"spec": {"replicas": 5}}, MERGE, fieldManager="kubectl")
    answer = api.refused("PATCH", WEB, deployment(), APPLY, fieldManager="helm")
    assert answer["message"] == (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas'
    )


def test_the_same_value_is_shared(api: Api) -> None:
    api.apply(MAP, config_map(a="1"))
    shared = api.apply(MAP, config_map(a="1"), manager="other")
    assert set(owners(shared)) == {("helm", "Apply"), ("other", "Apply")}


def test_dropping_replicas_returns_to_the_default(api: Api) -> None:
    api.apply(WEB, deployment(replicas=3))
    body = deployment()
    del body["spec"]["replicas"]
    assert api.apply(WEB, body)["spec"]["replicas"] == 1


def test_keyed_lists_merge_by_their_keys(api: Api) -> None:
    api.apply(WEB, deployment())
    side = deployment()
    side["spec"] = {
        "selector": side["spec"]["selector"],
        "template": {
            "metadata": side["spec"]["template"]["metadata"],
            "spec": {"containers": [{"name": "side", "image": "s"}]},
        },
    }
    both = api.apply(WEB, side, manager="mesh")
    assert [c["name"] for c in both["spec"]["template"]["spec"]["containers"]] == ["main", "side"]
    alone = api.apply(
        WEB, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}, manager="mesh"
    )
    assert [c["name"] for c in alone["spec"]["template"]["spec"]["containers"]] == ["main"]


def test_a_port_and_its_twin_protocol_coexist(api: Api) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["ports"] = [
        {"containerPort": 80},
        {"containerPort": 80, "protocol": "UDP"},
    ]
    made = api.apply(WEB, body)
    assert len(made["spec"]["template"]["spec"]["containers"][0]["ports"]) == 2
    body["spec"]["template"]["spec"]["containers"][0]["ports"] = [
        {"containerPort": 80},
        {"containerPort": 80, "protocol": "TCP"},
    ]
    answer = api.refused("PATCH", WEB, body, APPLY, fieldManager="helm")
    assert answer["code"] == 500
    assert 'duplicate entries for key [containerPort=80,protocol="TCP"]' in answer["message"]


def test_typed_failures_are_500(api: Api) -> None:
    body = deployment()
    body["spec"]["bogus"] = 1
    answer = api.refused("PATCH", WEB, body, APPLY, fieldManager="helm")
    assert (answer["code"], answer["message"]) == (
        500,
        "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.bogus: field not declared in schema",
    )
    body = config_map()
    body["data"] = {"a": 1}
    answer = api.refused("PATCH", MAP, body, APPLY, fieldManager="helm")
    assert answer["message"].endswith(".data.a: expected string, got &value.valueUnstructured{Value:1}")


def test_the_body_must_fit_the_url(api: Api) -> None:
    body = {**config_map(), "apiVersion": "v2"}
    assert (
        api.refused("PATCH", MAP, body, APPLY, fieldManager="helm")["message"]
        == "invalid object type: /v2, Kind=ConfigMap"
    )
    assert api.refused("PATCH", MAP, config_map(), APPLY)["code"] == 422


def test_a_wrong_uid_is_a_422_and_a_wrong_version_a_409(api: Api) -> None:
    api.apply(MAP, config_map(a="1"))
    body = config_map(a="2")
    body["metadata"]["uid"] = "11111111-1111-1111-1111-111111111111"
    answer = api.refused("PATCH", MAP, body, APPLY, fieldManager="helm")
    assert answer["code"] == 422
    assert "metadata.uid" in answer["message"]
    assert "field is immutable" in answer["message"]
    body = config_map(a="2")
    body["metadata"]["resourceVersion"] = "1"
    answer = api.refused("PATCH", MAP, body, APPLY, fieldManager="helm")
    assert (answer["code"], answer["details"].get("causes")) == (409, None)


def test_a_resource_version_does_not_stop_a_create(api: Api) -> None:
    body = config_map(a="2")
    body["metadata"]["resourceVersion"] = "1"
    assert api.apply(MAP, body)["data"] == {"a": "2"}


def test_client_side_fields_are_taken_over_by_a_json_patch(api: Api) -> None:
    api.ok("POST", f"{CORE}/configmaps", config_map(a="1", old="x"), fieldManager="helm")
    value = api.get(MAP)
    (entry,) = value["metadata"]["managedFields"]
    assert entry["operation"] == "Update"
    upgraded = [{**entry, "operation": "Apply"}]
    operations = [
        {"op": "replace", "path": "/metadata/managedFields", "value": upgraded},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": value["metadata"]["resourceVersion"]},
    ]
    assert owners(api.ok("PATCH", MAP, operations, JSON_PATCH))[("helm", "Apply")]
    assert api.apply(MAP, config_map(a="1"))["data"] == {"a": "1"}


def test_untracked_objects_get_before_first_apply(api: Api) -> None:
    api.ok("POST", f"{CORE}/configmaps", config_map(a="1", b="1"))
    bare = api.ok("PATCH", MAP, {"metadata": {"managedFields": [{}]}}, MERGE)
    assert "managedFields" not in bare["metadata"]
    applied = api.apply(MAP, config_map(a="1"))
    assert set(owners(applied)) == {("before-first-apply", "Update"), ("helm", "Apply")}
    assert applied["data"] == {"a": "1", "b": "1"}


def test_a_namespace_on_a_cluster_scoped_object_is_dropped(api: Api) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "r", "namespace": "x"},
        "rules": [],
    }
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/r"
    made = api.apply(path, role)
    assert "namespace" not in made["metadata"]
    assert api.apply(path, role)["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_null_is_a_value(api: Api) -> None:
    body = config_map()
    body["data"] = {"b": None}
    made = api.apply(MAP, body)
    assert made["data"] == {"b": ""}
    assert owners(made) == {("helm", "Apply"): {"f:data": {"f:b": {}}}}


def test_many_updaters_are_folded(api: Api) -> None:
    api.ok("POST", f"{CORE}/configmaps", config_map(a="1"))
    for index in range(14):
        api.clock.sleep(1)
        api.ok("PATCH", MAP, {"data": {f"k{index}": "v"}}, MERGE, fieldManager=f"m{index}")
    entries = api.get(MAP)["metadata"]["managedFields"]
    assert len(entries) == 10
    assert "ancient-changes" in {e["manager"] for e in entries}


def test_controllers_own_status_and_revision(api: Api) -> None:
    api.apply(WEB, deployment())
    api.pass_time(2)
    entries = api.get(WEB)["metadata"]["managedFields"]
    assert [(e["manager"], e["operation"], e.get("subresource", "")) for e in entries] == [
        ("helm", "Apply", ""),
        ("kube-controller-manager", "Update", "status"),
    ]
    assert entries[1]["fieldsV1"]["f:metadata"] == {
        "f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}
    }


def test_apply_in_dry_run_tells_create_from_update(api: Api) -> None:
    assert api.call("PATCH", MAP, config_map(), APPLY, fieldManager="helm", dryRun="All")[0] == 201
    api.apply(MAP, config_map(a="1"))
    status, value = api.call("PATCH", MAP, config_map(a="2"), APPLY, fieldManager="helm", dryRun="All")
    assert (status, value["data"]) == (200, {"a": "2"})
    assert api.get(MAP)["data"] == {"a": "1"}
