"""Mirrors: where a URL that begins so is fetched from instead. Names, locks and caches keep the first URL."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass, field

VARIABLE: Final = "HELMFLOW_MIRRORS"


@dataclass(frozen=True, slots=True)
class Mirrors:
    """URL prefixes and what stands in their place; the longest prefix wins, and ends at a whole part of the URL."""

    prefixes: Mapping[str, str] = field(default_factory=dict)

    def of(self, url: str) -> str:
        """Where `url` is fetched from."""
        best = max((one for one in self.prefixes if _begins(url, one)), key=len, default="")
        return self.prefixes[best].rstrip("/") + url[len(best.rstrip("/")) :] if best else url


NO_MIRRORS: Final = Mirrors()


def configured(written: Mapping[str, str], environ: Mapping[str, str] | None = None) -> Mirrors:
    """The mirrors of a state file, and over them those of HELMFLOW_MIRRORS: `PREFIX=MIRROR,...`. Raises ConfigError."""
    found = dict(written)
    for pair in (os.environ if environ is None else environ).get(VARIABLE, "").split(","):
        prefix, equals, mirror = pair.strip().partition("=")
        if equals:
            found[prefix.strip()] = mirror.strip()
        elif prefix:
            raise ConfigError(
                f"{VARIABLE} has {prefix!r}, which names no mirror",
                error_id="mirrors.malformed",
                hint="write PREFIX=MIRROR,PREFIX=MIRROR",
            )
    for prefix, mirror in found.items():
        if "://" not in prefix or "://" not in mirror:
            raise ConfigError(
                f"mirror {prefix!r}: {mirror!r} is not a pair of URL prefixes",
                error_id="mirrors.malformed",
                hint="both begin with a scheme: https://, oci://, ssh://, file://",
            )
    return Mirrors(found)


def _begins(url: str, prefix: str) -> bool:
    bare = prefix.rstrip("/")
    return url == bare or url.startswith((bare + "/", bare + "?"))
