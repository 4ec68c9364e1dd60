"""The one YAML dialect (go-yaml's), as data or as located nodes; its parts are the yaml_* files beside it."""

from __future__ import annotations

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
