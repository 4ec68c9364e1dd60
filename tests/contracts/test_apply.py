"""Server-side apply, on every cluster: ownership, removal, conflicts, migration, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.kube import applying, errors, objects, ownership
from helmflow.kube.client import JSON_PATCH, MERGE_PATCH, KubeClient
from tests.contracts import things


def managers(obj: things.Object) -> dict[tuple[str, str, str], Any]:
    """(manager, operation, subresource) -> fieldsV1."""
    return {
        (e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"]
        for e in objects.meta(obj)["managedFields"]
    }


def test_applying_what_is_absent_creates_it(client: KubeClient, namespace: str) -> None:
    applied = client.apply(things.config_map(namespace, a="1"))
    assert applied.created
    assert managers(applied.object) == {("helm", "Apply", ""): {"f:data": {"f:a": {}}}}


def test_applying_again_changes_nothing(client: KubeClient, namespace: str) -> None:
    first = client.apply(things.deployment(namespace, replicas=0)).object
    again = client.apply(things.deployment(namespace, replicas=0))
    assert not again.created
    mine = ("helm", "Apply", "")
    assert again.object["metadata"]["generation"] == first["metadata"]["generation"]
    entry = next(e for e in again.object["metadata"]["managedFields"] if e["operation"] == "Apply")
    assert entry["time"] == first["metadata"]["managedFields"][0]["time"]
    assert managers(again.object)[mine] == managers(first)[mine]


def test_an_unchanged_config_map_keeps_its_resource_version(client: KubeClient, namespace: str) -> None:
    first = client.apply(things.config_map(namespace, a="1")).object
    assert client.apply(things.config_map(namespace, a="1")).object == first


def test_a_field_that_left_the_config_is_removed(client: KubeClient, namespace: str) -> None:
    client.apply(things.config_map(namespace, a="1", b="2"))
    assert client.apply(things.config_map(namespace, a="1")).object["data"] == {"a": "1"}


def test_what_others_added_stays(client: KubeClient, namespace: str) -> None:
    ref = objects.ref(client.apply(things.config_map(namespace, a="1")).object)
    client.patch(ref, MERGE_PATCH, {"data": {"other": "x"}}, manager="someone")
    applied = client.apply(things.config_map(namespace, a="2")).object
    assert applied["data"] == {"a": "2", "other": "x"}
    assert managers(applied)["someone", "Update", ""] == {"f:data": {"f:other": {}}}


def test_a_changed_value_that_another_manager_owns_conflicts(client: KubeClient, namespace: str) -> None:
    ref = objects.ref(client.apply(things.deployment(namespace, replicas=0)).object)
    client.patch(ref, MERGE_PATCH, {"spec": {"minReadySeconds": 7, "paused": True}}, manager="someone")
    mine = things.deployment(namespace, replicas=0)
    mine["spec"] |= {"minReadySeconds": 9, "paused": True}
    with pytest.raises(errors.FieldConflict) as conflict:
        client.apply(mine)
    assert conflict.value.error_id == "cluster.field-conflict"
    (owned,) = conflict.value.fields
    assert (owned.field, owned.manager, owned.subresource) == (".spec.minReadySeconds", "someone", "")
    assert owned.api_version == "apps/v1"


def test_a_shared_value_is_owned_by_both(client: KubeClient, namespace: str) -> None:
    client.apply(things.config_map(namespace, a="1"), manager="one")
    client.apply(things.config_map(namespace, a="1"), manager="two")
    left = client.apply(things.config_map(namespace), manager="two").object
    assert left["data"] == {"a": "1"}
    assert ("two", "Apply", "") in managers(left) or managers(left).keys() == {("one", "Apply", "")}


def test_a_conflict_names_the_subresource_and_force_takes_the_field(
    client: KubeClient, namespace: str
) -> None:
    ref = objects.ref(client.apply(things.deployment(namespace, replicas=0)).object)
    client.patch(ref, MERGE_PATCH, {"spec": {"replicas": 1}}, subresource="scale", manager="autoscaler")
    assert "f:replicas" not in managers(client.get(ref))["helm", "Apply", ""]["f:spec"]
    with pytest.raises(errors.FieldConflict) as conflict:
        client.apply(things.deployment(namespace, replicas=0))
    (owned,) = conflict.value.fields
    assert (owned.field, owned.manager, owned.subresource) == (".spec.replicas", "autoscaler", "scale")
    forced = client.apply(things.deployment(namespace, replicas=0), force=True).object
    assert forced["spec"]["replicas"] == 0
    assert ("autoscaler", "Update", "scale") not in managers(forced)


def test_a_dry_run_shows_the_result_and_stores_nothing(client: KubeClient, namespace: str) -> None:
    first = client.apply(things.config_map(namespace, a="1")).object
    shown = client.apply(things.config_map(namespace, a="2"), dry_run=True)
    assert shown.object["data"] == {"a": "2"}
    assert not shown.created
    assert client.apply(things.config_map(namespace, "new"), dry_run=True).created
    assert client.get(objects.ref(first)) == first


def test_keyed_lists_merge_by_key_and_owners_are_spelled_out(client: KubeClient, namespace: str) -> None:
    mine = things.deployment(
        namespace, replicas=0, env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    )
    ref = objects.ref(client.apply(mine).object)
    theirs = things.deployment(namespace, replicas=0, env=[{"name": "C", "value": "3"}])
    client.apply(theirs, manager="sidecar", force=True)
    live = client.get(ref)
    env = live["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {e["name"] for e in env} == {"A", "B", "C"}
    fields = managers(live)["helm", "Apply", ""]
    container = fields["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"main"}']
    assert set(container["f:env"]) == {'k:{"name":"A"}', 'k:{"name":"B"}'}
    assert container["f:env"]['k:{"name":"A"}'] == {".": {}, "f:name": {}, "f:value": {}}


def test_the_order_of_a_keyed_list_follows_the_config(client: KubeClient, namespace: str) -> None:
    one, two = {"name": "A", "value": "1"}, {"name": "B", "value": "2"}
    client.apply(things.deployment(namespace, replicas=0, env=[one, two]))
    turned = client.apply(things.deployment(namespace, replicas=0, env=[two, one])).object
    assert [e["name"] for e in turned["spec"]["template"]["spec"]["containers"][0]["env"]] == ["B", "A"]
    assert turned["metadata"]["generation"] == 2


def test_ports_are_keyed_by_number_and_protocol(client: KubeClient, namespace: str) -> None:
    ports = [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]
    client.apply(things.deployment(namespace, replicas=0, ports=ports))
    left = client.apply(things.deployment(namespace, replicas=0, ports=ports[:1])).object
    assert left["spec"]["template"]["spec"]["containers"][0]["ports"] == [
        {"containerPort": 80, "protocol": "TCP"}
    ]


def test_quantities_are_written_in_their_canonical_form(client: KubeClient, namespace: str) -> None:
    limits = {"cpu": "1000m", "memory": "1024Mi"}
    applied = client.apply(things.deployment(namespace, replicas=0, resources={"limits": limits})).object
    shown = applied["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert shown["limits"] == {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}], 'duplicate entries for key [name="A"]'),
        ([{"name": "A", "value": 1}], "expected string, got &value.valueUnstructured{Value:1}"),
        ([{"name": "A", "bogus": "1"}], "field not declared in schema"),
    ],
    ids=["duplicate key", "wrong type", "unknown field"],
)
def test_what_does_not_fit_the_schema_is_final(
    client: KubeClient, namespace: str, env: list[Any], text: str
) -> None:
    before = client.counter.requests
    with pytest.raises(errors.Invalid) as refused:
        client.apply(things.deployment(namespace, replicas=0, env=env))
    assert refused.value.error_id == "cluster.schema"
    assert text in refused.value.message
    assert client.counter.requests == before + 1, "a body that does not fit is not sent again"


def test_another_resource_version_conflicts_without_fields(client: KubeClient, namespace: str) -> None:
    made = client.apply(things.config_map(namespace, a="1")).object
    ref, old = objects.ref(made), objects.resource_version(made)
    client.patch(ref, MERGE_PATCH, {"data": {"x": "y"}}, manager="someone")
    wanted = things.config_map(namespace, a="2")
    wanted["metadata"]["resourceVersion"] = old
    with pytest.raises(errors.Conflict) as stale:
        client.apply(wanted)
    assert not isinstance(stale.value, errors.FieldConflict)
    assert "the object has been modified" in stale.value.message


def test_another_uid_is_refused_and_is_no_immutable_field(client: KubeClient, namespace: str) -> None:
    client.apply(things.config_map(namespace, a="1"))
    wanted = things.config_map(namespace, a="2")
    wanted["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    with pytest.raises(errors.ClusterError) as refused:
        client.apply(wanted)
    assert refused.value.status in (409, 422)
    if isinstance(refused.value, errors.Invalid):
        assert {cause.field for cause in refused.value.causes} == {"metadata.uid"}


def test_managed_fields_in_the_body_are_refused(client: KubeClient, namespace: str) -> None:
    wanted = things.config_map(namespace)
    wanted["metadata"]["managedFields"] = [{"manager": "x", "operation": "Apply"}]
    with pytest.raises(errors.BadRequest) as refused:
        client.apply(wanted)
    assert "metadata.managedFields must be nil" in refused.value.message


def test_a_client_side_object_conflicts_with_its_own_manager_until_migrated(
    client: KubeClient, namespace: str
) -> None:
    made = client.create(things.config_map(namespace, a="1", old="x"))
    with pytest.raises(errors.FieldConflict) as conflict:
        client.apply(things.config_map(namespace, a="2"))
    assert {f.manager for f in conflict.value.fields} == {"helm"}
    entry = objects.meta(made)["managedFields"][0]
    migrated = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [{**entry, "operation": "Apply"}]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": objects.resource_version(made)},
    ]
    client.patch(objects.ref(made), JSON_PATCH, migrated)
    applied = client.apply(things.config_map(namespace, a="2")).object
    assert applied["data"] == {"a": "2"}
    assert managers(applied) == {("helm", "Apply", ""): {"f:data": {"f:a": {}}}}


def test_a_union_switch_needs_its_sibling_claimed_first(client: KubeClient, namespace: str) -> None:
    ref = objects.ref(client.apply(things.deployment(namespace, replicas=0)).object)
    wanted = things.deployment(namespace, replicas=0)
    wanted["spec"]["strategy"] = {"type": "Recreate"}
    with pytest.raises(errors.Invalid) as refused:
        client.apply(wanted)
    assert "may not be specified when strategy `type` is 'Recreate'" in refused.value.message
    claim = things.deployment(namespace, replicas=0)
    claim["spec"]["strategy"] = client.get(ref)["spec"]["strategy"]
    claimed = client.apply(claim).object
    assert claimed["metadata"]["generation"] == 1
    switched = client.apply(wanted).object
    assert switched["spec"]["strategy"] == {"type": "Recreate"}
    assert switched["metadata"]["generation"] == 2
    assert [k for k in managers(switched) if k[1] == "Apply"] == [("helm", "Apply", "")]


def test_dropping_replicas_that_we_alone_own_resets_them(client: KubeClient, namespace: str) -> None:
    client.apply(things.deployment(namespace, replicas=3))
    without = things.deployment(namespace)
    del without["spec"]["replicas"]
    assert client.apply(without).object["spec"]["replicas"] == 1


def test_replicas_handed_over_stay(client: KubeClient, namespace: str) -> None:
    client.apply(things.deployment(namespace, replicas=3))
    handed = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"replicas": 3},
    }
    client.apply(handed, manager="helmflow-handover")
    without = things.deployment(namespace)
    del without["spec"]["replicas"]
    assert client.apply(without).object["spec"]["replicas"] == 3


def test_a_key_removed_from_string_data_stays_unless_data_is_applied(
    client: KubeClient, namespace: str
) -> None:
    client.apply(things.secret(namespace, a="1", b="2"))
    assert set(client.apply(things.secret(namespace, a="1")).object["data"]) == {"a", "b"}


def test_an_explicit_null_is_owned(client: KubeClient, namespace: str) -> None:
    wanted = things.config_map(namespace, a="1")
    wanted["data"]["b"] = None
    applied = client.apply(wanted).object
    assert applied["data"] == {"a": "1", "b": ""}
    assert managers(applied)["helm", "Apply", ""] == {"f:data": {"f:a": {}, "f:b": {}}}


def test_an_empty_mapping_is_owned_though_it_is_not_stored(client: KubeClient, namespace: str) -> None:
    wanted = things.deployment(namespace, replicas=0)
    wanted["spec"]["template"]["spec"]["nodeSelector"] = {}
    applied = client.apply(wanted).object
    assert "nodeSelector" not in applied["spec"]["template"]["spec"]
    assert "f:nodeSelector" in managers(applied)["helm", "Apply", ""]["f:spec"]["f:template"]["f:spec"]


def test_the_migration_of_a_client_side_object_claims_only_what_the_chart_names(
    client: KubeClient, namespace: str
) -> None:
    stored = things.deployment(
        namespace, replicas=0, env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    )
    live = client.create(stored)
    migrated = applying.migrate(client, live, last=stored)
    assert migrated["metadata"]["generation"] == 1
    assert ownership.migration(migrated) is None
    mine = managers(migrated)
    assert [key for key in mine if key[0] == "helm"] == [("helm", "Apply", "")]
    assert "f:progressDeadlineSeconds" not in mine["helm", "Apply", ""]["f:spec"]
    wanted = things.deployment(namespace, replicas=0, env=[{"name": "A", "value": "1"}])
    applied = client.apply(wanted).object
    assert [e["name"] for e in applied["spec"]["template"]["spec"]["containers"][0]["env"]] == ["A"]
    assert applied["metadata"]["generation"] == 2


def test_a_raw_migration_takes_over_the_whole_entry(client: KubeClient, namespace: str) -> None:
    live = client.create(things.config_map(namespace, a="1", b="2"))
    patch = ownership.migration(live)
    assert patch is not None
    client.patch(objects.ref(live), JSON_PATCH, patch)
    assert client.apply(things.config_map(namespace, a="3")).object["data"] == {"a": "3"}


def test_a_migration_of_an_older_state_conflicts(client: KubeClient, namespace: str) -> None:
    live = client.create(things.config_map(namespace, a="1"))
    client.patch(objects.ref(live), MERGE_PATCH, {"data": {"z": "1"}}, manager="someone")
    patch = ownership.migration(live)
    with pytest.raises(errors.Conflict):
        client.patch(objects.ref(live), JSON_PATCH, patch)


def union_cases(namespace: str) -> list[tuple[str, things.Object, things.Object]]:
    """(name, before, after) of the switches that server-side apply alone cannot make."""
    recreate = things.deployment(namespace, replicas=0)
    recreate["spec"]["strategy"] = {"type": "Recreate"}
    on_delete = things.stateful_set(namespace, replicas=0)
    on_delete["spec"]["updateStrategy"] = {"type": "OnDelete"}
    return [
        ("deployment", things.deployment(namespace, replicas=0), recreate),
        ("stateful set", things.stateful_set(namespace, replicas=0), on_delete),
    ]


@pytest.mark.parametrize("number", [0, 1], ids=["deployment", "stateful set"])
def test_a_union_is_switched_by_claiming_and_dropping(
    client: KubeClient, namespace: str, number: int
) -> None:
    _, before, after = union_cases(namespace)[number]
    live = client.apply(before).object
    with pytest.raises(errors.Invalid) as refused:
        client.apply(after)
    assert not ownership.immutable(refused.value)
    field = "strategy" if number == 0 else "updateStrategy"
    assert applying.preview(client, after).object["spec"][field] == after["spec"][field]
    switched = applying.apply(client, after, live=live).object
    assert switched["spec"][field] == after["spec"][field]
    assert switched["metadata"]["generation"] == 2


def test_a_probe_of_a_client_side_object_is_switched_after_migration(
    client: KubeClient, namespace: str
) -> None:
    probe = {"httpGet": {"path": "/", "port": 80}}
    before = things.deployment(namespace, replicas=0, livenessProbe=probe)
    live = client.create(before)
    after = things.deployment(namespace, replicas=0, livenessProbe={"tcpSocket": {"port": 80}})
    applied = applying.apply(client, after, live=live, last=before).object
    shown = applied["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]
    assert shown["tcpSocket"] == {"port": 80}
    assert "httpGet" not in shown


def test_replicas_are_handed_over_before_the_chart_drops_them(client: KubeClient, namespace: str) -> None:
    live = client.apply(things.deployment(namespace, replicas=3)).object
    without = things.deployment(namespace)
    del without["spec"]["replicas"]
    applied = applying.apply(client, without, live=live).object
    assert applied["spec"]["replicas"] == 3
    assert ownership.replicas_handover(without, applied) is None


def test_an_immutable_field_is_told_apart_from_another_mistake(client: KubeClient, namespace: str) -> None:
    client.apply(things.deployment(namespace, replicas=0))
    moved = things.deployment(namespace, replicas=0)
    moved["spec"]["selector"]["matchLabels"] = {"app": "web", "x": "y"}
    moved["spec"]["template"]["metadata"]["labels"]["x"] = "y"
    with pytest.raises(errors.Invalid) as replace_it:
        client.apply(moved)
    assert ownership.immutable(replace_it.value)
    wrong = things.deployment(namespace, replicas=-1)
    with pytest.raises(errors.Invalid) as fix_it:
        client.apply(wrong)
    assert not ownership.immutable(fix_it.value)
    stranger = things.deployment(namespace, replicas=0)
    stranger["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    with pytest.raises(errors.ClusterError) as not_ours:
        client.apply(stranger)
    assert not ownership.immutable(not_ours.value)
