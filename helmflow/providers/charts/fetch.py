"""ChartFetcher: a chart as a state file names it -> a folder or archive on this disk, each fetched once."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from helmflow.core.errors import ChartError
from helmflow.core.paths import cache_home
from helmflow.core.sensitive import SecretText
from helmflow.providers.charts import helm_repositories
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.charts.repository import IndexEntry, RepositoryClient
from helmflow.providers.http import NO_CREDENTIALS, Credentials, HttpSession

if TYPE_CHECKING:
    from helmflow.state.model import Repository

# "repo/chart" and "repo/sub/chart": what Helmfile takes for a repository's chart where no such folder exists.
_REPOSITORY_CHART = re.compile(r"[^/]+(?:/[^/]+){1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedChart:
    """A chart at hand: a folder or a .tgz. `version` "" where only loading it tells; `digest` "" for folders.

    `url` is where an archive came from; `provenance` what a registry keeps beside the chart.
    """

    path: Path
    version: str = ""
    digest: str = ""
    cached: bool = True
    repository: str = ""
    url: str = ""
    provenance: bytes = b""


class ChartFetcher:
    """Finds charts for a whole run. Thread-safe: whoever asks first fetches, the others wait for the same result."""

    def __init__(
        self,
        repositories: Sequence[Repository],
        *,
        cache_dir: Path | None = None,
        offline: bool = False,
        refresh: bool = True,
        session: HttpSession | None = None,
    ) -> None:
        self._repositories = {repository.name: repository for repository in repositories}
        self._cache = ChartCache(cache_dir or cache_home() / "charts")
        self._session = session or HttpSession()
        self._client = RepositoryClient(self._session, self._cache, offline=offline, refresh=refresh)
        self._offline = offline
        self._used: dict[str, Credentials] = {}
        self._results: dict[tuple[str, ...], FetchedChart] = {}
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._guard = threading.Lock()

    def fetch(self, chart: str, version: str, base_dir: Path, *, devel: bool = False) -> FetchedChart:
        """The chart `chart` (path, repo/name, oci://, https://) in a version that satisfies `version`.

        Raises ChartError naming what was looked for and where.
        """
        local = local_path(chart, base_dir)
        if local is not None:
            return FetchedChart(path=local)
        return self._once(
            (chart, version, str(devel)), lambda: self._fetch_remote(chart, version, devel=devel)
        )

    def dependency(self, name: str, version: str, repository: str, base_dir: Path) -> Path:
        """A dependency as Chart.yaml names it: file://, https://, oci://, or @NAME and alias:NAME of a repository."""
        if repository.startswith("file://"):
            return self.fetch(
                f"{os.path.normpath(base_dir / repository.removeprefix('file://'))}", "", base_dir
            ).path
        for prefix in ("@", "alias:"):
            if repository.startswith(prefix):
                return self.fetch(f"{repository.removeprefix(prefix)}/{name}", version, Path(os.devnull)).path
        if repository.startswith("oci://"):
            return self.fetch(f"{repository}/{name}", version, base_dir).path
        known = next((r for r in self._declared() if r.url.rstrip("/") == repository.rstrip("/")), None)
        return self._once(
            (repository, name, version), lambda: self._from_url(repository, name, version, known)
        ).path

    def provenance(self, fetched: FetchedChart) -> bytes:
        """The provenance file of a chart that this fetcher fetched, b"" where its source has none."""
        if fetched.provenance or fetched.url.startswith("oci://"):
            return fetched.provenance
        if fetched.url:
            return self._client.beside(fetched.url, ".prov", self._used.get(fetched.url, NO_CREDENTIALS))
        beside = fetched.path.with_name(fetched.path.name + ".prov")
        return beside.read_bytes() if fetched.path.is_file() and beside.is_file() else b""

    def entry(self, chart: str, version: str, *, devel: bool = False) -> IndexEntry:
        """Which version of a repository's chart would be used, without fetching it."""
        repository, name = self._repository_of(chart)
        return self._client.index(repository.url, credentials_of(repository)).find(name, version, devel=devel)

    def check_repository(self, repository: Repository) -> tuple[int, bool]:
        """Read a repository's index: how many charts it has, and whether it was unchanged in the cache.

        A registry has no index: where it has credentials they are tried, and 0 charts are counted.
        """
        if repository.oci:
            return 0, True
        index = self._client.index(repository.url, credentials_of(repository))
        return len(index.charts), index.cached

    def _once(self, key: tuple[str, ...], fetch: Callable[[], FetchedChart]) -> FetchedChart:
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._results:
                self._results[key] = fetch()
            return self._results[key]

    def _fetch_remote(self, chart: str, version: str, *, devel: bool) -> FetchedChart:
        scheme = urlsplit(chart).scheme
        if scheme in ("http", "https") and "::" not in chart:
            return self._archive(chart, "", "", NO_CREDENTIALS, repository_url=chart)
        if scheme and scheme != "oci":
            raise ChartError(
                f"chart {chart!r}: sources of the kind {scheme!r} are not supported",
                error_id="chart.unsupported-source",
                hint="use a path, repository/chart, oci:// or an https:// archive",
            )
        if scheme == "oci":
            return self._oci(chart, version, NO_CREDENTIALS, plain_http=False)
        repository, name = self._repository_of(chart)
        credentials = credentials_of(repository)
        if repository.oci:
            return self._oci(
                f"oci://{repository.url}/{name}", version, credentials, plain_http=repository.plain_http
            )
        entry = self._client.index(repository.url, credentials).find(name, version, devel=devel)
        if entry.url.startswith("oci://"):
            return self._oci(entry.url, entry.version, credentials, plain_http=repository.plain_http)
        return self._archive(
            entry.url, entry.version, entry.digest, credentials, repository_url=repository.url
        )

    def _declared(self) -> tuple[Repository, ...]:
        return (*self._repositories.values(), *helm_repositories.known())

    def _from_url(self, url: str, name: str, version: str, known: Repository | None) -> FetchedChart:
        credentials = credentials_of(known) if known is not None else NO_CREDENTIALS
        entry = self._client.index(url, credentials).find(name, version)
        if entry.url.startswith("oci://"):
            return self._oci(entry.url, entry.version, credentials, plain_http=False)
        return self._archive(entry.url, entry.version, entry.digest, credentials, repository_url=url)

    def _archive(
        self, url: str, version: str, digest: str, credentials: Credentials, *, repository_url: str
    ) -> FetchedChart:
        same_host = urlsplit(url)[:2] == urlsplit(repository_url)[:2]
        used = credentials if same_host or credentials.pass_on else NO_CREDENTIALS
        self._used[url] = used
        got, path, cached = self._client.archive(url, digest, used)
        return FetchedChart(
            path=path, version=version, digest=got, cached=cached, repository=repository_url, url=url
        )

    def _oci(
        self, reference: str, version: str, credentials: Credentials, *, plain_http: bool
    ) -> FetchedChart:
        from helmflow.providers.charts import oci

        client = oci.RegistryClient(self._cache, offline=self._offline)
        pulled = client.pull(reference, version, credentials, plain_http=plain_http)
        return FetchedChart(
            path=pulled.path,
            version=pulled.version,
            digest=pulled.digest,
            cached=pulled.cached,
            repository=reference,
            url=reference,
            provenance=pulled.provenance,
        )

    def _repository_of(self, chart: str) -> tuple[Repository, str]:
        name, _, rest = chart.partition("/")
        repository = self._repositories.get(name) or helm_repositories.find(name)
        if repository is not None and rest:
            return repository, rest
        known = ", ".join(sorted(self._repositories)) or "none"
        raise ChartError(
            f"chart {chart!r} is neither a folder nor a chart of a declared repository",
            error_id="chart.unknown-repository",
            hint=f"declared repositories: {known}; a local chart starts with ./",
        )


def local_path(chart: str, base_dir: Path) -> Path | None:
    """The folder or archive that `chart` names, None where it names a remote one.

    Raises ChartError `chart.missing` where it is plainly local and not there.
    """
    if "://" in chart or "::" in chart:
        return None
    path = Path(os.path.normpath(base_dir / chart))
    if path.exists():
        return path
    if chart.startswith(("./", "../", "/")) or not _REPOSITORY_CHART.fullmatch(chart):
        raise ChartError(
            f"chart {chart!r} does not exist: nothing is at {path}",
            error_id="chart.missing",
            hint="local charts are relative to the file that names them",
        )
    return None


def credentials_of(repository: Repository) -> Credentials:
    """A repository's credentials; NAME_USERNAME and NAME_PASSWORD stand in for what it does not say."""
    prefix = repository.name.upper().replace("-", "_")
    return Credentials(
        username=repository.username or os.environ.get(f"{prefix}_USERNAME", ""),
        password=SecretText(repository.password or os.environ.get(f"{prefix}_PASSWORD", "")),
        ca_file=_file(repository, repository.ca_file),
        cert_file=_file(repository, repository.cert_file),
        key_file=_file(repository, repository.key_file),
        insecure_skip_tls_verify=repository.skip_tls_verify,
        pass_on=repository.pass_credentials,
    )


def _file(repository: Repository, name: str) -> str:
    return str(repository.base_dir / name) if name else ""
