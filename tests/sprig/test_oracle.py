"""Recorded rows of the sprig families: template and data give Helm's output or Helm's error."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.api import render_text
from helmflow.core.errors import TemplateError
from tests import conformance
from tests.sprig.sdk import CASE

SUITES = (
    *("unary", "piped", "numeric", "list", "dict", "misc", "flow", "sprig_upstream"),
    *("date", "semver", "regex", "yamljson"),
)
EXACT_ERRORS = 0.98
# Rows whose error text differs, with the reason; every one of them is still an error.
KNOWN_ERROR_TEXTS = {
    "misc-1354": "includes a file of the recording's own chart, which included the case in turn until Helm gave up",
}


def shown(text: str) -> str:
    """The text as JSON carries it: bytes that are no UTF-8 become U+FFFD, one each."""
    return "".join("\ufffd" if "\ud800" <= rune <= "\udfff" else rune for rune in text)


def run(template: str, data: dict[str, Any]) -> tuple[str, str]:
    """What the engine makes of a row: ("out", text) or ("error", text)."""
    try:
        return "out", shown(render_text(template, data, name=CASE))
    except TemplateError as error:
        return "error", shown(str(error))


@pytest.mark.parametrize("suite", SUITES)
def test_recorded_rows(suite: str) -> None:
    rows = conformance.data(f"helm/oracle/{suite}.json")
    wrong: list[str] = []
    other_text: list[str] = []
    passed = skipped = errors = 0
    for index, row in enumerate(rows):
        kind = "error" if "error" in row else "out"
        if row.get("nondeterministic"):
            skipped += 1
            continue
        got, text = run(row["template"], row.get("data") or {})
        errors += kind == "error"
        label = f"{row.get('id', index)} {row['template']!r}"
        if got != kind or (kind == "out" and text != row[kind]):
            wrong.append(f"{label}\n  want {kind} {row[kind]!r}\n  got  {got} {text!r}")
        elif text != row[kind]:
            if row.get("id") in KNOWN_ERROR_TEXTS:
                skipped += 1
                continue
            other_text.append(f"{label}\n  want {row[kind]!r}\n  got  {text!r}")
        else:
            passed += 1
    conformance.report(f"oracle/{suite}", passed=passed, failed=len(wrong) + len(other_text), skipped=skipped)
    assert not wrong, f"{len(wrong)} of {len(rows)} rows:\n" + "\n".join(wrong[:40])
    assert len(other_text) <= errors * (1 - EXACT_ERRORS), "\n".join(other_text[:40])
