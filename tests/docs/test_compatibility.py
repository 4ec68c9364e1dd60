"""docs/compatibility.md is what the code says: the limits, and every flag that is accepted without effect."""

from __future__ import annotations

import re

from helmflow.cli import options
from helmflow.core import limits
from tests import limits_table


def test_the_table_of_limits_is_current() -> None:
    assert limits_table.written() == limits_table.render(), "run python -m tests.limits_table"


def test_every_limit_has_a_reason() -> None:
    assert set(limits_table.reasons()) == {name for name in vars(limits) if name.startswith("MAX_")}


def test_every_accepted_flag_is_listed() -> None:
    page = limits_table.PAGE.read_text(encoding="utf-8")
    flags = [
        one
        for group in vars(options).values()
        if isinstance(group, tuple)
        for one in group
        if getattr(one, "help", "").startswith("Accepted")
    ]
    assert flags
    names = [
        next(name for name in re.split(r"[ ,/]", " ".join(one.names)) if name.startswith("--"))
        for one in flags
    ]
    assert [name for name in names if f"`{name}`" not in page] == []
