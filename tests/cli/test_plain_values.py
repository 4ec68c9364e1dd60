"""Flags whose values typer does not convert come out as if it had."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from helmflow.cli.flags import Argument, add_command, flag, tristate
from helmflow.cli.plain_values import leave_plain

FLAGS = (
    flag("word", "--word", help="a word", env="WORD"),
    flag("list", "--list", kind=list, help="words", env="LIST"),
    flag("count", "--count", kind=int, default=3, help="a number"),
    flag("part", "--part", kind=float, default=1.5, help="a part"),
    flag("switch", "--switch", kind=bool, help="a switch", env="SWITCH"),
    flag("on", "--on", kind=bool, default=True, help="a switch that is on", env="ON"),
    tristate("either", "--either", help="a switch or nothing"),
)
ARGUMENTS = (
    Argument("first", "FIRST", "one word"),
    Argument("rest", "REST", "more", required=False, many=True),
)
WORDS = st.lists(
    st.sampled_from(
        [
            "--word",
            "--list",
            "--count",
            "--part",
            "--switch",
            "--on",
            "--no-on",
            "--either",
            "--no-either",
            "x",
            "7",
            "1.5",
            "true",
            "--count=8",
            "--count=x",
            "--part=2",
            "--list=a",
            "--word=",
            "--nothing",
        ]
    ),
    max_size=6,
)
ENVIRONMENT = st.dictionaries(
    st.sampled_from(["HELMFLOW_WORD", "HELMFLOW_LIST", "HELMFLOW_SWITCH", "HELMFLOW_ON"]),
    st.sampled_from(["1", "false", "yes", "a b", ""]),
)


def outcome(words: list[str], *, plain: bool) -> Any:
    """The values that the handler received, or what was wrong with the words."""
    seen: list[dict[str, Any]] = []

    def handler(given: SimpleNamespace) -> int:
        seen.append(vars(given))
        return 0

    app = typer.Typer(add_completion=False)
    add_command(app, "do", handler, FLAGS, ARGUMENTS)
    app.callback()(lambda: None)
    command = typer.main.get_command(app)
    if plain:
        leave_plain(command)
    try:
        command(["do", *words], standalone_mode=False)
    except typer.TyperException as mistake:
        return type(mistake).__name__, mistake.format_message()
    return seen


@given(words=WORDS, environment=ENVIRONMENT)
def test_values_are_those_of_typer(words: list[str], environment: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        assert outcome(words, plain=True) == outcome(words, plain=False)


def test_values_keep_their_types() -> None:
    (seen,) = outcome(["a", "b", "--list", "x", "--list", "y", "--count", "4"], plain=True)
    assert seen["rest"] == ["b"]
    assert seen["list"] == ["x", "y"]
    assert (seen["count"], seen["part"], seen["either"]) == (4, 1.5, None)
