"""The one YAML dialect (go-yaml's), as data or as located nodes; its parts are the yaml_* files beside it."""

from __future__ import annotations

from helmflow.core.lazy import imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from helmflow.core.yaml_locate import Node, locate
    from helmflow.core.yaml_nodes import YamlError
    from helmflow.core.yaml_read import load, load_all, load_integers, load_native, load_native_all
    from helmflow.core.yaml_write import dump, dump_pretty

__all__ = [
    "Node",
    "YamlError",
    "dump",
    "dump_pretty",
    "load",
    "load_all",
    "load_integers",
    "load_native",
    "load_native_all",
    "locate",
]

_HOMES = {
    **dict.fromkeys(("Node", "locate"), "yaml_locate"),
    "YamlError": "yaml_nodes",
    **dict.fromkeys(("load", "load_all", "load_integers", "load_native", "load_native_all"), "yaml_read"),
    **dict.fromkeys(("dump", "dump_pretty"), "yaml_write"),
}


def __getattr__(name: str) -> Any:
    """Reading and writing load when they are first used: few short processes do both."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(imported(f"helmflow.core.{home}"), name)
    return found
