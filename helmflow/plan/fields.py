"""Two versions of an object -> the fields that differ, for people and machines that want paths instead of lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from helmflow.core.records import dataclass
from helmflow.plan import shapes

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: its path (as in `plan.shapes`) and both values.

    `change` is added, removed, changed, or moved: the same items of a list in another order.
    """

    path: Path
    change: str
    before: Any = None
    after: Any = None

    def pointer(self) -> str:
        """The path as people write it: spec.template.spec.containers[name=main].image."""
        return shapes.pointer(self.path)


def touches(one: Sequence[str | int], other: Sequence[str | int]) -> bool:
    """Whether one path is the other or leads to it."""
    return all(a == b for a, b in zip(one, other, strict=False))


def changed(before: Any, after: Any) -> tuple[FieldChange, ...]:
    """Every field that is added, removed or changed from `before` to `after`, sorted by path.

    The items of lists that have keys (containers, variables, ports) are compared by their keys, not by position.
    """
    from deepdiff import DeepDiff

    old, new = shapes.keyed(before), shapes.keyed(after)
    difference = DeepDiff(old, new, view="tree", ignore_order=False, verbose_level=2)
    found: list[FieldChange] = []
    for kind, items in difference.items():
        for item in items:
            path = tuple(item.path(output_format="list"))
            if kind.endswith("_added"):
                found.append(FieldChange(path, "added", after=shapes.plain(item.t2)))
            elif kind.endswith("_removed"):
                found.append(FieldChange(path, "removed", before=shapes.plain(item.t1)))
            else:
                found.append(
                    FieldChange(path, "changed", before=shapes.plain(item.t1), after=shapes.plain(item.t2))
                )
    found.extend(
        FieldChange(path, "moved", before=was, after=now) for path, was, now in shapes.moved(old, new)
    )
    return tuple(sorted(found, key=lambda field: [str(step).zfill(8) for step in field.path]))
