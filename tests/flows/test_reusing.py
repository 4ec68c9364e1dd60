"""The values an upgrade starts from, by flag: each way as Helm has it."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.flows.options import RunningOptions
from helmflow.flows.reusing import ValuesMode, mode_of, reused
from helmflow.helm.chart.metadata import Metadata
from helmflow.helm.chart.model import Chart
from helmflow.helm.release.record import ReleaseStatus, Revision

DEPLOYED = Revision(
    name="web",
    namespace="apps",
    number=1,
    status=ReleaseStatus.DEPLOYED,
    chart={"values": {"a": "old chart", "b": "old chart", "deep": {"x": 1}}},
    config={"b": "deployed", "deep": {"y": 2}},
)
NEW = {"a": "new chart", "b": "new chart", "c": "new chart"}


@pytest.mark.parametrize(
    ("mode", "given", "defaults", "values"),
    [
        (ValuesMode.RESET, {"c": "now"}, NEW, {"c": "now"}),
        (
            ValuesMode.REUSE,
            {"c": "now"},
            {"a": "old chart", "b": "deployed", "deep": {"x": 1, "y": 2}},
            {"b": "deployed", "deep": {"y": 2}, "c": "now"},
        ),
        (ValuesMode.RESET_THEN_REUSE, {"c": "now"}, NEW, {"b": "deployed", "deep": {"y": 2}, "c": "now"}),
        (ValuesMode.RESET_THEN_REUSE, {"deep": {"y": 3}}, NEW, {"b": "deployed", "deep": {"y": 3}}),
        (ValuesMode.UNLESS_GIVEN, {"c": "now"}, NEW, {"c": "now"}),
        (ValuesMode.UNLESS_GIVEN, {}, NEW, {"b": "deployed", "deep": {"y": 2}}),
    ],
)
def test_each_way(
    mode: ValuesMode, given: dict[str, Any], defaults: dict[str, Any], values: dict[str, Any]
) -> None:
    chart, found = reused(
        mode, Chart(metadata=Metadata(name="web", version="1.0.0"), values=NEW), given, DEPLOYED
    )
    assert chart.values == defaults
    assert found == values


@pytest.mark.parametrize(
    ("running", "own", "mode"),
    [
        (RunningOptions(), False, ValuesMode.RESET),
        (RunningOptions(), True, ValuesMode.REUSE),
        (RunningOptions(reset_values=True, reuse_values=True), True, ValuesMode.RESET),
        (RunningOptions(reuse_values=True, reset_then_reuse_values=True), False, ValuesMode.REUSE),
        (RunningOptions(reset_then_reuse_values=True), False, ValuesMode.RESET_THEN_REUSE),
        (RunningOptions(keep_values=True), False, ValuesMode.UNLESS_GIVEN),
    ],
)
def test_the_first_flag_in_helms_order_wins(running: RunningOptions, mode: ValuesMode, *, own: bool) -> None:
    assert mode_of(running, own=own) is mode


def test_nulls_that_were_deployed_stay() -> None:
    """They go on deleting what a newer chart has there."""
    from helmflow.core.records import replace

    web = Chart(metadata=Metadata(name="web", version="1.0.0"), values=NEW)
    deployed = replace(DEPLOYED, config={"a": None, "b": {"x": None}})
    assert reused(ValuesMode.RESET_THEN_REUSE, web, {"c": "now"}, deployed)[1] == {
        "a": None, "b": {"x": None}, "c": "now",
    }  # fmt: skip
