"""encoding/json: number format, escapes, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.core import go_json, go_json_scan
from helmflow.core.go_json import JsonError
from tests.core import sdk

VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(exclude_categories=["Cs"]))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1e-6, "0.000001"), (1e-7, "1e-7"), (-0.0, "-0"),
        (0.1, "0.1"), ("<a&b>\u2028\x7f\x01", '"\\u003ca\\u0026b\\u003e\\u2028\x7f\\u0001"'), ("\udc80", '"\\ufffd"'),
        ({"b": 1, "a": [], "c": {}}, '{"a":[],"b":1,"c":{}}'), (b"hi", '"aGk="'),
    ],
)  # fmt: skip
def test_dumps(value: Any, text: str) -> None:
    assert go_json.dumps(value) == text


def test_indentation() -> None:
    text = go_json.dumps({"a": [1.0, {}], "b": {"c": "<"}}, indent="  ", escape_html=False)
    assert text == '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": {\n    "c": "<"\n  }\n}'


@pytest.mark.parametrize(
    "text",
    [
        "1e5", "-2.5E-3", "1e400", "[-1e309, 1]", "1e-400", "1.7976931348623157e308", "0.5e", '"9e0EhLA=="', '{"a": "\\ud83d\\ude00 1e9"}',
        '"\ud800 and \\n"', "1" * 400, "[1e400",
    ],
)  # fmt: skip
def test_the_quick_reader_and_the_scanner_agree(text: str) -> None:
    def outcome(read: Callable[[str], Any]) -> str:
        try:
            return repr(read(text))
        except JsonError as error:
            return str(error)

    assert outcome(go_json.loads) == outcome(go_json_scan.scan)


@given(VALUES)
def test_loads_inverts_dumps(value: Any) -> None:
    assert go_json.loads(go_json.dumps(value)) == value


TEXTS = [
    "", "{", "[1,]", "[1 2]", '{"a"}', '{"a":}', '{"a":1,}', "{'a':1}", "tru", "nul1", "01", "-", "1.", "1e", '"a', '"\\x"',
    '"\\u12"', '"a\nb"', '{"a":1} x', "NaN", '{"a":"\\ud800"}', '{"a":"\\ud83d\\ude00"}', '{"a":é}', '[1]', '"s"', "3", "null",
    '{"a":1,"a":2}', "\x00", '{"a":[1,{"b":nulll}]}', '{a:1}', '{"a" 1}', '{"a":1 "b":2}', "{1:2}", "[,]",
]  # fmt: skip


def test_reading_is_the_sdks() -> None:
    for text, expected in zip(TEXTS, sdk.convert("toJson (fromJson", TEXTS), strict=True):
        try:
            value: Any = go_json.loads(text, into="map[string]interface {}")
        except JsonError as error:
            value = {"Error": str(error)}
        assert json.loads(go_json.dumps(value)) == json.loads(expected), text


def test_depth_is_bounded() -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000, "[" * 5000 + "]" * 5000):
        with pytest.raises(JsonError):
            go_json.loads(text)
