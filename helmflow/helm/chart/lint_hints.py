"""What a chart's author probably meant: names of files and keys of Chart.yaml that are nearly right, and so not read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Final

from helmflow.core import yaml_dialect
from helmflow.helm.chart import metadata

_TOP: Final = (
    "Chart.yaml", "Chart.lock", "values.yaml", "values.schema.json", "README.md", "LICENSE", ".helmignore",
    "requirements.yaml", "requirements.lock", "templates", "charts", "crds",
)  # fmt: skip
_TEMPLATES: Final = ("NOTES.txt", "_helpers.tpl")
_MAPS: Final = {"maintainers": metadata.MAINTAINER_KEYS, "dependencies": metadata.DEPENDENCY_KEYS}
_CLOSE: Final = 0.75


def hints(directory: str) -> Iterator[tuple[str, str]]:
    """Path and hint for every misspelt name in a chart's folder."""
    yield from _names(directory, "", _TOP)
    yield from _names(os.path.join(directory, "templates"), "templates/", _TEMPLATES)
    for name in ("Chart.yaml", "requirements.yaml"):
        for hint in _keys(os.path.join(directory, name)):
            yield name, hint


def _names(directory: str, prefix: str, known: Iterable[str]) -> Iterator[tuple[str, str]]:
    try:
        found = sorted(os.listdir(directory))
    except OSError:
        return
    missing = [name for name in known if name not in found]
    for name in found:
        if name in known:
            continue
        near = meant(name, missing)
        if near:
            yield f"{prefix}{name}", f"did you mean {near}? {name} is not read"


def meant(name: str, known: Iterable[str]) -> str:
    """The known name that `name` stands for, "" where it is a name of its own."""
    folded = {one.lower(): one for one in known}
    if name.lower() in folded:
        return folded[name.lower()]
    stem, dot, _ = name.rpartition(".")
    for one in folded.values():
        other, other_dot, _ = one.rpartition(".")
        # another ending of the same name: values.yml, Chart.yml, NOTES.md
        if dot and other_dot and stem and stem.lower() == other.lower():
            return one
    near = get_close_matches(name.lower(), list(folded), n=1, cutoff=_CLOSE)
    # values-production.yaml is a file of its own, value.yaml is not
    return folded[near[0]] if near and abs(len(near[0]) - len(name)) <= 2 else ""


def _keys(path: str) -> Iterator[str]:
    try:
        with open(path, "rb") as file:
            document = yaml_dialect.load(file.read())
    except (OSError, ValueError):
        return  # the rules on the file say so
    if not isinstance(document, dict):
        return
    yield from _unknown(document, metadata.METADATA_KEYS, "")
    for key, known in _MAPS.items():
        items = document.get(key)
        for position, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                yield from _unknown(item, known, f"{key}[{position}].")


def _unknown(found: dict[str, Any], known: Iterable[str], prefix: str) -> Iterator[str]:
    folded = {key.lower() for key in known}
    for key in found:
        if str(key).lower() in folded:
            continue
        near = get_close_matches(str(key).lower(), list(folded), n=1, cutoff=_CLOSE)
        if near:
            right = next(one for one in known if one.lower() == near[0])
            yield f"did you mean {prefix}{right}? {prefix}{key} is no key of Chart.yaml"
