from __future__ import annotations

import gzip
import json

import pytest

from tests.embedded.api import APPS, CORE, JSON_PATCH, MERGE, STRATEGIC, Api, config_map, deployment

MAPS = f"{CORE}/configmaps"


def test_create_read_replace_delete(api: Api) -> None:
    made = api.ok("POST", MAPS, config_map(a="1"))
    assert made["metadata"]["namespace"] == "default"
    assert made["metadata"]["uid"]
    assert made["metadata"]["resourceVersion"]
    assert "generation" not in made["metadata"]
    read = api.get(f"{MAPS}/settings")
    assert read == made
    read["data"]["b"] = "2"
    replaced = api.ok("PUT", f"{MAPS}/settings", read)
    assert int(replaced["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    gone = api.ok("DELETE", f"{MAPS}/settings")
    assert gone["status"] == "Success"
    assert gone["details"] == {"name": "settings", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    absent = api.refused("GET", f"{MAPS}/settings")
    assert (absent["code"], absent["reason"], absent["message"]) == (
        404,
        "NotFound",
        'configmaps "settings" not found',
    )


def test_a_second_create_conflicts(api: Api) -> None:
    api.ok("POST", MAPS, config_map())
    answer = api.refused("POST", MAPS, config_map())
    assert (answer["code"], answer["reason"]) == (409, "AlreadyExists")


def test_generate_name(api: Api) -> None:
    body = config_map()
    body["metadata"] = {"generateName": "run-"}
    names = {api.ok("POST", MAPS, body)["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(n.startswith("run-") and len(n) == 9 for n in names)


def test_a_stale_resource_version_is_refused(api: Api) -> None:
    first = api.ok("POST", MAPS, config_map(a="1"))
    api.ok("PATCH", f"{MAPS}/settings", {"data": {"a": "2"}}, MERGE)
    answer = api.refused("PUT", f"{MAPS}/settings", first)
    assert (answer["code"], answer["reason"]) == (409, "Conflict")
    assert answer["message"].startswith(
        'Operation cannot be fulfilled on configmaps "settings": the object has been modified'
    )


def test_delete_preconditions(api: Api) -> None:
    api.ok("POST", MAPS, config_map())
    answer = api.refused("DELETE", f"{MAPS}/settings", {"preconditions": {"uid": "other"}})
    assert answer["code"] == 409
    assert "Precondition failed: UID in precondition: other" in answer["message"]


def test_dry_run_changes_nothing(api: Api) -> None:
    before = api.get(MAPS)["metadata"]["resourceVersion"]
    assert api.ok("POST", MAPS, config_map(), dryRun="All")["metadata"]["uid"]
    assert api.get(MAPS)["metadata"]["resourceVersion"] == before
    assert [i["metadata"]["name"] for i in api.get(MAPS)["items"]] == ["kube-root-ca.crt"]


def test_lists_select_and_page(api: Api) -> None:
    for index in range(7):
        body = config_map(f"c{index}")
        body["metadata"]["labels"] = {"n": str(index), "parity": "even" if index % 2 == 0 else "odd"}
        api.ok("POST", MAPS, body)

    def names(**query: str) -> list[str]:
        return [i["metadata"]["name"] for i in api.get(MAPS, **query)["items"]]

    assert names(labelSelector="parity=even") == ["c0", "c2", "c4", "c6"]
    assert names(labelSelector="n in (1,2),parity!=odd") == ["c2"]
    assert names(labelSelector="!parity") == ["kube-root-ca.crt"]
    assert names(labelSelector="n notin (0,1,2,3),n") == ["c4", "c5", "c6"]
    assert names(fieldSelector="metadata.name=c3") == ["c3"]
    assert names(fieldSelector="metadata.name!=c3", labelSelector="parity=odd") == ["c1", "c5"]
    page = api.get(MAPS, limit="3")
    assert page["metadata"]["remainingItemCount"] == 5
    seen = [i["metadata"]["name"] for i in page["items"]]
    while page["metadata"].get("continue"):
        page = api.get(MAPS, **{"limit": "3", "continue": page["metadata"]["continue"]})
        seen += [i["metadata"]["name"] for i in page["items"]]
    assert seen == [*(f"c{i}" for i in range(7)), "kube-root-ca.crt"]
    assert api.refused("GET", MAPS, labelSelector="a==b==c")["code"] == 400
    assert (
        api.refused("GET", MAPS, fieldSelector="data.x=1")["message"] == "field label not supported: data.x"
    )


def test_items_of_typed_lists_leave_their_kind_to_the_list(api: Api) -> None:
    answer = api.get("/api/v1/namespaces")
    assert answer["kind"] == "NamespaceList"
    assert all("kind" not in item and "apiVersion" not in item for item in answer["items"])


def test_the_three_patches(api: Api) -> None:
    api.ok("POST", f"{APPS}/deployments", deployment())
    path = f"{APPS}/deployments/web"
    env = {
        "spec": {
            "template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}}
        }
    }
    merged = api.ok("PATCH", path, env, STRATEGIC)
    (container,) = merged["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "nginx:1"
    assert container["env"] == [{"name": "A", "value": "1"}]
    api.ok("PATCH", path, {"metadata": {"labels": {"x": "y", "gone": None}}}, MERGE)
    operations = [
        {"op": "test", "path": "/metadata/labels/x", "value": "y"},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
    ]
    patched = api.ok("PATCH", path, operations, JSON_PATCH)
    assert patched["spec"]["replicas"] == 5
    assert patched["metadata"]["generation"] == 3
    refused = api.refused("PATCH", path, [{"op": "remove", "path": "/spec/nothing"}], JSON_PATCH)
    assert refused["code"] == 422


def test_strategic_patch_directives(api: Api) -> None:
    api.ok("POST", f"{APPS}/deployments", deployment())
    path = f"{APPS}/deployments/web"
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert api.ok("PATCH", path, patch, STRATEGIC)["spec"]["strategy"] == {"type": "Recreate"}
    more = {
        "spec": {
            "template": {
                "spec": {
                    "containers": [{"name": "side", "image": "s"}],
                    "$setElementOrder/containers": [{"name": "side"}, {"name": "main"}],
                }
            }
        }
    }
    names = [
        c["name"] for c in api.ok("PATCH", path, more, STRATEGIC)["spec"]["template"]["spec"]["containers"]
    ]
    assert names == ["side", "main"]
    less = {"spec": {"template": {"spec": {"containers": [{"name": "main", "$patch": "delete"}]}}}}
    names = [
        c["name"] for c in api.ok("PATCH", path, less, STRATEGIC)["spec"]["template"]["spec"]["containers"]
    ]
    assert names == ["side"]


def test_unknown_fields_follow_field_validation(api: Api) -> None:
    body = deployment()
    body["spec"]["replica"] = 3
    strict = api.refused("POST", f"{APPS}/deployments", body, fieldValidation="Strict")
    assert strict["code"] == 400
    assert (
        strict["message"]
        == 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.replica"'
    )
    response = api.send("POST", f"{APPS}/deployments", body)
    assert response.status == 201
    assert 'unknown field \\"spec.replica\\"' in response.headers["warning"]
    assert "replica" not in json.loads(response.read())["spec"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"replicas": "three"},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"paused": 1},
            "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
    ],
)
def test_mistyped_fields_are_refused_in_go_words(api: Api, change: dict[str, object], text: str) -> None:
    body = deployment()
    body["spec"] |= change
    answer = api.refused("POST", f"{APPS}/deployments", body)
    assert answer["code"] == 400
    assert answer["message"].endswith(text)


def test_namespaces_fill_and_empty(api: Api) -> None:
    api.ok(
        "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    )
    api.pass_time(0.1)
    assert api.get("/api/v1/namespaces/shop/serviceaccounts/default")
    assert api.get("/api/v1/namespaces/shop/configmaps/kube-root-ca.crt")
    api.ok(
        "POST",
        "/api/v1/namespaces/shop/configmaps",
        {**config_map(), "metadata": {"name": "a", "finalizers": ["x.example/hold"]}},
    )
    gone = api.ok("DELETE", "/api/v1/namespaces/shop")
    assert gone["status"]["phase"] == "Terminating"
    refused = api.refused("POST", "/api/v1/namespaces/shop/configmaps", config_map("late"))
    assert refused["code"] == 403
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    api.pass_time(1)
    held = api.get("/api/v1/namespaces/shop")
    reasons = {c["reason"] for c in held["status"]["conditions"]}
    assert "SomeFinalizersRemain" in reasons
    api.ok("PATCH", "/api/v1/namespaces/shop/configmaps/a", {"metadata": {"finalizers": None}}, MERGE)
    api.pass_time(1)
    assert api.refused("GET", "/api/v1/namespaces/shop")["code"] == 404
    absent = api.refused("POST", "/api/v1/namespaces/shop/configmaps", config_map())
    assert absent["message"] == 'namespaces "shop" not found'


def test_finalizers_hold_and_propagation_follows_owners(api: Api) -> None:
    owner = api.ok("POST", MAPS, config_map("owner"))
    child = config_map("child")
    child["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "owner",
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
    ]
    api.ok("POST", MAPS, child)
    api.ok("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Foreground"})
    assert api.get(f"{MAPS}/owner")["metadata"]["finalizers"] == ["foregroundDeletion"]
    api.pass_time(1)
    assert api.refused("GET", f"{MAPS}/child")["code"] == 404
    assert api.refused("GET", f"{MAPS}/owner")["code"] == 404


def test_orphans_stay(api: Api) -> None:
    owner = api.ok("POST", MAPS, config_map("owner"))
    child = config_map("child")
    child["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    ]
    api.ok("POST", MAPS, child)
    api.ok("DELETE", f"{MAPS}/owner", propagationPolicy="Orphan")
    api.pass_time(2)
    assert api.refused("GET", f"{MAPS}/owner")["code"] == 404
    assert "ownerReferences" not in api.get(f"{MAPS}/child")["metadata"]


def test_the_background_delete_is_the_default(api: Api) -> None:
    api.ok("POST", f"{APPS}/deployments", deployment())
    api.pass_time(2)
    assert len(api.get(f"{CORE}/pods")["items"]) == 2
    api.ok("DELETE", f"{APPS}/deployments/web")
    api.pass_time(2)
    assert api.get(f"{APPS}/replicasets")["items"] == []
    assert api.get(f"{CORE}/pods")["items"] == []


def test_string_data_is_folded(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}}
    assert api.ok("POST", f"{CORE}/secrets", body)["data"] == {"a": "Yg=="}
    assert api.get(f"{CORE}/secrets/s")["type"] == "Opaque"


def test_services_keep_their_addresses(api: Api) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"ports": [{"port": 80}], "type": "NodePort"},
    }
    made = api.ok("POST", f"{CORE}/services", body)
    address, port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
    assert made["spec"]["clusterIPs"] == [address]
    assert 30000 <= port <= 32767
    replaced = api.ok("PUT", f"{CORE}/services/web", body)
    assert (replaced["spec"]["clusterIP"], replaced["spec"]["ports"][0]["nodePort"]) == (address, port)
    body["spec"]["clusterIP"] = "10.96.200.200"
    refused = api.refused("PUT", f"{CORE}/services/web", body)
    assert (
        refused["message"]
        == 'Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.200.200"]: may not change once set'
    )


def test_tables_and_metadata_only(api: Api) -> None:
    api.ok("POST", f"{APPS}/deployments", deployment())
    api.pass_time(2)
    table = json.loads(
        api.send(
            "GET", f"{CORE}/pods", accept="application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        ).read()
    )
    assert table["kind"] == "Table"
    assert [c["name"] for c in table["columnDefinitions"]][:5] == [
        "Name",
        "Ready",
        "Status",
        "Restarts",
        "Age",
    ]
    assert [r["cells"][1:4] for r in table["rows"]] == [["1/1", "Running", "0"]] * 2
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    short = json.loads(api.send("GET", f"{CORE}/pods", accept=accept).read())
    assert short["kind"] == "PartialObjectMetadataList"
    assert set(short["items"][0]) == {"kind", "apiVersion", "metadata"}


def test_discovery_in_both_forms(api: Api) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    response = api.send("GET", "/apis", accept=accept)
    groups = {g["metadata"]["name"]: g for g in json.loads(response.read())["items"]}
    deployments = next(
        r for r in groups["apps"]["versions"][0]["resources"] if r["resource"] == "deployments"
    )
    assert deployments["shortNames"] == ["deploy"]
    assert {s["subresource"] for s in deployments["subresources"]} == {"scale", "status"}
    tag = response.headers["etag"]
    again = api.server.handle(
        __import__("helmflow.kube.transport", fromlist=["Request"]).Request(
            method="GET", path="/apis", headers={"accept": accept, "if-none-match": tag}
        )
    )
    assert (again.status, again.read()) == (304, b"")
    assert api.get("/api")["versions"] == ["v1"]
    assert api.get("/apis/apps/v1")["resources"][0]["name"] == "controllerrevisions"
    assert api.get("/version")["gitVersion"] == "v1.36.0"
    assert api.call("GET", "/livez") == (200, {"text": "ok"})
    assert api.call("GET", "/apis/none.example/v1/things")[0] == 404


def test_openapi_names_what_validation_needs(api: Api) -> None:
    index = api.get("/openapi/v3")
    assert "apis/apps/v1" in index["paths"]
    document = api.get("/openapi/v3/apis/apps/v1")
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert "fieldValidation" in {p["name"] for p in patch["parameters"]}
    spec = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert spec["x-kubernetes-list-map-keys"] == ["name"]
    assert spec["x-kubernetes-patch-merge-key"] == "name"


def test_large_answers_are_compressed_when_asked(api: Api) -> None:
    api.ok("POST", MAPS, config_map(big="x" * 200_000))
    from helmflow.kube.transport import Request

    plain = api.server.handle(Request(method="GET", path=f"{MAPS}/settings"))
    packed = api.server.handle(
        Request(method="GET", path=f"{MAPS}/settings", headers={"Accept-Encoding": "gzip"})
    )
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.read()) == plain.read()


def test_scale_is_a_subresource(api: Api) -> None:
    api.apply(f"{APPS}/deployments/web", deployment())
    scale = api.get(f"{APPS}/deployments/web/scale")
    assert (scale["kind"], scale["spec"]["replicas"], scale["metadata"]["name"]) == ("Scale", 2, "web")
    api.ok("PATCH", f"{APPS}/deployments/web/scale", {"spec": {"replicas": 4}}, MERGE)
    changed = api.get(f"{APPS}/deployments/web")
    assert changed["spec"]["replicas"] == 4
    entries = {
        (e["manager"], e.get("subresource", "")): e["fieldsV1"] for e in changed["metadata"]["managedFields"]
    }
    assert entries["tests", "scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in entries["helm", ""]["f:spec"]


def test_status_and_spec_have_their_own_doors(api: Api) -> None:
    api.ok("POST", f"{APPS}/deployments", deployment())
    api.pass_time(2)
    value = api.get(f"{APPS}/deployments/web")
    value["status"]["readyReplicas"] = 77
    assert api.ok("PUT", f"{APPS}/deployments/web", value)["status"]["readyReplicas"] == 2
    value = api.get(f"{APPS}/deployments/web")
    value["spec"]["replicas"] = 9
    assert api.ok("PUT", f"{APPS}/deployments/web/status", value)["spec"]["replicas"] == 2


def test_reviews_allow(api: Api) -> None:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "create"}},
    }
    assert (
        api.ok("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)["status"]["allowed"]
        is True
    )


def test_wrong_methods_and_media_types(api: Api) -> None:
    assert api.refused("POST", "/api/v1/namespaces/default", {})["code"] == 405
    api.ok("POST", MAPS, config_map())
    assert api.refused("PATCH", f"{MAPS}/settings", {}, "application/json")["code"] == 415
    assert api.refused("POST", MAPS, b"{nope")["code"] == 400


def test_quota_refuses_with_the_servers_words(api: Api) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"configmaps": "2"}},
    }
    api.ok("POST", f"{CORE}/resourcequotas", quota)
    api.ok("POST", MAPS, config_map("one"))
    refused = api.refused("POST", MAPS, config_map("two"))
    assert refused["code"] == 403
    assert refused["message"] == (
        'configmaps "two" is forbidden: exceeded quota: small, requested: configmaps=1, used: configmaps=2, limited: configmaps=2'
    )
