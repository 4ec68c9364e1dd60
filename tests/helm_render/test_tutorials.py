"""The charts that people start from render as the real Helm renders them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helmflow.helm.render.engine import RenderOptions, render
from tests.charts import chart_of
from tests.helm_render.test_engine import floats
from tests.tutorials import TUTORIALS

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "tutorials.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorial(name: str) -> None:
    tutorial = TUTORIALS[name]
    options = RenderOptions(release_name="demo", namespace="demo-ns", installable=False)
    rendered = render(chart_of(tutorial.files), floats(tutorial.values), options)
    assert rendered.files == GOLDEN[name]["files"]
    assert rendered.manifest == GOLDEN[name]["manifest"]


def test_the_hook_of_the_tutorial() -> None:
    tutorial = TUTORIALS["post-install-hook"]
    rendered = render(
        chart_of(tutorial.files), tutorial.values, RenderOptions(release_name="demo", namespace="demo-ns")
    )
    (hook,) = rendered.hooks
    assert (hook.name, hook.events, hook.weight, hook.delete_policies) == (
        "demo",
        ("post-install",),
        -5,
        ("hook-succeeded",),
    )
    assert rendered.notes == "Thank you for hooked, demo of demo-ns.\n"
    assert rendered.template_output().endswith(
        f"---\n# Source: hooked/templates/job.yaml\n{hook.manifest.text}\n"
    )
