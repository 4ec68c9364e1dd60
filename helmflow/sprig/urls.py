"""urlParse and urlJoin by the rules of Go's net/url."""

from __future__ import annotations

from helmflow.core.lazy import pattern
from helmflow.core.records import dataclass
from helmflow.gotemplate.functions import FunctionError, function, table
from helmflow.gotemplate.printf import quote
from helmflow.gotemplate.values import kind_of
from helmflow.sprig.addresses import AddressError, check_address
from helmflow.sprig.conversion import NIL_DEREFERENCE, to_bytes, to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ALWAYS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
# What may stand unescaped in each part of a URL.
_HOST = _ALWAYS | frozenset(b"!$&'()*+,;=:[]<>\"")
_PATH = _ALWAYS | frozenset(b"$&+,/:;=@")
_USER = _ALWAYS | frozenset(b"$&+,;=")
_FRAGMENT = _ALWAYS | frozenset(b"$&+,/:;=?@!()*")

_SCHEME = pattern("([A-Za-z][A-Za-z0-9+.-]*)?:")
_COMMON = ("http", "https")  # schemes that need no regular expression to be found
_USERINFO = pattern("[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_DIGITS = "0123456789"
_HEX = frozenset(b"0123456789abcdefABCDEF")


@dataclass(slots=True)
class Url:
    """The parts of a URL, unescaped."""

    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    host: str = ""
    path: str = ""
    query: str = ""
    fragment: str = ""


class UrlError(ValueError):
    """Text that is no URL; `str` is Go's text."""


@function("urlParse", "string", returns="map[string]any")
def url_parse(text: str) -> dict[str, Any]:
    try:
        url = parse(text)
    except UrlError as error:
        raise FunctionError(f"unable to parse url: {error}") from None
    return {
        "scheme": url.scheme,
        "host": url.host,
        "hostname": _hostname(url.host),
        "path": url.path,
        "query": url.query,
        "opaque": url.opaque,
        "fragment": url.fragment,
        "userinfo": url.user or "",
    }


@function("urlJoin", "map[string]any", returns="string")
def url_join(parts: dict[str, Any]) -> str:
    url = Url(
        **{name: _text(parts, name) for name in ("scheme", "host", "path", "query", "opaque", "fragment")},
    )
    userinfo = _text(parts, "userinfo")
    if userinfo:
        try:
            url.user = parse(f"proto://{userinfo}@host").user
        except UrlError as error:
            raise FunctionError(f"unable to parse userinfo in dict: {error}") from None
    return _join(url)


def parse(text: str) -> Url:
    """url.Parse. Raises UrlError."""
    before, _, fragment = text.partition("#")
    try:
        url = _parse(before)
    except UrlError as error:
        raise UrlError(f"parse {quote(before)}: {error}") from None
    try:
        url.fragment = _unescape(fragment)
    except UrlError as error:
        raise UrlError(f"parse {quote(text)}: {error}") from None
    return url


def parse_request(text: str) -> Url:
    """url.ParseRequestURI: as parse, but # begins no fragment, and only a scheme or a slash may come first. Raises UrlError."""
    if not text:
        raise UrlError("empty url")
    url = _parse(text)
    if not url.scheme and text != "*" and not text.startswith("/"):
        raise UrlError("invalid URI for request")
    return url


def _parse(text: str) -> Url:
    if not text.isprintable() and any(char < " " or char == "\x7f" for char in text):
        raise UrlError("net/url: invalid control character in URL")
    if text == "*":
        return Url(path="*")
    url = Url()
    url.scheme, rest = _scheme(text)
    rest, _, url.query = rest.partition("?")
    if not rest.startswith("/"):
        if url.scheme:
            url.opaque = rest
            return url
        if ":" in rest.partition("/")[0]:
            raise UrlError("first path segment in URL cannot contain colon")
    if rest.startswith("//") and (url.scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        url.user, url.host = _authority(authority, strict=url.scheme in ("http", "https"))
        rest = slash + path
    url.path = _unescape(rest)
    return url


def _scheme(text: str) -> tuple[str, str]:
    """The scheme and what follows it."""
    before, colon, after = text.partition(":")
    if not colon:
        return "", text
    if before in _COMMON:
        return before, after
    found = _SCHEME.match(text)
    if not found:
        return "", text
    if found[1] is None:
        raise UrlError("missing protocol scheme")
    return found[1].lower(), text[found.end() :]


def _is_port(text: str) -> bool:
    """Whether it is nothing, or a colon and digits."""
    return not text or (text[0] == ":" and not text[1:].strip(_DIGITS))


def _authority(authority: str, *, strict: bool) -> tuple[str | None, str]:
    userinfo, at, host = authority.rpartition("@")
    host = _host(host, strict=strict)
    if not at:
        return None, host
    if not _USERINFO.fullmatch(userinfo):
        raise UrlError("net/url: invalid userinfo")
    name, colon, password = userinfo.partition(":")
    name, password = _unescape(name), _unescape(password)
    return _escape(name, _USER) + colon + _escape(password, _USER), host


def _host(host: str, *, strict: bool) -> str:
    """The host and port, unescaped; `strict` forbids a second colon, which some databases write."""
    opening = host.rfind("[")
    if opening >= 0:
        return _bracketed(host, opening)
    colon = host.find(":") if strict else host.rfind(":")
    if colon >= 0 and not _is_port(host[colon:]):
        raise UrlError(f"invalid port {quote(host[colon:])} after host")
    return _unescape_host(host)


def _bracketed(host: str, opening: int) -> str:
    if opening > 0:
        raise UrlError("invalid IP-literal")
    closing = host.rfind("]")
    if closing < 0:
        raise UrlError("missing ']' in host")
    port = host[closing + 1 :]
    if not _is_port(port):
        raise UrlError(f"invalid port {quote(port)} after host")
    inside = host[opening + 1 : closing]
    zone = inside.find("%25")
    if zone >= 0:
        name = _unescape_host(inside[:zone]) + _unescape_host(inside[zone:], zone=True)
    else:
        name = _unescape_host(inside)
    try:
        version = check_address(name)
    except AddressError as error:
        raise UrlError(f"invalid host: {error}") from None
    if version == 4:
        raise UrlError("invalid IP-literal")
    return f"[{name}]{_unescape_host(port)}"


def _hostname(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if colon and _is_port(colon + port):
        host = name
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _join(url: Url) -> str:
    """url.URL.String of a value that was put together, not parsed."""
    out = f"{url.scheme}:" if url.scheme else ""
    if url.opaque:
        out += url.opaque
    else:
        if url.host or url.user is not None or (url.scheme and url.path):
            out += "//"
        if url.user is not None:
            out += url.user + "@"
        out += _escape(url.host, _HOST)
        path = url.path if url.path == "*" else _escape(url.path, _PATH)
        if path and path[0] != "/" and url.host:
            out += "/"
        if not out and ":" in path.partition("/")[0]:
            out = "./"
        out += path
    if url.query:
        out += "?" + url.query
    return out + ("#" + _escape(url.fragment, _FRAGMENT) if url.fragment else "")


def _text(parts: dict[str, Any], name: str) -> str:
    value = parts.get(name, "")
    if isinstance(value, str):
        return value
    if value is None:
        raise FunctionError(NIL_DEREFERENCE)
    raise FunctionError(f"unable to parse {name} key, must be of type string, but {kind_of(value)} found")


def _escape(text: str, allowed: frozenset[int]) -> str:
    return "".join([chr(byte) if byte in allowed else f"%{byte:02X}" for byte in to_bytes(text)])


def _unescape(text: str) -> str:
    return text if "%" not in text else to_text(b"".join(_decoded(to_bytes(text))))


def _unescape_host(text: str, *, zone: bool = False) -> str:
    """Only bytes beyond ASCII and %25 may be escaped, in a zone blanks and what a host may hold too."""
    data = to_bytes(text)
    index = 0
    while index < len(data):
        byte = data[index]
        if byte == 0x25:
            escape = _checked_escape(data, index)
            value = int(escape[1:], 16)
            fine = value >= 0x80 if not zone else value == 0x20 or value in _HOST
            if not fine and escape != b"%25":
                raise UrlError(f"invalid URL escape {quote(to_text(escape))}")
            index += 3
            continue
        if byte < 0x80 and byte not in _HOST:
            raise UrlError(f"invalid character {quote(chr(byte))} in host name")
        index += 1
    return _unescape(text)


def _checked_escape(data: bytes, index: int) -> bytes:
    escape = data[index : index + 3]
    if len(escape) < 3 or escape[1] not in _HEX or escape[2] not in _HEX:
        raise UrlError(f"invalid URL escape {quote(to_text(escape))}")
    return escape


def _decoded(data: bytes) -> list[bytes]:
    first, *pieces = data.split(b"%")
    out, position = [first], len(first)
    for piece in pieces:
        escape = _checked_escape(data, position)
        out.append(bytes([int(escape[1:], 16)]) + piece[2:])
        position += 1 + len(piece)
    return out


FUNCTIONS = table(url_parse, url_join)
