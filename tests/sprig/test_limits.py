"""Growth has bounds: each ends in a clear error before the memory is taken."""

from __future__ import annotations

import pytest

from helmflow.api import render_text
from helmflow.core import limits
from helmflow.core.errors import TemplateError


@pytest.mark.parametrize(
    "template",
    [
        "{{ until 1000000000 }}",
        "{{ untilStep 0 1000000000 1 }}",
        "{{ seq 1000000000 }}",
        '{{ repeat 1000000000 "ab" }}',
        '{{ indent 1000000000 "x" }}',
        '{{ "x" | nindent 1000000000 }}',
        "{{ randAlphaNum 1000000000 }}",
        "{{ randBytes 1000000000 }}",
        '{{ $s := repeat 1000000 "x" }}{{ replace "x" $s $s }}',
        '{{ $s := repeat 10000000 "x" }}{{ join $s (list 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2) }}',
        '{{ wrapWith 1 (repeat 1000000 "x") (repeat 1000000 "y") }}',
    ],
)
def test_what_is_too_large_is_refused(template: str) -> None:
    with pytest.raises(TemplateError, match="over the limit of"):
        render_text(template, {})


def test_a_list_cannot_double_for_ever() -> None:
    doubling = "{{ $l := until 1000 }}" + "{{ $l = concat $l $l }}" * 14
    with pytest.raises(TemplateError, match=f"over the limit of {limits.MAX_LIST_ITEMS}"):
        render_text(doubling, {})


def test_what_is_large_but_legal_passes() -> None:
    assert render_text("{{ until 100000 | len }} {{ repeat 100000 `ab` | len }}", {}) == "100000 200000"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ int .n }} {{ atoi .n }} {{ add .n 1 }}", "0 9223372036854775807 1"),
        ("{{ duration .n }}", "-1s"),
        ("{{ dateModify (printf `%sh` .n) (toDate `2006` `2001`) | date `2006` }}", "2001"),
        ("{{ durationRound (printf `-%ss` .n) }}", "0s"),
    ],
)
def test_numbers_may_have_any_length(template: str, text: str) -> None:
    assert render_text(template, {"n": "9" * 5000}) == text
