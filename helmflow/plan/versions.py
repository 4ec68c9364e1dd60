"""The same object under another API version: what is stored is found again, what is not served is read as what is; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass, replace
from helmflow.plan.objects import Target


class Served(Protocol):
    """What a cluster says of its API versions."""

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether this version of a kind is served."""

    def instead(self, api_version: str, kind: str) -> str:
        """The served version that has the same objects; "" where there is none."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A version that is not served, and the one that is taken instead."""

    ref: ObjectRef
    api_version: str


def readable(targets: Iterable[Target], served: Served) -> tuple[tuple[Target, ...], tuple[Moved, ...]]:
    """The targets, those of versions that are not served as objects of the version that took their place."""
    found, moved = [], []
    for target in targets:
        ref = target.ref
        other = "" if served.serves(ref.api_version, ref.kind) else served.instead(ref.api_version, ref.kind)
        if not other:
            found.append(target)
            continue
        document = {**target.document, "apiVersion": other}
        found.append(replace(target, ref=ref._replace(api_version=other), document=document))
        moved.append(Moved(ref, other))
    return tuple(found), tuple(moved)


def aligned(stored: Iterable[Target], wanted: Iterable[Target]) -> tuple[Target, ...]:
    """What is stored, under the version that is wanted now: otherwise the object would seem to have left the chart."""
    now = {_identity(target.ref): target.ref for target in wanted}
    return tuple(replace(target, ref=now.get(_identity(target.ref), target.ref)) for target in stored)


def _identity(ref: ObjectRef) -> tuple[str, str, str, str]:
    return ref.api_version.rpartition("/")[0], ref.kind, ref.namespace, ref.name
