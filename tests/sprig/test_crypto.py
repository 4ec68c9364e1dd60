"""Passwords, random text and AES."""

from __future__ import annotations

import re

import bcrypt
import pytest

from helmflow.gotemplate.functions import FunctionError
from helmflow.sprig.table import functions
from tests.sprig import sdk

FUNCTIONS = functions()


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("randAlphaNum", "[A-Za-z0-9]"),
        ("randAlpha", "[A-Za-z]"),
        ("randNumeric", "[0-9]"),
        ("randAscii", "[ -~]"),
    ],
)
def test_random_text(name: str, letters: str) -> None:
    call = FUNCTIONS[name].call
    assert re.fullmatch(f"{letters}{{1000}}", call(1000))
    assert call(40) != call(40)
    assert call(0) == call(-1) == ""


def test_random_numbers_stay_in_range() -> None:
    assert {FUNCTIONS["randInt"].call(3, 6) for _ in range(200)} == {3, 4, 5}
    with pytest.raises(FunctionError, match="invalid argument to Intn"):
        FUNCTIONS["randInt"].call(5, 5)


def test_random_bytes_and_uuids() -> None:
    assert len(FUNCTIONS["randBytes"].call(12)) == 16
    assert re.fullmatch(
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", FUNCTIONS["uuidv4"].call()
    )
    assert sorted(FUNCTIONS["shuffle"].call("hello")) == sorted("hello")


def test_passwords() -> None:
    assert bcrypt.checkpw(b"secret", FUNCTIONS["bcrypt"].call("secret").encode())
    user, _, hashed = FUNCTIONS["htpasswd"].call("me", "secret").partition(":")
    assert user == "me"
    assert hashed.startswith("$2a$10$")
    assert bcrypt.checkpw(b"secret", hashed.encode())
    assert FUNCTIONS["htpasswd"].call("a:b", "c") == "invalid username: a:b"
    assert FUNCTIONS["bcrypt"].call("x" * 73).endswith("password length exceeds 72 bytes")


@pytest.mark.parametrize("kind", ["maximum", "long", "medium", "short", "basic", "pin", "unknown"])
def test_derived_passwords_are_helms(kind: str) -> None:
    expected = sdk.render(f'{{{{ derivePassword 3 "{kind}" "pässword" "user" "example.com" }}}}', {})
    assert ("out", FUNCTIONS["derivePassword"].call(3, kind, "pässword", "user", "example.com")) == expected


@pytest.mark.parametrize("text", ["", "x", "sixteen bytes ok", "häßlich 😀" * 9])
def test_aes_comes_back(text: str) -> None:
    encrypted = FUNCTIONS["encryptAES"].call("key", text)
    assert FUNCTIONS["decryptAES"].call("key", encrypted) == text
    assert sdk.render("{{ decryptAES .k .s }}", {"k": "key", "s": encrypted}) == ("out", text)
