"""sops files: age keys opened in this process, other key kinds through the sops command; plain text never on disk."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from helmflow.core import process
from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.providers.secrets import age

# sops 3: ENC[AES256_GCM,data:...,iv:...,tag:...,type:str]
_VALUE = re.compile(r"^ENC\[AES256_GCM,data:(.*),iv:(.+),tag:(.+),type:(.+)\]$", re.DOTALL)
_FORMATS = {".json": "json", ".env": "dotenv", ".ini": "ini", ".yaml": "yaml", ".yml": "yaml"}


class SopsProvider:
    """The SecretProvider of state.ports."""

    def is_encrypted(self, data: bytes, path: Path) -> bool:
        """Whether a file carries sops's own block."""
        kind = _format(path)
        if kind == "dotenv":
            return b"sops_mac=" in data
        if kind == "ini":
            return b"[sops]" in data
        return b"sops" in data and b"ENC[AES256_GCM" in data and isinstance(_tree(data).get("sops"), dict)

    def decrypt(self, data: bytes, path: Path, env: Mapping[str, str]) -> bytes:
        """The plain bytes; YAML and JSON come back in their own format. Raises ConfigError `secrets.*`."""
        kind = _format(path)
        tree = _tree(data) if kind in ("yaml", "json") or data.lstrip().startswith(b"{") else {}
        metadata = tree.get("sops") or {}
        opened = _data_key(metadata, env) if metadata else None
        if opened is None:
            return _by_command(path, metadata)
        return _decrypted(tree, opened, path, kind)


def _format(path: Path) -> str:
    """The format that sops sees; helmflow's .gotmpl endings are looked through."""
    name = Path(path.name.removesuffix(".gotmpl"))
    return _FORMATS.get(name.suffix, "binary")


def _tree(data: bytes) -> dict[str, Any]:
    from helmflow.core.yaml_nodes import YamlError
    from helmflow.core.yaml_read import load_native

    try:
        tree = load_native(data)
    except YamlError:
        return {}
    return tree if isinstance(tree, dict) else {}


def _data_key(metadata: Mapping[str, Any], env: Mapping[str, str]) -> bytes | None:
    """The file's data key by an age identity; None where it takes another kind of key or more than one."""
    if len(metadata.get("key_groups") or ()) > 1:
        return None
    groups = metadata.get("key_groups") or [metadata]
    recipients = [one for group in groups for one in group.get("age") or ()]
    if not recipients:
        return None
    keys = age.identities(env)
    for recipient in recipients:
        opened = age.decrypt(str(recipient.get("enc", "")), keys)
        if opened is not None:
            return opened
    return None


def _decrypted(tree: dict[str, Any], key: bytes, path: Path, kind: str) -> bytes:
    metadata = tree["sops"]
    body = {name: value for name, value in tree.items() if name != "sops"}
    digest = hashlib.sha512()
    only_encrypted = bool(metadata.get("mac_only_encrypted"))
    try:
        plain = _walk(body, key, (), digest, only_encrypted)
        mac = _open(str(metadata.get("mac", "")), key, str(metadata.get("lastmodified", "")))
    except ValueError as error:
        raise ConfigError(f"{path}: sops: {error}", error_id="secrets.broken") from None
    if not hmac.compare_digest(str(mac), digest.hexdigest().upper()):
        raise ConfigError(
            f"{path}: sops: the file was changed after it was encrypted (MAC mismatch)",
            error_id="secrets.mac",
            hint="encrypt it again from a trusted copy",
        )
    if kind == "binary" and set(body) == {"data"}:
        return str(plain["data"]).encode("utf-8", "surrogateescape")
    if kind == "json":
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "surrogateescape")
    from helmflow.core.yaml_dialect import dump_pretty

    return dump_pretty(plain).encode("utf-8", "surrogateescape")


def _walk(value: Any, key: bytes, at: tuple[str, ...], digest: Any, only_encrypted: bool) -> Any:
    """The tree decrypted in order; the MAC covers every leaf's plain bytes."""
    if isinstance(value, dict):
        return {
            name: _walk(item, key, (*at, str(name)), digest, only_encrypted) for name, item in value.items()
        }
    if isinstance(value, list):
        return [_walk(item, key, at, digest, only_encrypted) for item in value]
    if isinstance(value, str) and _VALUE.match(value):
        plain = _open(value, key, "".join(f"{step}:" for step in at))
        digest.update(_bytes(plain))
        return plain
    if not only_encrypted and value is not None:
        digest.update(_bytes(value))
    return value


def _open(value: str, key: bytes, additional: str) -> Any:
    """One encrypted value, typed. Raises ValueError."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    found = _VALUE.match(value)
    if found is None:
        raise ValueError("a value is not in sops's format")
    data, iv, tag = (base64.b64decode(part) for part in found.groups()[:3])
    try:
        plain = AESGCM(key).decrypt(iv, data + tag, additional.encode())
    except InvalidTag:
        raise ValueError(f"could not decrypt the value at {additional.rstrip(':')!r}") from None
    text = plain.decode("utf-8", "surrogateescape")
    match found[4]:
        case "int":
            return int(text)
        case "float":
            return float(text)
        case "bool":
            return text.lower() == "true"
        case _:
            return text


def _bytes(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"True" if value else b"False"
    if isinstance(value, float):
        from helmflow.core.go_json import format_float

        return format_float(value).encode()
    return str(value).encode("utf-8", "surrogateescape")


def _by_command(path: Path, metadata: Mapping[str, Any]) -> bytes:
    """sops itself, its output read from a pipe."""
    kinds = ", ".join(_kinds(metadata)) or "unknown"
    try:
        finished = process.run(["sops", "--decrypt", str(path)], cwd=path.parent, timeout_s=120)
    except HelmflowError as error:
        raise ConfigError(
            f"cannot decrypt {path}: no age identity opens it, and the sops command is not installed",
            error_id="secrets.no-key",
            hint=f"its keys are of kind {kinds}; set SOPS_AGE_KEY_FILE, or install sops",
        ) from error
    if finished.status:
        shown = finished.stderr.strip().splitlines()
        raise ConfigError(
            f"cannot decrypt {path}: sops: {shown[0] if shown else f'status {finished.status}'}",
            error_id="secrets.no-key",
            hint=f"its keys are of kind {kinds}",
        )
    return finished.stdout.encode("utf-8", "surrogateescape")


def _kinds(metadata: Mapping[str, Any]) -> Iterator[str]:
    names = {
        "age": "age",
        "kms": "AWS KMS",
        "gcp_kms": "GCP KMS",
        "azure_kv": "Azure Key Vault",
        "hc_vault": "Vault",
        "pgp": "PGP",
    }
    return (shown for key, shown in names.items() if metadata.get(key))
