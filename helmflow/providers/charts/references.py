"""go-getter references to charts: git repositories and packed charts by URL, taken apart and checked."""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from helmflow.core.errors import ChartError, ConfigError
from helmflow.core.records import dataclass
from helmflow.providers.git_source import Repository
from helmflow.state import remote_urls

_CHECKSUMS: Final = {"sha256": 64, "sha512": 128}
_OWN_PARAMETERS: Final = frozenset({"ref", "checksum", "depth", "sshkey", "archive", "cache"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GitChart:
    """`git::URL@PATH?ref=REF` or `git::URL//PATH?ref=REF`: a folder of a repository."""

    repository: Repository
    path: str
    ref: str
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveUrl:
    """`https://HOST/CHART.tgz?checksum=sha256:HEX`: a packed chart; `user` is `NAME[:PASSWORD]`."""

    url: str
    algorithm: str
    checksum: str
    user: str

    def matches(self, content: bytes) -> bool:
        """Whether the content is what the reference promises; one without a checksum promises nothing."""
        return not self.checksum or hashlib.new(self.algorithm, content).hexdigest() == self.checksum


def parse(chart: str) -> GitChart | ArchiveUrl:
    """A checked reference. Raises ChartError before anything is fetched."""
    try:
        url = remote_urls.parse(chart)
    except ConfigError as refused:
        hint = refused.hint
        if refused.error_id == "remote.not-a-url":
            hint = "write git::https://HOST/REPOSITORY.git@PATH?ref=REF or git::ssh://git@HOST/..."
        raise ChartError(refused.message, error_id=refused.error_id, hint=hint) from None
    if url.getter == "git" or (url.getter == "normal" and url.scheme in ("git", "ssh")):
        return _git(chart, url)
    if url.scheme in ("http", "https") and url.getter in ("normal", "http", "https"):
        return _archive(chart, url)
    kind = f"{url.getter}::{url.scheme}" if url.getter != "normal" else url.scheme
    raise ChartError(
        f"chart {shown(chart)}: sources of the kind {kind!r} are not supported",
        error_id="chart.unsupported-source",
        hint="use a path, repository/chart, oci://, git::https:// or an https:// archive",
    )


def _git(chart: str, url: remote_urls.RemoteUrl) -> GitChart:
    parameters = url.parameters
    if parameters.get("sshkey"):
        raise ChartError(
            f"chart {shown(chart)}: keys in references are not read",
            error_id="chart.unsupported-source",
            hint="give the key to ssh-agent, or name it in ~/.ssh/config",
        )
    parts = urlsplit(chart.split("::", 1)[-1])
    if "@" in parts.path:
        repository, _, path = parts.path.partition("@")
    else:
        # The first // after the host ends the repository; without one the whole path is the repository.
        repository, _, path = parts.path.partition("//")
    where = f"{url.scheme}://{url.host}{repository}"
    return GitChart(
        repository=Repository(url=where, user=url.user),
        path=path.strip("/"),
        ref=url.ref,
        fresh=parameters.get("cache") == "false",
    )


def _archive(chart: str, url: remote_urls.RemoteUrl) -> ArchiveUrl:
    parts = urlsplit(chart.split("::", 1)[-1])
    if "//" in parts.path:
        raise ChartError(
            f"chart {shown(chart)}: folders inside of archives are not supported",
            error_id="chart.unsupported-source",
            hint="name a packed chart, or the repository with git::",
        )
    algorithm, _, checksum = url.parameters.get("checksum", "").rpartition(":")
    algorithm = algorithm or {length: name for name, length in _CHECKSUMS.items()}.get(len(checksum), "")
    if checksum and not (
        algorithm in _CHECKSUMS and re.fullmatch(rf"[0-9a-f]{{{_CHECKSUMS[algorithm]}}}", checksum.lower())
    ):
        raise ChartError(
            f"chart {shown(chart)}: this checksum cannot be checked",
            error_id="chart.bad-checksum",
            hint="write checksum=sha256:HEX or checksum=sha512:HEX",
        )
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in _OWN_PARAMETERS
    ]
    address = f"{parts.scheme}://{url.host}{parts.path}" + (f"?{urlencode(kept)}" if kept else "")
    return ArchiveUrl(url=address, algorithm=algorithm, checksum=checksum.lower(), user=url.user)


def shown(chart: str) -> str:
    """A reference without user and query, which may hold secrets."""
    return repr(re.sub(r"://[^/@]*@", "://", chart.split("?", 1)[0]))
