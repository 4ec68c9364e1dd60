"""A minute of noise for each reader of what users and charts bring: nothing but our own errors comes out."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import tarfile
import time
from collections.abc import Callable
from random import Random
from typing import get_args

import pytest

from helmflow.core.errors import HelmflowError
from helmflow.helm.chart import archive, ignore
from helmflow.helm.chart.load import load_archive
from helmflow.helm.values import strvals
from tests.charts import archive_of

SET = (
    "a",
    "b.c",
    ".",
    "=",
    ",",
    "{",
    "}",
    "[",
    "]",
    "0",
    "1",
    "99",
    "-1",
    "\\",
    "null",
    "true",
    '"',
    "é",
    "{}",
    "[0]",
    " ",
    "1.5",
)
PATTERNS = (
    "a",
    "*",
    "?",
    "[",
    "]",
    "^",
    "-",
    "\\",
    "/",
    "!",
    "#",
    "\n",
    "\r\n",
    ".",
    "**",
    " ",
    "[a-z]",
    "[^",
    "é",
    "\x00",
    "//",
)
MEMBERS = ("c/Chart.yaml", "c/values.yaml", "c/.helmignore", "c/templates/a.yaml", "c/charts/x.tgz", "c/charts/y/Chart.yaml", "c/requirements.yaml", "c/values.schema.json")  # fmt: skip
CONTENTS = (b"apiVersion: v2\nname: c\nversion: 1.0.0\n", b"a: 1\n", b"[", b"", b"\xff\xfe", b"dependencies: [{name: x}]\n", b"null", b"{}", b"- 1", b"*\n[")  # fmt: skip


def some_set(source: Random) -> None:
    text = "".join(source.choice(SET) for _ in range(source.randrange(14)))
    kind = source.choice(get_args(strvals.Kind))
    strvals.parse(text, kind=kind, into={"a": [1.0, {"b": 2.0}], "b": {"c": None}}, read_file=str.upper)


def some_ignore(source: Random) -> None:
    rules = ignore.parse("".join(source.choice(PATTERNS) for _ in range(source.randrange(16))))
    for path in ("a", "a/b", "é", "templates/x.yaml", ""):
        rules.ignores(path, is_directory=source.random() < 0.5)


def some_archive(source: Random) -> None:
    """A sound archive with odd members, or one with broken bytes before or after compression."""
    names = source.sample(MEMBERS, source.randrange(1, len(MEMBERS)))
    data = archive_of({name: source.choice(CONTENTS) for name in names})
    roll = source.random()
    if roll < 0.3:
        data = _broken(source, data)
    elif roll < 0.7:
        data = gzip.compress(_broken(source, gzip.decompress(data)), 1)
    elif roll < 0.8:
        data = gzip.compress(tarfile.TarInfo("c/x").tobuf() + source.randbytes(source.randrange(1500)), 1)
    with contextlib.suppress(HelmflowError):
        archive.read(data)
    load_archive(data)


def _broken(source: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(source.randrange(1, 6)):
        changed[source.randrange(len(changed))] = source.choice((0, 0xFF, 0x30, source.randrange(256)))
    return bytes(changed[: source.choice((len(changed), source.randrange(len(changed))))])


READERS: dict[str, Callable[[Random], None]] = {
    "set": some_set,
    "helmignore": some_ignore,
    "archive": some_archive,
}


@pytest.mark.parametrize("reader", READERS)
def test_noise_ends_in_our_errors(reader: str) -> None:
    source = Random(reader)
    for _ in range(400):
        with contextlib.suppress(HelmflowError):
            READERS[reader](source)


@pytest.mark.nightly
@pytest.mark.parametrize("reader", READERS)
def test_a_minute_of_noise_ends_in_our_errors(
    reader: str, record_property: Callable[[str, object], None]
) -> None:
    seed = random.SystemRandom().randrange(1 << 40)
    source = Random(seed)
    stop = time.monotonic() + float(os.environ.get("HELMFLOW_FUZZ_SECONDS", "60"))
    record_property("run", f"seed {seed}")
    while time.monotonic() < stop:
        with contextlib.suppress(HelmflowError):
            READERS[reader](source)
