"""Connection strings of Helm's SQL driver: both forms, the defaults of Helm's library, and mistakes that tell nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helmflow.core.errors import ConfigError
from helmflow.providers.records.conninfo import parameters

KNOWN = frozenset(
    {"host", "hostaddr", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "options", "service"}
)


def parsed(text: str, **environ: str) -> dict[str, str]:
    return parameters(text, KNOWN, environ)


REQUIRED = {"sslmode": "require"}
HERE = {"host": "localhost", **REQUIRED}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("postgres://h/d", {"host": "h", "dbname": "d", **REQUIRED}),
        ("postgresql://h", {"host": "h", **REQUIRED}),
        ("postgres:///d", {"dbname": "d", **HERE}),
        (
            "postgres://u:p@h:5433/d?sslmode=disable",
            {"host": "h", "port": "5433", "dbname": "d", "user": "u", "password": "p", "sslmode": "disable"},
        ),
        (
            "postgres://u:p%40ss%2Fw@h/d",
            {"host": "h", "dbname": "d", "user": "u", "password": "p@ss/w", **REQUIRED},
        ),
        ("postgres://u:p@ss@h/d", {"host": "h", "dbname": "d", "user": "u", "password": "p@ss", **REQUIRED}),
        ("postgres://u@h", {"host": "h", "user": "u", **REQUIRED}),
        ("postgres://[::1]:5432/d", {"host": "::1", "port": "5432", "dbname": "d", **REQUIRED}),
        ("postgres://a,b/d?port=1,2", {"host": "a,b", "port": "1,2", "dbname": "d", **REQUIRED}),
        ("postgres:///d?host=/run/pg", {"host": "/run/pg", "dbname": "d", **REQUIRED}),
        ("host=h dbname=d", {"host": "h", "dbname": "d", **REQUIRED}),
        ("dbname = 'a b'  user=x\\ y", {"dbname": "a b", "user": "x y", **HERE}),
        ("password='it\\'s' host=h", {"password": "it's", "host": "h", **REQUIRED}),
        ("host=h password=", {"host": "h", "password": "", **REQUIRED}),
        ("host=h password=''", {"host": "h", "password": "", **REQUIRED}),
        ("host=h sslrootcert=system", {"host": "h", "sslrootcert": "system", "sslmode": "verify-full"}),
        ("host=h search_path=helm", {"host": "h", "options": "-c search_path=helm", **REQUIRED}),
        (
            "host=h options='-c a=b' work_mem='1 MB'",
            {"host": "h", "options": r"-c a=b -c work_mem=1\ MB", **REQUIRED},
        ),
        ("host=h binary_parameters=yes client_encoding=UTF8", {"host": "h", **REQUIRED}),
        ("service=records", {"service": "records"}),
    ],
)
def test_parameters_are_what_helms_library_takes(text: str, found: dict[str, str]) -> None:
    assert parsed(text) == found


def test_the_environment_is_asked_before_the_defaults() -> None:
    assert parsed("dbname=d", PGHOST="h", PGSSLMODE="disable") == {"dbname": "d"}
    assert parsed("dbname=d", PGSERVICE="s") == {"dbname": "d"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "hidden",
        "host=h hidden",
        "host=h password='hidden",
        "password=hid den",
        "mysql://u:hidden@h/d",
        "postgres://u:hidden/x@h/d",
        "postgres://u:12/hidden@h/d",
        "postgres://u:p?hidden@h/d",
        "postgres://u:hidden#x@h/d",
        "postgres://u:p@h:hidden/d",
        "host=h port=hidden",
        "host=h krbspn=hidden",
    ],
)
def test_what_cannot_be_read_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        parsed(text)
    assert wrong.value.error_id == "release.sql-connection"
    said = f"{wrong.value!r} {wrong.value.hint} {wrong.value.__cause__!r} {wrong.value.__context__!r}"
    assert "hid" not in said
    assert "percent-encoded" in wrong.value.hint


@given(
    st.text(max_size=60) | st.text(alphabet="postgres:/@?&=%'\\ [],1", max_size=60).map("postgres://".__add__)
)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parsed(text)
    except ConfigError:
        return
    assert all(isinstance(value, str) for value in found.values())


@given(st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=30))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_every_password_can_be_said_in_both_forms(password: str) -> None:
    from urllib.parse import quote

    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    assert parsed(f"host=h password='{quoted}' dbname=d")["password"] == password
    assert parsed(f"postgres://u:{quote(password, safe='')}@h/d")["password"] == password
