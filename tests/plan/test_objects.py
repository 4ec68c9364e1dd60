"""Documents as they are sent."""

from __future__ import annotations

from typing import Any

from helmflow.core.ids import ReleaseId
from helmflow.helm.render import manifests
from helmflow.plan.objects import known_scopes, sendable, targets, without_nulls

OWNER = ReleaseId("", "shop", "web")


def one(text: str) -> Any:
    (target,) = targets(manifests.parse(text), OWNER, known_scopes((), lambda api, kind: None))
    return target


def test_a_namespaced_object_gets_the_releases_namespace_and_ownership() -> None:
    target = one("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {x: z}}\n")
    assert target.ref.namespace == "shop"
    assert target.body["metadata"] == {
        "name": "a",
        "namespace": "shop",
        "labels": {"x": "z", "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"},
    }


def test_its_own_namespace_wins_and_cluster_scoped_kinds_have_none() -> None:
    assert one("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n").ref.namespace == "b"
    role = one(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a, namespace: b}\n"
    )
    assert role.ref.namespace == ""
    assert "namespace" not in role.body["metadata"]


def test_a_list_gives_its_items() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n"
    found = targets(manifests.parse(text), OWNER, known_scopes((), lambda api, kind: None))
    assert [(t.ref.kind, t.ref.name) for t in found] == [("ConfigMap", "a"), ("Secret", "b")]


def test_string_data_is_folded_into_data() -> None:
    body = one(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {x: eA==}\nstringData: {b: z}\n"
    ).body
    assert body["data"] == {"x": "eA==", "b": "eg=="}
    assert "stringData" not in body


def test_nulls_go_and_whole_numbers_are_integers() -> None:
    assert without_nulls({"a": None, "b": [1.0, {"c": None, "d": 1.5}], "e": 1e300}) == {
        "b": [1, {"d": 1.5}],
        "e": 1e300,
    }
    assert isinstance(without_nulls(3.0), int)


def test_status_is_not_sent() -> None:
    assert "status" not in sendable({"kind": "X", "status": {"a": 1}}, one_ref(), None)


def one_ref() -> Any:
    return one("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n").ref


def test_scopes_come_from_the_cluster_then_from_planned_definitions() -> None:
    crd = {"spec": {"group": "g", "scope": "Cluster", "names": {"kind": "K"}, "versions": [{"name": "v1"}]}}
    scopes = known_scopes([crd], lambda api, kind: True if kind == "Served" else None)
    assert scopes("x/v1", "Served")
    assert not scopes("g/v1", "K")
    assert not scopes("v1", "Namespace")
    assert scopes("other/v1", "Unknown")


def test_the_keep_policy_is_read_from_the_document() -> None:
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {helm.sh/resource-policy: Keep}}\n"
    )
    assert one(text).keep
