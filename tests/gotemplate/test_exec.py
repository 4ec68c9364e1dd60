"""Executing templates, row by row, in the three missingkey modes."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.gotemplate.errors import ExecError, ParseError
from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.printf import sprintf
from helmflow.gotemplate.templates import TemplateSet
from helmflow.gotemplate.values import truth, type_of
from tests import conformance
from tests.gotemplate import typed

MODES = ("default", "zero", "error")


def floats(value: Any) -> Any:
    """JSON data as Go decodes it: every number a float64."""
    if isinstance(value, dict):
        return {key: floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [floats(item) for item in value]
    return float(value) if type(value) is int else value


# The functions that Go's own test registers.
@function("add", "...int", returns="int")
def _add(*numbers: int) -> int:
    return sum(numbers)


@function("count", "int", returns="chan string")
def _count(number: int) -> list[str]:
    return [*"abcdefghijklmnop"[:number]]


@function("dddArg", "int", "...string", returns="string")
def _ddd_arg(number: int, *texts: str) -> str:
    return f"{number} " + sprintf("%v", list(texts))


@function("die", returns="bool")
def _die() -> bool:
    raise FunctionError("die")


@function("echo", "any")
def _echo(value: Any) -> Any:
    return value


@function("makemap", "...string", returns="map[string]string")
def _makemap(*texts: str) -> dict[str, str]:
    return dict(zip(texts[::2], texts[1::2], strict=True))


@function("mapOfThree")
def _map_of_three() -> Any:
    return {"three": 3}


@function("nilTest", "value", returns="string")
def _nil_test(value: Any) -> str:
    return "nil" if value is None else "non-nil"


@function("oneArg", "string", returns="string")
def _one_arg(text: str) -> str:
    return f"oneArg={text}"


@function("returnInt", returns="int")
def _return_int() -> int:
    return 7


@function("stringer", "value", returns="string")
def _stringer(value: Any) -> str:
    return sprintf("%v", value)


@function("twoArgs", "string", "string", returns="string")
def _two_args(first: str, second: str) -> str:
    return f"twoArgs={first}{second}"


@function("typeOf", "any", returns="string")
def _type_of(value: Any) -> str:
    return type_of(value)


@function("valueString", "string", returns="string")
def _value_string(text: str) -> str:
    return text


@function("vfunc", "template.V", "*template.V", returns="string")
def _vfunc(first: Any, second: Any) -> str:
    return "vfunc"


@function("zeroArgs", returns="string")
def _zero_args() -> str:
    return "zeroArgs"


@function("noArgs", returns="string")
def _no_args() -> str:
    return "noArgs"


GO_TEST_FUNCTIONS: dict[str, Function] = table(
    _add, _count, _ddd_arg, _die, _echo, _makemap, _map_of_three, _nil_test, _one_arg, _return_int, _stringer,
    _two_args, _type_of, _value_string, _vfunc, _zero_args, _no_args,
)  # fmt: skip

MULTI = '{{define "x"}}TEXT{{end}}{{define "dotV"}}{{.V}}{{end}}{{define "dot"}}{{.}}{{end}}{{define "nested"}}{{template "dot" .}}{{end}}'


BACK_ENDS = ("closures", "programs")


def outcome(
    templates: TemplateSet, name: str, text: str, data: Any, back_end: str = "closures"
) -> dict[str, str]:
    try:
        templates.parse(name, text)
    except ParseError as error:
        return {"parse_error": str(error)}
    for template in templates.templates.values():
        # A first run takes closures; a template that another render ran before is compiled.
        template.tree.program, template.tree.runs = None, 0
        template.tree.render = object() if back_end == "programs" else None
    try:
        return {"out": templates.execute(name, data)}
    except ExecError as error:
        return {"exec_error": str(error)}


def expected(row: dict[str, Any]) -> dict[str, str]:
    """An error row also records what was written before it failed, which is not part of the result."""
    for key in ("parse_error", "exec_error"):
        if key in row:
            return {key: row[key]}
    return {"out": row["out"]}


def run_rows(suite: str, table_name: str, back_end: str, prelude: str = "") -> None:
    recorded = conformance.data(f"helm/gotemplate/{table_name}.json")
    fixture = recorded["json_fixture_tVal"]
    wrong, passed, skipped = [], 0, 0
    for row in recorded["cases"]:
        if "json" not in row:
            skipped += 1
            continue
        data = fixture if row["data"].get("t") == "fixture" else row["json_data"]
        good = True
        for mode in MODES:
            templates = TemplateSet(GO_TEST_FUNCTIONS, mode)
            if prelude:
                templates.parse("root", prelude)
            given = outcome(templates, row["name"], row["template"], floats(data), back_end)
            if given != expected(row["json"][mode]):
                wrong.append((row["name"], mode, row["template"], given, expected(row["json"][mode])))
                good = False
        passed += good
    conformance.report(
        f"{suite} ({back_end})", passed=passed, failed=len({name for name, *_ in wrong}), skipped=skipped
    )
    assert not wrong, "\n".join(map(str, wrong[:30]))


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_exec_rows(back_end: str) -> None:
    run_rows("gotemplate/exec", "exec", back_end)


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_multi_exec_rows(back_end: str) -> None:
    run_rows("gotemplate/multi_exec", "multi_exec", back_end, MULTI)


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_compare_rows(back_end: str) -> None:
    recorded = conformance.data("helm/gotemplate/compare.json")
    wrong, passed = [], 0
    for row in recorded["cases"]:
        for mode in MODES:
            given = outcome(
                TemplateSet({}, mode), "empty", row["template"], floats(recorded["json_data"]), back_end
            )
            if given != expected(row["json"][mode]):
                wrong.append((row["template"], mode, given, expected(row["json"][mode])))
        passed += 1
    data = typed.value(recorded["cross_data"])
    for row in recorded["cross"]:
        given = outcome(TemplateSet({}), "x", row["template"], data, back_end)
        if given == expected(row):
            passed += 1
        else:
            wrong.append((row["template"], given, expected(row)))
    conformance.report(f"gotemplate/compare ({back_end})", passed=passed, failed=len(wrong))
    assert not wrong, "\n".join(map(str, wrong[:20]))


def test_truth_rows() -> None:
    passed = skipped = 0
    for row in conformance.data("helm/gotemplate/truth.json"):
        cell = row["value"]
        found = [] if "v" in cell and cell["v"] is None else typed.value(cell)
        assert truth(found) == row["truth"], row
        passed += 1
    conformance.report("gotemplate/truth", passed=passed, skipped=skipped)


def test_multi_parse_rows() -> None:
    rows = conformance.data("helm/gotemplate/multi_parse.json")
    for row in rows:
        templates = TemplateSet({})
        if not row["ok"]:
            with pytest.raises(ParseError) as raised:
                templates.parse("root", row["template"])
            assert str(raised.value) == row["parse_error"]
            continue
        templates.parse("root", row["template"])
        for name, text in zip(row["names"] or [], row["results"] or [], strict=True):
            assert templates.execute(name, None) == text
    conformance.report("gotemplate/multi_parse", passed=len(rows))
