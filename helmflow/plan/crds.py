"""What becomes of a chart's crds/: which definitions change, and which changes would break what is stored; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from helmflow.core.records import dataclass

Json = Any

# Bounds of a schema: a value that passed may not pass any more when they move in this direction.
_LOWER: Final = ("minimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a definition's upgrade means: `breaks` lose or lock data, `narrows` refuse values that were good before."""

    changes: bool = False
    breaks: tuple[str, ...] = ()
    narrows: tuple[str, ...] = ()


def kinds(definitions: Iterable[Mapping[str, Json]]) -> frozenset[tuple[str, str]]:
    """The (apiVersion, kind) pairs that definitions bring."""
    return frozenset(
        (f"{spec.get('group')}/{name}", str(_map(spec.get("names")).get("kind")))
        for spec in (_map(definition.get("spec")) for definition in definitions)
        for name in _versions(spec)
    )


def judge(live: Mapping[str, Json], new: Mapping[str, Json]) -> Verdict:
    """The upgrade of one definition from what is in the cluster."""
    before, after = _map(live.get("spec")), _map(new.get("spec"))
    old, wanted = _versions(before), _versions(after)
    if _same(before, after, old, wanted):
        return Verdict()
    breaks = [*_lost(live, before, after, wanted)]
    narrows = [
        f"version {name} is no longer served"
        for name in sorted(old)
        if old[name].get("served") and not _map(wanted.get(name)).get("served")
    ]
    for name in sorted(old.keys() & wanted.keys()):
        for place, what, breaking in _schema_changes(_schema(old[name]), _schema(wanted[name]), ""):
            (breaks if breaking else narrows).append(f"{name}: {place or '.'} {what}")
    return Verdict(changes=True, breaks=tuple(breaks), narrows=tuple(narrows))


def _lost(
    live: Mapping[str, Json],
    before: Mapping[str, Json],
    after: Mapping[str, Json],
    wanted: Mapping[str, Mapping[str, Json]],
) -> Iterator[str]:
    if before.get("scope") != after.get("scope"):
        yield f"the scope changes from {before.get('scope')} to {after.get('scope')}"
    kinds = _map(before.get("names")).get("kind"), _map(after.get("names")).get("kind")
    if kinds[0] != kinds[1]:
        yield f"the kind changes from {kinds[0]} to {kinds[1]}"
    for name in _map(live.get("status")).get("storedVersions") or ():
        if name not in wanted:
            yield f"version {name} is removed, and objects are stored in it"


def _same(
    before: Mapping[str, Json],
    after: Mapping[str, Json],
    old: Mapping[str, Mapping[str, Json]],
    wanted: Mapping[str, Mapping[str, Json]],
) -> bool:
    if old.keys() != wanted.keys():
        return False
    versions = all(
        _holds(old[name], wanted[name]) and _schema(old[name]) == _schema(wanted[name]) for name in old
    )
    rest = {key: value for key, value in after.items() if key != "versions"}
    return versions and _holds(before, rest)


def _schema_changes(
    before: Mapping[str, Json], after: Mapping[str, Json], place: str
) -> Iterator[tuple[str, str, bool]]:
    """(place, what, whether data is lost) for every narrowing of one schema, all the way down."""
    if before.get("type") and after.get("type") and before["type"] != after["type"]:
        yield place, f"changes its type from {before['type']} to {after['type']}", True
        return
    open_now = bool(after.get("x-kubernetes-preserve-unknown-fields")) or "additionalProperties" in after
    old, new = _map(before.get("properties")), _map(after.get("properties"))
    for name in sorted(old.keys() - new.keys()):
        if not open_now:
            yield f"{place}.{name}", "is removed, and its values with it", True
    for name in sorted(old.keys() & new.keys()):
        yield from _schema_changes(_map(old[name]), _map(new[name]), f"{place}.{name}")
    if before.get("x-kubernetes-preserve-unknown-fields") and not open_now:
        yield place, "no longer keeps unknown fields", True
    for key, step in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(before.get(key), Mapping) and isinstance(after.get(key), Mapping):
            yield from _schema_changes(before[key], after[key], place + step)
    yield from ((place, what, False) for what in _narrowed(before, after, new))


def _narrowed(
    before: Mapping[str, Json], after: Mapping[str, Json], properties: Mapping[str, Json]
) -> Iterator[str]:
    for name in sorted(set(after.get("required") or ()) - set(before.get("required") or ())):
        if "default" not in _map(properties.get(name)):
            yield f"now requires {name}"
    if after.get("enum") is not None:
        lost = [value for value in before.get("enum") or () if value not in after["enum"]]
        if before.get("enum") is None:
            yield "now takes only certain values"
        elif lost:
            yield f"no longer takes {', '.join(map(str, lost))}"
    for key in (*_LOWER, *_UPPER):
        bound, was = after.get(key), before.get(key)
        if bound is None:
            continue
        if was is None or (bound > was if key in _LOWER else bound < was):
            yield f"has a narrower {key} of {bound}"
    if after.get("pattern") and after["pattern"] != before.get("pattern"):
        yield f"must now match {after['pattern']}"
    if before.get("nullable") and not after.get("nullable"):
        yield "may no longer be null"


def _holds(live: Json, sent: Json) -> bool:
    """Whether everything sent is in what is stored; the server adds defaults of its own."""
    if isinstance(sent, Mapping):
        return isinstance(live, Mapping) and all(
            value is None or (key in live and _holds(live[key], value)) for key, value in sent.items()
        )
    return bool(live == sent)


def _versions(spec: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    return {str(version.get("name")): version for version in spec.get("versions") or () if _map(version)}


def _schema(version: Mapping[str, Json]) -> Mapping[str, Json]:
    return _map(_map(version.get("schema")).get("openAPIV3Schema"))


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
