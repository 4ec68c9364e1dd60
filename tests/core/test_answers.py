"""Answers are asked for once, and only good ones are kept."""

from __future__ import annotations

import pytest

from helmflow.core import answers


def test_each_question_is_asked_once() -> None:
    asked: list[str] = []

    def upper(text: str) -> str:
        asked.append(text)
        return text.upper()

    assert [answers.find(upper, "test-upper", text) for text in ("a", "b", "a")] == ["A", "B", "A"]
    assert asked == ["a", "b"]
    assert answers.find(upper, "test-upper", "c" * 5000) == "C" * 5000
    assert ("test-upper", "c" * 5000) not in answers.known


def test_failures_are_not_kept() -> None:
    def fail(text: str) -> str:
        raise ValueError(text)

    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            answers.find(fail, "test-fail", "a")
    assert ("test-fail", "a") not in answers.known
