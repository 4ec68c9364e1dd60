"""Random templates: both back ends do the same, and what Helm does."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from helmflow.core.errors import TemplateError
from helmflow.gotemplate.functions import Function
from helmflow.gotemplate.templates import TemplateSet

DATA: dict[str, Any] = {
    "s": "text", "e": "", "n": 3.0, "z": 0.0, "t": True, "f": False, "nil": None, "l": ["a", 1.0, None, {"k": "v"}],
    "el": [], "m": {"a": {"b": "deep", "nil": None}, "x": 1.5}, "em": {}, "big": 1000000.0, "d": {"b": 2.0, "a": 1.0},
}  # fmt: skip
FIELDS = [
    ".s", ".e", ".n", ".z", ".t", ".f", ".nil", ".l", ".el", ".m", ".m.a", ".m.a.b", ".m.a.nil", ".m.a.nil.q", ".missing",
    ".missing.x", ".s.x", ".big", ".d", "$.s", "$.m.a", "$.missing.y", ".", "$", ".em.q",
]  # fmt: skip
CONSTANTS = ['"c"', "`r`", "1", "0", "2.5", "true", "nil", "'a'", "-7", "1e3"]
# Name, and the number of arguments that it usually takes.
FUNCTIONS = [
    ("eq", 2), ("ne", 2), ("lt", 2), ("and", 2), ("or", 2), ("not", 1), ("len", 1), ("index", 2), ("print", 2), ("printf", 0),
    ("default", 2), ("dict", 2), ("list", 2), ("quote", 1), ("upper", 1), ("trunc", 2), ("nindent", 2), ("indent", 2),
    ("empty", 1), ("hasKey", 2), ("ternary", 3), ("toString", 1), ("kindOf", 1), ("typeOf", 1), ("int", 1), ("add", 2),
    ("join", 2), ("contains", 2), ("replace", 3), ("trimSuffix", 2), ("first", 1), ("get", 2), ("until", 1), ("html", 1),
]  # fmt: skip


class Writer:
    """Writes one random template; most of them run, some fail somewhere."""

    def __init__(self, seed: int) -> None:
        self.choice = random.Random(seed)
        self.variables: list[str] = []

    def template(self) -> str:
        """A whole template."""
        head = '{{define "d"}}<{{.}}>{{end}}' if self.choice.random() < 0.4 else ""
        return head + self.body(3)

    def body(self, depth: int) -> str:
        mark = len(self.variables)
        text = "".join(self.item(depth) for _ in range(self.choice.randint(1, 4)))
        del self.variables[mark:]
        return text

    def item(self, depth: int) -> str:
        kind = self.choice.randint(0, 11 if depth else 5)
        if kind <= 3:
            return f"{{{{{self.trim()}{self.pipe(2)} }}}}"
        if kind == 4:
            return self.choice.choice([" text\n", "\n  a: b\n", "%s%%", "é\t"])
        if kind == 5:
            return self.assignment()
        if kind == 6:
            return f'{{{{template "d" {self.operand(1)}}}}}'
        if kind <= 8:
            other = "{{else}}" + self.body(depth - 1) if self.choice.random() < 0.5 else ""
            return f"{{{{if {self.pipe(2)}}}}}{self.body(depth - 1)}{other}{{{{end}}}}"
        if kind == 9:
            return f"{{{{with {self.pipe(2)}}}}}{self.body(depth - 1)}{{{{else}}}}{self.body(depth - 1)}{{{{end}}}}"
        return self.loop(depth)

    def loop(self, depth: int) -> str:
        names = self.choice.choice([[], ["$e"], ["$i", "$e"]])
        mark = len(self.variables)
        source = self.pipe(1)
        self.variables += names
        body = self.body(depth - 1) + self.choice.choice(["", "", "{{break}}", "{{if .}}{{continue}}{{end}}"])
        del self.variables[mark:]
        head = f"{', '.join(names)} := " if names else ""
        return f"{{{{range {head}{source}}}}}{body}{{{{else}}}}none{{{{end}}}}"

    def assignment(self) -> str:
        source = self.pipe(2)
        if self.variables and self.choice.random() < 0.4:
            return f"{{{{{self.choice.choice(self.variables)} = {source}}}}}"
        name = self.choice.choice(["$x", "$y"])
        self.variables.append(name)
        return f"{{{{{name} := {source}}}}}"

    def trim(self) -> str:
        return self.choice.choice(["", "- ", " "])

    def pipe(self, depth: int) -> str:
        commands = [self.call(depth) if self.choice.random() < 0.6 else self.operand(depth)]
        while self.choice.random() < 0.3:
            name, count = self.choice.choice(FUNCTIONS)
            commands.append(" ".join([name, *(self.operand(depth - 1) for _ in range(max(0, count - 1)))]))
        return " | ".join(commands)

    def call(self, depth: int) -> str:
        name, count = self.choice.choice(FUNCTIONS)
        if name == "printf":
            layout = self.choice.choice(['"%s-%v"', '"%d"', '"%s"', '"%5.2f|%q"', '"plain"', '"%v%%%v"'])
            count = layout.replace("%%", "").count("%") + self.choice.choice([0, 0, 0, 1])
            return " ".join([name, layout, *(self.operand(depth - 1) for _ in range(count))])
        count += self.choice.choice([0, 0, 0, 0, 0, 1, -1])
        return " ".join([name, *(self.operand(depth - 1) for _ in range(max(0, count)))])

    def operand(self, depth: int) -> str:
        kind = self.choice.random()
        if self.variables and kind < 0.25:
            return self.choice.choice(self.variables) + self.choice.choice(["", "", ".k"])
        if kind < 0.6:
            return self.choice.choice(FIELDS)
        if kind < 0.8 or depth <= 0:
            return self.choice.choice(CONSTANTS)
        return f"({self.pipe(depth - 1)})" + self.choice.choice(["", "", "", ".k"])


def fresh_data() -> dict[str, Any]:
    return {**DATA, "l": [*DATA["l"]], "m": {**DATA["m"]}}


def functions() -> dict[str, Function]:
    from helmflow.sprig.table import functions as sprig

    return dict(sprig())


def outcome(text: str, back_end: str) -> tuple[str, str]:
    templates = TemplateSet(functions())
    try:
        templates.parse("t", text)
        for template in templates.templates.values():
            template.tree.program, template.tree.closures = None, None
            template.tree.render = object() if back_end == "programs" else None
        return "out", templates.execute("t", fresh_data())
    except TemplateError as error:
        return "error", str(error)


def compare(seed: int) -> None:
    text = Writer(seed).template()
    closures, programs = outcome(text, "closures"), outcome(text, "programs")
    assert closures == programs, f"seed {seed}: {text}\nclosures: {closures}\nprograms: {programs}"


def test_both_back_ends_do_the_same() -> None:
    for seed in range(500):
        compare(seed)


@pytest.mark.nightly
def test_both_back_ends_do_the_same_at_length(record_property: Callable[[str, object], None]) -> None:
    start = random.SystemRandom().randrange(1 << 40)
    record_property("run", f"seeds from {start}")
    for seed in range(start, start + 100_000):
        compare(seed)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            '{{.nil | hasKey "a"}}',
            'template: t:1:16: executing "t" at <"a">: can\'t handle "a" for arg of type map[string]interface {}',
        ),
        (
            '{{template "a" 1 2}}',
            'template: t:1:11: executing "t" at <{{template "a" 1 2}}>: template "a" not defined',
        ),
        (
            "{{.n | trunc .s.x}}",
            'template: t:1:15: executing "t" at <.s.x>: can\'t evaluate field x in type interface {}',
        ),
        (
            "{{range $i, $e := .l}}{{$i.x}}{{end}}",
            'template: t:1:26: executing "t" at <$i.x>: can\'t evaluate field x in type int',
        ),
        (
            "{{range $i := until 3}}{{.Values.x}}{{end}}",
            'template: t:1:32: executing "t" at <.Values.x>: can\'t evaluate field Values in type int',
        ),
        (
            "{{range $i := until 3}}{{$i.x}}{{end}}",
            'template: t:1:27: executing "t" at <$i.x>: can\'t evaluate field x in type int',
        ),
        (
            "{{range .l}}{{.x}}{{end}}",
            'template: t:1:14: executing "t" at <.x>: can\'t evaluate field x in type interface {}',
        ),
        (
            "{{trunc 3 (.nil).x}}",
            'template: t:1:11: executing "t" at <.nil>: invalid value; expected string',
        ),
        (
            "{{trunc 3 .nil}}",
            'template: t:1:10: executing "t" at <.nil>: wrong type for value; expected string; got interface {}',
        ),
        (
            "{{$x := .nil}}{{trunc 3 $x.y}}",
            'template: t:1:26: executing "t" at <$x.y>: invalid value; expected string',
        ),
        ("{{range or .n .e}}{{end}}", 'template: t:1:11: executing "t" at <.n>: range can\'t iterate over 3'),
        (
            "{{(or .n .e).k}}",
            'template: t:1:6: executing "t" at <.n>: can\'t evaluate field k in type float64',
        ),
        (
            "{{trunc 3 (and .z .s)}}",
            'template: t:1:15: executing "t" at <.z>: wrong type for value; expected string; got float64',
        ),
        (
            '{{define "a"}}{{template "a"}}{{end}}{{template "a"}}',
            'template: t:1:25: executing "a" at <{{template "a"}}>: exceeded maximum template depth (100000)',
        ),
        ("{{range or .e .n}}{{end}}", 'template: t:1:14: executing "t" at <.n>: range can\'t iterate over 3'),
    ],
)
@pytest.mark.parametrize("back_end", ["closures", "programs"])
def test_failures_come_in_go_s_order(text: str, error: str, back_end: str) -> None:
    assert outcome(text, back_end) == ("error", error)
