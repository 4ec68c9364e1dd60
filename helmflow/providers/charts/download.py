"""One chart from wherever a command line names it: its archive under its own name, with provenance if asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from helmflow.core.errors import ChartError
from helmflow.core.paths import cache_home
from helmflow.core.records import dataclass
from helmflow.helm.chart import load
from helmflow.providers.charts import cosign, oci, requirement, trust
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.charts.fetch import ChartFetcher
from helmflow.providers.charts.openpgp import Keyring
from helmflow.providers.http import NO_CREDENTIALS, Credentials
from helmflow.state.model import Repository

if TYPE_CHECKING:
    from helmflow.helm.chart.model import Chart

_GIVEN = "repository-of-the-command-line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to fetch: `chart` a reference, or a chart's name where `repository` is given; "" is any version."""

    chart: str
    version: str = ""
    repository: str = ""
    credentials: Credentials = NO_CREDENTIALS
    plain_http: bool = False
    devel: bool = False
    keyring: str = ""
    cosign_key: str = ""
    provenance: bool = False
    refresh: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A chart's archive. `reference` HOST/PATH:TAG and `digest` of charts from registries, "" for others."""

    file_name: str
    content: bytes
    chart: Chart
    provenance: bytes = b""
    reference: str = ""
    digest: str = ""
    verification: trust.Verification | None = None


def download(wanted: Wanted) -> Downloaded:
    """Fetch it and, with a keyring or a cosign key, accept it only if it is signed. Raises ChartError."""
    if wanted.chart.startswith("oci://"):
        return _from_registry(wanted)
    given: tuple[Repository, ...] = ()
    name = wanted.chart
    if wanted.repository:
        mine = wanted.credentials
        repository = Repository(
            name=_GIVEN,
            url=wanted.repository,
            username=mine.username,
            password=mine.password.reveal(),
            ca_file=mine.ca_file,
            cert_file=mine.cert_file,
            key_file=mine.key_file,
            skip_tls_verify=mine.insecure_skip_tls_verify,
            pass_credentials=mine.pass_on,
            base_dir=Path.cwd(),
        )
        given = (repository,)
        name = f"{_GIVEN}/{wanted.chart}"
    fetcher = ChartFetcher(given, refresh=wanted.refresh)
    base = Path("/") if wanted.repository else Path.cwd()
    fetched = fetcher.fetch(name, wanted.version, base, devel=wanted.devel)
    if fetched.path.is_dir():
        raise ChartError(
            f"{wanted.chart} is a folder on this disk: there is nothing to fetch",
            error_id="chart.not-remote",
            hint=f"pack it with: helmflow chart package {wanted.chart}",
        )
    document = b""
    if wanted.provenance or wanted.keyring:
        document = fetcher.provenance(fetched)
    content = fetched.path.read_bytes()
    chart = load.load_archive(content)
    return _checked(
        wanted,
        Downloaded(
            file_name=requirement.file_name(fetched, content),
            content=content,
            chart=chart,
            provenance=document,
        ),
    )


def _from_registry(wanted: Wanted) -> Downloaded:
    client = oci.RegistryClient(ChartCache(cache_home() / "charts"))
    plain = wanted.plain_http
    pulled = client.pull(wanted.chart, wanted.version, wanted.credentials, plain_http=plain)
    where = oci.Reference.parse(wanted.chart)
    content = pulled.path.read_bytes()
    chart = load.load_archive(content)
    tag = pulled.version.replace("+", "_")
    if wanted.cosign_key:
        layers = client.signatures(wanted.chart, pulled.digest, wanted.credentials, plain_http=plain)
        key = cosign.load_key(Path(wanted.cosign_key))
        cosign.verify(pulled.digest, layers, key, f"{where.host}/{where.path}")
    return _checked(
        wanted,
        Downloaded(
            file_name=f"{where.name}-{pulled.version}.tgz",
            content=content,
            chart=chart,
            provenance=pulled.provenance,
            reference=f"{where.host}/{where.path}:{tag}",
            digest=pulled.digest,
        ),
    )


def _checked(wanted: Wanted, found: Downloaded) -> Downloaded:
    """The same, verified where a keyring says so. What should be signed and is not, is refused."""
    if wanted.cosign_key and not found.reference:
        raise ChartError(
            f"{wanted.chart} does not come from a registry: only there cosign keeps signatures",
            error_id="cosign.unsigned",
        )
    if not wanted.keyring:
        return found
    if not found.provenance:
        raise requirement.unsigned(wanted.chart)
    from dataclasses import replace

    ring = Keyring.load(Path(wanted.keyring))
    verification = trust.verify(found.content, found.file_name, found.provenance, ring)
    return replace(found, verification=verification)
