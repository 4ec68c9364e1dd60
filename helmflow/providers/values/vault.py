"""References to HashiCorp Vault, over its HTTP API: key-value engines of version 1 and 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.core.sensitive import SecretText
from helmflow.state.ports import Reference


class Vault:
    """`ref+vault://path/in/vault?address=...#/field`."""

    def fetch(self, reference: Reference) -> Any:
        """The secret's fields as a map."""
        address = _address(reference)
        token = _token(reference)
        mount, version = _mount(address, token, reference)
        path = reference.path.strip("/")
        if version == "2" and mount and path.startswith(mount):
            rest = path.removeprefix(mount)
            path = path if rest.startswith("data/") else f"{mount}data/{rest}"
        wanted = reference.parameters.get("version", "")
        query = f"?version={wanted}" if wanted else ""
        answer = _get(address, f"/v1/{path}{query}", token, reference)
        data = answer.get("data") or {}
        return data.get("data", data) if version == "2" else data


def _address(reference: Reference) -> str:
    parameters = reference.parameters
    if parameters.get("address"):
        return parameters["address"].rstrip("/")
    if parameters.get("host"):
        return f"{parameters.get('proto', 'https')}://{parameters['host']}"
    address = reference.env.get("VAULT_ADDR", "")
    if not address:
        raise ConfigError("no Vault address", error_id="refs.vault", hint="set VAULT_ADDR or ?address=")
    return address.rstrip("/")


def _token(reference: Reference) -> SecretText:
    parameters, env = reference.parameters, reference.env
    if parameters.get("token_env"):
        return SecretText(env.get(parameters["token_env"], ""))
    files = [parameters.get("token_file", ""), str(Path(env.get("HOME", "")) / ".vault-token")]
    if env.get("VAULT_TOKEN") and not files[0]:
        return SecretText(env["VAULT_TOKEN"])
    for name in filter(None, files):
        path = Path(name).expanduser()
        if path.is_file():
            return SecretText(path.read_text(encoding="utf-8").strip())
    raise ConfigError(
        "no Vault token",
        error_id="refs.vault",
        hint="set VAULT_TOKEN, ?token_env= or ?token_file=, or log in",
    )


def _mount(address: str, token: SecretText, reference: Reference) -> tuple[str, str]:
    """The engine that holds a path, and its version; version 1 where Vault does not tell."""
    path = reference.path.strip("/")
    try:
        answer = _get(address, f"/v1/sys/internal/ui/mounts/{path}", token, reference)
    except ConfigError:
        return "", "1"
    data = answer.get("data") or {}
    return str(data.get("path", "")), str((data.get("options") or {}).get("version", "1"))


def _get(address: str, path: str, token: SecretText, reference: Reference) -> dict[str, Any]:
    import urllib3

    headers = {"X-Vault-Token": token.reveal(), "X-Vault-Request": "true"}
    namespace = reference.parameters.get("namespace") or reference.env.get("VAULT_NAMESPACE", "")
    if namespace:
        headers["X-Vault-Namespace"] = namespace
    verify = {} if reference.env.get("VAULT_SKIP_VERIFY") not in ("1", "true") else {"cert_reqs": "CERT_NONE"}
    ca = {"ca_certs": reference.env["VAULT_CACERT"]} if reference.env.get("VAULT_CACERT") else {}
    try:
        with urllib3.PoolManager(timeout=30, retries=2, **verify, **ca) as pool:  # type: ignore[arg-type]
            answer = pool.request("GET", address + path, headers=headers)
            body = json.loads(answer.data or b"{}")
    except (urllib3.exceptions.HTTPError, ValueError) as cause:
        raise ConfigError(
            f"cannot reach Vault at {address}: {type(cause).__name__}", error_id="refs.vault"
        ) from None
    if answer.status != 200:
        shown = "; ".join(map(str, body.get("errors") or ())) or f"status {answer.status}"
        raise ConfigError(f"Vault refused {path.split('?')[0]}: {shown}", error_id="refs.vault")
    return body  # type: ignore[no-any-return]
