"""What an upgrade of a definition breaks, narrows, or leaves as it was."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.plan.crds import judge

SIZE: dict[str, Any] = {"type": "integer", "minimum": 1}


def crd(
    properties: dict[str, Any] | None = None,
    *,
    names: tuple[str, ...] = ("v1",),
    served: bool = True,
    stored: tuple[str, ...] = ("v1",),
    scope: str = "Namespaced",
    **schema: Any,
) -> dict[str, Any]:
    versions = [
        {
            "name": name,
            "served": served,
            "storage": name == names[-1],
            "schema": {
                "openAPIV3Schema": {"type": "object", "properties": properties or {"size": SIZE}, **schema}
            },
        }
        for name in names
    ]
    kinds = {"kind": "Gadget", "plural": "gadgets"}
    return {
        "spec": {"group": "example.org", "scope": scope, "names": kinds, "versions": versions},
        "status": {"storedVersions": list(stored)},
    }


def test_the_same_is_no_change_also_with_the_servers_own_defaults() -> None:
    live = crd()
    live["spec"]["conversion"] = {"strategy": "None"}
    live["spec"]["names"]["listKind"] = "GadgetList"
    assert not judge(live, crd()).changes


@pytest.mark.parametrize(
    ("live", "new", "breaks"),
    [
        (crd(), crd(names=("v2",)), "version v1 is removed, and objects are stored in it"),
        (crd(), crd(scope="Cluster"), "the scope changes from Namespaced to Cluster"),
        (crd(), crd({"other": SIZE}), "v1: .size is removed, and its values with it"),
        (crd(), crd({"size": {"type": "string"}}), "v1: .size changes its type from integer to string"),
        (
            crd({"a": {"type": "array", "items": {"type": "object", "properties": {"b": SIZE}}}}),
            crd({"a": {"type": "array", "items": {"type": "object", "properties": {"c": SIZE}}}}),
            "v1: .a[].b is removed, and its values with it",
        ),
        (
            crd(**{"x-kubernetes-preserve-unknown-fields": True}),
            crd(),
            "v1: . no longer keeps unknown fields",
        ),
    ],
)
def test_what_loses_data_is_named(live: dict[str, Any], new: dict[str, Any], breaks: str) -> None:
    assert breaks in judge(live, new).breaks


@pytest.mark.parametrize(
    ("new", "narrows"),
    [
        (crd(required=["size"]), "v1: . now requires size"),
        (crd({"size": {"type": "integer", "minimum": 2}}), "v1: .size has a narrower minimum of 2"),
        (crd({"size": {**SIZE, "maximum": 9}}), "v1: .size has a narrower maximum of 9"),
        (crd({"size": {**SIZE, "enum": [1, 2]}}), "v1: .size now takes only certain values"),
        (crd({"size": {**SIZE, "pattern": "x"}}), "v1: .size must now match x"),
        (crd(served=False), "version v1 is no longer served"),
    ],
)
def test_what_refuses_more_is_shown(new: dict[str, Any], narrows: str) -> None:
    verdict = judge(crd(), new)
    assert narrows in verdict.narrows
    assert not verdict.breaks


@pytest.mark.parametrize(
    "new",
    [
        crd({"size": SIZE, "more": SIZE}),
        crd(names=("v1", "v2")),
        crd({"size": {"type": "integer"}}),
        crd({"size": {**SIZE, "default": 1}}, required=["size"]),
    ],
)
def test_what_only_widens_is_a_plain_change(new: dict[str, Any]) -> None:
    verdict = judge(crd(), new)
    assert verdict.changes
    assert not verdict.breaks
    assert not verdict.narrows
