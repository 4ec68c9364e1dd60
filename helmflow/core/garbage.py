"""Pauses Python's cycle collector where many objects are made that stay: looking through them again and again finds nothing."""

from __future__ import annotations

import gc
from _thread import allocate_lock

_COLLECT_AFTER = 1_000_000  # objects that pauses left behind, at least

_lock = allocate_lock()
_pauses = 0  # in any thread; the collector is the process's
_left = 0  # objects of pauses since the last whole collection
_living = 0  # after that


class Paused:
    """`with Paused():` collects nothing inside, and goes on as before after the last of them.

    What was made inside counts as old from then on: the collector would look through all of it right away as its
    youngest objects, which took a fifth of the first render of a chart.
    """

    __slots__ = ("_counts",)

    def __enter__(self) -> None:
        global _pauses
        with _lock:
            self._counts = bool(_pauses) or gc.isenabled()
            if self._counts:
                _pauses += 1
                gc.disable()

    def __exit__(self, *_: object) -> None:
        global _pauses
        if self._counts:
            with _lock:
                _pauses -= 1
                if not _pauses:
                    _grow_old()
                    gc.enable()


def _grow_old() -> None:
    """Move every object to the oldest generation; now and then look through all of them instead."""
    global _left, _living
    if gc.get_freeze_count():  # what others froze would thaw
        return
    _left += gc.get_count()[0]
    everything = _left > max(_COLLECT_AFTER, _living)
    if everything:
        gc.collect()
        _left = 0
    gc.freeze()
    if everything:
        _living = gc.get_freeze_count()
    gc.unfreeze()
