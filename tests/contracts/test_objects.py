"""Reading and writing single objects, on every cluster."""

from __future__ import annotations

import base64

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.kube import errors, objects
from helmflow.kube.client import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, KubeClient
from tests.contracts import things


def test_the_version_is_a_kubernetes_version(client: KubeClient) -> None:
    version = client.server_version()
    assert version.git_version.startswith("v1.")
    assert version.major == "1"


def test_discovery_knows_scope_plural_and_subresources(client: KubeClient) -> None:
    served = client.discovery()
    deployment = served.resource("apps/v1", "Deployment")
    assert (deployment.plural, deployment.namespaced) == ("deployments", True)
    assert {"status", "scale"} <= deployment.subresources
    assert {"get", "list", "watch", "patch", "delete"} <= deployment.verbs
    assert not served.resource("v1", "Namespace").namespaced
    assert {"v1", "apps/v1", "batch/v1", "apps/v1/Deployment", "v1/Secret"} <= set(served.api_versions())
    assert served.find("apps/v1beta1", "Deployment") is None


def test_an_unknown_kind_is_told_apart_from_an_absent_object(client: KubeClient, namespace: str) -> None:
    with pytest.raises(errors.ClusterError) as unknown:
        client.get(ObjectRef("nothing.example/v1", "Nothing", namespace, "x"))
    assert unknown.value.error_id == "cluster.unknown-kind"
    with pytest.raises(errors.NotFound) as absent:
        client.get(ObjectRef("v1", "ConfigMap", namespace, "x"))
    assert absent.value.error_id == "cluster.not-found"
    assert 'configmaps "x" not found' in absent.value.message


def test_a_created_object_carries_what_the_server_adds(client: KubeClient, namespace: str) -> None:
    made = client.create(things.config_map(namespace, a="1"))
    metadata = objects.meta(made)
    assert metadata["uid"]
    assert metadata["resourceVersion"].isdecimal()
    assert metadata["creationTimestamp"].endswith("Z")
    (entry,) = metadata["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("helm", "Update", "v1")
    assert entry["fieldsType"] == "FieldsV1"
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}
    assert client.get(objects.ref(made)) == made


def test_creating_twice_conflicts(client: KubeClient, namespace: str) -> None:
    client.create(things.config_map(namespace))
    with pytest.raises(errors.AlreadyExists) as taken:
        client.create(things.config_map(namespace))
    assert 'configmaps "settings" already exists' in taken.value.message


def test_creating_in_an_absent_namespace_is_not_found(client: KubeClient) -> None:
    with pytest.raises(errors.NotFound) as absent:
        client.create(things.config_map("does-not-exist"))
    assert 'namespaces "does-not-exist" not found' in absent.value.message


def test_a_generated_name_begins_with_its_prefix(client: KubeClient, namespace: str) -> None:
    made = client.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"generateName": "run-", "namespace": namespace},
        }
    )
    name = objects.ref(made).name
    assert name.startswith("run-")
    assert len(name) == len("run-") + 5


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254])
def test_a_bad_name_is_invalid(client: KubeClient, namespace: str, name: str) -> None:
    with pytest.raises(errors.Invalid) as bad:
        client.create(things.config_map(namespace, name))
    assert bad.value.error_id == "cluster.invalid"
    assert any(cause.field == "metadata.name" for cause in bad.value.causes)


def test_a_dry_run_stores_nothing(client: KubeClient, namespace: str) -> None:
    before = client.counter.snapshot().get("dry-run", 0)
    made = client.create(things.config_map(namespace, a="1"), dry_run=True)
    assert objects.uid(made)
    assert client.find(objects.ref(made)) is None
    assert client.counter.snapshot()["dry-run"] == before + 1


def test_replacing_needs_the_present_resource_version(client: KubeClient, namespace: str) -> None:
    first = client.create(things.config_map(namespace, a="1"))
    second = client.replace({**first, "data": {"a": "2"}})
    assert objects.resource_version(second) != objects.resource_version(first)
    with pytest.raises(errors.Conflict) as stale:
        client.replace({**first, "data": {"a": "3"}})
    assert "the object has been modified" in stale.value.message
    assert not isinstance(stale.value, errors.FieldConflict)


def test_replacing_with_the_same_content_keeps_the_resource_version(
    client: KubeClient, namespace: str
) -> None:
    made = client.create(things.config_map(namespace, a="1"))
    assert objects.resource_version(client.replace(made)) == objects.resource_version(made)


def test_replacing_without_a_resource_version_overwrites(client: KubeClient, namespace: str) -> None:
    client.create(things.config_map(namespace, a="1"))
    assert client.replace(things.config_map(namespace, b="2"))["data"] == {"b": "2"}


def test_replacing_what_is_absent_is_not_found(client: KubeClient, namespace: str) -> None:
    with pytest.raises(errors.NotFound):
        client.replace(things.config_map(namespace))


def test_update_reads_again_after_a_conflict(client: KubeClient, namespace: str) -> None:
    ref = objects.ref(client.create(things.config_map(namespace, a="1")))
    calls: list[str] = []

    def change(live: things.Object) -> things.Object:
        if not calls:
            client.patch(ref, MERGE_PATCH, {"data": {"other": "writer"}})
        calls.append(live["data"].get("other", ""))
        return {**live, "data": {**live["data"], "mine": "yes"}}

    assert client.update(ref, change)["data"] == {"a": "1", "other": "writer", "mine": "yes"}
    assert calls == ["", "writer"]


def test_a_merge_patch_sets_and_removes(client: KubeClient, namespace: str) -> None:
    ref = objects.ref(client.create(things.config_map(namespace, a="1", b="2")))
    assert client.patch(ref, MERGE_PATCH, {"data": {"a": None, "c": "3"}})["data"] == {"b": "2", "c": "3"}


def test_a_json_patch_tests_and_replaces(client: KubeClient, namespace: str) -> None:
    ref = objects.ref(client.create(things.config_map(namespace, a="1")))
    good = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "2"},
    ]
    assert client.patch(ref, JSON_PATCH, good)["data"] == {"a": "2"}
    with pytest.raises(errors.Invalid):
        client.patch(ref, JSON_PATCH, good)


def test_a_json_patch_of_an_old_resource_version_conflicts(client: KubeClient, namespace: str) -> None:
    made = client.create(things.config_map(namespace, a="1"))
    ref, old = objects.ref(made), objects.resource_version(made)
    client.patch(ref, MERGE_PATCH, {"data": {"a": "2"}})
    with pytest.raises(errors.Conflict):
        client.patch(
            ref,
            JSON_PATCH,
            [
                {"op": "replace", "path": "/metadata/resourceVersion", "value": old},
                {"op": "add", "path": "/data/b", "value": "x"},
            ],
        )


def test_a_strategic_patch_merges_lists_by_key(client: KubeClient, namespace: str) -> None:
    ref = objects.ref(client.create(things.deployment(namespace, replicas=0)))
    add = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "example/side:1"}]}}}}
    patched = client.patch(ref, STRATEGIC_PATCH, add)
    names = [c["name"] for c in patched["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == ["main", "side"]
    drop = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    patched = client.patch(ref, STRATEGIC_PATCH, drop)
    assert [c["name"] for c in patched["spec"]["template"]["spec"]["containers"]] == ["main"]


def test_a_strategic_patch_switches_a_union(client: KubeClient, namespace: str) -> None:
    ref = objects.ref(client.create(things.deployment(namespace, replicas=0)))
    switch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert client.patch(ref, STRATEGIC_PATCH, switch)["spec"]["strategy"] == {"type": "Recreate"}


def test_the_status_subresource_changes_only_the_status(client: KubeClient, namespace: str) -> None:
    made = client.create(things.deployment(namespace, replicas=0, told={"fail": "never-ready"}))
    ref = objects.ref(made)
    patched = client.patch(
        ref, MERGE_PATCH, {"status": {"collisionCount": 7}, "spec": {"replicas": 9}}, subresource="status"
    )
    assert patched["status"]["collisionCount"] == 7
    assert patched["spec"]["replicas"] == 0


def test_the_scale_subresource_reads_and_writes_replicas(client: KubeClient, namespace: str) -> None:
    ref = objects.ref(client.create(things.deployment(namespace, replicas=1)))
    scale = client.get(ref, "scale")
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)
    client.patch(ref, MERGE_PATCH, {"spec": {"replicas": 3}}, subresource="scale", manager="autoscaler")
    live = client.get(ref)
    assert live["spec"]["replicas"] == 3
    entry = next(e for e in live["metadata"]["managedFields"] if e["manager"] == "autoscaler")
    assert entry["subresource"] == "scale"
    assert entry["fieldsV1"] == {"f:spec": {"f:replicas": {}}}


def test_generation_counts_changes_of_the_spec_only(client: KubeClient, namespace: str) -> None:
    made = client.create(things.deployment(namespace, replicas=0))
    ref = objects.ref(made)
    assert made["metadata"]["generation"] == 1
    labelled = client.patch(ref, MERGE_PATCH, {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    changed = client.patch(ref, MERGE_PATCH, {"spec": {"minReadySeconds": 1}})
    assert changed["metadata"]["generation"] == 2


def test_string_data_is_folded_into_data(client: KubeClient, namespace: str) -> None:
    made = client.create(things.secret(namespace, user="alice"))
    assert made["data"] == {"user": base64.b64encode(b"alice").decode()}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


def test_a_service_gets_an_address_and_its_defaults(client: KubeClient, namespace: str) -> None:
    made = client.create(things.service(namespace))
    spec = made["spec"]
    assert spec["clusterIP"]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 8080}]
    assert (spec["type"], spec["sessionAffinity"], spec["internalTrafficPolicy"]) == (
        "ClusterIP",
        "None",
        "Cluster",
    )
    assert spec["ipFamilyPolicy"] == "SingleStack"


def test_a_deployment_gets_its_defaults(client: KubeClient, namespace: str) -> None:
    spec = client.create(things.deployment(namespace, replicas=0))["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert (spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (600, 10)
    pod = spec["template"]["spec"]
    assert pod["dnsPolicy"] == "ClusterFirst"
    assert pod["terminationGracePeriodSeconds"] == 30
    assert pod["schedulerName"] == "default-scheduler"
    container = pod["containers"][0]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["resources"] == {}


IMMUTABLE = [
    (
        "deployment selector",
        things.deployment,
        ("spec", "selector", "matchLabels", "app"),
        "other",
        "field is immutable",
    ),
    (
        "job template",
        things.job,
        ("spec", "template", "spec", "containers", 0, "image"),
        "example/app:2",
        "field is immutable",
    ),
    (
        "stateful set",
        things.stateful_set,
        ("spec", "serviceName"),
        "other",
        "updates to statefulset spec for fields other than",
    ),
    (
        "claim",
        things.claim,
        ("spec", "accessModes"),
        ["ReadWriteMany"],
        "spec is immutable after creation except",
    ),
    ("service address", things.service, ("spec", "clusterIP"), "10.96.77.77", "may not change once set"),
]


@pytest.mark.parametrize(
    ("make", "path", "value", "text"), [row[1:] for row in IMMUTABLE], ids=[row[0] for row in IMMUTABLE]
)
def test_immutable_fields_are_refused_in_the_servers_words(
    client: KubeClient, namespace: str, make: things.Maker, path: things.Path, value: object, text: str
) -> None:
    made = client.create(make(namespace))
    sent = make(namespace)
    place = sent
    for key in path[:-1]:
        place = place[key] if isinstance(place, list) else place.setdefault(key, {})
    place[path[-1]] = value
    with pytest.raises(errors.Invalid) as refused:
        client.apply(sent, manager="other", force=True)
    assert refused.value.status == 422
    assert text in refused.value.message
    assert objects.uid(client.get(objects.ref(made))) == objects.uid(made)


def test_the_type_of_a_secret_and_a_role_reference_cannot_change(client: KubeClient, namespace: str) -> None:
    client.create(things.secret(namespace, a="1"))
    with pytest.raises(errors.Invalid) as refused:
        client.apply(
            {**things.secret(namespace, a="1"), "type": "example.com/other"}, manager="x", force=True
        )
    assert "field is immutable" in refused.value.message
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "b", "namespace": namespace},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one"},
    }
    client.create(binding)
    with pytest.raises(errors.Invalid) as refused:
        client.apply({**binding, "roleRef": {**binding["roleRef"], "name": "two"}}, manager="x", force=True)
    assert "cannot change roleRef" in refused.value.message


def test_a_deployment_without_a_matching_selector_is_invalid(client: KubeClient, namespace: str) -> None:
    wrong = things.deployment(namespace)
    wrong["spec"]["selector"]["matchLabels"] = {"app": "someone-else"}
    with pytest.raises(errors.Invalid) as refused:
        client.create(wrong)
    assert "`selector` does not match template `labels`" in refused.value.message
    assert [cause.field for cause in refused.value.causes] == ["spec.template.metadata.labels"]


def test_a_value_of_the_wrong_type_is_a_bad_request(client: KubeClient, namespace: str) -> None:
    wrong = things.deployment(namespace)
    wrong["spec"]["replicas"] = "three"
    with pytest.raises(errors.BadRequest):
        client.create(wrong)


def test_an_access_review_answers(client: KubeClient, namespace: str) -> None:
    asked = {
        "resourceAttributes": {
            "namespace": namespace,
            "verb": "create",
            "group": "apps",
            "resource": "deployments",
        }
    }
    review = client.create(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": asked,
            "metadata": {},
        }
    )
    assert review["status"]["allowed"] is True


def test_a_lease_is_taken_by_its_resource_version(client: KubeClient, namespace: str) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "lock", "namespace": namespace},
        "spec": {
            "holderIdentity": "a",
            "leaseDurationSeconds": 30,
            "renewTime": "2026-01-01T00:00:00.000000Z",
        },
    }
    held = client.create(lease)
    taken = client.replace({**held, "spec": {**held["spec"], "holderIdentity": "b"}})
    assert taken["spec"]["holderIdentity"] == "b"
    with pytest.raises(errors.Conflict):
        client.replace({**held, "spec": {**held["spec"], "holderIdentity": "c"}})


def test_independent_calls_run_side_by_side_and_fail_apart(client: KubeClient, namespace: str) -> None:
    client.create(things.config_map(namespace, "c3"))
    made = client.each([lambda n=n: client.create(things.config_map(namespace, f"c{n}")) for n in range(12)])
    assert [n for n, answer in enumerate(made) if isinstance(answer, errors.AlreadyExists)] == [3]
    assert (
        len(client.list("v1", "ConfigMap", namespace, field_selector="metadata.name!=kube-root-ca.crt").items)
        == 12
    )
