"""Go's regular expressions: errors as the SDK words them, `re` and RE2 with one meaning, catastrophes that end."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from helmflow.gotemplate.functions import FunctionError
from helmflow.sprig.regex import FUNCTIONS, Regexp
from helmflow.sprig.regex_syntax import RegexError, parse, python_form
from tests.sprig.sdk import render

BAD = [
    "(", ")", "(a", "a)", "[a", "[a-", "[z-a]", "*a", "a**", "a++", "a{2}{3}", "a{1001}", "a{2,1}", "(?=a)", "(?i", "(?i-:a)", "(?-)a",
    "(?z)", "\\1", "\\8", "\\C", "\\Z", "a\\", "\\x", "\\x{110000}", "\\xg0", "\\pX", "\\p{Foo}", "\\p{", "[[:foo:]]", "(?P<n", "(?P<>a)",
    "(?P<a b>x)", "(?P<n>a)(?P<n>b)", "((a{100}){100}){100}", "|*", "(*)", "^**", "\\Q\\E*", "[\\d-z", "(?P=n)", "(?#c)", "a{,2}{",
]  # fmt: skip


@pytest.mark.parametrize("expression", BAD)
def test_errors_are_the_sdks(expression: str) -> None:
    kind, text = render("{{ mustRegexFind .p .s }}", {"p": expression, "s": "aab"})
    try:
        mine: tuple[str, str] = ("out", FUNCTIONS["mustRegexFind"].call(expression, "aab"))
    except FunctionError as error:
        mine = ("error", str(error))
    assert mine[0] == kind
    assert mine[1] == text.rpartition("error calling mustRegexFind: ")[2]


_PIECES = (
    "a",
    "b",
    "ab",
    ".",
    "[ab]",
    "[^a]",
    "\\d",
    "\\w",
    "\\s",
    "\\b",
    "^",
    "$",
    "x*",
    "a+",
    "b?",
    "a{1,2}",
    "(a)",
    "(?:ab)+",
    "a|b",
    "\\.",
    "(?i:A)",
    "a+?",
)


def test_both_engines_agree() -> None:
    rng = random.Random(5)
    texts = ["", "a", "ab", "aab b", "ba\nab", "xx.ab", "ABab", "é a", "a_1 b"]
    fast = 0
    for _ in range(1500):
        expression = "".join(rng.choice(_PIECES) for _ in range(rng.randrange(1, 5)))
        sure = Regexp(expression)
        slow = Regexp(expression)
        slow._form = None
        fast += sure._form is not None
        for text in texts:
            assert _seen(sure, text) == _seen(slow, text), (expression, text)
    assert fast > 700  # the cheap way is taken often


def _seen(regexp: Regexp, text: str) -> list[Any]:
    found = [found.groups for found in regexp.find_all(text, -1)]
    return [
        found,
        regexp.replace_all(text, regexp.expand("<$0$1>")),
        regexp.split(text, -1),
        regexp.matches(text),
    ]


@pytest.mark.parametrize(
    "expression", ["(a+)+$", "(a|a)*$", "(a|ab)*c", "a*a*a*a*a*b", "(?:a?){30}a{30}", "(.*)(.*)(.*)(.*)x"]
)
def test_catastrophic_expressions_end(expression: str) -> None:
    started = time.monotonic()
    FUNCTIONS["regexMatch"].call(expression, "a" * 5000)
    FUNCTIONS["regexReplaceAll"].call(expression, "a" * 300, "b")
    assert time.monotonic() - started < 5


def test_python_form_is_only_for_what_is_sure() -> None:
    def sure(expression: str) -> bool:
        return python_form(parse(expression, lambda _: True)) is not None

    assert sure("^[a-z]+$")
    assert not any(map(sure, ("(a+)+", "(a|b)*", "\\pL", "é", "(a)*", "(?:a?)*")))
    with pytest.raises(RegexError):
        sure("(")


def test_survives_invalid_utf8() -> None:
    text = b"a\xff\xfeb".decode("utf-8", "surrogateescape")
    assert FUNCTIONS["regexReplaceAll"].call("[^ab]", text, "-") == "a--b"
    assert FUNCTIONS["regexReplaceAll"].call("", text, "-") == "-a-" + text[1] + "-" + text[2] + "-b-"
