"""Which proxy a URL goes through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY with Go's rules."""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from helmflow.core.records import dataclass, field


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's address without its user, who is in `headers`; "" for none."""

    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def for_url(url: str, environ: Mapping[str, str] | None = None) -> Proxy:
    """The proxy for `url`, lower-case variables after upper-case ones; this machine itself is never proxied."""
    environ = os.environ if environ is None else environ
    parts = urlsplit(url)
    name = f"{parts.scheme}_proxy"
    written = environ.get(name.upper()) or environ.get(name) or ""
    # In a CGI program HTTP_PROXY is the client's header: Go does not read it there either.
    if parts.scheme == "http" and environ.get("REQUEST_METHOD"):
        written = environ.get(name) or ""
    no_proxy = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    if not written or bypassed(parts.hostname or "", port, no_proxy):
        return Proxy()
    found = urlsplit(written if "://" in written else f"http://{written}")
    headers = {}
    if found.username:
        pair = f"{unquote(found.username)}:{unquote(found.password or '')}"
        headers["proxy-authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    host = f"[{found.hostname}]" if ":" in (found.hostname or "") else found.hostname
    return Proxy(f"{found.scheme}://{host}" + (f":{found.port}" if found.port else ""), headers)


def bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY, or the host being this machine, says to go straight there."""
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_matches(host, address, port, entry.strip().lower()) for entry in no_proxy.split(","))


def _matches(
    host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int, entry: str
) -> bool:
    if not entry or entry == "*":
        return bool(entry)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except (ValueError, TypeError):
            return False
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and ":" not in name:
        if int(wanted) != port:
            return False
        entry = name
    if (known := _address(entry.strip("[]"))) is not None:
        return known == address
    domain = entry.removeprefix("*")
    return (host == domain.lstrip(".") and not domain.startswith(".")) or host.endswith(
        "." + domain.lstrip(".")
    )


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
