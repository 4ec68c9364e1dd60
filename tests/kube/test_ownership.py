"""Field sets and what is made of them: migrations, unions, hand-overs, and who may be replaced."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.kube import errors, fieldsets, ownership

Object = dict[str, Any]


def test_a_union_keeps_what_is_owned_as_a_whole() -> None:
    one = {"f:data": {"f:a": {}}, "f:spec": {}}
    other = {"f:data": {"f:b": {}}, "f:spec": {"f:x": {}}}
    assert fieldsets.union(one, other) == {"f:data": {"f:a": {}, "f:b": {}}, "f:spec": {".": {}, "f:x": {}}}


field_names = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', "v:1"])
trees = st.recursive(
    st.just({}), lambda inner: st.dictionaries(field_names, inner, min_size=1, max_size=3), max_leaves=8
)


@given(trees, trees)
def test_a_union_has_the_fields_of_both_and_no_others(one: Object, other: Object) -> None:
    joined = set(fieldsets.paths(fieldsets.union(one, other)))
    assert joined == set(fieldsets.paths(one)) | set(fieldsets.paths(other))
    assert fieldsets.union(one, one) == one


def test_paths_are_written_as_conflicts_write_them() -> None:
    fields = {
        "f:spec": {
            "f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}}},
            "f:finalizers": {'v:"a"': {}},
        }
    }
    assert list(fieldsets.paths(fields)) == [
        '.spec.containers[name="c"]',
        '.spec.containers[name="c"].image',
        '.spec.finalizers[="a"]',
    ]


def test_only_what_a_manifest_names_is_taken_over() -> None:
    fields = {
        "f:spec": {
            "f:replicas": {},
            "f:strategy": {"f:type": {}},
            "f:ports": {
                'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}},
                'k:{"port":81,"protocol":"TCP"}': {".": {}},
            },
            "f:selector": {},
        }
    }
    manifest = {"spec": {"replicas": 1, "ports": [{"port": 80}], "selector": {"app": "x"}}}
    assert fieldsets.named_by(fields, manifest) == {
        "f:spec": {
            "f:replicas": {},
            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
            "f:selector": {},
        }
    }


def live(*entries: Object, **spec: Any) -> Object:
    """An object with these managedFields."""
    metadata = {"name": "x", "namespace": "ns", "resourceVersion": "7", "managedFields": list(entries)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def entry(manager: str, operation: str = "Update", fields: Object | None = None, **more: Any) -> Object:
    """One managedFields entry."""
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "time": "t",
        "fieldsV1": fields or {"f:spec": {"f:replicas": {}}},
        **more,
    }


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [entry("helm", "Apply")],
        [entry("kube-controller-manager", subresource="status")],
        [entry("kubectl-edit")],
        [entry("helm", subresource="scale")],
    ],
)
def test_nothing_is_migrated_where_nothing_is_ours(entries: list[Object]) -> None:
    assert ownership.migration(live(*entries)) is None


def test_a_migration_joins_our_entries_and_leaves_others_alone() -> None:
    other = entry("kubectl-edit", fields={"f:spec": {"f:paused": {}}})
    found = ownership.migration(
        live(
            entry("helm", "Apply", {"f:spec": {"f:template": {}}}),
            entry("helm", fields={"f:spec": {"f:replicas": {}}}),
            entry("before-first-apply", fields={"f:metadata": {"f:labels": {"f:a": {}}}}),
            other,
        )
    )
    assert found is not None
    fields, version = found
    assert version == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    assert fields["value"][0] == other
    assert fields["value"][1]["operation"] == "Apply"
    assert fields["value"][1]["fieldsV1"] == {
        "f:metadata": {"f:labels": {"f:a": {}}},
        "f:spec": {"f:replicas": {}, "f:template": {}},
    }


def test_entries_of_versions_that_are_gone_are_moved() -> None:
    old = {**entry("helm", "Apply"), "apiVersion": "extensions/v1beta1"}
    found = ownership.renamed_version(live(old, entry("x")), frozenset({"apps/v1"}))
    assert found is not None
    assert [e["apiVersion"] for e in found[0]["value"]] == ["apps/v1", "apps/v1"]
    assert ownership.renamed_version(live(entry("x")), frozenset({"apps/v1"})) is None


def refusal(*causes: tuple[str, str]) -> errors.Invalid:
    """A 422 with these causes."""
    made = errors.Invalid("no", error_id="cluster.invalid", status=422)
    made.causes = tuple(errors.Cause("FieldValueInvalid", field, message) for field, message in causes)
    return made


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (refusal(("spec.selector", "Invalid value: x: field is immutable")), True),
        (refusal(("spec.clusterIP", "Invalid value: may not change once set")), True),
        (refusal(("roleRef", "Invalid value: cannot change roleRef")), True),
        (refusal(("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas'")), True),
        (refusal(("spec", "Forbidden: spec is immutable after creation except resources.requests")), True),
        (refusal(("spec", "Forbidden: pod updates may not change fields other than `image`")), True),
        (refusal(("metadata.uid", "Invalid value: field is immutable")), False),
        (refusal(("spec.replicas", "must be greater than or equal to 0")), False),
        (errors.Conflict("field is immutable", error_id="cluster.conflict"), False),
    ],
)
def test_what_must_be_replaced(failure: errors.ClusterError, expected: bool) -> None:
    assert ownership.immutable(failure) is expected


def test_a_probe_is_switched_in_the_container_of_the_same_name() -> None:
    theirs = {
        "spec": {
            "containers": [
                {"name": "side"},
                {"name": "main", "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 10}},
            ]
        }
    }
    ours = {"spec": {"containers": [{"name": "main", "livenessProbe": {"tcpSocket": {"port": 80}}}]}}
    failure = refusal(
        ("spec.containers[1].livenessProbe.tcpSocket", "Forbidden: may not specify more than 1 handler type")
    )
    claim = ownership.union_claim(failure, ours, theirs)
    assert claim == {
        "spec": {
            "containers": [{"name": "main", "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 10}}]
        }
    }
    assert ownership.union_claim(refusal(("spec.x", "is wrong")), ours, theirs) is None
    assert ownership.union_claim(refusal(("nowhere.else", "may not be specified")), ours, theirs) is None


def test_replicas_are_handed_over_only_where_we_alone_own_them() -> None:
    mine, theirs = entry("helm", "Apply"), entry("kube-controller-manager", subresource="scale")
    without: Object = {"spec": {}}
    handover = ownership.replicas_handover(without, live(mine, replicas=5))
    assert handover is not None
    assert handover["spec"] == {"replicas": 5}
    assert ownership.replicas_handover(without, live(mine, theirs, replicas=5)) is None
    assert ownership.replicas_handover({"spec": {"replicas": 2}}, live(mine, replicas=5)) is None
    assert ownership.replicas_handover(without, live(theirs, replicas=5)) is None
