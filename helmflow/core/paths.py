"""Where helmflow keeps things: its cache, its state and Helm's own folders, by the environment's rules."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def cache_home() -> Path:
    """Downloads and compiled programs; may be deleted at any time. HELMFLOW_CACHE_HOME, then XDG_CACHE_HOME."""
    return _home("HELMFLOW_CACHE_HOME", "XDG_CACHE_HOME", ".cache", "helmflow")


def state_home() -> Path:
    """What must survive: the embedded cluster, run history. HELMFLOW_STATE_HOME, then XDG_STATE_HOME."""
    return _home("HELMFLOW_STATE_HOME", "XDG_STATE_HOME", ".local/state", "helmflow")


def embedded_storage() -> Path:
    """The file that holds the embedded cluster, in a folder of its own that only its user can read."""
    folder = state_home() / "embedded"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "cluster.db"


def helm_config_home() -> Path:
    """Helm's configuration folder, which holds repositories.yaml and registry credentials."""
    return _home("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config", "helm")


def helm_data_home() -> Path:
    """Helm's data folder, which holds starters."""
    return _home("HELM_DATA_HOME", "XDG_DATA_HOME", ".local/share", "helm")


def cache_home_path(name: str) -> str:
    """The path of something in `cache_home()`, for processes too short to import pathlib."""
    return f"{_home_path('HELMFLOW_CACHE_HOME', 'XDG_CACHE_HOME', '.cache', 'helmflow')}/{name}"


def is_private(folder: str) -> bool:
    """Whether only this user may read or write there: code that comes from files is as trusted as the folder they are in.

    Raises OSError where there is no such folder.
    """
    found = os.stat(folder)
    return found.st_uid == os.getuid() and not found.st_mode & 0o077


def _home(own: str, xdg: str, default: str, name: str) -> Path:
    from pathlib import Path

    return Path(_home_path(own, xdg, default, name))


def _home_path(own: str, xdg: str, default: str, name: str) -> str:
    chosen = os.environ.get(own)
    if chosen:
        return chosen
    base = os.environ.get(xdg) or os.path.join(os.path.expanduser("~"), default)
    return os.path.join(base, name)
