"""Helm's SQL connection string, read as its PostgreSQL library reads it and said as libpq wants it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from helmflow.core.errors import ConfigError

VARIABLE: Final = "HELM_DRIVER_SQL_CONNECTION_STRING"

_URL: Final = re.compile(
    r"postgres(?:ql)?://(?P<authority>[^/?#]*)(?:/(?P<database>[^?#]*))?(?:\?(?P<query>[^#]*))?"
)
_PLACE: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?")
_PAIR: Final = re.compile(
    r"\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)|$)", re.S
)
_IGNORED: Final = frozenset(
    {"binary_parameters", "disable_prepared_binary_result", "datestyle", "client_encoding"}
)
_UNSUPPORTED: Final = ("sslinline", "krbspn")


def parameters(text: str, known: frozenset[str], environ: Mapping[str, str]) -> dict[str, str]:
    """libpq's parameters for a URL or a list of key=value; `known` are libpq's own keywords.

    The defaults are those of Helm's library (host localhost, TLS required); keywords that libpq does not have are
    settings of the session. Raises ConfigError `release.sql-connection`, which repeats nothing of the string:
    what looks like a host in a mistyped one may be half of a password.
    """
    if not text.strip():
        raise _wrong(f"HELM_DRIVER=sql needs {VARIABLE}")
    given = _from_url(text) if text.startswith(("postgres://", "postgresql://")) else _from_pairs(text)
    for key in _UNSUPPORTED:
        if key in given:
            raise _wrong(f"{VARIABLE} uses {key}, which helmflow does not support")
    if not re.fullmatch(r"[0-9,]*", given.get("port", "")):
        raise _wrong(f"the port in {VARIABLE} is no number")
    found = {key: value for key, value in given.items() if key in known and key not in _IGNORED}
    session = {key: value for key, value in given.items() if key not in known and key not in _IGNORED}
    if session:
        options = [f"-c {key}={_escaped(value)}" for key, value in session.items()]
        found["options"] = " ".join([*filter(None, [found.get("options")]), *options])
    if "service" not in found and not environ.get("PGSERVICE"):  # whose file may say all of these
        if not any(key in found for key in ("host", "hostaddr")) and not any(
            environ.get(key) for key in ("PGHOST", "PGHOSTADDR")
        ):
            found["host"] = "localhost"
        if "sslmode" not in found and not environ.get("PGSSLMODE"):
            found["sslmode"] = "verify-full" if found.get("sslrootcert") == "system" else "require"
    return found


def _from_url(text: str) -> dict[str, str]:
    url = _URL.fullmatch(text)
    if url is None:
        raise _wrong(f"the URL in {VARIABLE} cannot be read")
    login, _, place = url["authority"].rpartition("@")
    user, separator, password = login.partition(":")
    where = _PLACE.fullmatch(place)
    database = unquote(url["database"] or "")
    if where is None or "@" in database:
        raise _wrong(f"the URL in {VARIABLE} cannot be read")
    found = {
        "host": unquote(where["host"].strip("[]")),
        "port": where["port"] or "",
        "user": unquote(user),
        "dbname": database,
    }
    found = {key: value for key, value in found.items() if value}
    if separator:
        found["password"] = unquote(password)
    return {**found, **dict(parse_qsl(url["query"] or "", keep_blank_values=True))}


def _from_pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at, end = 0, len(text.rstrip())
    while at < end:
        pair = _PAIR.match(text, at)
        if pair is None:
            raise _wrong(f"{VARIABLE} is neither a URL nor a list of key=value")
        found[pair[1]] = re.sub(r"\\(.)", r"\1", pair[2] or pair[3] or "", flags=re.S)
        at = pair.end()
    return found


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)


def _wrong(message: str) -> ConfigError:
    return ConfigError(
        message,
        error_id="release.sql-connection",
        hint="postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require, special characters percent-encoded; "
        "or host=... dbname=... user=... password=...",
    )
