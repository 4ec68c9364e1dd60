"""Requests, counted at the transport: 50 releases of 20 objects ask the API server for no more than they must."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from helmflow.embedded.server import ApiServer
from helmflow.embedded.transport import InProcessTransport
from helmflow.execute.report import RunReport
from tests.apiserver import fleet
from tests.flows.town import Town

RELEASES, NAMESPACES, CHANGED = 50, 5, 5
PAGE = 500


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A fleet that is deployed."""
    folder = tmp_path_factory.mktemp("fleet")
    server = ApiServer()
    made = Town(folder, lambda: InProcessTransport(server))
    fleet.write_chart(folder)
    write(made)
    report = made.sync()
    assert report.ok, [release.failure for release in report.releases if release.failure]
    yield made
    server.close()


def write(town: Town, color: str = "red", releases: int = RELEASES) -> None:
    """The state file; the first CHANGED releases have this color."""
    every = fleet.names(releases, NAMESPACES)
    changed = {name for name, _ in every[:CHANGED]}
    town.file("helmflow.yaml", fleet.state(Path("./unit"), every, changed, color=color))


def verbs(town: Town) -> Counter[str]:
    """What was sent, by method and kind of request."""
    assert town.wire is not None
    found: Counter[str] = Counter()
    for request in town.wire.requests:
        query = dict(request.query)
        if query.get("watch"):
            verb = "WATCH"
        elif query.get("dryRun"):
            verb = "DRY-RUN"
        elif request.method == "GET" and not re.search(r"/namespaces/[^/]+/[^/]+/[^/]+$", request.path):
            verb = "LIST"
        else:
            verb = request.method
        found[f"{verb} {request.path.rpartition('/')[2] if verb in ('LIST', 'WATCH') else ''}".strip()] += 1
    return found


def plan_bound(unproven: int) -> int:
    """4 + namespaces + kinds x scopes, pages beyond the first, one for each unproven object."""
    per_scope = RELEASES // NAMESPACES * 2
    pages = (per_scope - 1) // PAGE
    return 4 + NAMESPACES + fleet.KINDS * NAMESPACES * (1 + pages) + unproven


def apply_bound(report: RunReport, changed: int, releases: int) -> int:
    """The objects, 3 for each revision, 2 for each lease and a renewal every 10 s."""
    seconds = max(release.seconds for release in report.releases)
    return changed + 3 * releases + 2 * releases + int(seconds // 10) * releases


def test_an_unchanged_plan_of_a_fleet(synced: Town) -> None:
    write(synced)
    plan = synced.diff()
    assert not plan.writes
    sent = sum(verbs(synced).values())
    assert sent <= plan_bound(0) + RELEASES * fleet.OBJECTS // 50, verbs(synced)
    assert verbs(synced)["DRY-RUN"] <= RELEASES * fleet.OBJECTS // 50
    report = synced.sync()
    assert (report.writes, report.requests) == (0, sent)


def test_an_apply_sends_what_changed(synced: Town) -> None:
    write(synced, "green")
    report = synced.sync()
    assert report.ok
    objects = CHANGED * 4  # two ConfigMaps and two Deployments each
    assert report.writes <= apply_bound(report, objects, CHANGED)
    assert report.requests <= plan_bound(objects) + apply_bound(report, objects, CHANGED), verbs(synced)


def test_a_full_history_costs_one_request_for_each_pruned_revision(synced: Town) -> None:
    for number in range(9):
        write(synced, f"color-{number}")
        assert synced.sync().ok
    write(synced, "the-eleventh")
    report = synced.sync()
    assert report.ok
    objects, pruned = CHANGED * 4, CHANGED
    assert report.requests <= plan_bound(objects) + apply_bound(report, objects, CHANGED) + pruned, verbs(
        synced
    )


def test_a_destroy_sends_what_goes(synced: Town) -> None:
    """The objects, two writes for the record, its lease, one LIST of its history, and what keeps the inventory."""
    write(synced, "red")
    synced.file("helmflow.yaml", fleet.state(Path("./unit"), fleet.names(1, 1, "gone")))
    assert synced.sync().ok
    report = synced.destroy()
    assert report.ok
    inventory = NAMESPACES + 1  # what left the files is looked for where it was; one write strikes it out
    assert report.requests <= 4 + 1 + fleet.KINDS + fleet.OBJECTS + 2 + 1 + 2 + inventory, verbs(synced)


def test_waiting_watches_each_kind_once_and_lists_nothing(synced: Town) -> None:
    write(synced, "waited-for")
    without = synced.sync()
    assert without.ok
    before = verbs(synced)
    write(synced, "waited-for-2")
    synced.file(
        "helmflow.yaml", "helmDefaults: {wait: true}\n" + (synced.folder / "helmflow.yaml").read_text()
    )
    report = synced.sync()
    assert report.ok
    after = verbs(synced)
    assert sum(n for verb, n in after.items() if verb.startswith("LIST")) == sum(
        n for verb, n in before.items() if verb.startswith("LIST")
    )
    watched = {verb: n for verb, n in after.items() if verb.startswith("WATCH")}
    assert all(n <= NAMESPACES for n in watched.values())
