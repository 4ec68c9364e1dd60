"""The clusters that environments are pinned to, read off texts not rendered yet: a template may read a cluster first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from helmflow.core.yaml_nodes import YamlError
from helmflow.state import files
from helmflow.state.ports import Pin

_TOP: Final = re.compile(r"^[\"']?(environments|bases)[\"']?[ \t]*:.*\n?(?:(?:[ \t#{-].*)?\n)*", re.MULTILINE)
_ACTION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_CONTROL: Final = re.compile(r"\{\{-?\s*(?:if|else|end|range|with|define|block|template|/\*)\b")
_UNKNOWN: Final = "rendered-later"


def announced(pieces: Iterable[str], environment: str, base_dir: Path | None) -> tuple[Pin, ...] | None:
    """What `cluster:` of the environment says in these parts of a file and in their bases.

    None where it says something that only rendering will tell. Without `base_dir` they are a base, which has no bases.
    """
    found: list[Pin] = []
    for piece in pieces:
        for block in _TOP.finditer(f"{piece}\n"):
            if block[1] == "bases":
                inner = _of_bases(_plain(block[0]), environment, base_dir) if base_dir else ()
            elif "cluster" in block[0]:
                inner = None if _CONTROL.search(block[0]) else _of_block(_plain(block[0]), environment)
            else:
                continue
            if inner is None:
                return None
            found += inner
    return tuple(found)


def _plain(text: str) -> Any:
    """The YAML of a block, actions aside; None where it is none without them."""
    from helmflow.core.yaml_read import load_native

    try:
        return load_native(_ACTION.sub(_UNKNOWN, text))
    except YamlError:
        return None


def _of_block(block: Any, environment: str) -> Sequence[Pin] | None:
    environments = block.get("environments") if isinstance(block, dict) else None
    if not isinstance(environments, dict):
        return None
    if environment not in environments:
        return None if any(_UNKNOWN in str(name) for name in environments) else ()
    named = environments[environment] or {}
    pin = (named.get("cluster") or {}) if isinstance(named, dict) else None
    if not isinstance(pin, dict) or _UNKNOWN in str(pin):
        return None
    return (Pin(environment, str(pin.get("context") or ""), str(pin.get("uid") or "")),) if pin else ()


def _of_bases(block: Any, environment: str, base_dir: Path) -> Sequence[Pin] | None:
    """Those of local files; what is elsewhere, or not there, is fetched or refused in its turn."""
    named = block.get("bases") if isinstance(block, dict) else None
    found: list[Pin] = []
    for name in named if isinstance(named, list) else ():
        if _UNKNOWN in str(name) or files.is_remote(str(name)):
            return None
        try:
            text = files.under(base_dir, str(name)).read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError):
            continue
        inner = announced(text.replace("\r\n", "\n").split("\n---\n"), environment, None)
        if inner is None:
            return None
        found += inner
    return found
