"""Go fmt, row by row."""

from __future__ import annotations

import base64
from typing import Any

from helmflow.gotemplate import builtins, gotypes, printf
from tests import conformance
from tests.gotemplate import typed

# Values of the recorded table that no Python value stands for, or whose exact Go type was lost in recording.
WITHOUT_COUNTERPART = {
    "nillist": "a nil slice is an empty list here",
    "nilmap": "a nil map is an empty map here",
}


def values() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in conformance.data("helm/gotemplate/printf.json")["values"].items():
        if name == "err":
            found[name] = gotypes.GoError("boom")
        elif name == "f-0":
            found[name] = -0.0
        elif name not in WITHOUT_COUNTERPART:
            found[name] = typed.value(cell)
    return found


def expected(row: dict[str, Any]) -> str:
    if "out_bytes" in row:
        return base64.b64decode(row["out_bytes"]).decode("utf-8", "surrogateescape")
    return str(row["out"])


def test_printf_rows() -> None:
    table, wrong, passed, skipped = values(), [], 0, 0
    for row in conformance.data("helm/gotemplate/printf.json")["printf"]:
        if row["value"] in WITHOUT_COUNTERPART and "#v" in row["format"]:
            skipped += 1
            continue
        shown = table.get(row["value"], {} if row["value"] == "nilmap" else [])
        given = printf.sprintf(row["format"], shown if row["value"] != "nil" else None)
        if given == expected(row):
            passed += 1
        else:
            wrong.append((row["format"], row["value"], given, expected(row)))
    conformance.report("gotemplate/printf", passed=passed, failed=len(wrong), skipped=skipped)
    assert not wrong, wrong[:20]


def test_print_family_rows() -> None:
    table, wrong, passed = values(), [], 0
    table |= {"nilmap": {}, "nillist": []}
    functions = {
        name: builtins.FUNCTIONS[name].call for name in ("print", "println", "html", "js", "urlquery")
    }
    for row in conformance.data("helm/gotemplate/printf.json")["print"]:
        given = functions[row["fn"]](table[row["a"]], table[row["b"]])
        if given == expected(row):
            passed += 1
        else:
            wrong.append((row["fn"], row["a"], row["b"], given, expected(row)))
    conformance.report("gotemplate/print", passed=passed, failed=len(wrong))
    assert not wrong, wrong[:20]


def test_zeros_in_front_of_a_precision_do_not_count() -> None:
    assert printf.sprintf(f"%.{'0' * 5000}2f", 1.0) == "1.00"
