"""Helm's own repositories.yaml: read where a state file declares no repository of that name, written by `repo`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.errors import ChartError
from helmflow.core.paths import helm_config_home

if TYPE_CHECKING:
    from helmflow.state.model import Repository

# Helm's names of the fields, in the order that it writes them.
_FIELDS: Final = (
    "caFile", "certFile", "insecure_skip_tls_verify", "keyFile", "name", "pass_credentials_all", "password", "url",
    "username",
)  # fmt: skip


def path() -> Path:
    """Where the file is."""
    return Path(os.environ.get("HELM_REPOSITORY_CONFIG") or helm_config_home() / "repositories.yaml")


def find(name: str) -> Repository | None:
    """The repository that Helm knows as `name`."""
    return next((repository for repository in known() if repository.name == name), None)


def known(file: Path | None = None) -> tuple[Repository, ...]:
    """Every repository Helm knows; none where it has no file."""
    from helmflow.state.model import Repository

    where = file or path()
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
            base_dir=where.parent,
        )
        for entry in entries(where)
    )


def entries(file: Path) -> list[dict[str, Any]]:
    """The entries as Helm wrote them. Raises ChartError `repository.bad-helm-config`."""
    from helmflow.core import yaml_dialect

    try:
        text = file.read_bytes()
    except OSError:
        return []
    try:
        document = yaml_dialect.load(text, name=str(file))
        found = (document or {}).get("repositories") or []
        wrong = [one for one in found if not (isinstance(one["name"], str) and isinstance(one["url"], str))]
        if wrong:
            raise ValueError("an entry has no name or no url")
        return list(found)
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise ChartError(
            f"{file} is no list of Helm's repositories: {cause}", error_id="repository.bad-helm-config"
        ) from cause


@contextlib.contextmanager
def editing(file: Path) -> Iterator[list[dict[str, Any]]]:
    """The entries, to be changed: written when the block ends, under Helm's own lock file."""
    import fcntl

    from helmflow.core import yaml_dialect
    from helmflow.providers.charts.cache import publish

    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = entries(file)
        before = [dict(one) for one in found]
        yield found
        if found != before:
            document = {"apiVersion": "", "generated": "0001-01-01T00:00:00Z", "repositories": found}
            publish(file, yaml_dialect.dump(document).encode())


def entry(**given: Any) -> Mapping[str, Any]:
    """One entry with every field, as Helm writes them."""
    flags = ("insecure_skip_tls_verify", "pass_credentials_all")
    return {name: given.get(name, False if name in flags else "") for name in _FIELDS}
