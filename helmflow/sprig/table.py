"""The whole sprig map: template function names and what they do, without env and expandenv."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import MappingProxyType

from helmflow.gotemplate.functions import Function

_FAMILIES = (
    *("casing", "certificates", "crypto", "dates", "defaults", "dicts", "encoding", "lists"),
    *("network", "numbers", "paths", "reflection", "regex", "semver", "text", "urls"),
)


@cache
def functions() -> MappingProxyType[str, Function]:
    """Every sprig function by name; heavy libraries load when a function that needs them is called."""
    families = (import_module(f"helmflow.sprig.{name}").FUNCTIONS for name in _FAMILIES)
    return MappingProxyType({name: one for family in families for name, one in family.items()})
