"""--report where planning fails: the report says so, in every format."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.shop import Shop


@pytest.mark.parametrize("form", ["json", "md", "html"])
def test_a_planning_error_is_reported(shop: Shop, form: str) -> None:
    (shop.folder / "helmflow.yaml").write_text(
        "releases:\n- {name: web, chart: ./not-there}\n", encoding="utf-8"
    )
    done = shop.run("sync", "--kube-context", "embedded", "--report", f"out.{form}")
    assert done.code == 1
    text = (shop.folder / f"out.{form}").read_text(encoding="utf-8")
    assert "chart.missing" in text
    if form == "json":
        document = json.loads(text)
        assert (document["document"], document["command"], document["ok"]) == ("run", "sync", False)
        assert document["error"]["error_id"] == "chart.missing"
        assert document["releases"] == []
    else:
        assert "Nothing was run: planning failed." in text
