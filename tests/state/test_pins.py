"""Which cluster an environment is pinned to, as texts say before they are rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from helmflow.state.pins import announced
from helmflow.state.ports import Pin

PIN = Pin("prod", "town")


@pytest.mark.parametrize(
    ("text", "pins"),
    [
        ("environments:\n  prod: {cluster: {context: town}}\n", (PIN,)),
        ('"environments" :\n  prod: {cluster: {context: town}}\n', (PIN,)),
        ("environments:\r\n  prod:\r\n    cluster:\r\n      context: town\r\nreleases: []\r\n", (PIN,)),
        ("environments:\n\n# a note\n\n  prod: {cluster: {context: town}}\n", (PIN,)),
        ("environments:\n  other: {cluster: {context: town}}\n  prod:\n", ()),
        ("environments:\n  prod: cluster\n", None),
        ("environments:\n  prod: [cluster]\n", None),
        ("environments:\n  prod: {cluster: town}\n", None),
        ("environments: [cluster]\n", None),
        ("bases: [base.yaml]\n", (PIN,)),
        ("bases: [missing.yaml]\n", ()),
        ('bases: ["a\\0b", 3, .]\n', ()),
        ("bases: ['{{ .x }}.yaml']\n", None),
        ("releases: [{name: cluster}]\n", ()),
    ],
)
def test_what_a_text_announces(tmp_path: Path, text: str, pins: tuple[Pin, ...] | None) -> None:
    base = "bases: [base.yaml]\nenvironments:\n  prod: {cluster: {context: town}}\n"  # refused in its turn
    (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
    assert announced([text], "prod", tmp_path) == pins
