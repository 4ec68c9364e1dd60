"""TOML: what BurntSushi/toml writes, reads and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.core import toml
from helmflow.core.toml import TomlError
from helmflow.sprig.gotime import from_moment
from tests.core import sdk

TEXTS = [
    "a=1\nb=0x1F\nc=1_000.5\nd=5e+2\ne=-0.0", 'a="x\\ty\\u00e9\\x41\\e"', "a='raw\\n'", 'a="""\none\\\n   two"""',
    "d=1979-05-27T07:32:00Z\ne=1979-05-27\nf=07:32:00\ng=1979-05-27 07:32:00.5", "a=[1,[2,'x'],{b=1}]",
    "[a]\n[a.b]\nc=1\n[[a.c]]\nx=1\n[[a.c]]\nx=2", "a.b.c=1\na.\"b c\".d=2", "a={b=1,\nc=2,}", "x=[\n1, # one\n2\n]",
    "a=1\na=2", "a=[1", "a=[1,,2]", 'a="x', "a=foo", "a=1 b=2", "[]", "[a b]", "=1", 'a="\\q"', "a=.5", "a=1__0", "a=01",
    "a=0xg", "a={b=1", "a=1979-13-01", "a=+", "a=1e", "a\n", "[a]\nb=1\n[a]", "t=1\n[t.x]", "a = 99999999999999999999", "a=\n",
]  # fmt: skip


def test_reading_is_the_sdks() -> None:
    from helmflow.core import go_json

    for text, expected in zip(TEXTS, sdk.convert("toJson (fromToml", TEXTS), strict=True):
        try:
            value: Any = toml.loads(text, moment=from_moment)
        except TomlError as error:
            value = {"Error": str(error)}
        assert go_json.dumps(value) == expected, text


def test_writing() -> None:
    value = {
        "a": 1.0,
        "z": {"k": "v", "deep": {"x": True}},
        "m": [{"n": 1e6}, {"n": [1.5]}],
        "l": [{"a": 1.0}, 2.0],
    }
    assert toml.dumps(value) == (
        "a = 1.0\nl = [{a = 1.0}, 2.0]\n\n[[m]]\n  n = 1e+06\n\n[[m]]\n  n = [1.5]\n\n"
        '[z]\n  k = "v"\n  [z.deep]\n    x = true\n'
    )
    assert toml.dumps("x") == '"x"'
    with pytest.raises(TomlError, match="cannot encode array with nil element"):
        toml.dumps({"a": [None]})


KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.one_of(st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False), KEYS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_loads_inverts_dumps(value: dict[str, Any]) -> None:
    assert toml.loads(toml.dumps(value)) == value


@pytest.mark.parametrize("text", ["a=" + "[" * 3000, "a=" + "{b=" * 3000])
def test_depth_is_bounded(text: str) -> None:
    with pytest.raises(TomlError):
        toml.loads(text)
