"""Global flags stand before the command or after it."""

from __future__ import annotations

import pytest

from helmflow.cli.main import hoist


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        ("sync", "sync"),
        ("-e dev sync", "sync -e dev"),
        ("-e dev -l a=b sync -i", "sync -e dev -l a=b -i"),
        ("--environment=dev sync", "sync --environment=dev"),
        ("-q --state-values-set a=b diff --context 3", "diff -q --state-values-set a=b --context 3"),
        ("-q cluster start --port 1", "cluster start -q --port 1"),
        ("chart serve x -- helmflow sync -e dev", "chart serve x -- helmflow sync -e dev"),
        ("--help", "--help"),
        ("", ""),
    ],
)
def test_flags_before_the_command_move_behind_it(typed: str, run: str) -> None:
    assert hoist(typed.split()) == run.split()
