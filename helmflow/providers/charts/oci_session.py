"""The OCI library's registry with bounds of ours: few retries, timeouts, and each kind of challenge answered."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from oras.auth.token import TokenAuth
from oras.provider import Registry

from helmflow.providers.http import ATTEMPTS, BACKOFF_S, RETRIED_STATUSES

TIMEOUT_S: Final = 60.0  # of connecting, and of each wait for more of an answer


class PatientRegistry(Registry):
    """Tries again where that may help. The library would also sleep two minutes before it says that a password is
    wrong, and wait for ever for an answer."""

    def __init__(self, host: str, *, plain_http: bool, tls_verify: bool | str) -> None:
        super().__init__(hostname=host, insecure=plain_http, tls_verify=tls_verify)
        for prefix in ("https://", "http://"):
            self.session.mount(prefix, _Hasty())
        self.auth = _Answering()
        self.auth.session = self.session
        self.auth.prefix = self.prefix
        self.auth._tls_verify = tls_verify

    def do_request(self, *given: Any, **named: Any) -> Any:
        """One request, in at most ATTEMPTS tries."""
        once = Registry.do_request.__wrapped__  # without the library's own retries
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(BACKOFF_S * 2 ** (attempt - 1))
            last = attempt == ATTEMPTS - 1
            try:
                answer = once(self, *given, **named)
            except (requests.exceptions.SSLError, requests.exceptions.ProxyError):
                raise
            except (requests.ConnectionError, requests.Timeout):
                if last:
                    raise
                continue
            if answer.status_code not in RETRIED_STATUSES or last:
                return answer
        raise AssertionError("the last attempt returns or raises")


class _Answering(TokenAuth):
    """Gives a password to who asks for it; the library's only knows token services."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str], refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        """The headers to try again with, and whether there is a point in it."""
        challenge = original.headers.get("Www-Authenticate", "")
        if challenge.lower().startswith("basic"):
            basic = getattr(self, "_basic_auth", None)
            if not basic or refresh:
                return headers, False
            return {**headers, "Authorization": f"Basic {basic}"}, True
        found: tuple[dict[str, str], bool] = super().authenticate_request(original, headers, refresh=refresh)
        return found

    def request_token(self, h: Any) -> Any:
        """A token for the password, which is sent in the open only where the registry is in the open itself."""
        if self.prefix == "https" and urlsplit(str(h.realm)).scheme == "http":
            raise ValueError("authentication: the registry names a token service without TLS")
        return super().request_token(h)


class _Hasty(requests.adapters.HTTPAdapter):
    """Every request ends."""

    def send(self, *given: Any, **named: Any) -> requests.Response:
        named["timeout"] = named.get("timeout") or TIMEOUT_S
        return super().send(*given, **named)
