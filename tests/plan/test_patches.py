"""Kustomize's patches on rendered documents."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.core.errors import ConfigError
from helmflow.plan.patches import Patching, json_patch, strategic_merge


def deployment() -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"tier": "web"}},
        "spec": {
            "replicas": 1,
            "template": {
                "spec": {
                    "containers": [
                        {"name": "a", "image": "a:1", "args": ["x"]},
                        {"name": "b", "image": "b:1"},
                    ]
                }
            },
        },
    }


@pytest.mark.parametrize(
    ("operation", "path", "wanted"),
    [
        ({"op": "replace", "path": "/spec/replicas", "value": 3}, ("spec", "replicas"), 3),
        ({"op": "add", "path": "/metadata/labels/a~1b", "value": "c"}, ("metadata", "labels", "a/b"), "c"),
        (
            {"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "y"},
            ("spec", "template", "spec", "containers", 0, "args"),
            ["x", "y"],
        ),
        (
            {"op": "add", "path": "/spec/template/spec/containers/0/args/0", "value": "y"},
            ("spec", "template", "spec", "containers", 0, "args"),
            ["y", "x"],
        ),
        ({"op": "remove", "path": "/metadata/labels/tier"}, ("metadata", "labels"), {}),
        (
            {"op": "move", "from": "/metadata/labels/tier", "path": "/metadata/labels/t"},
            ("metadata", "labels"),
            {"t": "web"},
        ),
        (
            {"op": "copy", "from": "/metadata/name", "path": "/metadata/labels/name"},
            ("metadata", "labels", "name"),
            "web",
        ),
    ],
)
def test_json_patches(operation: dict[str, Any], path: tuple[Any, ...], wanted: Any) -> None:
    found: Any = json_patch(deployment(), [operation])
    for key in path:
        found = found[key]
    assert found == wanted


def test_a_json_patch_that_fits_nothing_is_a_named_mistake() -> None:
    with pytest.raises(ConfigError) as error:
        json_patch(deployment(), [{"op": "replace", "path": "/spec/nothing/here", "value": 1}])
    assert error.value.error_id == "patch.failed"


def test_a_target_selects_by_pattern_and_label() -> None:
    patch = [{"op": "replace", "path": "/spec/replicas", "value": 9}]
    for target, replicas in [
        ({"kind": "Deployment", "name": "w.*"}, 9),
        ({"kind": "Deployment", "name": "w"}, 1),
        ({"labelSelector": "tier=web"}, 9),
        ({"group": "batch"}, 1),
    ]:
        (found,) = Patching(json_patches=[{"target": target, "patch": patch}]).apply([deployment()])
        assert found["spec"]["replicas"] == replicas


def test_containers_merge_by_name_and_null_deletes() -> None:
    patch = {
        "metadata": {"labels": None},
        "spec": {
            "template": {"spec": {"containers": [{"name": "b", "image": "b:2"}, {"name": "c", "image": "c"}]}}
        },
    }
    found = strategic_merge(deployment(), patch)
    containers = found["spec"]["template"]["spec"]["containers"]
    assert [(c["name"], c["image"]) for c in containers] == [("a", "a:1"), ("b", "b:2"), ("c", "c")]
    assert "labels" not in found["metadata"]


def test_lists_without_a_merge_key_replace() -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "a", "args": ["z"]}]}}}}
    found = strategic_merge(deployment(), patch)
    assert found["spec"]["template"]["spec"]["containers"][0]["args"] == ["z"]


def test_patch_delete_removes_the_document_and_list_items() -> None:
    identity = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    assert Patching(strategic_merge_patches=[{**identity, "$patch": "delete"}]).apply([deployment()]) == []
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}}}
    found = strategic_merge(deployment(), patch)
    assert [c["name"] for c in found["spec"]["template"]["spec"]["containers"]] == ["b"]


def test_a_strategic_patch_without_its_document_is_a_named_mistake() -> None:
    patch = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "none"}}
    with pytest.raises(ConfigError) as error:
        Patching(strategic_merge_patches=[patch]).apply([deployment()])
    assert error.value.error_id == "patch.no-target"


def test_a_forced_namespace_leaves_cluster_scoped_kinds_alone() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    web, kept = Patching(force_namespace="apps").apply([deployment(), role])
    assert web["metadata"]["namespace"] == "apps"
    assert "namespace" not in kept["metadata"]
