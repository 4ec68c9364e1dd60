"""object -> Ready | Progressing(why) | Failed(why): kstatus' rules per kind, and pods' early signs of failure; pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing is missing. `note` says what is unusual about it ("paused", "suspended")."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Progressing:
    """Not there yet; `why` says what is missing."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not become ready by itself."""

    why: str


Readiness = Ready | Progressing | Failed
