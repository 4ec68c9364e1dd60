"""The ports of the state layer: who decrypts files, who answers ref+ references, who fetches remote sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class SecretProvider(Protocol):
    """Decrypts secret files, in memory only."""

    def decrypt(self, data: bytes, path: Path) -> bytes:
        """The plain bytes of an encrypted file; `path` tells its format and names it in errors."""


class ValueSource(Protocol):
    """Answers `ref+SCHEME://PATH?PARAMETERS#/FRAGMENT` for one scheme."""

    def fetch(self, reference: Reference) -> Any:
        """What the path names, before the fragment is applied: a text or a mapping."""


class RemoteSource(Protocol):
    """Brings files from elsewhere (http, git, s3: go-getter forms) into the cache."""

    def locate(self, url: str, base_dir: Path) -> Path:
        """A local file or directory with the content of `url`; raises ConfigError where it cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One parsed secret reference."""

    scheme: str
    path: str
    parameters: dict[str, str] = field(default_factory=dict)
    fragment: str = ""
    base_dir: Path = field(default_factory=Path)
