"""The collector is off inside, and as it was outside."""

from __future__ import annotations

import gc

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
