"""What a state file asks of a chart's origin, `verify` and `cosignKey`: met, or the chart is refused."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from helmflow.core.errors import ChartError
from helmflow.helm.chart import load
from helmflow.providers.charts import cosign, references, trust
from helmflow.providers.charts.fetch import FetchedChart, GitOrigin
from helmflow.providers.charts.openpgp import Keyring


class Source(Protocol):
    """Who fetched the chart, and so knows what is beside it."""

    def provenance(self, fetched: FetchedChart) -> bytes:
        """The provenance file, b"" where there is none."""

    def signatures(self, fetched: FetchedChart) -> tuple[cosign.Layer, ...]:
        """What cosign keeps in the chart's registry."""

    def git_source(self, name: str, fetched: FetchedChart) -> GitOrigin:
        """The signed objects and the whole tree of a chart that is a folder of a git repository."""


class DependencyFetcher(Source, Protocol):
    """Fetches dependencies, too."""

    def fetch_dependency(self, name: str, version: str, repository: str, base_dir: Path) -> FetchedChart:
        """A dependency as Chart.yaml names it; raises ChartError."""


def chosen_keyring(name: str, base_dir: Path) -> Path:
    """The file that `keyring` names, relative to the state file; Helm's default where it names none."""
    return base_dir / Path(name).expanduser() if name else trust.default_keyring()


def require_signed(
    source: Source, fetched: FetchedChart, name: str, *, keyring: str = "", cosign_key: str = ""
) -> None:
    """Return only if everything that was asked for holds. Raises ChartError: what cannot be checked is refused."""
    if fetched.commit and keyring and not cosign_key:
        from helmflow.providers import git_signature

        origin = source.git_source(name, fetched)
        git_signature.verify(
            origin.signed, commit=fetched.commit, ref=origin.ref, folder=origin.folder,
            keyring=Keyring.load(Path(keyring)), name=references.shown(name),
        )  # fmt: skip
        return
    if fetched.path.is_dir():
        raise ChartError(
            f"{name} has to be signed, but unpacked charts cannot be verified",
            error_id="provenance.not-packed",
            hint="package and sign it, or set verify: false for this release",
        )
    if cosign_key:
        if not fetched.url.startswith("oci://"):
            raise ChartError(
                f"{name} has to be signed with cosign, which signs charts in registries only",
                error_id="cosign.unsigned",
                hint="take it from oci://, or ask for a provenance file with verify: true",
            )
        cosign.verify(fetched.digest, source.signatures(fetched), cosign.load_key(Path(cosign_key)), name)
    if keyring:
        document = source.provenance(fetched)
        if not document:
            raise unsigned(name)
        content = fetched.path.read_bytes()
        trust.verify(content, file_name(fetched, content), document, Keyring.load(Path(keyring)))


class SignedDependencies:
    """Hands out only dependencies that meet what was asked of the chart that declares them.

    What lies in the signed git tree `chart` came from is covered by that tree's signature.
    """

    def __init__(
        self, source: DependencyFetcher, chart: FetchedChart, name: str, *, keyring: str, cosign_key: str
    ) -> None:
        self._source = source
        self._keyring = keyring
        self._cosign_key = cosign_key
        signed_tree = chart.commit and keyring and not cosign_key
        self._signed = source.git_source(name, chart).folder.resolve() if signed_tree else None

    def dependency(self, name: str, version: str, repository: str, base_dir: Path) -> Path:
        """The chart's folder or archive. Raises ChartError: what cannot be checked is refused."""
        fetched = self._source.fetch_dependency(name, version, repository, base_dir)
        inside = self._signed is not None and fetched.path.resolve().is_relative_to(self._signed)
        if not inside:
            require_signed(
                self._source,
                fetched,
                f"the dependency {name}",
                keyring=self._keyring,
                cosign_key=self._cosign_key,
            )
        return fetched.path


def unsigned(name: str) -> ChartError:
    """The error for a chart that has to be signed and has no provenance file."""
    return ChartError(
        f"failed to fetch provenance of {name}: its source has none",
        error_id="provenance.missing",
        hint="the chart is not signed, or its .prov file was not published beside it",
    )


def file_name(fetched: FetchedChart, content: bytes) -> str:
    """The name that an archive is published under, which its provenance names."""
    if not fetched.url.startswith("oci://"):
        last = posixpath.basename(unquote(urlsplit(fetched.url).path)) if fetched.url else fetched.path.name
        if last.endswith(".tgz") and "/" not in last and "\0" not in last:
            return last
    about = load.load_archive(content).metadata
    return f"{about.name}-{about.version}.tgz"
