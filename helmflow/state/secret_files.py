"""Encrypted files opened in memory, once per load."""

from __future__ import annotations

from pathlib import Path

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass
from helmflow.state.context import Context


@dataclass(frozen=True, slots=True)
class Opened:
    """A secret file's plain text; `encrypted` is False for one that was never encrypted."""

    text: str
    encrypted: bool

    def __repr__(self) -> str:
        return f"Opened(***, encrypted={self.encrypted})"


def open_file(context: Context, path: Path) -> Opened:
    """The plain text of a file under `secrets`. A file that is not encrypted is read as it is, with a warning."""
    context.trusted("decrypting secrets")
    data = context.read_text(path).encode("utf-8", "surrogateescape")
    provider = context.ports.secrets
    if provider is None:
        raise ConfigError(f"{path}: this run cannot decrypt secrets", error_id="secrets.unavailable")
    if not provider.is_encrypted(data, path):
        context.warn(
            f"{path} is listed under `secrets` but is not encrypted",
            "secrets.not-encrypted",
            hint=f"encrypt it (sops -e -i {path.name}) or list it under `values`",
        )
        return Opened(data.decode("utf-8", "surrogateescape"), encrypted=False)
    with context.lock:
        plain = context.decrypted.get(path)
        if plain is None:
            plain = context.decrypted[path] = provider.decrypt(data, path, context.env)
    return Opened(plain.decode("utf-8", "surrogateescape"), encrypted=True)
