"""Who wins a field: people's tools lose it, autoscalers keep it, others are asked."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.kube.errors import OwnedField
from helmflow.plan.conflicts import settle, taken_over

BODY: dict[str, Any] = {"spec": {"replicas": 2, "paused": False}}


def owned(field: str, manager: str, subresource: str = "") -> OwnedField:
    return OwnedField(field, manager, subresource, "apps/v1")


def entry(manager: str, *, applied: bool = True, names_release: bool = True) -> dict[str, Any]:
    annotations = {"f:meta.helm.sh/release-name": {}} if names_release else {}
    return {
        "manager": manager,
        "operation": "Apply" if applied else "Update",
        "fieldsV1": {"f:metadata": {"f:annotations": annotations}},
    }


def test_what_a_person_changed_is_taken_back() -> None:
    verdict = settle([owned(".spec.paused", "kubectl-edit")], BODY, {})
    assert verdict is not None
    assert verdict.force
    assert verdict.body == BODY


def test_replicas_of_an_autoscaler_are_yielded() -> None:
    verdict = settle([owned(".spec.replicas", "kube-controller-manager", "scale")], BODY, {})
    assert verdict is not None
    assert not verdict.force
    assert verdict.body == {"spec": {"paused": False}}
    assert BODY["spec"]["replicas"] == 2


@pytest.mark.parametrize("subresource", ["", "scale"])
def test_replicas_that_a_person_set_are_taken_back(subresource: str) -> None:
    verdict = settle([owned(".spec.replicas", "kubectl", subresource)], BODY, {})
    assert verdict is not None
    assert verdict.force
    assert verdict.body == BODY


def test_an_unknown_manager_is_asked_about() -> None:
    assert settle([owned(".spec.paused", "some-operator")], BODY, {}) is None
    assert (
        settle([owned(".spec.paused", "some-operator"), owned(".spec.paused", "kubectl")], BODY, {}) is None
    )


def test_helm_under_another_name_is_helm() -> None:
    live = {"metadata": {"managedFields": [entry("my-deployer")]}}
    verdict = settle([owned(".spec.paused", "my-deployer")], BODY, live)
    assert verdict is not None
    assert verdict.force


def test_its_ownership_becomes_ours() -> None:
    live = {
        "metadata": {
            "resourceVersion": "7",
            "managedFields": [entry("my-deployer"), entry("x", names_release=False)],
        }
    }
    patch = taken_over(live)
    assert patch is not None
    test, replace = patch
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert [found["manager"] for found in replace["value"]] == ["helm", "x"]


def test_what_is_ours_already_needs_no_patch() -> None:
    assert taken_over({"metadata": {"managedFields": [entry("helm")]}}) is None
    assert taken_over({"metadata": {"managedFields": [entry("helm"), entry("my-deployer")]}}) is None
    assert taken_over({"metadata": {}}) is None
