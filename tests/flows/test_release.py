"""Helm's own operations on one release, without a state file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helmflow.core.errors import HelmflowError, Refusal
from helmflow.flows import release
from helmflow.flows.options import RenderOptions
from helmflow.flows.release import Named
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


def test_upgrade_wants_a_release_unless_it_may_install(town: Town) -> None:
    town.chart("web", config=charts.CONFIG)
    named = Named(name="web", namespace=town.ns("apps"), chart="./charts/web")
    with pytest.raises(Refusal) as missing:
        _call(town, "upgrade", named)
    assert missing.value.error_id == "release.not-deployed"
    assert _call(town, "upgrade", named, or_install=True).ok
    assert town.statuses("web") == ["deployed"]
