"""Two environments side by side: which releases, versions and values differ. No cluster is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, replace
from helmflow.state.load import LoadRequest, load_desired
from helmflow.state.model import DesiredState, Release
from helmflow.state.values import layer, leaves

MISSING = object()
MASK = "***"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field or value that differs; None means that a side has none. Secret values are ***."""

    path: str
    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class ComparedRelease:
    """One release of two environments; `left` or `right` is None where that environment has none."""

    id: ReleaseId
    left: Release | None
    right: Release | None
    differences: tuple[Difference, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.left is not None and self.right is not None and not self.differences


def environment_names(request: LoadRequest, emit: Emit) -> tuple[str, ...]:
    """Every environment that the files name, in the order they name them."""
    from helmflow.state import discovery, files
    from helmflow.state.load import new_context

    context = new_context(request, emit)
    names: dict[str, None] = {}
    for path in discovery.find(context, request.file, request.stdin).paths:
        names.update(dict.fromkeys(_named(context.read_text(path))))
        for base in _bases(context.read_text(path)):
            found = files.under(path.parent, base)
            if not files.is_remote(base) and found.is_file():
                names.update(dict.fromkeys(_named(context.read_text(found))))
    return tuple(names) or ("default",)


def everywhere(request: LoadRequest, emit: Emit) -> dict[str, DesiredState]:
    """Every environment's desired state by name, in the order the files name them (`graph --all-environments`)."""
    names = environment_names(request, emit)
    return {
        name: load_desired(replace(request, environment=name, need_releases=False), emit) for name in names
    }


def _named(text: str) -> Iterator[str]:
    """The names under `environments:`, read from the text: a template needs an environment to be rendered at all."""
    import re

    inside = False
    indent = 0
    for line in text.splitlines():
        if re.match(r"\S", line):
            inside = line.split("#")[0].strip() == "environments:"
            indent = 0
            continue
        entry = re.match(r"( +)(?:[\"']?)([A-Za-z0-9_.-]+)(?:[\"']?):", line)
        if inside and entry:
            indent = indent or len(entry[1])
            if len(entry[1]) == indent:
                yield entry[2]


def _bases(text: str) -> list[str]:
    import re

    listed = re.search(r"^bases:\s*\[([^\]]*)\]", text, re.MULTILINE)
    if listed:
        return [name.strip(" \"'") for name in listed[1].split(",") if name.strip()]
    block = re.search(r"^bases:\s*\n((?:\s*-\s*\S+\n?)+)", text, re.MULTILINE)
    return re.findall(r"-\s*[\"']?([^\s\"']+)", block[1]) if block else []


def compare(request: LoadRequest, left: str, right: str, emit: Emit) -> list[ComparedRelease]:
    """The releases of two environments by name and namespace (their contexts differ by nature), in reading order."""
    sides = [
        load_desired(replace(request, environment=name, need_releases=False), emit) for name in (left, right)
    ]
    found = [{(one.namespace, one.name): one for one in side.releases if one.selected} for side in sides]
    compared = []
    for key in dict.fromkeys([*found[0], *found[1]]):
        ours, theirs = found[0].get(key), found[1].get(key)
        differences: tuple[Difference, ...] = ()
        if ours is not None and theirs is not None:
            differences = tuple(_differences((sides[0], ours), (sides[1], theirs)))
        compared.append(ComparedRelease(ReleaseId("", *key), ours, theirs, differences))
    return compared


def _differences(
    left: tuple[DesiredState, Release], right: tuple[DesiredState, Release]
) -> Iterator[Difference]:
    ours, theirs = left[1], right[1]
    for field in ("chart", "version", "presence"):
        a, b = getattr(ours, field), getattr(theirs, field)
        if a != b:
            yield Difference(field, str(a), str(b))
    for key in sorted({*ours.own_labels, *theirs.own_labels}):
        if ours.own_labels.get(key) != theirs.own_labels.get(key):
            yield Difference(f"labels.{key}", ours.own_labels.get(key), theirs.own_labels.get(key))
    if ours.options != theirs.options:
        from dataclasses import fields

        for one in fields(ours.options):
            a, b = getattr(ours.options, one.name), getattr(theirs.options, one.name)
            if a != b:
                yield Difference(f"options.{one.name}", a, b)
    yield from _value_differences(left, right)


def _value_differences(
    left: tuple[DesiredState, Release], right: tuple[DesiredState, Release]
) -> Iterator[Difference]:
    a, b = layer(*left), layer(*right)
    secret = a.secret_paths | b.secret_paths
    for place in sorted({*leaves(a.values), *leaves(b.values)}):
        ours, theirs = _at(a.values, place), _at(b.values, place)
        if (ours is MISSING and theirs is MISSING) or ours == theirs:
            continue
        yield Difference(
            f"values.{'.'.join(place)}", _shown(ours, place in secret), _shown(theirs, place in secret)
        )


def _shown(value: Any, secret: bool) -> Any:
    if value is MISSING:
        return None
    return MASK if secret else value


def _at(values: Any, place: tuple[str, ...]) -> Any:
    for step in place:
        if not isinstance(values, Mapping) or step not in values:
            return MISSING
        values = values[step]
    return values
