"""age identities: where they are found, and what they open."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from helmflow.core import process
from helmflow.core.errors import ConfigError


def identities(env: Mapping[str, str]) -> list[str]:
    """The texts of every identity that sops would try: SOPS_AGE_KEY, _FILE, _CMD, then the user's keys file."""
    texts = [env.get("SOPS_AGE_KEY", "")]
    if env.get("SOPS_AGE_KEY_FILE"):
        texts.append(_read(Path(env["SOPS_AGE_KEY_FILE"])))
    if env.get("SOPS_AGE_KEY_CMD"):
        import shlex

        finished = process.run(shlex.split(env["SOPS_AGE_KEY_CMD"]), timeout_s=60)
        if finished.status:
            raise ConfigError("SOPS_AGE_KEY_CMD failed", error_id="secrets.age-key")
        texts.append(finished.stdout)
    default = _default_file(env)
    if default.is_file():
        texts.append(_read(default))
    return [
        line.strip()
        for text in texts
        for line in text.splitlines()
        if line.strip().startswith("AGE-SECRET-KEY-")
    ]


def _default_file(env: Mapping[str, str]) -> Path:
    home = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME", "~")).expanduser() / ".config")
    return Path(home) / "sops" / "age" / "keys.txt"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as cause:
        raise ConfigError(
            f"cannot read the age key file {path}: {cause.strerror}", error_id="secrets.age-key"
        ) from cause


def decrypt(armored: str, keys: list[str]) -> bytes | None:
    """The plain bytes of an armored age message, None where no identity opens it."""
    pyrage: Any = import_module("pyrage")  # a binary module without type information

    known = []
    for key in keys:
        try:
            known.append(pyrage.x25519.Identity.from_str(key))
        except pyrage.IdentityError:
            continue
    if not known:
        return None
    try:
        return bytes(pyrage.decrypt(armored.encode(), known))
    except pyrage.DecryptError:
        return None
