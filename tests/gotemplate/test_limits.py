"""Templates that would never end: each stops with our error, soon and small."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

HOSTILE = {
    "a range over a billion": ("{{range $i := .n}}{{end}}", "visits more than"),
    "loops in loops": (
        "{{range $i := .k}}{{range $j := $.k}}{{range $.k}}x{{end}}{{end}}{{end}}",
        "steps",
    ),
    "a template that calls itself": (
        '{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}',
        "maximum template depth",
    ),
    "templates that call each other twice": (
        '{{define "a"}}{{template "b" .}}{{template "b" .}}{{end}}{{define "b"}}{{template "a" .}}{{template "a" .}}{{end}}{{template "a" .}}',
        "maximum template depth",
    ),
    "a text that doubles": ('{{$x := "ab"}}{{range .k}}{{$x = printf "%s%s" $x $x}}{{end}}', "longer than"),
    "a text that doubles by print": ('{{$x := "ab"}}{{range .k}}{{$x = print $x $x}}{{end}}', "longer than"),
    "output that doubles": (  # either limit may be met first
        '{{define "d0"}}0123456789abcdef{{end}}'
        + "".join(
            f'{{{{define "d{i + 1}"}}}}{{{{template "d{i}"}}}}{{{{template "d{i}"}}}}{{{{end}}}}'
            for i in range(26)
        )
        + '{{template "d26"}}',
        "longer than|steps",
    ),
    "a list that holds itself twice": (
        "{{$x := .l}}{{range .k}}{{$x = pair $x $x}}{{end}}{{$x}}",
        "nested too deeply|longer than",
    ),
    "a wide layout": ('{{range .k}}{{printf "%999999d" 1}}{{end}}', "longer than"),
    "deep parentheses": ("{{" + "(" * 20_000 + "1" + ")" * 20_000 + "}}", "max expression depth"),
    "deep blocks": ("{{if .k}}" * 20_000 + "{{end}}" * 20_000, "nested deeper"),
}
PROGRAM = """
import resource, sys
sys.path.insert(0, sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
from helmflow.core.errors import TemplateError
from helmflow.gotemplate.functions import Function
from helmflow.gotemplate.templates import TemplateSet
def pair(a, b):
    return [a, b]
templates = TemplateSet({"pair": Function("pair", pair, ("any", "any"))})
try:
    templates.parse("hostile", sys.stdin.read())
    for tree in [one.tree for one in templates.templates.values()]:
        tree.render = object() if sys.argv[2] == "programs" else None
    templates.execute("hostile", {"n": 1_000_000_000, "k": 1000, "l": [1.0]})
except TemplateError as error:
    print(str(error)[-300:])
"""


@pytest.mark.parametrize("back_end", ["closures", "programs"])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_templates_end_in_time_and_memory(case: str, back_end: str) -> None:
    text, message = HOSTILE[case]
    root = str(Path(__file__).parents[2])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, root, back_end],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 0, ended.stderr[-1000:]
    assert any(part in ended.stdout for part in message.split("|")), ended.stdout
    # Processor time: the wall clock of a shared machine says little.
    assert after.ru_utime - before.ru_utime < 5
