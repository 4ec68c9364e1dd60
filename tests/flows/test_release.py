"""Helm's own operations on one release, without a state file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from helmflow.core.errors import ConfigError, HelmflowError, Refusal
from helmflow.flows import listing, release
from helmflow.flows.options import RenderOptions, RunningOptions
from helmflow.flows.release import Named
from helmflow.helm.release.record import ReleaseStatus
from tests.flows import charts
from tests.flows.town import Town


def _call(town: Town, operation: str, *arguments: object, color: str = "red", **more: object):  # type: ignore[no-untyped-def]
    session = town.session(render=RenderOptions(sets=(f"color={color}",)))
    return getattr(release, operation)(*arguments, session.options, session.emit, given=session, **more)


def test_the_life_of_a_release(town: Town) -> None:
    town.chart("web", config=charts.CONFIG)
    named = Named(name="web", namespace=town.ns("apps"), chart="./charts/web")
    assert _call(town, "install", named).ok
    with pytest.raises(Refusal) as taken:
        _call(town, "install", named)
    assert taken.value.error_id == "release.name-in-use"
    assert _call(town, "upgrade", named, color="green").ok
    assert _call(town, "upgrade", named, color="green").ok
    bare = replace(named, chart="")
    assert [row.status for row in _call(town, "past", bare)] == ["superseded", "superseded", "deployed"]
    assert _call(town, "get", bare).config == {"color": "green"}
    assert _call(town, "get", bare, revision=1).config == {"color": "red"}
    assert _call(town, "roll_back", bare, 1).ok
    live = town.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "red"
    assert _call(town, "uninstall", bare).ok
    assert _call(town, "current", bare).status == ""
    with pytest.raises(HelmflowError) as missing:
        _call(town, "get", bare)
    assert missing.value.error_id == "release.not-found"


@pytest.mark.parametrize("name", ["Web", "a_b", "a" * 54, "a" * 70])
def test_a_name_that_helm_refuses_asks_the_cluster_nothing(town: Town, name: str) -> None:
    town.chart("web", config=charts.CONFIG)
    town.file("helmflow.yaml", f"releases: [{{name: {name}, namespace: NS(apps), chart: ./charts/web}}]\n")
    with pytest.raises(ConfigError) as refused:
        town.diff()
    assert refused.value.error_id == "release.bad-name"
    assert town.wire is not None
    assert town.wire.requests == []


def test_upgrade_wants_a_release_unless_it_may_install(town: Town) -> None:
    town.chart("web", config=charts.CONFIG)
    named = Named(name="web", namespace=town.ns("apps"), chart="./charts/web")
    with pytest.raises(Refusal) as missing:
        _call(town, "upgrade", named)
    assert missing.value.error_id == "release.not-deployed"
    assert _call(town, "upgrade", named, or_install=True).ok
    assert town.statuses("web") == ["deployed"]


def test_an_upgrade_starts_from_the_values_it_is_told_to(town: Town) -> None:
    town.chart("web", config=charts.CONFIG)
    town.file("charts/web/values.yaml", "color: red\n")
    named = Named(name="web", namespace=town.ns("apps"), chart="./charts/web")

    def upgrade(*sets: str, **how: bool) -> str:
        running = RunningOptions(lease_duration_s=1.0, keep_values=True, **how)
        session = town.session(render=RenderOptions(sets=sets), running=running)
        assert release.upgrade(named, session.options, session.emit, or_install=True, given=session).ok
        live = town.find("ConfigMap", "web")
        assert live is not None
        return str(live["data"]["color"])

    assert upgrade() == "red"
    town.file("charts/web/values.yaml", "color: blue\n")
    assert upgrade("other=1", reuse_values=True) == "red"  # the deployed chart's own defaults
    assert upgrade("other=1", reset_then_reuse_values=True) == "blue"
    assert upgrade("color=green") == "green"
    assert upgrade() == "green"  # nothing is given: what is deployed stays
    assert town.history("web")[-1].config == {"color": "green"}
    assert upgrade(reset_values=True) == "blue"


def test_releases_are_listed_as_helm_lists_them(town: Town) -> None:
    town.chart("web", config=charts.CONFIG)
    for name in ("one", "two", "three"):
        named = Named(name=name, namespace=town.ns("apps"), chart="./charts/web")
        assert _call(town, "install", named).ok
    assert _call(town, "upgrade", named, color="green").ok

    def names(**wanted: Any) -> list[str]:
        session = town.session()
        query = listing.Wanted(**{"namespace": town.ns("apps"), **wanted})
        return [row.name for row in listing.listing(session.options, session.emit, query, session)]

    assert names() == ["one", "three", "two"]
    assert names(reverse=True, maximum=2) == ["two", "three"]
    assert names(pattern="^t", offset=1) == ["two"]
    assert names(by_date=True)[-1] == "three"
    assert names(statuses=(ReleaseStatus.FAILED,)) == []
    assert names(namespace=town.ns("data")) == []
    assert {"one", "two", "three"} <= set(names(everywhere=True))
    with pytest.raises(ConfigError) as wrong:
        names(pattern="[")
    assert wrong.value.error_id == "cli.bad-filter"
