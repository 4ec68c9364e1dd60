"""Load state files: find them, read their parts, layer their environments, follow nested files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from helmflow.core.events import Emit
from helmflow.state.model import DesiredState

if TYPE_CHECKING:
    from helmflow.state.ports import RemoteSource


class Trust(StrEnum):
    """UNTRUSTED switches off exec, hooks, remote fetches and decryption: for pull requests from forks."""

    FULL = "full"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What to load. `file`: "" searches the defaults, else a file, a directory, a URL, or "-" for standard input.

    `command` is the command's name as hooks and templates see it; `needs_selected` whether only selected releases
    need their templates resolved; `stdin` is the text for "-".
    """

    file: str = ""
    environment: str = "default"
    selectors: tuple[str, ...] = ()
    namespace: str = ""
    kube_context: str = ""
    chart: str = ""
    state_values_set: tuple[str, ...] = ()
    state_values_set_string: tuple[str, ...] = ()
    state_values_files: tuple[str, ...] = ()
    allow_no_matching_release: bool = False
    command: str = ""
    cwd: Path = field(default_factory=Path.cwd)
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stdin: str | None = None
    trust: Trust = Trust.FULL
    remote: RemoteSource | None = None


def load_desired(request: LoadRequest, emit: Emit) -> DesiredState:
    """Every release of every file for one environment.

    Raises ConfigError with every mistake found; `state.no-releases` has exit code 3.
    """
    raise NotImplementedError
