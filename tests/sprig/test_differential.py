"""Random expressions over the sprig map give what the real Helm gives, output and error text alike."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sprig import sdk
from tests.sprig.expressions import Expressions, focused
from tests.sprig.test_oracle import run

Case = tuple[str, dict[str, Any]]


def mixed(seed: int) -> Iterator[Case]:
    expressions = Expressions(seed)
    while True:
        yield expressions.next()


STREAMS: dict[str, Callable[[int], Iterator[Case]]] = {"mixed": mixed, "focused": focused}


def compare(stream: Iterator[Case], count: int) -> list[str]:
    """The cases in which the two differ."""
    wrong = []
    for _ in range(count):
        template, data = next(stream)
        expected = sdk.render(template, data)
        got = run(template, data)
        if got != expected:
            wrong.append(f"{template}\n  data {data!r}\n  want {expected}\n  got  {got}")
    return wrong


@pytest.mark.parametrize("name", STREAMS)
def test_fixed_expressions(name: str) -> None:
    wrong = compare(STREAMS[name](20261121), 1500)
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.nightly
@pytest.mark.parametrize("name", STREAMS)
def test_fresh_expressions(name: str, record_property: Callable[[str, object], None]) -> None:
    seed = secrets.randbits(32)
    record_property("run", f"seed {seed}")
    wrong = compare(STREAMS[name](seed), 20_000)
    assert not wrong, f"seed {seed}: {len(wrong)} differ\n" + "\n".join(wrong[:20])
