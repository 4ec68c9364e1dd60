"""Passwords, random text and AES: htpasswd, bcrypt, derivePassword, rand*, uuidv4, encryptAES."""

from __future__ import annotations

import os

from helmflow.gotemplate.functions import FunctionError, function, table
from helmflow.sprig.conversion import check_text, to_bytes, to_text
from helmflow.sprig.encoding import CorruptInput, decode_base64

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_PRINTABLE = "".join(map(chr, range(32, 127)))
_BLOCK = 16

# The Master Password algorithm: templates per password type, one letter per class of characters.
_SEED = b"com.lyndir.masterpassword"
_TEMPLATES = {
    "maximum": ("anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"),
    "long": (
        *("CvcvnoCvcvCvcv", "CvcvCvcvnoCvcv", "CvcvCvcvCvcvno", "CvccnoCvcvCvcv", "CvccCvcvnoCvcv"),
        *("CvccCvcvCvcvno", "CvcvnoCvccCvcv", "CvcvCvccnoCvcv", "CvcvCvccCvcvno", "CvcvnoCvcvCvcc"),
        *("CvcvCvcvnoCvcc", "CvcvCvcvCvccno", "CvccnoCvccCvcv", "CvccCvccnoCvcv", "CvccCvccCvcvno"),
        *("CvcvnoCvccCvcc", "CvcvCvccnoCvcc", "CvcvCvccCvccno", "CvccnoCvcvCvcc", "CvccCvcvnoCvcc"),
        "CvccCvcvCvccno",
    ),
    "medium": ("CvcnoCvc", "CvcCvcno"),
    "short": ("Cvcn",),
    "basic": ("aaanaaan", "aannaaan", "aaannaaa"),
    "pin": ("nnnn",),
}
_CLASSES = {
    "V": "AEIOU",
    "C": "BCDFGHJKLMNPQRSTVWXYZ",
    "v": "aeiou",
    "c": "bcdfghjklmnpqrstvwxyz",
    "A": "AEIOUBCDFGHJKLMNPQRSTVWXYZ",
    "a": "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
    "n": _DIGITS,
    "o": "@&%?,=[]_:-+*$#!'^~;()/.",
    "x": "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
}


@function("bcrypt", "string", returns="string", random=True)
def bcrypt_hash(password: str) -> str:
    data = to_bytes(password)
    if len(data) > 72:
        return "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes"
    import bcrypt

    return bcrypt.hashpw(data, bcrypt.gensalt(10, prefix=b"2a")).decode("ascii")


@function("htpasswd", "string", "string", returns="string", random=True)
def htpasswd(user: str, password: str) -> str:
    if ":" in user:
        return f"invalid username: {user}"
    return f"{user}:{bcrypt_hash.call(password)}"


@function("derivePassword", "uint32", "string", "string", "string", "string", returns="string")
def derive_password(counter: int, kind: str, password: str, user: str, site: str) -> str:
    templates = _TEMPLATES.get(kind)
    if templates is None:
        return f"cannot find password template {kind}"
    import hashlib
    import hmac

    salt = _SEED + _sized(user)
    key = hashlib.scrypt(to_bytes(password), salt=salt, n=32768, r=8, p=2, dklen=64, maxmem=1 << 27)
    seed = hmac.digest(key, _SEED + _sized(site) + counter.to_bytes(4, "big"), "sha256")
    template = templates[seed[0] % len(templates)]
    return "".join(
        _CLASSES[letter][byte % len(_CLASSES[letter])]
        for letter, byte in zip(template, seed[1:], strict=False)
    )


@function("randAlphaNum", "int", returns="string", random=True)
def rand_alpha_num(count: int) -> str:
    return _random_text("randAlphaNum", count, _LETTERS + _DIGITS)


@function("randAlpha", "int", returns="string", random=True)
def rand_alpha(count: int) -> str:
    return _random_text("randAlpha", count, _LETTERS)


@function("randNumeric", "int", returns="string", random=True)
def rand_numeric(count: int) -> str:
    return _random_text("randNumeric", count, _DIGITS)


@function("randAscii", "int", returns="string", random=True)
def rand_ascii(count: int) -> str:
    return _random_text("randAscii", count, _PRINTABLE)


@function("randBytes", "int", returns="string", random=True)
def rand_bytes(count: int) -> str:
    if count < 0:
        raise FunctionError("runtime error: makeslice: len out of range")
    check_text("randBytes", count)
    return _base64(os.urandom(count))


@function("shuffle", "string", returns="string", random=True)
def shuffle(text: str) -> str:
    from random import SystemRandom

    runes = list(text)
    SystemRandom().shuffle(runes)
    return "".join(runes)


@function("uuidv4", returns="string", random=True)
def uuidv4() -> str:
    digits = bytearray(os.urandom(16))
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@function("encryptAES", "string", "string", returns="string", random=True)
def encrypt_aes(password: str, plaintext: str) -> str:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    content = to_bytes(plaintext)
    padding = _BLOCK - len(content) % _BLOCK
    start = os.urandom(_BLOCK)
    encryptor = Cipher(algorithms.AES(_aes_key(password)), modes.CBC(start)).encryptor()
    return _base64(start + encryptor.update(content + bytes([padding]) * padding) + encryptor.finalize())


@function("decryptAES", "string", "string", returns="string")
def decrypt_aes(password: str, encoded: str) -> str:
    if not encoded:
        return ""
    try:
        data = decode_base64(encoded)
    except CorruptInput as error:
        raise FunctionError(str(error)) from None
    if len(data) < _BLOCK:
        room = len(encoded.replace("\r", "").replace("\n", "")) // 4 * 3
        raise FunctionError(f"runtime error: slice bounds out of range [:{_BLOCK}] with capacity {room}")
    if len(data) % _BLOCK:
        raise FunctionError("crypto/cipher: input not full blocks")
    if len(data) == _BLOCK:
        raise FunctionError("runtime error: index out of range [-1]")
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    decryptor = Cipher(algorithms.AES(_aes_key(password)), modes.CBC(data[:_BLOCK])).decryptor()
    plain = decryptor.update(data[_BLOCK:]) + decryptor.finalize()
    end = len(plain) - plain[-1]
    if end < 0:
        raise FunctionError(f"runtime error: slice bounds out of range [:{end}]")
    return to_text(plain[:end])


def _aes_key(password: str) -> bytes:
    return to_bytes(password)[:32].ljust(32, b"\0")


def _base64(data: bytes) -> str:
    from binascii import b2a_base64

    return b2a_base64(data, newline=False).decode("ascii")


def _sized(text: str) -> bytes:
    data = to_bytes(text)
    return len(data).to_bytes(4, "big") + data


def _random_text(name: str, count: int, letters: str) -> str:
    """Evenly drawn letters: bytes past the last full turn of the alphabet are thrown away."""
    if count <= 0:
        return ""
    check_text(name, count)
    size = len(letters)
    limit = 256 - 256 % size
    out = ""
    while len(out) < count:
        drawn = os.urandom(count - len(out) + 16)
        out += "".join([letters[byte % size] for byte in drawn if byte < limit])
    return out[:count]


FUNCTIONS = table(
    bcrypt_hash,
    htpasswd,
    derive_password,
    rand_alpha_num,
    rand_alpha,
    rand_numeric,
    rand_ascii,
    rand_bytes,
    shuffle,
    uuidv4,
    encrypt_aes,
    decrypt_aes,
)
