"""Located nodes to dataclasses: values, and every mistake at its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from helmflow.core.decode import Located, decode, key, suggest
from helmflow.core.errors import ConfigError
from helmflow.core.source import SourceText, Span
from helmflow.core.yaml_dialect import locate


@dataclass(frozen=True, slots=True)
class Release:
    name: str
    span: Span
    wait: bool | None = None
    history_max: int | None = None
    mode: Literal["fast", "slow"] = "fast"
    values: tuple[str | dict[str, Any], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    chart: Located[str] | None = None
    kube: str = key("kubeContext", "context", default="")


@dataclass(frozen=True, slots=True)
class State:
    releases: tuple[Release, ...] = ()


def read(text: str) -> State:
    node = locate(text, SourceText("helmfile.yaml", text))
    assert node is not None
    return decode(node, State, what="state file")


def test_values() -> None:
    [release] = read(
        "releases:\n- name: 1.10\n  wait: yes\n  values: [a.yaml, {b: 1}]\n  labels: {tier: 017}\n  chart: x/y\n  context: c\n"
    ).releases
    assert (release.name, release.wait, release.values) == ("1.10", True, ("a.yaml", {"b": 1}))
    assert (release.labels, release.kube, str(release.span)) == ({"tier": "017"}, "c", "helmfile.yaml:2:3")
    assert release.chart is not None
    assert (release.chart.value, str(release.chart.span)) == ("x/y", "helmfile.yaml:6:10")


def test_null_counts_as_absent() -> None:
    assert read("releases:\n- name: x\n  values:\n  labels: ~\n  historyMax: null\n").releases[0].values == ()


def test_every_mistake_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        read("releases:\n- nme: a\n  wait: 3\n- {name: b, historyMax: x, mode: fsat}\n- text\n")
    told = [(mistake.error_id, str(mistake.span), mistake.hint) for mistake in caught.value.mistakes]
    assert told == [
        ("state.unknown-key", "helmfile.yaml:2:3", "did you mean 'name'?"),
        ("state.wrong-type", "helmfile.yaml:3:9", ""),
        ("state.wrong-type", "helmfile.yaml:4:25", ""),
        ("state.wrong-choice", "helmfile.yaml:4:34", "did you mean 'fast'?"),
        ("state.wrong-type", "helmfile.yaml:5:3", ""),
    ]


def test_missing_key() -> None:
    with pytest.raises(ConfigError) as caught:
        read("releases:\n- wait: true\n")
    assert caught.value.error_id == "state.missing-key"


def test_suggestions() -> None:
    assert suggest("chrat", ["chart", "name"]) == "did you mean 'chart'?"
    assert suggest("zzz", ["chart", "name"]) == ""
