"""Base64, base32, checksums and sprig's JSON functions."""

from __future__ import annotations

import sys
from binascii import b2a_base64

from helmflow.core import go_json
from helmflow.core.lazy import imported
from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.sprig.conversion import to_bytes, to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BASE64_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_BASE32_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_PAD = 0x3D


class CorruptInput(ValueError):
    """Text that is not the encoding; `str` is Go's text."""


@function("b64enc", "string", returns="string")
def b64enc(text: str) -> str:
    return b2a_base64(to_bytes(text), newline=False).decode("ascii")


@function("b64dec", "string", returns="string")
def b64dec(text: str) -> str:
    try:
        return to_text(decode_base64(text))
    except CorruptInput as error:
        return str(error)


@function("b32enc", "string", returns="string")
def b32enc(text: str) -> str:
    from base64 import b32encode

    return b32encode(to_bytes(text)).decode("ascii")


@function("b32dec", "string", returns="string")
def b32dec(text: str) -> str:
    try:
        return to_text(_decode_base32(text))
    except CorruptInput as error:
        return str(error)


@function("adler32sum", "string", returns="string")
def adler32sum(text: str) -> str:
    from zlib import adler32

    return str(adler32(to_bytes(text)))


@function("toPrettyJson", "any", returns="string")
def to_pretty_json(value: Any) -> str:
    try:
        return go_json.dumps(value, indent="  ")
    except go_json.JsonError:
        return ""


@function("mustToPrettyJson", "any", returns="string")
def must_to_pretty_json(value: Any) -> str:
    return _json_text(value, indent="  ")


@function("toRawJson", "any", returns="string")
def to_raw_json(value: Any) -> str:
    return _json_text(value, escape_html=False)


@function("toJson", "any", returns="string")
def to_json(value: Any) -> str:
    try:
        return go_json.dumps(value)
    except go_json.JsonError:
        return ""


@function("mustToJson", "any", returns="string")
def must_to_json(value: Any) -> str:
    return _json_text(value)


@function("fromJson", "string")
def from_json(text: str) -> Any:
    try:
        return go_json.loads(text)
    except go_json.JsonError:
        return None


@function("mustFromJson", "string")
def must_from_json(text: str) -> Any:
    try:
        return go_json.loads(text)
    except go_json.JsonError as error:
        raise FunctionError(str(error)) from None


def decode_base64(text: str) -> bytes:
    """base64.StdEncoding.DecodeString; CorruptInput with Go's position of the fault."""
    from binascii import a2b_base64

    # The strict decoder lets padding pass that pads nothing.
    if not text.endswith("=") or (len(text) % 4 == 0 and not text.endswith("===")):
        try:
            return a2b_base64(text, strict_mode=True)
        except ValueError:
            pass
    return a2b_base64(_checked_base64(to_bytes(text)))


def _checked_base64(data: bytes) -> str:
    """The text without line breaks and with nothing after its padding, or CorruptInput as Go reports it."""
    kept = bytearray()
    position, size = 0, len(data)
    while True:
        filled = 0
        while filled < 4:
            if position == size:
                if filled == 0:
                    return kept.decode("ascii")
                raise CorruptInput(f"illegal base64 data at input byte {position - filled}")
            byte = data[position]
            position += 1
            if byte in _BASE64_LETTERS:
                kept.append(byte)
                filled += 1
            elif byte not in b"\r\n":
                if byte != _PAD or filled < 2:
                    raise CorruptInput(f"illegal base64 data at input byte {position - 1}")
                return _padded_base64(data, position, filled, kept)


def _padded_base64(data: bytes, position: int, filled: int, kept: bytearray) -> str:
    position = _skip_breaks(data, position)
    if filled == 2:
        if position == len(data):
            raise CorruptInput(f"illegal base64 data at input byte {position}")
        if data[position] != _PAD:
            raise CorruptInput(f"illegal base64 data at input byte {position - 1}")
        position = _skip_breaks(data, position + 1)
    if position < len(data):
        raise CorruptInput(f"illegal base64 data at input byte {position}")
    return kept.decode("ascii") + "=" * (4 - filled)


def _skip_breaks(data: bytes, position: int) -> int:
    while position < len(data) and data[position] in b"\r\n":
        position += 1
    return position


def _decode_base32(text: str) -> bytes:
    """base32.StdEncoding.DecodeString: line breaks do not count, text after the padding is ignored."""
    from base64 import b32decode

    data = to_bytes(text).replace(b"\r", b"").replace(b"\n", b"")
    position, size = 0, len(data)
    while position < size:
        block = position
        for filled in range(8):
            if position == size:
                raise CorruptInput(f"illegal base32 data at input byte {position - filled}")
            byte = data[position]
            position += 1
            left = size - position
            if byte == _PAD and filled >= 2 and left < 8:
                _check_base32_padding(data, position, filled)
                return b32decode(data[: block + filled] + b"=" * (8 - filled))
            if byte not in _BASE32_LETTERS:
                raise CorruptInput(f"illegal base32 data at input byte {position - 1}")
    return b32decode(data)


def _check_base32_padding(data: bytes, position: int, filled: int) -> None:
    size = len(data)
    if size - position + filled < 7:
        raise CorruptInput(f"illegal base32 data at input byte {size}")
    for offset in range(7 - filled):
        if size - position > offset and data[position + offset] != _PAD:
            raise CorruptInput(f"illegal base32 data at input byte {position + offset - 1}")
    if filled in (3, 6):
        raise CorruptInput(f"illegal base32 data at input byte {position - 1}")


def _json_text(value: Any, *, indent: str = "", escape_html: bool = True) -> str:
    try:
        return go_json.dumps(value, indent=indent, escape_html=escape_html)
    except go_json.JsonError as error:
        raise FunctionError(str(error)) from None


def _hash_of(algorithm: str) -> Callable[[bytes], Any]:
    """OpenSSL's function where something has loaded it, else Python's own: few short processes hash enough to pay for
    loading OpenSSL."""
    if "hashlib" not in sys.modules and algorithm == "sha256":
        home = "_sha2" if sys.version_info >= (3, 12) else "_sha256"
        own: Callable[[bytes], Any] = imported(home).sha256
        return own
    import hashlib

    found: Callable[[bytes], Any] = getattr(hashlib, algorithm)
    return found


def _hex_digest(algorithm: str) -> Callable[[str], str]:
    def digest(text: str) -> str:
        return str(_hash_of(algorithm)(to_bytes(text)).hexdigest())

    return digest


FUNCTIONS = table(
    b64enc,
    b64dec,
    b32enc,
    b32dec,
    adler32sum,
    to_pretty_json,
    must_to_pretty_json,
    to_raw_json,
    Function("mustToRawJson", to_raw_json.call, to_raw_json.params, returns="string"),
    to_json,
    must_to_json,
    from_json,
    must_from_json,
    *(
        Function(f"{name}sum", _hex_digest(name), ("string",), returns="string")
        for name in ("sha1", "sha256", "sha512")
    ),
)
