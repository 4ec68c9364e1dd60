"""Random template expressions over the sprig map: calls with arguments that mostly have the right types."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterator, Sequence
from random import Random
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
_SCRIPTS = (*map(chr, range(0x20, 0x250)), *"ΑΒαβΣςσжЖ日本語한ǅǆ①Ⅷ²!?.—_- \t\n😀𝐀\u2028\u00a0\u0300ᾳﬁ")
KEYS = ("a", "b", "c", "d", "x")


class Expressions:
    """A stream of (template, data) pairs from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
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


def focused(seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Single functions on hostile text and numbers: letters of all scripts, broken base64, odd URLs, extreme floats."""
    source = Random(seed)
    makers = (
        _letters,
        _widths,
        _encodings,
        _urls,
        _numerals,
        _decimals,
        _roundings,
        _merges,
        _paths,
        _splits,
        _ciphers,
    )
    while True:
        yield source.choice(makers)(source)


def _some(source: Random, letters: Sequence[str], most: int) -> str:
    return "".join(source.choice(letters) for _ in range(source.randrange(most + 1)))


def _letter(source: Random) -> str:
    roll = source.random()
    if roll < 0.6:
        return source.choice("abcXYZ019_- .")
    if roll < 0.9:
        return source.choice(_SCRIPTS)
    code = source.randrange(0x20, 0x2FA20)
    return chr(code) if unicodedata.category(chr(code)) not in ("Cn", "Cs") else "x"


def _letters(source: Random) -> tuple[str, dict[str, Any]]:
    name = source.choice(
        [
            "upper",
            "lower",
            "title",
            "untitle",
            "swapcase",
            "camelcase",
            "snakecase",
            "kebabcase",
            "nospace",
            "initials",
            "trim",
            "quote",
            "squote",
        ]
    )
    return f"{{{{ {name} .s }}}}", {"s": "".join(_letter(source) for _ in range(source.randrange(13)))}


def _widths(source: Random) -> tuple[str, dict[str, Any]]:
    call = source.choice(
        (
            "wrap %d",
            'wrapWith %d "|"',
            "abbrev %d",
            "abbrevboth 2 %d",
            "abbrevboth 9 %d",
            "trunc %d",
            "substr 1 %d",
        )
    )
    return f"{{{{ {call % source.randrange(-3, 13)} .s | toJson }}}}", {"s": _some(source, "ab  cdé\n", 30)}


def _encodings(source: Random) -> tuple[str, dict[str, Any]]:
    name, letters = source.choice(
        (("b64dec", "abCD+/==\n\r-"), ("b64dec", "ab="), ("b32dec", "ABZ27====\n1"))
    )
    return f"{{{{ {name} .s | toJson }}}}", {"s": _some(source, letters, 18)}


def _urls(source: Random) -> tuple[str, dict[str, Any]]:
    parts = (
        source.choice(("", "http:", "http://", "//", "s3+x.y:", "ws://")),
        source.choice(
            ("", "", "u:p@", "u%20@", "@", "a@b@", "[::1]", "[fe80::1%25en0]", "[1.2.3.4]", "x[::1]", ":p@")
        ),
        source.choice(("", "h", "h.io", "h:80", "h:", "h:x", "é", "h%41", "h%e9", "a b", "<h>")),
        _some(source, "/:?#%20ab@é[];=&+*!~^|\"'<>{}", 12),
    )
    return "{{ urlParse .s | toJson }}", {"s": "".join(parts)}


def _numerals(source: Random) -> tuple[str, dict[str, Any]]:
    name = source.choice(("int", "int64", "float64", "atoi", "toDecimal", "add1", "add1f", "floor"))
    sign = source.choice(("", "", "+", "-"))
    return f"{{{{ {name} .s }}}}", {"s": sign + _some(source, "0012789_.exXbBoOpPaAinfINF_ ", 8)}


def _decimals(source: Random) -> tuple[str, dict[str, Any]]:
    name = source.choice(["addf", "subf", "mulf", "divf", "maxf", "minf", "add", "sub", "mul", "max", "min"])
    return f"{{{{ {name} .x .y }}}}", {"x": _float(source), "y": _float(source)}


def _roundings(source: Random) -> tuple[str, dict[str, Any]]:
    threshold = source.choice(("", "0.3", "0.9", "0.5", "1.0", "0.0"))
    template = f"{{{{ round .x {source.choice((source.randrange(-3, 8), source.randrange(-330, 330)))} {threshold} }}}} {{{{ ceil .x }}}} {{{{ floor .x }}}}"
    return template, {"x": _float(source)}


def _float(source: Random) -> float:
    roll = source.random()
    if roll < 0.3:
        return float(source.randrange(-20, 20))
    if roll < 0.6:
        return round(source.uniform(-100, 100), source.randrange(4))
    if roll < 0.7:
        return source.uniform(-1, 1) * 10.0 ** source.randrange(-12, 20)
    return source.choice(
        (0.0, 0.1, 0.2, 1e21, 5e-7, 2.5, -0.5, 123456789.123, 1e300, -1e300, 1e-300, 9.3e18, -9.3e18)
    )


def _merges(source: Random) -> tuple[str, dict[str, Any]]:
    name = source.choice(("merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite"))
    template = f"{{{{ $r := {name} .x .y .z }}}}{{{{ toJson $r }}}} {{{{ toJson .x }}}} {{{{ toJson .y }}}}"
    return template, {key: _tree(source, 3) for key in "xyz"}


def _tree(source: Random, depth: int) -> dict[str, Any]:
    return {key: _leaf(source, depth) for key in "abcd" if source.random() < 0.6}


def _leaf(source: Random, depth: int) -> Any:
    roll = source.randrange(12 if depth else 8)
    if roll < 8:
        return (None, "", "x", 0.0, 1.0, False, True, [])[roll]
    if roll < 11:
        return _tree(source, depth - 1) if roll < 10 else {}
    return [_leaf(source, depth - 1) for _ in range(source.randrange(3))]


def _paths(source: Random) -> tuple[str, dict[str, Any]]:
    name = source.choice(["base", "dir", "clean", "ext", "isAbs", "osBase", "osClean", "osDir", "osExt"])
    return f"{{{{ {name} .s }}}}", {"s": _some(source, "//..ab", 10)}


def _splits(source: Random) -> tuple[str, dict[str, Any]]:
    call = source.choice(
        (
            *('split "," .s', 'splitList "," .s', 'splitList "" .s', 'splitn "," 2 .s', 'splitn "" 3 .s'),
            *('splitn "," 1 .s', 'join "-" (splitList "," .s)', 'splitList ",," .s', 'replace "," "" .s'),
            *(
                'replace "" "," .s',
                'trimAll ",é" .s',
                'trimPrefix "," .s',
                'contains "," .s',
                "cat .s 1 .s",
                "indent 2 .s",
            ),
        )
    )
    return f"{{{{ {call} | toJson }}}}", {"s": _some(source, ",,ab\né", 10)}


def _ciphers(source: Random) -> tuple[str, dict[str, Any]]:
    data = source.randbytes(source.choice((0, 3, 15, 16, 17, 32, 48)))
    return '{{ decryptAES "k" .s | toJson }}', {"s": base64.b64encode(data).decode()}
