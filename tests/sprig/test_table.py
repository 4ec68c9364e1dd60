"""The sprig map: complete, typed, and light to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from helmflow.sprig import signatures
from helmflow.sprig.table import functions
from tests import conformance
from tools import sprig_signatures

HEAVY = ("re2", "cryptography", "bcrypt", "hashlib", "socket", "random", "yaml", "zoneinfo")


def test_every_sprig_function_is_there() -> None:
    names = conformance.data("helm/functions.json")["sprig"]
    assert sorted(functions()) == sorted(names)


def test_every_entry_has_its_own_name() -> None:
    assert {name: function.name for name, function in functions().items()} == {
        name: name for name in functions()
    }


def test_random_functions_are_marked() -> None:
    marked = {name for name, function in functions().items() if function.random}
    assert {
        "randAlphaNum",
        "uuidv4",
        "genCA",
        "now",
        "ago",
        "bcrypt",
        "htpasswd",
        "shuffle",
        "keys",
    } <= marked
    assert not {"default", "quote", "toJson", "derivePassword", "decryptAES", "buildCustomCert"} & marked


def test_the_table_loads_no_heavy_library() -> None:
    script = (
        "import sys; from helmflow.sprig.table import functions; functions(); "
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_signatures_are_those_of_the_modules() -> None:
    assert Path(signatures.__file__).read_text(encoding="utf-8") == sprig_signatures.written()
