""".helmignore: upstream's table, Helm's quirks and Go's patterns."""

from __future__ import annotations

import pytest

from helmflow.core.errors import ChartError
from helmflow.helm.chart import ignore
from tests import conformance

DIRECTORIES = ("cargo", "cargo/", "mast", "mast/")


def test_upstream_table() -> None:
    table = next(t for t in conformance.data("helm/tables/ignore.json") if t["func"] == "TestIgnore")
    wrong = [
        row
        for row in table["rows"]
        if ignore.parse(row["pattern"]).ignores(row["name"], is_directory=row["name"] in DIRECTORIES)
        != row["expect"]
    ]
    conformance.report("tables/ignore", passed=len(table["rows"]) - len(wrong), failed=len(wrong))
    assert not wrong


@pytest.mark.parametrize(
    ("text", "name", "ignored"),
    [
        ("# comment\n\n  a.txt  ", "a.txt", True),
        ("", "templates/.swp", True),
        ("", "templates/x/.swp", False),
        ("!a.txt", "Chart.yaml", True),  # a negation that does not match ignores
        ("!a.txt", "a.txt", False),
        ("*.txt\n!a.txt", "a.txt", True),  # the first match wins
        ("dir/", "dir", False),
        ("\ufeffa.txt", "a.txt", True),
        ("[^a].txt", "b.txt", True),
        ("a\\*.txt", "a*.txt", True),
        ("a\\*.txt", "ab.txt", False),
        ("x*y", "x/y", False),
    ],
)
def test_rules(text: str, name: str, ignored: object) -> None:
    assert ignore.parse(text).ignores(name, is_directory=False) is ignored


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("**/x", "double-star (**) syntax is not supported"),
        ("[a", "syntax error in pattern"),
        ("a\\", "syntax error in pattern"),
        ("[]", "syntax error in pattern"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(ChartError) as caught:
        ignore.parse(text)
    assert (caught.value.error_id, str(caught.value)) == ("chart.ignore-pattern", message)
