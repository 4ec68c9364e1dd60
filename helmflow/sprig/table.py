"""The whole sprig map: template function names and what they do, without env and expandenv."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from helmflow.gotemplate.functions import Function


@cache
def functions() -> MappingProxyType[str, Function]:
    """Every sprig function by name; heavy libraries load when a function that needs them is called."""
    from helmflow.sprig import (
        casing,
        defaults,
        dicts,
        encoding,
        lists,
        network,
        numbers,
        paths,
        reflection,
        text,
    )

    families = (casing, defaults, dicts, encoding, lists, network, numbers, paths, reflection, text)
    return MappingProxyType({name: one for family in families for name, one in family.FUNCTIONS.items()})
