"""Every recorded real chart and values file renders as recorded. `python -m tests.charts_report` lists them."""

from __future__ import annotations

import pytest

from tests import conformance
from tests.charts_cases import Case, cases, differences

SHARDS = 24


@pytest.mark.parametrize("shard", range(SHARDS))
def test_recorded_charts(shard: int) -> None:
    """A share of the charts; cases of one chart stay together, so that it is loaded once."""
    found = cases()
    charts = sorted({case.chart_id for case in found})
    mine = set(charts[shard::SHARDS])
    chosen = [case for case in found if case.chart_id in mine]
    wrong = {str(case): told for case in chosen if (told := differences(case))}
    conformance.report("charts", passed=len(chosen) - len(wrong), failed=len(wrong))
    assert not wrong


def test_a_difference_is_seen() -> None:
    """The comparison itself: a case compared with another chart's recording differs."""
    first = cases()[0]
    other = next(case for case in cases() if case.chart_id != first.chart_id)

    class Mixed(Case):
        __slots__ = ()

        @property
        def recorded(self) -> dict[str, object]:
            return other.recorded

    assert differences(Mixed(first.root, first.chart_id, first.name))
