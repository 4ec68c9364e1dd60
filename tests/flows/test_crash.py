"""A run that dies after any write: the next one converges, history stays readable, nothing is left behind."""

from __future__ import annotations

import time

import pytest

from tests.flows import charts
from tests.flows.town import Killed, Town

# Threads in the background die with the process that these tests only pretend to kill.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")

EVERY = list(range(1, 90))  # beyond the last write of a run, with some for renewed leases
SAMPLED = [1, 2, 4, 7, 11, 16, 22, 29, 37, 46]


def _crash_at(town: Town, number: int) -> bool:
    """Whether the run died."""
    try:
        town.sync(kill_after=number)
    except Killed:
        return True
    return False


def _converges(town: Town) -> None:
    time.sleep(1.1)  # the dead run's leases end
    report = town.sync()
    assert report.ok, [(release.id.name, release.failure) for release in report.releases if release.failure]
    expected = {"apps": ["catalog", "orders", "web"], "data": ["cache", "database"]}
    for namespace, releases in expected.items():
        wanted = sorted([*releases, *(f"{release}-extra" for release in releases)])
        assert town.names("ConfigMap", namespace) == wanted
        assert town.names("Deployment", namespace, "apps/v1") == releases
        assert town.names("Job", namespace, "batch/v1") == []
        for release in releases:
            statuses = town.statuses(release, namespace)
            assert statuses[-1] == "deployed"
            assert set(statuses[:-1]) <= {"superseded", "failed"}
        assert town.names("Lease", namespace, "coordination.k8s.io/v1") == []
    assert town.sync().writes == 0


@pytest.mark.parametrize("number", SAMPLED)
def test_an_install_that_died_is_finished(town: Town, number: int) -> None:
    charts.five(town)
    if not _crash_at(town, number):
        pytest.skip(f"this run has fewer than {number} writes")
    _converges(town)


@pytest.mark.nightly
@pytest.mark.parametrize("number", EVERY)
def test_an_install_that_died_anywhere_is_finished(town: Town, number: int) -> None:
    charts.five(town)
    if not _crash_at(town, number):
        pytest.skip(f"this run has fewer than {number} writes")
    _converges(town)


@pytest.mark.nightly
def test_no_run_has_more_writes_than_are_tried(town: Town) -> None:
    charts.five(town)
    writes = []
    for run in (town.sync, town.sync, town.destroy):
        assert run().ok
        assert town.wire is not None
        writes.append(len(town.wire.writes))
        town.file("values.yaml", "color: green\nextra: true\n")
    assert 40 < max(writes) < EVERY[-1], writes


@pytest.mark.parametrize("number", [4, 16])
def test_an_upgrade_that_died_is_finished(town: Town, number: int) -> None:
    charts.five(town)
    assert town.sync().ok
    town.file("values.yaml", "color: green\nextra: true\n")
    assert _crash_at(town, number)
    _converges(town)


@pytest.mark.parametrize("number", [3, 5, 6])
def test_what_only_the_dead_run_created_is_deleted(town: Town, number: int) -> None:
    charts.small(town)
    town.sync()
    town.chart("web", extra=charts.EXTRA)
    town.file("values.yaml", "color: red\nextra: true\n")
    assert _crash_at(town, number)
    town.file("values.yaml", "color: red\n")
    assert town.sync().ok
    assert town.names("ConfigMap") == ["web"]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_destroy_that_died_is_finished(town: Town, number: int) -> None:
    charts.small(town)
    town.sync()
    with pytest.raises(Killed):
        town.destroy(kill_after=number)
    assert town.destroy().ok
    assert town.names("ConfigMap") == []
    assert town.history("web") == []
