"""Random template expressions over the sprig map: calls with arguments that mostly have the right types."""

from __future__ import annotations

import random
from typing import Any

from helmflow.gotemplate.functions import Function
from helmflow.gotemplate.strconv import quote
from helmflow.sprig.table import functions

# Network, clock and local zone: nothing to compare. Helm replaces getHostByName, fail and the JSON pair.
UNCOMPARABLE = frozenset(
    [
        "getHostByName",
        "fail",
        "fromJson",
        "toJson",
        "mustToJson",
        "hello",
        "date",
        "htmlDate",
        "date_modify",
        "dateModify",
        "must_date_modify",
        "mustDateModify",
        "dateInZone",
        "date_in_zone",
        "htmlDateInZone",
    ]
)
STRINGS = (
    *("", "a", "abc", "Hello World", "foo bar-baz_Qux", "HTTPServer2xx", "a,b,,c", " pad\t", "x\ny\n\nz"),
    *(
        "héllo wörld",
        "日本語テキスト",
        "ß İ ŉ ǆ",
        "emoji 😀!",
        "1",
        "-12",
        "007",
        "0x1F",
        "1e3",
        "12.0",
        "12.70",
        "true",
    ),
    *(
        "nil",
        "/a/b/../c.tar.gz",
        "a/b/",
        "//x//",
        "http://u:p@h.io:8080/p%20q/?x=1&y=2#f",
        "YWJj",
        "YWJ",
        "MFRGG===",
    ),
    *(
        '{"a": [1, 2.5, null], "b": {"c": "<x>"}}',
        "[1",
        "1.2.3-beta+build",
        ">=1.2",
        "_",
        "--",
        "a\x00b\x7f",
        "\u00a0x\u2028",
    ),
    *(
        "1_000",
        "+5",
        "Inf",
        "nan",
        "0b11",
        "0o17",
        "9223372036854775808",
        ".5",
        "5.",
        "_0",
        "0_7",
        "1__0",
        "-0",
        "0x_f",
    ),
)
INTS = ("0", "1", "2", "3", "5", "10", "-1", "-2", "-7", "100")
FLOATS = ("0.0", "1.5", "-2.5", "3.14159", "1e3", "1e21", "2.0", "0.1", "1e-7", "-0.5", "123456789.0")
ANYTHING = ("nil", "true", "false", ".missing", ".n", ".f", ".b", ".nothing")
KEYS = ("a", "b", "c", "d", "x")


class Expressions:
    """A stream of (template, data) pairs from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._functions = [
            function
            for name, function in sorted(functions().items())
            if not function.random and name not in UNCOMPARABLE and "time.Time" not in function.params
        ]

    def next(self) -> tuple[str, dict[str, Any]]:
        """One template and its data."""
        function = self._random.choice(self._functions)
        call = self.call(function, depth=0)
        tail = self._random.choice(("", "", " | toJson", " | quote", ' | printf "%T %v"', " | kindOf"))
        return f"{{{{ {call}{tail} }}}}", self.data()

    def call(self, function: Function, depth: int) -> str:
        """A call of the function; now and then with an argument too many, too few or of another type."""
        kinds = list(function.params)
        if function.variadic:
            kinds[-1:] = [kinds[-1]] * self._random.choice((0, 1, 1, 2, 2, 3, 4))
        if self._random.random() < 0.02:
            kinds = kinds[:-1] if self._random.random() < 0.5 else [*kinds, "any"]
        arguments = [self.argument(kind, depth, first=index == 0) for index, kind in enumerate(kinds)]
        if arguments and depth == 0 and self._random.random() < 0.3:
            return " ".join((arguments[-1], "|", function.name, *arguments[:-1]))
        return " ".join((function.name, *arguments))

    def argument(self, kind: str, depth: int, *, first: bool = False) -> str:
        """An expression that mostly has the Go type `kind`."""
        pick = self._random.choice
        roll = self._random.random()
        if roll < 0.06:
            kind = "any"
        if kind == "any":
            kind = pick(("string", "int", "float64", "[]any", "map[string]any", "other", "nested"))
        if kind == "nested" and depth < 2:
            return f"({self.call(pick(self._functions), depth + 1)})"
        if kind == "string":
            return pick((quote(pick(STRINGS)), quote(pick(STRINGS)), ".s"))
        if kind in ("int", "int64", "uint32"):
            return pick(INTS)
        if kind == "float64":
            return pick(FLOATS)
        if kind == "bool":
            return pick(("true", "false", ".b"))
        if kind.startswith("[]"):
            return self._list(depth)
        if kind.startswith("map"):
            return self._dict(depth, first=first)
        return pick(ANYTHING)

    def data(self) -> dict[str, Any]:
        """The values behind `.s`, `.l`, `.m` and their like."""
        return {
            "s": self._random.choice(STRINGS),
            "n": float(self._random.choice((0, 1, 3, -4, 1000000))),
            "f": self._random.choice((0.5, -1.25, 1e21, 1e-7)),
            "b": self._random.random() < 0.5,
            "nothing": None,
            "l": [self._value(2) for _ in range(self._random.randrange(5))],
            "m": self._map(2),
            "m2": self._map(2),
        }

    def _value(self, depth: int) -> Any:
        roll = self._random.randrange(10 if depth else 7)
        if roll < 3:
            return self._random.choice(STRINGS)
        if roll < 5:
            return float(self._random.choice((0, 1, 2, 1.5)))
        if roll < 7:
            return self._random.choice((None, True, False))
        return (
            self._map(depth - 1)
            if roll < 9
            else [self._value(depth - 1) for _ in range(self._random.randrange(3))]
        )

    def _map(self, depth: int) -> dict[str, Any]:
        return {key: self._value(depth) for key in KEYS if self._random.random() < 0.5}

    def _list(self, depth: int) -> str:
        pick = self._random.choice
        items = " ".join(self.argument("any", depth + 2) for _ in range(self._random.randrange(4)))
        return pick(
            (
                f"(list {items})",
                f"(list {items})",
                ".l",
                '(splitList "," "b,a,b")',
                "(until 3)",
                "(rest list)",
            )
        )

    def _dict(self, depth: int, *, first: bool) -> str:
        pick = self._random.choice
        items = " ".join(
            f"{quote(pick(KEYS))} {self.argument('any', depth + 2)}" for _ in range(self._random.randrange(4))
        )
        # A map that is put into itself makes Helm overflow its stack, so one name stands in one place only.
        named = f"(dict {items})" if depth else (".m" if first else ".m2")
        return pick((f"(dict {items})", named))
