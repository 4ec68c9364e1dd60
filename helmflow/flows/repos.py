"""helmflow repos: fetch and check the index of every repository of the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from helmflow.core.errors import ChartError
from helmflow.core.events import Emit
from helmflow.flows import prepare
from helmflow.flows.options import RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRow:
    """One repository after it was read; `failure` says why it could not be."""

    name: str
    url: str
    charts: int = 0
    cached: bool = False
    oci: bool = False
    failure: ChartError | None = None


def repos(options: RunOptions, emit: Emit) -> Iterator[RepositoryRow]:
    """Read every declared repository, used or not, one row each. An OCI registry is logged in to where it has credentials."""
    desired = prepare.load(options, emit, command="repos")
    fetcher = prepare.fetcher(options, desired.repositories)
    for repository in desired.repositories:
        try:
            if repository.oci:
                fetcher.check_registry(repository)
                yield RepositoryRow(name=repository.name, url=repository.url, oci=True)
                continue
            charts, cached = fetcher.check_repository(repository)
        except ChartError as failure:
            yield RepositoryRow(name=repository.name, url=repository.url, failure=failure)
        else:
            yield RepositoryRow(name=repository.name, url=repository.url, charts=charts, cached=cached)
