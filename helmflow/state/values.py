"""A release's value layers, read and merged in order, with where every value came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helmflow.state.model import DesiredState, Release


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: a file, an inline entry, a flag; `line` 0 where it has none."""

    source: str
    line: int = 0
    secret: bool = False

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandValues:
    """Values given on the command line, on top of every release's own."""

    values_files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    set_strings: tuple[str, ...] = ()
    set_jsons: tuple[str, ...] = ()
    set_files: tuple[str, ...] = ()
    set_literals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedValues:
    """A release's user values as Helm would get them.

    `secret_paths` are the paths whose values came from secrets or references; `provenance` gives every leaf's
    origins, last one wins; `layers` are the values files one by one (what Helmfile passes as --values).
    """

    values: dict[str, Any]
    secret_paths: frozenset[tuple[str, ...]] = frozenset()
    provenance: Mapping[tuple[str, ...], tuple[Origin, ...]] = field(default_factory=dict)
    layers: Sequence[Mapping[str, Any]] = ()


def layer(desired: DesiredState, release: Release, command: CommandValues | None = None) -> ResolvedValues:
    """Read and merge everything that gives `release` its values. Raises ConfigError or TemplateError."""
    raise NotImplementedError
