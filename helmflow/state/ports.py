"""The ports of the state layer: who decrypts files, who answers ref+ references, who fetches remote sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from helmflow.core.records import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One parsed secret reference: `ref+SCHEME://PATH?PARAMETERS#/FRAGMENT`."""

    scheme: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    fragment: str = ""
    base_dir: Path = field(default_factory=Path)
    env: Mapping[str, str] = field(default_factory=dict)


class SecretProvider(Protocol):
    """Decrypts secret files, in memory only."""

    def is_encrypted(self, data: bytes, path: Path) -> bool:
        """Whether this provider encrypted these bytes."""

    def decrypt(self, data: bytes, path: Path, env: Mapping[str, str]) -> bytes:
        """The plain bytes of an encrypted file; `path` tells its format and names it in errors."""


class ValueSource(Protocol):
    """Answers references of one scheme."""

    def fetch(self, reference: Reference) -> Any:
        """What the path names, before the fragment is applied: a text or a mapping. Raises ConfigError."""


class ValueSources(Protocol):
    """Finds the source of a scheme."""

    def source(self, scheme: str) -> ValueSource:
        """The source that answers `scheme`; raises ConfigError `refs.unknown-scheme`."""


class RemoteSource(Protocol):
    """Brings files from elsewhere (http, git, s3: go-getter forms) into the cache."""

    def locate(self, url: str, base_dir: Path) -> Path:
        """A local file or directory with the content of `url`.

        Raises ConfigError `remote.not-found` where the source answers that there is no such file,
        `remote.missing-ref` where a git ref does not exist, `remote.failed` otherwise.
        """


@dataclass(frozen=True, slots=True)
class Pin:
    """The only cluster that an environment is for: a pattern of its context, its identity, either of them or both."""

    environment: str
    context: str = ""
    uid: str = ""


class Pinned(Protocol):
    """Is told which cluster an environment is for, as soon as that is known and before its values are read."""

    def learn(self, pin: Pin) -> None:
        """Raises Refusal where another cluster has been read already."""

    def ahead(self, look: Callable[[], Iterable[Pin] | None]) -> None:
        """How to find out what the texts not rendered yet say, should a cluster be read now.

        None: that cannot be known.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The adapters a load may use; None where there is none, which is an error only when one is needed."""

    secrets: SecretProvider | None = None
    values: ValueSources | None = None
    remote: RemoteSource | None = None
    pinned: Pinned | None = None
