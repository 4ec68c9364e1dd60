"""Patterns that need no regular expression match what their regular expression matches."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helmflow.helm.render import glob


@settings(deadline=None, derandomize=True, max_examples=600)
@given(st.text("ab/*.{},", max_size=9), st.text("ab/.\n", max_size=8))
def test_stars_and_alternatives_are_what_their_expression_is(pattern: str, name: str) -> None:
    expression, end = glob._sequence(pattern, 0, depth=0)
    assert end >= len(pattern)
    expected = re.search(rf"\A(?s:{expression})\Z", name) is not None
    assert bool(glob.compile_glob(pattern)(name)) is expected


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("files/*.yaml", "files/a.yaml", "files/a/b.yaml"),
        ("files/**.yaml", "files/a/b.yaml", "files/a/b.json"),
        ("**/*.{yaml,json}", "a/b.json", "a/b.toml"),
        ("{a,b}{c,}", "bc", "cb"),
        ("*{*}", "ab", "a/b"),
        ("a/**", "a/", "a"),
        ("conf[0-9]?.txt", "conf1x.txt", "confxx.txt"),
        ("", "", "a"),
    ],
)
def test_patterns(pattern: str, fits: str, does_not: str) -> None:
    matches = glob.compile_glob(pattern)
    assert matches(fits)
    assert not matches(does_not)


def test_many_stars_take_no_time() -> None:
    matches = glob.compile_glob("*a" * 40 + "b")
    assert not matches("a" * 200)


@pytest.mark.parametrize("star", ["*", "**"])
def test_neither_do_long_names(star: str) -> None:
    matches = glob.compile_glob(f"{star}a" * 200 + "b")
    assert not matches("a" * 2000)
