"""Masterminds/semver: upstream's tables."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from helmflow.core.semver import Constraint, SemverError, Version, rewrite_range
from tests import conformance


def verdict(table: str, row: dict[str, Any]) -> tuple[Any, Any] | None:
    """(got, wanted) of a row, None for one about Go's own API."""
    if "constraint" in row and "version" in row:
        constraint = Constraint.parse(row["constraint"])
        constraint = replace(constraint, include_prerelease="IncludePrerelease" in table)
        version = Version.parse(row["version"])
        if "check" in row:
            return (constraint.check(version), not constraint.validate(version)), (row["check"], row["check"])
        return constraint.validate(version)[:1], [row["msg"]]  # upstream looks at the first reason only
    if "nc" in row:
        return rewrite_range(row["c"]), row["nc"]
    if table in ("TestNewVersion", "TestStrictNewVersion"):
        parse = Version.parse if table == "TestNewVersion" else Version.parse_strict
        try:
            return (parse(row["version"]) is None), row["err"]
        except SemverError:
            return True, row["err"]
    if table == "TestNewConstraint":
        try:
            groups = Constraint.parse(row["input"]).groups
        except SemverError:
            return True, row["err"]
        return (len(groups), len(groups[0])), (row["ors"], row["count"])
    if table == "TestCompare":
        return Version.parse(row["v1"]).compare(Version.parse(row["v2"])), row["expected"]
    if table == "TestInc":
        made = getattr(Version.parse(row["v1"]), f"inc_{row['how']}")()
        return (str(made), made.original), (row["expected"], row["expectedOriginal"])
    return None


def test_upstream_tables() -> None:
    passed = skipped = 0
    strict = 0
    for table in conformance.data("helm/tables/semver.json"):
        # Two tables share a name: the second one is NewVersion without coercion, which Helm leaves on.
        strict += table["func"] == "TestNewVersion"
        for row in table["rows"] if isinstance(table["rows"], list) else ():
            unusual = table["func"] == "TestNewVersion" and strict > 1
            # An empty text is a constraint only to an inner function of the library.
            if (
                not isinstance(row, dict)
                or "$expr" in json.dumps(row)
                or row.get("constraint") == ""
                or unusual
            ):
                skipped += 1
                continue
            found = verdict(table["func"], row)
            if found is None:
                skipped += 1
                continue
            assert found[0] == found[1], (table["func"], row)
            passed += 1
    conformance.report("tables/semver", passed=passed, skipped=skipped)


@pytest.mark.parametrize(
    "text",
    ["", "bad", "1.2.3-01", "1.2.3.4", "-1", "1.2.3-", "99999999999999999999.0.0", "9" * 5000 + ".0.0"],
)
def test_bad_versions(text: str) -> None:
    with pytest.raises(SemverError):
        Version.parse(text)


def test_numbers_of_any_length_are_compared() -> None:
    long = "9" * 3000
    assert Constraint.parse(f">1.0.0-{long}").check(Version.parse("1.0.0"))
    with pytest.raises(SemverError, match="out of range"):
        Version.parse_strict(f"{long}{long}.0.0")
    assert Version.parse("0" * 5000 + "1.0.0").major == 1


@pytest.mark.parametrize(
    "text", [">1   " * 300 + "!", "1" + " " * 1500 + "!", "1 " * 3000, "1" + " " * 1_000_000 + "!"]
)
def test_no_constraint_takes_long_to_refuse(text: str) -> None:
    with pytest.raises(SemverError):
        Constraint.parse(text)
