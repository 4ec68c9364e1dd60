"""Where `chart dependency` gets a dependency from: repositories, registries and folders, checked against a keyring."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from helmflow.core.errors import ChartError
from helmflow.providers.charts import helm_repositories
from helmflow.providers.charts.download import Wanted, download
from helmflow.providers.charts.fetch import ChartFetcher, credentials_of
from helmflow.providers.http import NO_CREDENTIALS, Credentials


def aliases() -> dict[str, str]:
    """URLs of the repositories that a chart may name as @NAME: those of Helm's own file."""
    return {repository.name: repository.url for repository in helm_repositories.known()}


class CheckedSource:
    """Fetches dependencies; with a keyring, only signed ones. Given credentials go to one registry: the first asked."""

    def __init__(
        self,
        *,
        credentials: Credentials = NO_CREDENTIALS,
        keyring: str = "",
        refresh: bool = True,
        plain_http: bool = False,
    ) -> None:
        self._credentials = credentials
        self._keyring = keyring
        self._refresh = refresh
        self._plain_http = plain_http
        self._host = ""
        self._folder = tempfile.TemporaryDirectory(prefix="helmflow-dependencies-")

    def dependency(self, name: str, version: str, repository: str, base_dir: Path) -> Path:
        """The folder or archive of the newest version that fits."""
        if repository.startswith("file://"):
            return ChartFetcher(()).dependency(name, version, repository, base_dir.absolute())
        for prefix in ("@", "alias:"):
            if repository.startswith(prefix):
                repository = aliases()[repository.removeprefix(prefix)]
        scheme = urlsplit(repository).scheme
        if scheme == "oci":
            wanted = Wanted(
                chart=f"{repository.rstrip('/')}/{name}",
                version=version,
                credentials=self._mine(repository),
                plain_http=self._plain_http,
                keyring=self._keyring,
            )
        elif scheme in ("http", "https"):
            known = next(
                (one for one in helm_repositories.known() if one.url.rstrip("/") == repository.rstrip("/")),
                None,
            )
            wanted = Wanted(
                chart=name,
                version=version,
                repository=repository,
                credentials=credentials_of(known) if known else self._mine(repository),
                keyring=self._keyring,
                refresh=self._refresh,
            )
        else:
            raise ChartError(
                f"dependency {name!r}: {repository!r} is no repository",
                error_id="chart.unsupported-source",
                hint="https://, oci://, file://, @NAME or alias:NAME",
            )
        found = download(wanted)
        target = Path(self._folder.name, found.file_name)
        target.write_bytes(found.content)
        return target

    def _mine(self, repository: str) -> Credentials:
        host = urlsplit(repository).netloc
        self._host = self._host or host
        return self._credentials if host == self._host else NO_CREDENTIALS
