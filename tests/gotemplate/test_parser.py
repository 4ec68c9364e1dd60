"""Lexing and parsing, row by row, and under random input."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helmflow.gotemplate import lexer, nodes, numbers, parser, quickparse
from helmflow.gotemplate.errors import ParseError
from helmflow.gotemplate.strconv import format_float, quote
from helmflow.gotemplate.trees import Tree
from tests import conformance

# What the recorded rows call a token whose name Go's tests do not list.
UNNAMED = {"item20": "text"}


def parse(name: str, text: str, functions: Iterable[str], depth: int = 1000) -> tuple[Tree, dict[str, Tree]]:
    return parser.FileParser(name, text, set(functions), {}, depth).parse()


def test_lex_rows() -> None:
    wrong, rows = [], conformance.data("helm/gotemplate/lex.json")
    for row in rows:
        given_items = []
        for kind, value, offset in lexer.tokens(row["input"], row["left"], row["right"]):
            octets = len(row["input"][:offset].encode())
            given_items.append([kind, value, octets, 1 + row["input"].count("\n", 0, offset)])
        expected = [[UNNAMED.get(kind, kind), *rest] for kind, *rest in row["items"]]
        if given_items != expected:
            wrong.append((row["name"], given_items, expected))
    conformance.report("gotemplate/lex", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong, wrong[:5]


def shown(items: list[nodes.Item]) -> str:
    """A tree with its texts quoted, as the rows have it."""
    out = []
    for item in items:
        if isinstance(item, nodes.Text):
            out.append(quote(item.text))
        elif isinstance(item, nodes.Block):
            other = "" if item.otherwise is None else "{{else}}" + shown(item.otherwise)
            out.append(f"{{{{{item.word} {item.pipe}}}}}{shown(item.body)}{other}{{{{end}}}}")
        else:
            out.append(str(item))
    return "".join(out)


def test_parse_rows() -> None:
    wrong, rows = [], conformance.data("helm/gotemplate/parse.json")
    for row in rows:
        depth = 3 if "limit" in row["name"] else 1000
        try:
            tree, _ = parse(row["name"], row["template"], ["printf", "contains"], depth)
        except ParseError as error:
            if row["ok"] or str(error) != row["parse_error"]:
                wrong.append((row["name"], str(error), row))
        else:
            if not row["ok"] or shown(tree.body) != row["go_tree"]:
                wrong.append((row["name"], shown(tree.body), row))
    conformance.report("gotemplate/parse", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong, wrong[:5]


def test_parse_error_rows() -> None:
    wrong, rows = [], conformance.data("helm/gotemplate/parse_errors.json")
    for row in rows:
        try:
            parse(row["name"], row["template"], ["printf", "contains"])
        except ParseError as error:
            if str(error) != row["parse_error"]:
                wrong.append((row["name"], str(error), row["parse_error"]))
        else:
            wrong.append((row["name"], "no error", row["parse_error"]))
    conformance.report("gotemplate/parse_errors", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong, wrong[:5]


def number_row(text: str) -> dict[str, Any]:
    kind = (
        "charconst"
        if text[0] == "'"
        else "complex"
        if text[-1] == "i" and any(c in text[1:] for c in "+-")
        else "number"
    )
    try:
        found = numbers.number(0, text, kind)
    except ValueError:
        found = nodes.Number(0, text, None, None, None)
    value = found.as_complex or 0j
    shown_parts = [format_float(part, "g", -1) for part in (value.real, value.imag)]
    return {
        "complex": f"({shown_parts[0]}{'' if shown_parts[1][0] in '+-' else '+'}{shown_parts[1]}i)",
        "float": format_float(found.as_float or 0.0, "g", -1).replace("-0", "0"),
        "int": found.as_int or 0,
        "isComplex": found.as_complex is not None,
        "isFloat": found.as_float is not None,
        "isInt": found.as_int is not None,
        "isUint": found.as_uint is not None,
        "text": text,
        "uint": str(found.as_uint or 0),
    }


def test_number_rows() -> None:
    rows = conformance.data("helm/gotemplate/numbers.json")
    wrong = [(number_row(row["text"]), row) for row in rows if number_row(row["text"]) != row]
    conformance.report("gotemplate/numbers", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong, wrong[:5]


def test_is_empty_rows() -> None:
    rows = conformance.data("helm/gotemplate/is_empty.json")
    for row in rows:
        tree, _ = parse("root", row["template"], [])
        assert nodes.is_empty(tree.body) == row["empty"], row
    conformance.report("gotemplate/is_empty", passed=len(rows))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{with .x}}{{else if .y}}{{end}}", "template: t:1: unexpected <if> in input"),
        ('{{define "a"}}{{else}}{{end}}', "template: t:1: unexpected {{else}} in define clause"),
        ('{{if .x}}{{define "a"}}{{end}}{{end}}', "template: t:1: unexpected <define> in command"),
        ("{{if $x}}{{end}}", 'template: t:1: undefined variable "$x"'),
        ("{{if $x := 1}}{{else}}{{$x}}{{end}}\n{{$x}}", 'template: t:2: undefined variable "$x"'),
        ("{{- -}}", 'template: t:1: illegal number syntax: "-"'),
        ("{{ /* c */ }}", 'template: t:1: unexpected "/" in command'),
        ("{{- /* c }}\n", "template: t:1: unclosed comment"),
        ("a\n{{{.x}}}", 'template: t:2: unexpected "{" in command'),
        ("{{.x}}{{{{.x}}", 'template: t:1: unexpected "{" in command'),
        ("{{.x}}{{/* a }} b */ }}", "template: t:1: comment ends before closing delimiter"),
        ("{{if .x}}{{end}}\n{{end", "template: t:2: unclosed action"),
        ('{{.x}}\n{{"}}', "template: t:2: unterminated quoted string"),
    ],
)
def test_mistakes(text: str, error: str) -> None:
    with pytest.raises(ParseError) as raised:
        parse("t", text, ["printf"])
    assert str(raised.value) == error


PIECES = st.sampled_from(
    ["{{", "}}", "{{-", " -}}", "if", "else", "end", "range", "with", "define", "template", "block", "break", '"a"', "`b`",
     ".x", ".", "$", "$x", ":=", "=", "|", "(", ")", " ", "\n", "printf", "1", "0x1p4", "'a'", "/*", "*/", "nil", "true", ",", "é"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join))


def parses_or_raises(text: str) -> None:
    """Either a tree or our error; the fast and the exact lexer agree on what is well-formed."""
    kinds = [kind for kind, _, _ in lexer.tokens(text)]
    try:
        parse("fuzz", text, ["printf"])
    except ParseError:
        return
    assert kinds[-1] == "EOF"


@settings(max_examples=600, deadline=None, derandomize=True)
@given(TEXTS)
def test_any_text_parses_or_raises(text: str) -> None:
    parses_or_raises(text)


@pytest.mark.nightly
def test_any_text_parses_or_raises_for_a_minute() -> None:
    stop = time.monotonic() + float(os.environ.get("HELMFLOW_FUZZ_SECONDS", "60"))

    @settings(max_examples=5000, deadline=None, database=None)
    @given(TEXTS)
    def run(text: str) -> None:
        parses_or_raises(text)

    while time.monotonic() < stop:
        run()


def positions(node: Any, body: str) -> Any:
    """A node with every position in it, as offsets."""
    if isinstance(node, nodes.Node):
        offset = node.pos if node.pos >= 0 else quickparse.offset_of(node, body, 0)
        return (
            type(node).__name__,
            *((slot, positions(getattr(node, slot), body)) for slot in node.__slots__),
            offset,
        )
    if isinstance(node, list | tuple):
        return [positions(each, body) for each in node]
    return node


WORDS = st.sampled_from(
    ["if", "else", "range", "with", "template", "block", "define", "end", '"a"', "`b`", ".x", ".x.y", ".", "$", "$x", "$x.y",
     ":=", "=", "|", "(", ")", " ", " ", " ", "\n", "printf", "eq", "1", "-2.5", "010", "nil", "true", ",", "else if", "$i, $e :="]
)  # fmt: skip


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.lists(WORDS, max_size=14).map("".join))
def test_the_fast_parser_agrees_with_the_careful_one(body: str) -> None:
    functions = {"printf", "eq"}
    quick = quickparse.parse(body, functions)
    if quick is None:
        return
    variables = [name.removeprefix(":") for name in quick.names] + ["$"]
    found = lexer.action_tokens(body + "}}", 0, len(body))
    careful = parser._ActionParser(found, 0, functions, 1000, variables, in_list=False).parse()
    for name in ("kind", "name", "also", "names", "assigned"):
        assert getattr(quick, name) == getattr(careful, name)
    if quick.name:
        place = nodes.Template(0, quick.name_pos, quick.name, None)
        assert quickparse.offset_of(place, body, 0) == careful.name_pos
    assert positions(quick.pipe, body) == positions(careful.pipe, body)
