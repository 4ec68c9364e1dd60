"""The real command line in this process, as if it had been started with an environment in a folder."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from helmflow.cli.main import run_cli


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command line ended, and what it printed."""

    code: int
    out: str
    error: str


@contextlib.contextmanager
def started(env: Mapping[str, str], cwd: Path) -> Iterator[None]:
    """This process as if it had been started with `env` in `cwd`."""
    old, folder = dict(os.environ), Path.cwd()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(old)


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Ran:
    """Run one command line; its standard input is empty."""
    out, error, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO()
    try:
        with started(env, cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            code = run_cli(argv)
    finally:
        sys.stdin = before
    return Ran(code, out.getvalue(), error.getvalue())
