"""Helm's own repositories.yaml: read where a state file declares no repository of that name, never needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from helmflow.core.errors import ChartError
from helmflow.core.paths import helm_config_home

if TYPE_CHECKING:
    from helmflow.state.model import Repository


def find(name: str) -> Repository | None:
    """The repository that Helm knows as `name`."""
    return next((repository for repository in known() if repository.name == name), None)


def known() -> tuple[Repository, ...]:
    """Every repository Helm knows; none where it has no file."""
    from helmflow.core import yaml_dialect
    from helmflow.state.model import Repository

    path = Path(os.environ.get("HELM_REPOSITORY_CONFIG") or helm_config_home() / "repositories.yaml")
    try:
        text = path.read_bytes()
    except OSError:
        return ()
    try:
        document = yaml_dialect.load(text, name=str(path))
        entries = document.get("repositories") or []
        return tuple(
            Repository(
                name=entry["name"],
                url=entry["url"],
                username=entry.get("username") or "",
                password=entry.get("password") or "",
                ca_file=entry.get("caFile") or "",
                cert_file=entry.get("certFile") or "",
                key_file=entry.get("keyFile") or "",
                skip_tls_verify=bool(entry.get("insecure_skip_tls_verify")),
                pass_credentials=bool(entry.get("pass_credentials_all")),
                base_dir=path.parent,
            )
            for entry in entries
        )
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise ChartError(
            f"{path} is no list of Helm's repositories: {cause}", error_id="repository.bad-helm-config"
        ) from cause
