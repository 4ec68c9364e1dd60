"""One HTTP session for repositories and archives: credentials, redirects, retries, conditional requests, limits."""

from __future__ import annotations

import base64
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from helmflow.core.errors import ChartError
from helmflow.core.records import dataclass, field, replace
from helmflow.core.sensitive import SecretText
from helmflow.providers import netrc_file, proxies
from helmflow.providers.mirrors import NO_MIRRORS, Mirrors

if TYPE_CHECKING:
    import urllib3

MAX_REDIRECTS: Final = 10
RETRIED_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
ATTEMPTS: Final = 4
BACKOFF_S: Final = 0.2
READ_BYTES: Final = 256 * 1024
USER_AGENT: Final = "helmflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to authenticate to one host. Paths are files; nothing here is sent to any other host unless `pass_on`."""

    username: str = ""
    password: SecretText = field(default_factory=lambda: SecretText(""))
    token: SecretText = field(default_factory=lambda: SecretText(""))
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_tls_verify: bool = False
    pass_on: bool = False

    def headers(self) -> dict[str, str]:
        """The Authorization header, or nothing."""
        if self.token.reveal():
            return {"Authorization": f"Bearer {self.token.reveal()}"}
        if self.username or self.password.reveal():
            pair = f"{self.username}:{self.password.reveal()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}


NO_CREDENTIALS: Final = Credentials()


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer; header names are lower case; `url` is the one that answered after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class HttpSession:
    """GET requests over kept connections. Thread-safe.

    Redirects are followed by hand so that credentials never leave the host they were given for. Transient failures
    are retried; other statuses are returned to the caller. Raises ChartError `http.*`.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        mirrors: Mirrors = NO_MIRRORS,
        deadline_s: float = 600.0,
    ) -> None:
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._mirrors = mirrors
        self._sleep = sleep
        self._pools: dict[tuple[str, ...], urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def get(
        self,
        url: str,
        *,
        max_bytes: int,
        credentials: Credentials = NO_CREDENTIALS,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """GET `url`, at most `max_bytes` of body."""
        return self.request("GET", url, max_bytes=max_bytes, credentials=credentials, headers=headers)

    def request(
        self,
        method: str,
        url: str,
        *,
        max_bytes: int,
        credentials: Credentials = NO_CREDENTIALS,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request and read the whole answer, following redirects."""
        home = _origin(url)
        current = self._mirrors.of(url)
        if not credentials.headers():
            credentials = netrc_file.completed(credentials, urlsplit(url).hostname or "")
        for _ in range(MAX_REDIRECTS + 1):
            at_home = _origin(current) == home
            # A client certificate is a credential too: it is presented to its own host only.
            used = (
                credentials
                if at_home or credentials.pass_on
                else replace(NO_CREDENTIALS, ca_file=credentials.ca_file)
            )
            sent = {"User-Agent": USER_AGENT, **(headers or {}), **used.headers()}
            answer = self._attempts(method, current, used, sent, max_bytes, body)
            location = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer
            following = urljoin(current, location)
            if urlsplit(following).scheme not in ("http", "https"):
                raise ChartError(
                    f"{shown_url(current)} redirects to {urlsplit(following).scheme}://, which is not followed",
                    error_id="http.redirect",
                )
            if urlsplit(current).scheme == "https" and urlsplit(following).scheme == "http":
                raise ChartError(
                    f"{shown_url(current)} redirects from https to http, which is not followed",
                    error_id="http.redirect",
                )
            current = following
        raise ChartError(
            f"{shown_url(url)} redirects more than {MAX_REDIRECTS} times", error_id="http.redirect"
        )

    def _attempts(
        self,
        method: str,
        url: str,
        credentials: Credentials,
        headers: Mapping[str, str],
        max_bytes: int,
        body: bytes | None,
    ) -> Answer:
        """One request with retries; the last answer or failure is final."""
        import urllib3

        failure: Exception | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(BACKOFF_S * 2 ** (attempt - 1))
            try:
                answer = self._once(method, url, credentials, headers, max_bytes, body)
            except urllib3.exceptions.SSLError as cause:
                raise ChartError(
                    f"TLS to {shown_url(url)} failed: {_reason(cause)}",
                    error_id="http.tls",
                    hint="name the authority with caFile, or skipTLSVerify where that is acceptable",
                ) from cause
            except (urllib3.exceptions.HTTPError, OSError) as cause:
                failure = cause
                continue
            if answer.status not in RETRIED_STATUSES or attempt == ATTEMPTS - 1:
                return answer
        raise ChartError(
            f"cannot reach {shown_url(url)}: {_reason(failure)}",
            error_id="http.unreachable",
            hint="check the address, the network and HTTPS_PROXY/NO_PROXY",
        ) from failure

    def _once(
        self,
        method: str,
        url: str,
        credentials: Credentials,
        headers: Mapping[str, str],
        max_bytes: int,
        body: bytes | None,
    ) -> Answer:
        pool = self._pool(url, credentials)
        response = pool.request(
            method,
            url,
            headers=dict(headers),
            body=body,
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=self._timeout_s,
        )
        try:
            content = bytearray()
            end = time.monotonic() + self._deadline_s
            for chunk in response.stream(READ_BYTES, decode_content=True):
                content += chunk
                if len(content) > max_bytes:
                    response.close()
                    raise ChartError(
                        f"{shown_url(url)} answers with more than {max_bytes:,} bytes",
                        error_id="http.too-large",
                    )
                if time.monotonic() > end:
                    response.close()
                    raise ChartError(
                        f"{shown_url(url)} has not answered in full after {self._deadline_s:g} s",
                        error_id="http.too-slow",
                    )
            answer_headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, answer_headers, bytes(content), url)
        finally:
            response.release_conn()

    def _pool(self, url: str, credentials: Credentials) -> urllib3.PoolManager:
        import urllib3

        proxy = proxies.for_url(url)
        key = (
            proxy.url,
            credentials.ca_file,
            credentials.cert_file,
            credentials.key_file,
            str(credentials.insecure_skip_tls_verify),
        )
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                options: dict[str, Any] = {"maxsize": 16, "ssl_context": _tls(credentials)}
                pool = (
                    urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, **options)
                    if proxy.url
                    else urllib3.PoolManager(**options)
                )
                self._pools[key] = pool
            return pool


def _tls(credentials: Credentials) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=credentials.ca_file or None)
        if credentials.insecure_skip_tls_verify:
            import urllib3

            # it was asked for: a warning of the library's, with a line of its source, helps nobody
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if credentials.cert_file:
            context.load_cert_chain(credentials.cert_file, credentials.key_file or None)
    except (OSError, ssl.SSLError) as cause:
        raise ChartError(
            f"cannot use the TLS files of the repository: {_reason(cause)}",
            error_id="http.tls",
            hint="check caFile, certFile and keyFile",
        ) from cause
    return context


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


def shown_url(url: str) -> str:
    """A URL without user information and query, which may hold secrets."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _reason(failure: BaseException | None) -> str:
    """The innermost reason of a failure, in one line."""
    while failure is not None and (failure.__cause__ or failure.__context__):
        failure = failure.__cause__ or failure.__context__
    return " ".join(str(failure).split()) or type(failure).__name__
