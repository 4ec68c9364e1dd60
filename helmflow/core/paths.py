"""Where helmflow keeps things: its cache, its state and Helm's own folders, by the environment's rules."""

from __future__ import annotations

import os
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


def _home(own: str, xdg: str, default: str, name: str) -> Path:
    if os.environ.get(own):
        return Path(os.environ[own])
    base = os.environ.get(xdg)
    return (Path(base) if base else Path.home() / default) / name
