"""The collector is off inside, and as it was outside."""

from __future__ import annotations

import gc

import pytest

from helmflow.core import garbage
from helmflow.core.garbage import Paused


def test_the_collector_goes_on_after_the_last_pause() -> None:
    gc.enable()  # short processes turn it off for good, and other tests are such processes
    with Paused():
        assert not gc.isenabled()
        with Paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_others_turned_off_stays_off() -> None:
    gc.disable()
    try:
        with Paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_made_in_a_pause_is_old_afterwards() -> None:
    gc.enable()
    gc.collect()
    with Paused():
        made = [[number] for number in range(10_000)]
    assert gc.get_count()[0] < 1_000
    assert not any(one is made for one in gc.get_objects(generation=0))
    assert any(one is made for one in gc.get_objects(generation=2))
    assert not gc.get_freeze_count()


def test_what_others_froze_stays_frozen() -> None:
    gc.enable()
    gc.freeze()
    try:
        with Paused():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_many_objects_of_pauses_are_looked_through_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.enable()
    gc.collect()
    monkeypatch.setattr(garbage, "_COLLECT_AFTER", 50_000)
    collected: list[int] = []
    gc.callbacks.append(lambda phase, info: collected.append(info["generation"]))
    try:
        kept = []
        for _ in range(8):
            with Paused():
                kept.append([[number] for number in range(10_000)])
    finally:
        gc.callbacks.pop()
    assert 2 in collected
