"""Pauses Python's cycle collector where many objects are made that stay: looking through them again and again finds nothing."""

from __future__ import annotations

import gc
from _thread import allocate_lock

_lock = allocate_lock()
_pauses = 0  # in any thread; the collector is the process's


class Paused:
    """`with Paused():` collects nothing inside, and goes on as before after the last of them."""

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
                    gc.enable()
