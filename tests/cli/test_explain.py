"""explain, compare and schema on the shop."""

from __future__ import annotations

import json

import jsonschema
import yaml

from tests.scenarios.shop import EXAMPLE, Shop

DEV = ("-e", "dev")


def test_explain_values_names_the_line_and_what_it_overrode(shop: Shop) -> None:
    done = shop.run("explain", "values", "catalog", "image.tag", *DEV)
    assert done.code == 0, done.err
    assert done.out == 'image.tag: 1.8.0    # values/catalog/values.yaml:3\n    over ""    # chart defaults\n'
    found = json.loads(
        shop.run("explain", "values", "catalog", *DEV, "-o", "json", "--set", "replicas=7").out
    )
    replicas = next(one for one in found if one["path"] == "replicas")
    assert (replicas["value"], replicas["from"]) == (7, "--set")
    assert replicas["overrode"] == [{"value": 1.0, "from": "chart defaults"}]


def test_explain_chart_says_which_condition_decided_and_where(shop: Shop) -> None:
    done = shop.run("explain", "chart", "catalog", *DEV)
    assert done.out.splitlines()[1].split() == [
        "metricsSidecar", "on", "condition", "metricsSidecar.enabled", "values/catalog/values.yaml:8"
    ]  # fmt: skip
    assert " off " in shop.run("explain", "chart", "charts/service").out


def test_compare_shows_what_differs_without_a_cluster(shop: Shop) -> None:
    done = shop.run("compare", "staging", "prod", "--detailed-exitcode")
    assert done.code == 2
    assert "  values.replicas: 2 -> 4" in done.out
    assert "  presence: absent -> present" in done.out
    assert "  Deployment shop-apps/orders: spec.replicas: 2 -> 4" in done.out
    assert "Deployment" not in shop.run("compare", "staging", "prod", "--skip-charts").out
    same = shop.run(
        "compare", "staging", "staging", "--detailed-exitcode"
    )  # random passwords are no difference
    assert (same.code, "are equal in staging and staging" in same.out) == (0, True)
    assert "state.unknown-environment" in shop.run("compare", "staging", "nowhere").err


def test_the_schema_accepts_the_shop_and_refuses_a_misspelt_key(shop: Shop) -> None:
    schema = json.loads(shop.run("schema").out)
    validator = jsonschema.Draft202012Validator(schema)
    for document in yaml.safe_load_all((EXAMPLE / "helmflow.yaml").read_text()):
        assert list(validator.iter_errors(document)) == []
    assert list(validator.iter_errors({"relases": []}))
