"""ChartFetcher: a chart as a state file names it -> a folder or archive on this disk, each fetched once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from helmflow.core import semver
from helmflow.core.errors import ChartError, ConfigError
from helmflow.core.paths import cache_home
from helmflow.core.records import dataclass
from helmflow.core.sensitive import SecretText
from helmflow.providers.charts import helm_repositories, references
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.charts.lock import Lock, Resolution
from helmflow.providers.charts.repository import Index, IndexEntry, RepositoryClient
from helmflow.providers.git_source import GitSource, Signed, Tree
from helmflow.providers.http import NO_CREDENTIALS, Credentials, HttpSession, shown_url
from helmflow.providers.mirrors import NO_MIRRORS, Mirrors

if TYPE_CHECKING:
    from helmflow.providers.charts.oci import RegistryClient
    from helmflow.state.model import Repository

# "repo/chart" and "repo/sub/chart": what Helmfile takes for a repository's chart where no such folder exists.


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedChart:
    """A chart at hand: a folder or a .tgz. `version` "" where only loading it tells; `digest` "" for folders.

    `url` is where an archive came from; `provenance` what a registry keeps beside the chart; `commit` and `signed`
    say which commit of git it is.
    """

    path: Path
    version: str = ""
    digest: str = ""
    cached: bool = True
    repository: str = ""
    url: str = ""
    provenance: bytes = b""
    commit: str = ""
    signed: Signed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GitOrigin:
    """What proves where a chart of a git repository is from: the ref as it was asked for, its objects and all files."""

    ref: str
    folder: Path
    signed: Signed


class ChartFetcher:
    """Finds charts for a whole run. Thread-safe: whoever asks first fetches, the others wait for the same result.

    What `lock` names is fetched as it says, and refused where its content is another. `resolutions` has every
    remote chart that was asked for.
    """

    def __init__(
        self,
        repositories: Sequence[Repository],
        *,
        cache_dir: Path | None = None,
        cache: ChartCache | None = None,
        offline: bool = False,
        refresh: bool = True,
        session: HttpSession | None = None,
        mirrors: Mirrors = NO_MIRRORS,
        lock: Lock | None = None,
        strict_lock: bool = True,
        plain_http: bool = False,
    ) -> None:
        self._repositories = {repository.name: repository for repository in repositories}
        self._cache = cache or ChartCache(cache_dir or cache_home() / "charts")
        self._session = session or HttpSession(mirrors=mirrors)
        self._client = RepositoryClient(self._session, self._cache, offline=offline, refresh=refresh)
        self._git = GitSource(self._cache, offline=offline, refresh=refresh, mirrors=mirrors)
        self._offline = offline
        self._mirrors = mirrors
        self._lock = lock
        self._strict_lock = strict_lock
        self._plain_http = plain_http
        self._registries: RegistryClient | None = None
        self._used: dict[str, Credentials] = {}
        self._asked: dict[str, tuple[Credentials, bool, str]] = {}
        self._results: dict[tuple[str, ...], FetchedChart] = {}
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._guard = threading.Lock()
        self.resolutions: dict[tuple[str, str, str], Resolution] = {}

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
        """The folder or archive of `fetch_dependency`."""
        return self.fetch_dependency(name, version, repository, base_dir).path

    def fetch_dependency(self, name: str, version: str, repository: str, base_dir: Path) -> FetchedChart:
        """A dependency as Chart.yaml names it: file://, https://, oci://, or @NAME and alias:NAME of a repository."""
        if repository.startswith("file://"):
            return self.fetch(
                f"{os.path.normpath(base_dir / repository.removeprefix('file://'))}", "", base_dir
            )
        for prefix in ("@", "alias:"):
            if repository.startswith(prefix):
                return self.fetch(f"{repository.removeprefix(prefix)}/{name}", version, Path(os.devnull))
        if repository.startswith("oci://"):
            return self.fetch(f"{repository}/{name}", version, base_dir)
        known = next((r for r in self._declared() if r.url.rstrip("/") == repository.rstrip("/")), None)
        return self._once(
            (repository, name, version), lambda: self._from_url(repository, name, version, known)
        )

    def provenance(self, fetched: FetchedChart) -> bytes:
        """The provenance file of a chart that this fetcher fetched, b"" where its source has none."""
        if fetched.provenance or fetched.url.startswith("oci://"):
            return fetched.provenance
        if fetched.url:
            return self._client.beside(fetched.url, ".prov", self._used.get(fetched.url, NO_CREDENTIALS))
        beside = fetched.path.with_name(fetched.path.name + ".prov")
        return beside.read_bytes() if fetched.path.is_file() and beside.is_file() else b""

    def git_source(self, name: str, fetched: FetchedChart) -> GitOrigin:
        """What git has about a chart that this fetcher fetched from there: its tag too where a lock named the commit."""
        found = references.parse(name)
        assert isinstance(found, references.GitChart)
        tree: Tree | None
        try:
            tree = self._tree(found, found.ref)
        except ChartError:  # a ref that is gone; the commit's own signature counts
            tree = None
        if tree is None or tree.commit != fetched.commit:
            tree = self._tree(found, fetched.commit)
        return GitOrigin(ref=found.ref, folder=tree.folder, signed=tree.signed)

    def signatures(self, fetched: FetchedChart) -> tuple[tuple[bytes, dict[str, str]], ...]:
        """What cosign signed about a chart that this fetcher fetched from a registry; nothing for other charts."""
        if fetched.url not in self._asked:
            return ()
        credentials, plain_http, registry_config = self._asked[fetched.url]
        client = self._registry(registry_config)
        return client.signatures(fetched.url, fetched.digest, credentials, plain_http=plain_http)

    def entry(self, chart: str, version: str, *, devel: bool = False) -> IndexEntry:
        """Which version of a repository's chart would be used, without fetching it."""
        repository, name = self._repository_of(chart)
        return self._client.index(repository.url, credentials_of(repository)).find(name, version, devel=devel)

    def offered(self, chart: str, *, devel: bool = False, url: str = "") -> list[str]:
        """The versions of a remote chart, newest first; [] for what has no versions (git, archives, folders).

        `url` is the repository of a chart that stands for itself.
        """
        if url:
            known = next((one for one in self._declared() if one.url.rstrip("/") == url.rstrip("/")), None)
            credentials = credentials_of(known) if known is not None else NO_CREDENTIALS
            found = [entry.version for entry in self._client.index(url, credentials).charts.get(chart, ())]
        elif chart.startswith("oci://"):
            found = self._registry().tags(chart, NO_CREDENTIALS, plain_http=self._plain_http)
        elif "://" in chart or "::" in chart:
            return []
        else:
            repository, name = self._repository_of(chart)
            credentials = credentials_of(repository)
            if repository.oci:
                found = self._registry(repository.registry_config).tags(
                    f"oci://{repository.url}/{name}",
                    credentials,
                    plain_http=repository.plain_http or self._plain_http,
                )
            else:
                entries = self._client.index(repository.url, credentials).charts.get(name, ())
                found = [entry.version for entry in entries]
        return [one for one in found if devel or not semver.Version.parse(one).prerelease]

    def index(self, repository: Repository) -> Index:
        """A repository's index."""
        return self._client.index(repository.url, credentials_of(repository))

    def check_repository(self, repository: Repository) -> tuple[int, bool]:
        """Read a repository's index: how many charts it has, and whether it was unchanged in the cache.

        A registry has no index: it is asked whether it takes the credentials, and 0 charts are counted.
        """
        if repository.oci:
            if not self._offline:
                self._registry(repository.registry_config).check(
                    f"oci://{repository.url}",
                    credentials_of(repository),
                    plain_http=repository.plain_http or self._plain_http,
                )
            return 0, self._offline
        index = self.index(repository)
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
        if "::" in chart or (scheme and scheme != "oci"):
            return self._settled(chart, version, "", lambda pin: self._by_reference(chart, pin))
        if scheme == "oci":
            plain = self._plain_http
            return self._settled(
                chart,
                version,
                "",
                lambda pin: self._oci(chart, _version(pin, version), NO_CREDENTIALS, plain_http=plain),
            )
        repository, name = self._repository_of(chart)
        credentials = credentials_of(repository)
        if repository.oci:
            where = f"oci://{repository.url}/{name}"
            plain = repository.plain_http or self._plain_http
            return self._settled(
                chart,
                version,
                repository.url,
                lambda pin: self._oci(
                    where,
                    _version(pin, version),
                    credentials,
                    plain_http=plain,
                    registry_config=_file(repository, repository.registry_config),
                ),
            )
        return self._settled(
            chart,
            version,
            repository.url,
            lambda pin: self._indexed(repository.url, name, _version(pin, version), credentials, devel=devel),
        )

    def _settled(
        self, chart: str, asked: str, repository: str, fetch: Callable[[Resolution | None], FetchedChart]
    ) -> FetchedChart:
        """Fetch what the lock says, else what was asked for; and remember what it was."""
        pin = self._lock.find(chart, asked, repository) if self._lock is not None else None
        fetched = fetch(pin)
        digest = f"sha256:{fetched.digest.removeprefix('sha256:')}" if fetched.digest else ""
        found = Resolution(
            chart=chart,
            constraint=asked,
            repository=repository,
            version=fetched.version,
            digest=digest,
            commit=fetched.commit,
        )
        with self._guard:
            self.resolutions[found.key] = found
        if pin is not None and self._strict_lock and pin.digest and pin.digest != digest:
            raise ChartError(
                f"chart {chart!r} {fetched.version} is not the one that was locked",
                error_id="lock.digest",
                hint=f"locked {pin.digest}, found {digest}; if that is meant, run `helmflow deps`",
            )
        return fetched

    def _by_reference(self, chart: str, pin: Resolution | None) -> FetchedChart:
        found = references.parse(chart)
        if isinstance(found, references.ArchiveUrl):
            name, _, password = found.user.partition(":")
            credentials = Credentials(username=unquote(name), password=SecretText(unquote(password)))
            digest = found.checksum if found.algorithm == "sha256" else ""
            fetched = self._archive(found.url, "", digest, credentials, repository_url=found.url)
            if not found.matches(fetched.path.read_bytes()):
                raise ChartError(
                    f"{shown_url(found.url)} does not have the checksum that its reference promises",
                    error_id="chart.digest-mismatch",
                    hint="the archive was replaced, or altered on the way; nothing was used",
                )
            return fetched
        ref = pin.commit if pin is not None and pin.commit else found.ref
        tree = self._tree(found, ref)
        path = (tree.folder / found.path).resolve()
        if not path.is_relative_to(tree.folder.resolve()):
            raise ChartError(f"{found.path} leads out of the repository", error_id="remote.traversal")
        if not path.exists():
            raise ChartError(
                f"{found.path} does not exist in {found.repository.shown}",
                error_id="remote.not-found",
                hint="the folder of the chart stands behind @ or //",
            )
        return FetchedChart(
            path=path,
            digest=tree.digest,
            cached=tree.cached,
            repository=found.repository.url,
            commit=tree.commit,
            signed=tree.signed,
        )

    def _tree(self, found: references.GitChart, ref: str) -> Tree:
        try:
            return self._git.tree(found.repository, ref, fresh=found.fresh)
        except ConfigError as failure:
            raise ChartError(failure.message, error_id=failure.error_id, hint=failure.hint) from failure

    def _indexed(
        self, url: str, name: str, version: str, credentials: Credentials, *, devel: bool = False
    ) -> FetchedChart:
        entry = self._client.index(url, credentials).find(name, version, devel=devel)
        if entry.url.startswith("oci://"):
            return self._oci(entry.url, entry.version, credentials, plain_http=self._plain_http)
        return self._archive(entry.url, entry.version, entry.digest, credentials, repository_url=url)

    def _declared(self) -> tuple[Repository, ...]:
        return (*self._repositories.values(), *helm_repositories.known())

    def _from_url(self, url: str, name: str, version: str, known: Repository | None) -> FetchedChart:
        credentials = credentials_of(known) if known is not None else NO_CREDENTIALS
        return self._settled(
            name, version, url, lambda pin: self._indexed(url, name, _version(pin, version), credentials)
        )

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
        self,
        reference: str,
        version: str,
        credentials: Credentials,
        *,
        plain_http: bool,
        registry_config: str = "",
    ) -> FetchedChart:
        client = self._registry(registry_config)
        pulled = client.pull(reference, version, credentials, plain_http=plain_http)
        self._asked[reference] = (credentials, plain_http, registry_config)
        return FetchedChart(
            path=pulled.path,
            version=pulled.version,
            digest=pulled.digest,
            cached=pulled.cached,
            repository=reference,
            url=reference,
            provenance=pulled.provenance,
        )

    def _registry(self, registry_config: str = "") -> RegistryClient:
        from helmflow.providers.charts.oci import RegistryClient

        if registry_config:
            return RegistryClient(
                self._cache, offline=self._offline, registry_config=registry_config, mirrors=self._mirrors
            )
        with self._guard:
            if self._registries is None:
                self._registries = RegistryClient(self._cache, offline=self._offline, mirrors=self._mirrors)
            return self._registries

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


def _version(pin: Resolution | None, asked: str) -> str:
    return pin.version if pin is not None and pin.version else asked


def local_path(chart: str, base_dir: Path) -> Path | None:
    """The folder or archive that `chart` names, None where it names a remote one.

    Raises ChartError `chart.missing` where it is plainly local and not there.
    """
    if "://" in chart or "::" in chart:
        return None
    path = Path(os.path.normpath(base_dir / chart))
    if path.exists():
        return path
    if looks_local(chart):
        raise ChartError(
            f"chart {chart!r} does not exist: nothing is at {path}",
            error_id="chart.missing",
            hint="local charts are relative to the file that names them",
        )
    return None


def looks_local(chart: str) -> bool:
    """Helmfile's rule for a chart that is a path by its looks: ./, ../, /, or not two or three plain segments."""
    if "://" in chart:
        return False
    return chart.startswith((".", "/")) or chart == "" or chart.count("/") not in (1, 2)


def credentials_of(repository: Repository) -> Credentials:
    """A repository's credentials; NAME_USERNAME, NAME_PASSWORD and NAME_TOKEN stand in for what it does not say."""
    prefix = repository.name.upper().replace("-", "_")
    username = repository.username or os.environ.get(f"{prefix}_USERNAME", "")
    return Credentials(
        username=username,
        token=SecretText("" if username else os.environ.get(f"{prefix}_TOKEN", "")),
        password=SecretText(repository.password or os.environ.get(f"{prefix}_PASSWORD", "")),
        ca_file=_file(repository, repository.ca_file),
        cert_file=_file(repository, repository.cert_file),
        key_file=_file(repository, repository.key_file),
        insecure_skip_tls_verify=repository.skip_tls_verify,
        pass_on=repository.pass_credentials,
    )


def _file(repository: Repository, name: str) -> str:
    return str(repository.base_dir / name) if name else ""
