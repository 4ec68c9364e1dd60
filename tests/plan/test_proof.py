"""The proof from managedFields: proves what is unchanged, never what is not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from helmflow.plan.proof import proven, quantity

BODY: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "web:1",
                        "args": ["--a", "--b"],
                        "ports": [{"containerPort": 80}],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}},
                    }
                ],
            },
        },
    },
}
LIVE: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "uid": "u",
        "resourceVersion": "7",
        "labels": {"app": "web"},
        "annotations": {"deployment.kubernetes.io/revision": "1"},
        "managedFields": [
            {
                "manager": "helm",
                "operation": "Apply",
                "apiVersion": "apps/v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:app": {}}},
                    "f:spec": {
                        "f:replicas": {},
                        "f:selector": {},
                        "f:template": {
                            "f:metadata": {"f:labels": {"f:app": {}}},
                            "f:spec": {
                                "f:containers": {
                                    'k:{"name":"web"}': {
                                        ".": {},
                                        "f:name": {},
                                        "f:image": {},
                                        "f:args": {},
                                        "f:ports": {
                                            'k:{"containerPort":80,"protocol":"TCP"}': {
                                                ".": {},
                                                "f:containerPort": {},
                                            }
                                        },
                                        "f:env": {
                                            'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}},
                                            'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}},
                                        },
                                        "f:resources": {"f:limits": {"f:cpu": {}, "f:memory": {}}},
                                    }
                                }
                            },
                        },
                    },
                },
            },
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
        ],
    },
    "spec": {
        "replicas": 2,
        "revisionHistoryLimit": 10,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "restartPolicy": "Always",
                "containers": [
                    {
                        "name": "web",
                        "image": "web:1",
                        "imagePullPolicy": "IfNotPresent",
                        "args": ["--a", "--b"],
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                    }
                ],
            },
        },
    },
    "status": {"replicas": 2},
}


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, child in value.items() for leaf in _leaves(child, (*path, key))]
    if isinstance(value, list):
        return [leaf for number, child in enumerate(value) for leaf in _leaves(child, (*path, number))]
    return [path]


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


MUTABLE = [
    path
    for path in _leaves(BODY)
    if path[0] != "kind" and path != ("metadata", "name") and path != ("metadata", "namespace")
]


def test_what_was_applied_last_is_proven_unchanged() -> None:
    assert proven(BODY, LIVE)


@pytest.mark.parametrize("path", MUTABLE, ids=lambda p: ".".join(map(str, p)))
def test_a_changed_value_is_never_proven(path: tuple[Any, ...]) -> None:
    body = copy.deepcopy(BODY)
    parent = _at(body, path[:-1])
    parent[path[-1]] = 99 if isinstance(parent[path[-1]], int) else "other"
    assert not proven(body, LIVE)


@pytest.mark.parametrize("path", MUTABLE, ids=lambda p: ".".join(map(str, p)))
def test_a_removed_value_is_never_proven(path: tuple[Any, ...]) -> None:
    body = copy.deepcopy(BODY)
    del _at(body, path[:-1])[path[-1]]
    assert not proven(body, LIVE)


@pytest.mark.parametrize(
    "path", [path for path in MUTABLE if path != ("apiVersion",)], ids=lambda p: ".".join(map(str, p))
)
def test_drift_is_never_proven_unchanged(path: tuple[Any, ...]) -> None:
    live = copy.deepcopy(LIVE)
    parent = _at(live, path[:-1])
    parent[path[-1]] = 99 if isinstance(parent[path[-1]], int) else "other"
    assert not proven(BODY, live)


def test_another_order_of_a_keyed_list_is_a_change() -> None:
    body = copy.deepcopy(BODY)
    body["spec"]["template"]["spec"]["containers"][0]["env"].reverse()
    assert not proven(body, LIVE)


def test_an_object_applied_client_side_is_not_proven() -> None:
    live = copy.deepcopy(LIVE)
    live["metadata"]["managedFields"][0]["operation"] = "Update"
    assert not proven(BODY, live)


def test_text_that_looks_like_a_quantity_stays_text() -> None:
    fields = {"f:data": {"f:limits": {}}}
    live = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "c",
            "managedFields": [
                {"manager": "helm", "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields}
            ],
        },
        "data": {"limits": "1"},
    }
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"limits": "1000m"}}
    assert not proven(body, live)


@pytest.mark.parametrize(
    ("a", "b"), [("1000m", 1), ("1Gi", "1024Mi"), ("0.5", "500m"), ("1e3", "1k"), ("1E", "1000P")]
)
def test_quantities_compare_by_value(a: Any, b: Any) -> None:
    assert quantity(a) == quantity(b)


def test_what_is_no_quantity_has_no_number() -> None:
    assert quantity("web:1") is None
