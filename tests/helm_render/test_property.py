"""Random charts, templates and values give what the real Helm gives, output and error text alike."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from helmflow.core.errors import HelmflowError
from helmflow.helm.chart.load import load_archive
from helmflow.helm.render.engine import RenderOptions, prepare, render_files
from tests.charts import archive_of
from tests.helm_render.random_charts import Case, case

# The engine raises the interpreter's recursion limit for good, which hypothesis would rather do itself.
pytestmark = pytest.mark.filterwarnings("ignore:The recursion limit will not be reset")

EXAMPLES = Path(__file__).parents[2] / ".hypothesis" / "helm"
FIXED = 500
FRESH = 20_000
Outcome = tuple[str, object]


def shown(text: str) -> str:
    """The text as the SDK's JSON carries it: bytes that are no UTF-8 become U+FFFD, one each."""
    return "".join("\ufffd" if "\ud800" <= rune <= "\udfff" else rune for rune in text)


def theirs(archive: bytes, one: Case) -> Outcome:
    """What Helm makes of the case."""
    helm = pytest.importorskip("helm_python")
    try:
        with helm.Chart.load_archive(archive) as chart:
            return "out", chart.render(copy.deepcopy(one.values), name=one.name, namespace=one.namespace)
    except helm.HelmError as error:
        return "error", str(error)


def ours(archive: bytes, one: Case) -> Outcome:
    """What helmflow makes of the case."""
    try:
        # Before manifests are made of the files, which the SDK does not do either.
        options = RenderOptions(release_name=one.name, namespace=one.namespace, installable=False)
        prepared = prepare(load_archive(archive), copy.deepcopy(one.values), options)
        files = render_files(prepared.chart, prepared.values, options)
    except HelmflowError as error:
        return "error", shown(str(error))
    return "out", {path: shown(text) for path, text in files.items()}


def difference(number: int) -> str:
    """What differs in the case that a number stands for, "" where nothing does."""
    one = case(number)
    archive = archive_of({f"c/{name}": text for name, text in one.files.items()})
    expected, got = theirs(archive, one), ours(archive, one)
    if expected == got:
        return ""
    return f"case {number}\n  files {one.files}\n  values {one.values}\n  want {expected}\n  got  {got}"


@settings(max_examples=FIXED, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.integers(0, 2**40))
def test_fixed_cases(number: int) -> None:
    wrong = difference(number)
    assert not wrong, wrong


@pytest.mark.nightly
def test_fresh_cases(record_property: Callable[[str, object], None]) -> None:
    start = secrets.randbits(64)
    record_property("run", f"seed {start}, {FRESH} cases")

    @seed(start)
    @settings(
        max_examples=FRESH,
        derandomize=False,
        database=DirectoryBasedExampleDatabase(EXAMPLES),
        suppress_health_check=list(HealthCheck),
        phases=(Phase.reuse, Phase.generate),
    )
    @given(st.integers(0, 2**40))
    def run(number: int) -> None:
        wrong = difference(number)
        assert not wrong, wrong

    run()
