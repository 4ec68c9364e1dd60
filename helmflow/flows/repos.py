"""helmflow repos: fetch and check the index of every repository of the files."""

from __future__ import annotations

from collections.abc import Iterator

from helmflow.core.errors import ChartError
from helmflow.core.events import Emit
from helmflow.core.records import dataclass
from helmflow.flows import prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRow:
    """One repository after it was read; `failure` says why it could not be."""

    name: str
    url: str
    charts: int = 0
    cached: bool = False
    oci: bool = False
    failure: ChartError | None = None


def repos(options: RunOptions, emit: Emit, given: Session | None = None) -> Iterator[RepositoryRow]:
    """Read every declared repository, used or not, one row each; registries are logged in to."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "repos")
        fetcher = prepare.fetcher(session, desired)
        for repository in desired.repositories:
            try:
                charts, cached = fetcher.check_repository(repository)
            except ChartError as failure:
                yield RepositoryRow(name=repository.name, url=repository.url, failure=failure)
            else:
                yield RepositoryRow(
                    name=repository.name, url=repository.url, charts=charts, cached=cached, oci=repository.oci
                )
