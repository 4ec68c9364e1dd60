"""Sprig's own tables: what the library's tests expect, where Helm does not override it."""

from __future__ import annotations

from typing import Any

from tests import conformance
from tests.sprig.test_oracle import run


def literal(value: Any) -> bool:
    """Whether the recorded cell is a literal, not a Go expression."""
    if isinstance(value, dict):
        return "$expr" not in value and all(map(literal, value.values()))
    return all(map(literal, value)) if isinstance(value, list) else True


def test_rows_of_the_library() -> None:
    rows = [row for row in conformance.data("helm/tables/sprig.json") if row["kind"] == "call"]
    recorded = conformance.data("helm/oracle/sprig_upstream.json")
    # Helm overrides some functions and runs on Linux; its recorded answer says where the library's no longer holds.
    overridden = {row["template"] for row in recorded if not row.get("agrees", True)}
    wrong: list[str] = []
    passed = skipped = 0
    for row in rows:
        template, expected, *variables = row["args"]
        data = variables[0] if variables else {}
        usable = row["call"] in ("runt", "runtv") and literal(row["args"]) and isinstance(data, dict)
        if not usable or not isinstance(expected, str) or template in overridden:
            skipped += 1
        elif run(template, data) == ("out", expected):
            passed += 1
        else:
            wrong.append(f"{row['func']} {template}: want {expected!r}, got {run(template, data)!r}")
    conformance.report("tables/sprig", passed=passed, failed=len(wrong), skipped=skipped)
    assert not wrong, "\n".join(wrong)
    assert passed > 100
