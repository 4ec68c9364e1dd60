"""Values against structural schemas: what breaks them, and what the server would drop."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.kube import structural

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1},
                "port": {"x-kubernetes-int-or-string": True},
                "mode": {"type": "string", "enum": ["fast", "safe"], "nullable": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "pod": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "properties": {"spec": {"type": "object"}},
                },
                "parts": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
            },
        }
    },
}


@pytest.mark.parametrize(
    ("spec", "broken"),
    [
        ({"size": 1}, []),
        ({}, ["spec.size"]),
        ({"size": 0}, ["spec.size"]),
        ({"size": "1"}, ["spec.size"]),
        ({"size": 1.0, "port": "http", "mode": None}, []),
        ({"size": 1, "port": True}, ["spec.port"]),
        ({"size": 1, "mode": "slow"}, ["spec.mode"]),
        ({"size": 1, "labels": {"a": 1}}, ["spec.labels.a"]),
        ({"size": 1, "parts": [{"name": "a"}, {"name": "a"}]}, ["spec.parts[1]"]),
    ],
)
def test_every_broken_rule_is_found(spec: dict[str, Any], broken: list[str]) -> None:
    assert [cause.field for cause in structural.check({"spec": spec}, SCHEMA)] == broken


@pytest.mark.parametrize(
    ("spec", "unknown"),
    [
        ({"size": 1, "free": {"a": {"b": 1}}, "labels": {"x": "y"}}, []),
        ({"colour": 1}, ["spec.colour"]),
        ({"parts": [{"name": "a", "count": 1}]}, ["spec.parts[0].count"]),
        (
            {"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "status": {}}},
            ["spec.pod.status"],
        ),
    ],
)
def test_fields_that_no_schema_declares_are_found(spec: dict[str, Any], unknown: list[str]) -> None:
    value = {"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "a", "labels": {"b": "c"}}, "spec": spec}
    assert structural.unknown(value, SCHEMA) == unknown
