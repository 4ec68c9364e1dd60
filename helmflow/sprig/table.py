"""The whole sprig map: template function names and what they do, without env and expandenv."""

from __future__ import annotations

from helmflow.core.lazy import MappingProxyType, cache
from helmflow.gotemplate.functions import Function, Late
from helmflow.sprig.signatures import SIGNATURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

FAMILIES: Final = (
    *("casing", "certificates", "crypto", "dates", "defaults", "dicts", "encoding", "lists"),
    *("network", "numbers", "paths", "reflection", "regex", "semver", "text", "urls"),
)


@cache
def functions() -> MappingProxyType[str, Function]:
    """Every sprig function by name; its module loads when it is first called."""
    return MappingProxyType({
        name: Function(name, Late(f"helmflow.sprig.{module}", name), params, variadic, returns, random)
        for name, (module, params, variadic, returns, random) in SIGNATURES.items()
    })  # fmt: skip
