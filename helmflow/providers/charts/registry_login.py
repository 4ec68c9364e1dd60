"""Credentials of OCI registries where Helm and Docker keep them: config.json files and credential helpers."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from helmflow.core import limits, process
from helmflow.core.errors import ChartError, HelmflowError
from helmflow.core.paths import helm_config_home
from helmflow.core.records import replace
from helmflow.core.sensitive import SecretText
from helmflow.providers.charts.cache import publish
from helmflow.providers.http import NO_CREDENTIALS, Answer, Credentials, HttpSession

_HELPER: Final = re.compile(r"[A-Za-z0-9._-]+")
_TOKEN_USER: Final = "<token>"  # what helpers say instead of a user where the secret is an identity token
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')
_DOCKER_HUB: Final = "https://index.docker.io/v1/"


def helm_config() -> Path:
    """Helm's own file, which `login` writes."""
    own = os.environ.get("HELM_REGISTRY_CONFIG")
    return Path(own) if own else helm_config_home() / "registry" / "config.json"


def docker_config() -> Path:
    """Docker's file, which is read where Helm's has nothing for a host."""
    folder = os.environ.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path.home() / ".docker") / "config.json"


def stored(host: str, own: str = "") -> Credentials | None:
    """What was stored for the host: in Helm's file (or the file `own`), else in Docker's, each with its helpers.

    Raises ChartError for a file that cannot be read.
    """
    for path in (Path(own) if own else helm_config(), docker_config()):
        config = _read(path)
        for name in _names(host):
            helper = (config.get("credHelpers") or {}).get(name) or config.get("credsStore")
            found = _inline((config.get("auths") or {}).get(name)) or (
                _ask(str(helper), name) if helper else None
            )
            if found is not None:
                return found
    return None


def login(host: str, username: str, password: SecretText, *, plain_http: bool, tls: Credentials) -> None:
    """Try the credentials at the registry, then store them in Helm's file or its helper. Raises ChartError."""
    host = registry_host(host)
    given = replace(tls, username=username, password=password)
    _try(host, given, plain_http=plain_http)
    path = helm_config()
    config = _read(path)
    helper = (config.get("credHelpers") or {}).get(host) or config.get("credsStore")
    if helper:
        document = {"ServerURL": host, "Username": username or _TOKEN_USER, "Secret": password.reveal()}
        _run_helper(str(helper), "store", json.dumps(document))
        entry: dict[str, str] = {}
    elif username:
        pair = f"{username}:{password.reveal()}".encode()
        entry = {"auth": base64.b64encode(pair).decode()}
    else:
        entry = {"identitytoken": password.reveal()}
    auths = {**(config.get("auths") or {}), host: entry}
    _write(path, {**config, "auths": auths})


def logout(host: str) -> bool:
    """Forget what Helm's file or its helper holds for the host; whether there was anything."""
    host = registry_host(host)
    path = helm_config()
    config = _read(path)
    helper = (config.get("credHelpers") or {}).get(host) or config.get("credsStore")
    if helper:
        _run_helper(str(helper), "erase", host)
    auths = dict(config.get("auths") or {})
    there = auths.pop(host, None) is not None
    if there:
        _write(path, {**config, "auths": auths})
    return there or bool(helper)


def registry_host(text: str) -> str:
    """HOST[:PORT] of what people write: with a scheme, with a path. Raises ChartError."""
    host = re.sub(r"^(?:oci|https?)://", "", text).partition("/")[0]
    if not host or re.search(r"[\s@\\]", host):
        raise ChartError(
            f"{text!r} is no registry", error_id="oci.bad-reference", hint="HOST or HOST:PORT, without a path"
        )
    return host


def _names(host: str) -> Iterator[str]:
    """The keys a host may stand under."""
    yield host
    yield f"https://{host}"
    if host in ("docker.io", "registry-1.docker.io", "index.docker.io"):
        yield _DOCKER_HUB


def _inline(entry: Any) -> Credentials | None:
    if not isinstance(entry, Mapping):
        return None
    if entry.get("identitytoken"):
        return replace(NO_CREDENTIALS, token=SecretText(str(entry["identitytoken"])))
    if not entry.get("auth"):
        return None
    try:
        pair = base64.b64decode(str(entry["auth"]), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    username, _, password = pair.partition(":")
    return replace(NO_CREDENTIALS, username=username, password=SecretText(password.rstrip("\0")))


def _ask(helper: str, name: str) -> Credentials | None:
    """What a credential helper has for the name; a helper that knows nothing, or is not installed, has nothing."""
    try:
        answer = json.loads(_run_helper(helper, "get", name))
        username, secret = str(answer.get("Username") or ""), SecretText(str(answer.get("Secret") or ""))
    except (HelmflowError, ValueError, AttributeError):
        return None
    if username == _TOKEN_USER:
        return replace(NO_CREDENTIALS, token=secret)
    return replace(NO_CREDENTIALS, username=username, password=secret) if username else None


def _run_helper(helper: str, verb: str, text: str) -> str:
    """Run docker-credential-HELPER; what it needs goes through its standard input, never through its arguments."""
    if not _HELPER.fullmatch(helper):
        raise ChartError(f"{helper!r} is no credential helper's name", error_id="oci.credential-helper")
    command = f"docker-credential-{helper}"
    result = process.run((command, verb), stdin=text)
    if result.status != 0:
        raise ChartError(f"the credential helper {command} {verb} failed", error_id="oci.credential-helper")
    return result.stdout


def _try(host: str, given: Credentials, *, plain_http: bool) -> None:
    """Ask the registry's base address, by way of the token service that it names. Raises ChartError."""
    session = HttpSession()
    base = f"{'http' if plain_http else 'https'}://{host}/v2/"
    anonymous = replace(given, username="", password=SecretText(""), token=SecretText(""))
    answer = session.get(base, max_bytes=limits.MIB, credentials=anonymous)
    challenge = answer.headers.get("www-authenticate", "")
    if answer.status == 401 and challenge.lower().startswith("bearer"):
        answer = _token(session, dict(_CHALLENGE.findall(challenge)), given)
    elif answer.status == 401:
        answer = session.get(base, max_bytes=limits.MIB, credentials=given)
    if answer.status != 200:
        unauthorized = answer.status in (401, 403)
        raise ChartError(
            f'authenticating to "{host}": the registry answers {answer.status}',
            error_id="http.unauthorized" if unauthorized else "http.status",
            hint="check the user name and the password" if unauthorized else "is it a registry?",
        )


def _token(session: HttpSession, challenge: Mapping[str, str], given: Credentials) -> Answer:
    from urllib.parse import urlencode

    query = {"service": challenge.get("service", ""), "account": given.username}
    address = (
        f"{challenge.get('realm', '')}?{urlencode({key: value for key, value in query.items() if value})}"
    )
    if not address.startswith(("https://", "http://")):
        raise ChartError("the registry names no token service", error_id="oci.refused")
    return session.get(address, max_bytes=limits.MIB, credentials=given)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as cause:
        raise ChartError(f"cannot read {path}: it is no JSON file", error_id="oci.bad-config") from cause
    return found if isinstance(found, dict) else {}


def _write(path: Path, config: Mapping[str, Any]) -> None:
    """Only the user may read it; readers see the old file or the new one."""
    publish(path, json.dumps(config, indent="\t").encode() + b"\n")
