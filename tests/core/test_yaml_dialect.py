"""go-yaml's dialect: recorded rows, the SDK on random values and texts, bounds."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helmflow.core import go_json, yaml_dialect
from helmflow.core.source import SourceText
from helmflow.core.yaml_dialect import YamlError
from helmflow.core.yaml_read import load_native_all
from tests import conformance
from tests.core import sdk
from tests.sprig.sdk import CASE

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("aB z09-_:#,[]{}&*!|>'\"%@`?=<~.+yn\n\t\\/"),
        st.characters(exclude_categories=["Cs", "Cc"]),
    ),
    max_size=120,
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**6), 10**6).map(float),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def test_recorded_goyaml_strings() -> None:
    from helmflow.api import render_text

    rows = conformance.data("helm/oracle/yaml_goyaml_strings.json")
    wrong = []
    for row in rows:
        text = render_text(row["template"], row["data"], name=CASE)
        shown = "".join("\ufffd" if "\ud800" <= rune <= "\udfff" else rune for rune in text)
        if shown != row["out"]:
            wrong.append(f"{row['id']} {row['data']!r}\n  want {row['out']!r}\n  got  {shown!r}")
    conformance.report("oracle/yaml_goyaml_strings", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong, "\n".join(wrong[:20])


def test_upstream_conversions() -> None:
    tables = conformance.data("helm/tables/sigs_yaml.json")
    [table] = [table for table in tables if table["func"] == "TestYAMLToJSON"]
    passed = 0
    skipped = 0
    for name, row in table["rows"].items():
        if not isinstance(row.get("json"), str) or not isinstance(row.get("yaml"), str):
            skipped += 1
            continue
        if row["json"].startswith('{"null"'):
            skipped += 1  # a newer sigs.k8s.io/yaml than Helm 4.2.3's, whose SDK refuses a null key (oracle yamljson)
            continue
        assert yaml_dialect.load(row["yaml"]) == go_json.loads(row["json"]), name
        passed += 1
    conformance.report("tables/sigs_yaml", passed=passed, skipped=skipped)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (
            "a: [1, 0x10, 010, 0o10, 0b11, 1_000, .5, .5_1, 1e3]",
            {"a": [1, 16, 8, 8, 3, 1000, 0.5, 0.51, 1000]},
        ),
        (
            "a: [y, No, on, 'yes', ~, null, 08, 1e400]",
            {"a": [True, False, True, "yes", None, None, 8, "1e400"]},
        ),
        (
            "a: [12:30:45, 2001-01-01, 2001-01-01T00:00:00Z]",
            {"a": ["12:30:45", "2001-01-01", "2001-01-01T00:00:00Z"]},
        ),
        ("{1: a, 1.5: b, true: c, 0x10: d}", {"1": "a", "1.5": "b", "true": "c", "16": "d"}),
        ("a: 1\na: 2", {"a": 2}),
        (
            "x: &x {a: 1, b: 2}\nc: {b: 3, <<: *x}\nd: {<<: *x, b: 3}",
            {"x": {"a": 1, "b": 2}, "c": {"a": 1, "b": 2}, "d": {"a": 1, "b": 3}},
        ),
        ("a: &l [1, {b: *s}]", YamlError),
        ("s: &s hi\na: &l [1, {b: *s}]\nc: *l", {"s": "hi", "a": [1, {"b": "hi"}], "c": [1, {"b": "hi"}]}),
        ('a: "it\\\'s"', {"a": "it's"}),
        ("", None),
        ("# only a comment", None),
        ("a: 1\n---\nb: 2", {"a": 1}),
    ],
)
def test_load(text: str, value: Any) -> None:
    if value is YamlError:
        with pytest.raises(YamlError):
            yaml_dialect.load(text)
    else:
        assert yaml_dialect.load(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "yaml: mapping values are not allowed in this context"),
        ("a:\n\tb: 1", "yaml: line 2: found character that cannot start any token"),
        ("a: *x", "yaml: unknown anchor 'x' referenced"),
        ("a: &x [*x]", "yaml: anchor 'x' value contains itself"),
        ("a: [.inf]", "json: unsupported value: +Inf"),
        ("[a]: b", 'yaml: invalid map key: []interface {}{"a"}'),
        ("a: !!int x", "yaml: cannot decode !!str `x` as a !!int"),
        ("<<: 1", "yaml: map merge requires map or sequence of maps as the value"),
        ("a: [b?c]", "yaml: did not find expected ',' or ']'"),
        ("a: \x07", "yaml: control characters are not allowed"),
        ("%YAML 1.2\n---\na", "yaml: found incompatible YAML document"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        yaml_dialect.load(text)
    assert str(caught.value) == f"error converting YAML to JSON: {message}"


def test_type_of_the_top() -> None:
    with pytest.raises(YamlError, match="cannot unmarshal array into Go value of type map"):
        yaml_dialect.load("[1]", into="map[string]interface {}")


def test_native() -> None:
    text = "a: 1\nb: yes\nc: 017\nd: 1_000\ne: 2001-02-03\nf: 1.5\nx: &x {k: 1, m: 2}\ny: {<<: *x, k: 3}"
    assert yaml_dialect.load_native(text) == {
        "a": 1, "b": "yes", "c": 15, "d": 1000, "e": datetime(2001, 2, 3, tzinfo=UTC), "f": 1.5,
        "x": {"k": 1, "m": 2}, "y": {"k": 3, "m": 2},
    }  # fmt: skip
    with pytest.raises(YamlError) as caught:
        yaml_dialect.load_native("a: 1\na: 2")
    assert str(caught.value) == 'yaml: unmarshal errors:\n  line 2: mapping key "a" already defined at line 1'
    assert list(load_native_all("a: 1\n---\n- 2")) == [{"a": 1}, [2]]
    assert yaml_dialect.dump_pretty({"d": datetime(2001, 2, 3, tzinfo=UTC)}) == "d: 2001-02-03T00:00:00Z\n"


def test_located_nodes() -> None:
    text = "releases:\n- &base\n  name: x\n- <<: *base\n  wait: true\n"
    root = yaml_dialect.locate(text, SourceText("helmfile.yaml", text))
    assert root is not None
    second = root.get("releases").items[1]  # type: ignore[union-attr]
    assert second.value == {"name": "x", "wait": True}
    assert str(second.get("wait").span) == "helmfile.yaml:5:9"  # type: ignore[union-attr]
    assert str(second.get("name").span) == "helmfile.yaml:3:9"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a2": 1.0, "a10": 2.0, "a9": 3.0, "B": 4.0, "1": 5.0}, '"1": 5\nB: 4\na2: 1\na9: 3\na10: 2\n'),
        (
            {"a": [], "b": {}, "c": [[], [1.0, 2.0]], "d": [{"x": None}]},
            "a: []\nb: {}\nc:\n- []\n- - 1\n  - 2\nd:\n- x: null\n",
        ),
        (" a", "' a'\n"),
        ("a\n b\n", "|\n  a\n   b\n"),
        ("a \nb", '"a \\nb"\n'),
        ({"k" * 129: "v"}, f"? {'k' * 129}\n: v\n"),
        (1e20, "1e+20\n"),
        (123456789.0, "123456789\n"),
        ("word " * 20, "'" + "word " * 16 + "word\n  " + "word " * 2 + "word '\n"),
    ],
)
def test_dump(value: Any, text: str) -> None:
    assert yaml_dialect.dump(value) == text


def test_pretty_never_folds_and_indents_lists() -> None:
    text = yaml_dialect.dump_pretty({"a": ["word " * 30 + "end"], "n": 1000000.0, "y": "y"})
    assert text == f'a:\n  - {"word " * 30}end\n"n": 1e+06\n"y": "y"\n'


@given(VALUES)
@settings(max_examples=300)
def test_load_inverts_dump(value: Any) -> None:
    try:
        text = yaml_dialect.dump(value)
    except go_json.JsonError:
        return
    assert yaml_dialect.load(text) == value


def test_dump_is_the_sdks() -> None:
    _same_as_sdk(random.Random(20), 400)


@pytest.mark.nightly
def test_dump_is_the_sdks_on_fresh_values() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    _same_as_sdk(random.Random(seed), 20_000)


def _same_as_sdk(rng: random.Random, count: int) -> None:
    values = [_random_value(rng, 0) for _ in range(count)]
    for function, ours in (
        ("toYaml", lambda value: yaml_dialect.dump(value).removesuffix("\n")),
        ("toYamlPretty", lambda value: yaml_dialect.dump_pretty(value).removesuffix("\n")),
        ("toJson", go_json.dumps),
    ):
        for value, expected in zip(values, sdk.convert(function, values), strict=True):
            try:
                text = ours(value)
            except ValueError:
                text = ""
            assert text == expected, (function, value)


_WORDS = (
    "a", "b c", "yes", "null", "1", "1.5", "0x1F", "-", "- a", "a: b", "a #b", "#", "'", '"', "it's", "x" * 90,
    "long words in a row " * 6, "a\nb", "a\n", "\n", "\n\n", " lead", "trail ", "trail \nx", "tab\there", "é", "日本語",
    "2001-01-01", "12:30", "~", "=", "<<", "@x", "`", "%d", "{}", "[a]", "?", "? a", ":", "a:", "---", "...", "y", "!t", "&a",
    "|", ">", "\\", "\x1b", "\u00a0", "\u2028", "end.", "😀", "  two", "a  b", "word " * 30, "'quoted' " * 14, '"dq" ' * 25,
)  # fmt: skip


def _random_value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(10 if depth < 4 else 7)
    if kind < 4:
        return rng.choice(_WORDS)
    if kind == 4:
        return rng.choice(
            (0.0, 1.0, -1.0, 0.1, 1e6, 1e21, 1e-7, 123456.789, float(rng.randrange(1 << 60)), rng.random())
        )
    if kind == 5:
        return rng.choice((True, False))
    if kind == 6:
        return None
    if kind == 7:
        return [_random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {_random_key(rng): _random_value(rng, depth + 1) for _ in range(rng.randrange(5))}


def _random_key(rng: random.Random) -> str:
    # No letter right after a digit: go-yaml's order is no order there, and Helm's result differs from run to run.
    mixed = f"{rng.choice('abAB-_.')}{rng.randrange(30)}{rng.choice(('', '-', '.'))}"
    return rng.choice((rng.choice(_WORDS), f"k{rng.randrange(120)}", mixed))


def test_values_from_texts_are_the_sdks() -> None:
    assert _disagreements(random.Random(7), 1500) <= 3


@pytest.mark.nightly
def test_values_from_fresh_texts_are_the_sdks() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    assert (
        _disagreements(random.Random(seed), 20_000) <= 40
    )  # two in a thousand: scanner lines in broken flows


_PIECES = (
    "a", "b", "key", ": ", ":", "- ", "-", "\n", "\n", "\n  ", "\n    ", "  ", " ", "#", " # c", "[", "]", "{", "}", ",", ", ",
    '"', "'", "|", ">", "|-", "&x ", "*x", "!!str ", "!!int ", "? ", "---", "...\n", "<<: *x", "1", "01", ".5", "null", "~",
    "yes", "\\n", "é", '"a"', "'b'", "@", "2001-01-01", "a: b", "- c", "{a: b}", "[1, 2]", "key: &x {a: 1}\n", "1: 2",
)  # fmt: skip


def _disagreements(rng: random.Random, count: int) -> int:
    texts = ["".join(rng.choice(_PIECES) for _ in range(rng.randrange(1, 9))) for _ in range(count)]
    wrong = 0
    for text, expected in zip(texts, sdk.convert("toJson (fromYaml", texts), strict=True):
        try:
            value: Any = yaml_dialect.load(text, into="map[string]interface {}") or {}
        except YamlError as error:
            value = {"Error": str(error)}
        wrong += go_json.dumps(value) != expected
    return wrong


def test_alias_bomb_is_refused() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{after}: &{after} [{','.join(['*' + before] * 9)}]\n"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    started = time.monotonic()
    with pytest.raises(YamlError, match="excessive aliasing"):
        yaml_dialect.load(bomb)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "text",
    ["[" * 5000, "{a: " * 5000, "- " * 5000, "a:\n" + "".join(" " * n + "- b:\n" for n in range(1, 900))],
)
def test_depth_is_bounded(text: str) -> None:
    with pytest.raises(YamlError):
        yaml_dialect.load(text + "1")


@pytest.mark.nightly
def test_scanner_survives_noise() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        text = "".join(rng.choice((*_PIECES, chr(rng.randrange(0x250)))) for _ in range(rng.randrange(1, 60)))
        for read in (yaml_dialect.load, yaml_dialect.load_native):
            try:
                value = read(text)
                yaml_dialect.dump_pretty(value)
                yaml_dialect.dump(value)
            except (YamlError, go_json.JsonError):
                continue


def test_date_in_a_key_that_is_a_list() -> None:
    with pytest.raises(YamlError) as caught:
        yaml_dialect.load_native("? [2001-02-03, 2001-02-03T04:05:06+01:00]\n: 1\n")
    shown = 'time.Date(2001, time.February, 3, 0, 0, 0, 0, time.UTC), time.Date(2001, time.February, 3, 4, 5, 6, 0, time.Location(""))'
    assert shown in str(caught.value)
