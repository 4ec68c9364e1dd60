"""Modules from one kept file: taken while their sources are what they were, found in Python's own way otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import helmflow

# Imports a module through the kept file; prints whose loader it had and what is in it.
SCRIPT = """\
from helmflow.core import modules
modules.use()
from helmflow.core import clock
from helmflow.gotemplate.program_cache import FolderCache
import inspect
print(type(clock.__loader__).__name__, clock.__spec__.origin == clock.__file__, getattr(clock, "ADDED", ""))
print(clock.__cached__ == clock.__spec__.cached, "class " in inspect.getsource(clock))
modules.keep(FolderCache(modules.folder()).store)
"""
OLD = 10  # seconds: files that may still change within the clock's step are not kept


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of a part of the package that a test may change."""
    source, copy = Path(helmflow.__file__).parent, tmp_path / "helmflow"
    for part in ("core", "gotemplate"):
        shutil.copytree(source / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "__init__.py", copy)
    return copy


def run(package: Path, **more: str) -> list[str]:
    """The words that the script prints in a process of its own, which believes that the sources are old."""
    wait = f"import time\nnow = time.time_ns\ntime.time_ns = lambda: now() + {OLD}_000_000_000\n"
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environ |= {
        "PYTHONPATH": str(package.parent),
        "HELMFLOW_CACHE_HOME": str(package.parent / "cache"),
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-c", wait + SCRIPT],
        cwd=package.parent,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def kept(package: Path) -> list[Path]:
    return sorted((package.parent / "cache" / "render" / "modules").glob("*"))


def test_second_process_takes_the_module_from_the_file(package: Path) -> None:
    assert run(package) == ["SourceFileLoader", "True", "True", "True"]
    (file,) = kept(package)
    assert file.parent.stat().st_mode & 0o077 == 0
    before = file.stat().st_mtime_ns
    assert run(package) == ["_Loader", "True", "True", "True"]
    assert file.stat().st_mtime_ns == before


def test_changed_source_is_read_and_kept_anew(package: Path) -> None:
    run(package)
    with (package / "core" / "clock.py").open("a") as source:
        source.write("\nADDED = 'new'\n")
    assert run(package) == ["SourceFileLoader", "True", "new", "True", "True"]
    assert run(package) == ["_Loader", "True", "new", "True", "True"]


def test_equal_size_and_content_time_are_not_enough(package: Path) -> None:
    run(package)
    source = package / "core" / "clock.py"
    found = source.stat()
    source.write_text(source.read_text().replace("a", "e", 1))
    os.utime(source, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert source.stat().st_size == found.st_size
    shutil.rmtree(package / "core" / "__pycache__")  # Python's own test would be satisfied
    assert run(package)[0] == "SourceFileLoader"


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"\xff" * 4000, b"\x10" + b"\0" * 7 + b"no index at all"]
)
def test_damaged_file_is_as_good_as_none(package: Path, content: bytes) -> None:
    run(package)
    kept(package)[0].write_bytes(content)
    assert run(package)[0] == "SourceFileLoader"
    assert run(package)[0] == "_Loader"


def test_cut_file_is_as_good_as_none(package: Path) -> None:
    run(package)
    file = kept(package)[0]
    file.write_bytes(file.read_bytes()[:-200])
    assert run(package)[0] == "SourceFileLoader"


def test_folder_that_others_may_write_is_not_used(package: Path) -> None:
    run(package)
    kept(package)[0].parent.chmod(0o770)
    assert run(package)[0] == "SourceFileLoader"


def test_nothing_is_written_where_byte_code_is_unwanted(package: Path) -> None:
    run(package, PYTHONDONTWRITEBYTECODE="1")
    assert kept(package) == []


def test_young_sources_are_not_kept(package: Path) -> None:
    (package / "core" / "clock.py").touch()
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"PYTHONPATH": str(package.parent), "HELMFLOW_CACHE_HOME": str(package.parent / "cache")}
    subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=package.parent, env=environ, check=True, capture_output=True
    )
    assert run(package)[0] == "SourceFileLoader"
