"""Two versions of an object -> the fields that differ, for people and machines that want paths instead of lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: its path from the root (names and list positions), and both values; `added`/`removed` lack one."""

    path: tuple[str | int, ...]
    change: str
    before: Any = None
    after: Any = None

    def pointer(self) -> str:
        """The path as people write it: spec.template.spec.containers[0].image."""
        words = ""
        for step in self.path:
            if isinstance(step, int):
                words += f"[{step}]"
            elif step.replace("_", "a").replace("-", "a").isalnum():
                words += f".{step}" if words else step
            else:
                words += f'["{step}"]'
        return words


def changed(before: Any, after: Any) -> tuple[FieldChange, ...]:
    """Every field that is added, removed or changed from `before` to `after`, sorted by path."""
    from deepdiff import DeepDiff

    difference = DeepDiff(before, after, view="tree", ignore_order=False, verbose_level=2)
    found: list[FieldChange] = []
    for kind, items in difference.items():
        for item in items:
            path = tuple(item.path(output_format="list"))
            if kind.endswith("_added"):
                found.append(FieldChange(path, "added", after=item.t2))
            elif kind.endswith("_removed"):
                found.append(FieldChange(path, "removed", before=item.t1))
            else:
                found.append(FieldChange(path, "changed", before=item.t1, after=item.t2))
    return tuple(sorted(found, key=lambda field: [str(step).zfill(8) for step in field.path]))
