"""What a diff leaves out, by rules with names: what only the server keeps, what others write, what users do not want to see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from helmflow.core.errors import ConfigError
from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass
from helmflow.plan import shapes
from helmflow.plan.model import Cause
from helmflow.plan.shapes import Path

Json = Any

SERVER: Final = "kept by the server"
OTHERS: Final = "set by others"
_BOOKKEEPING: Final = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
)
KEYS: Final = ("kind", "name", "path", "regex", "manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A user's rule: fields that match everything it names are not shown, and drift in them is not undone.

    `kind` and `name` are globs; `path` is a glob of a path as diffs print it, a JSON pointer, or the beginning of
    one; `regex` is searched in the path; `manager` is a glob of the field's last writer.
    """

    kind: str = ""
    name: str = ""
    path: str = ""
    regex: str = ""
    manager: str = ""

    def __str__(self) -> str:
        said = " ".join(f"{key}={value}" for key in KEYS if (value := getattr(self, key)))
        return f"rule {said}"

    def matches(self, ref: ObjectRef, cause: Cause) -> bool:
        """Whether the rule is about this field of this object."""
        if self.kind and not fnmatchcase(ref.kind.lower(), self.kind.lower()):
            return False
        if self.name and not fnmatchcase(ref.name, self.name):
            return False
        if self.manager and not fnmatchcase(cause.manager, self.manager):
            return False
        said = shapes.pointer(cause.path)
        if self.regex and re.search(self.regex, said) is None:
            return False
        return not self.path or _at(self.path, said, cause.path)


def parse(text: str) -> Rule:
    """A rule as the command line gives it: kind=Deployment,path=spec.replicas; PATH alone stands for path=PATH.

    Raises ConfigError `cli.bad-ignore` for keys that do not exist and for a broken regex.
    """
    given: dict[str, str] = {}
    parts = re.split(rf",(?=(?:{'|'.join(KEYS)})=)", text)
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key not in KEYS:
            if len(parts) > 1 or (equals and re.fullmatch(r"[A-Za-z]+", key)):
                raise ConfigError(
                    f"--ignore {text!r}: {key!r} is none of {', '.join(KEYS)}",
                    error_id="cli.bad-ignore",
                    hint="for example --ignore kind=Deployment,path=spec.replicas",
                )
            key, value = "path", part
        given[key] = value
    return from_map(given)


def from_map(given: Mapping[str, Json]) -> Rule:
    """A rule as a state file gives it."""
    rule = Rule(**{key: str(given[key]) for key in KEYS if given.get(key)})
    try:
        re.compile(rule.regex)
    except re.error as cause:
        raise ConfigError(
            f"the regex {rule.regex!r} of an ignore rule cannot be read: {cause}", error_id="cli.bad-ignore"
        ) from cause
    return rule


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is left to show of an update, and how many fields each rule dropped."""

    before: Json
    after: Json
    causes: tuple[Cause, ...]
    ignored: tuple[tuple[str, int], ...]


def sift(
    ref: ObjectRef,
    before: Json,
    after: Json,
    causes: Sequence[Cause],
    rules: Iterable[Rule],
    unseen: Counter[str],
) -> Sifted:
    """Drop the fields that a rule matches from both sides; `unseen` counts what was left out before."""
    dropped = Counter(unseen)
    kept: list[Cause] = []
    wanted = tuple(rules)
    for cause in causes:
        rule = next((rule for rule in wanted if rule.matches(ref, cause)), None)
        if rule is None:
            kept.append(cause)
            continue
        dropped[str(rule)] += 1
        before, after = shapes.without(before, cause.path), shapes.without(after, cause.path)
    return Sifted(before, after, tuple(kept), tuple(sorted(dropped.items())))


def unseen(live: Mapping[str, Json], result: Mapping[str, Json], shown: Iterable[Path]) -> Counter[str]:
    """The fields that an apply changes beside the shown ones: the server's bookkeeping, and what others put in."""
    known = set(shown)
    found: Counter[str] = Counter()
    keeping: set[Path] = set()
    for path in differing(live, result):
        if path in known:
            continue
        if bookkeeping(path):
            keeping.add(path[:1] if path[0] == "status" else path[:2])
        else:
            found[OTHERS] += 1
    if keeping:
        found[SERVER] = len(keeping)
    return found


def bookkeeping(path: Path) -> bool:
    """Whether only the server writes the field."""
    return path[0] == "status" or (path[0] == "metadata" and len(path) > 1 and path[1] in _BOOKKEEPING)


def differing(live: Mapping[str, Json], result: Mapping[str, Json]) -> Iterator[Path]:
    """Every field that is not the same in both objects."""
    old, new = dict(shapes.leaves(shapes.keyed(dict(live)))), dict(shapes.leaves(shapes.keyed(dict(result))))
    yield from _different(old, new)


def _different(old: Mapping[Path, Json], new: Mapping[Path, Json]) -> Iterator[Path]:
    for path, value in old.items():
        if path not in new or new[path] != value:
            yield path
    for path in new:
        if path not in old:
            yield path


def _at(wanted: str, said: str, path: Path) -> bool:
    if wanted.startswith("/"):
        steps = [step.replace("~1", "/").replace("~0", "~") for step in wanted[1:].split("/")]
        return len(steps) <= len(path) and all(
            fnmatchcase(str(have), step) for have, step in zip(path, steps, strict=False)
        )
    # Brackets are part of paths here, not of globs.
    glob = wanted.replace("[", "[[]")
    return said == wanted or said.startswith((f"{wanted}.", f"{wanted}[")) or fnmatchcase(said, glob)
