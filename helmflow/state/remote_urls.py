"""go-getter URLs of state files: `[getter::]scheme://host/dir@file?ref=...`, checked before anything is fetched."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import parse_qsl, unquote, urlsplit

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass

_GETTER = re.compile(r"^([a-z0-9]+)::(.+)$")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@{}^~-]*")
_GIT_SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteUrl:
    """A parsed URL. `directory` is what is fetched, `file` what is read in it; `getter` "normal" for a plain URL."""

    getter: str
    scheme: str
    user: str
    host: str
    directory: str
    file: str
    query: str

    @property
    def parameters(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def ref(self) -> str:
        """The git ref, "" for the default branch."""
        return self.parameters.get("ref", "")

    @property
    def repository(self) -> str:
        """What git clones."""
        user = f"{self.user}@" if self.user else ""
        return f"{self.scheme}://{user}{self.host}{self.directory}"


def parse(text: str) -> RemoteUrl:
    """A checked URL.

    Raises ConfigError `remote.not-a-url`, `remote.traversal` for paths that leave what is fetched, and
    `remote.option-injection` for hosts, refs and paths that git would take for an option or a transport.
    """
    found = _GETTER.match(text)
    getter, rest = (found[1], found[2]) if found else ("normal", text)
    if rest.startswith("/"):
        raise _not_a_url(f"local absolute path is not a remote URL: {text}")
    try:
        parts = urlsplit(rest)
    except ValueError as error:
        raise _not_a_url(str(error)) from None
    if not parts.scheme or "://" not in rest:
        raise _not_a_url(f"missing scheme - probably this is a local file path? {text}")
    user, _, host = parts.netloc.rpartition("@")
    before, at, after = parts.path.partition("@")
    if "@" in after:
        raise _not_a_url(f"one @ separates the source from the file in it: {text}")
    directory, file = (
        (before, after) if at else (posixpath.dirname(parts.path).strip("/"), posixpath.basename(parts.path))
    )
    url = RemoteUrl(
        getter=getter, scheme=parts.scheme.lower(), user=user, host=host, directory=directory, file=file,
        query=parts.query,
    )  # fmt: skip
    _check(url, text)
    return url


def _not_a_url(reason: str) -> ConfigError:
    return ConfigError(f"parse url: {reason}", error_id="remote.not-a-url")


def _check(url: RemoteUrl, text: str) -> None:
    for piece in (url.directory, url.file):
        steps = unquote(piece).replace("\\", "/").split("/")
        if ".." in steps:
            raise ConfigError(
                f"{_shown(text)} leaves what is fetched with ..",
                error_id="remote.traversal",
                hint="name the file directly",
            )
    suspicious = [url.host, url.user, unquote(url.directory).lstrip("/"), unquote(url.file).lstrip("/")]
    if url.ref:
        suspicious.append(url.ref)
    bad_ref = bool(url.ref) and not _REF.fullmatch(url.ref)
    if any(piece.startswith("-") for piece in suspicious) or bad_ref or "\0" in text or "\n" in text:
        raise ConfigError(
            f"{_shown(text)} has a part that git would take for an option", error_id="remote.option-injection",
            hint="hosts, refs and paths start with a letter or digit",
        )  # fmt: skip
    if url.getter == "git" and url.scheme not in _GIT_SCHEMES:
        raise ConfigError(
            f"{_shown(text)}: git is not run with the transport {url.scheme!r}",
            error_id="remote.option-injection",
        )


def _shown(text: str) -> str:
    """A URL without its query and password, which may hold credentials."""
    return re.sub(r"://[^/@]*@", "://", text.split("?", 1)[0])
