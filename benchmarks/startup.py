"""How much `helmflow --version` costs beside an installed console script that does nothing (target: at most 1.15x).

Both are console scripts of one fresh environment, run in turn; the figure is the median of the pairwise ratios of
user + system time and of wall time.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 60
EMPTY = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "does-nothing"
version = "1"
[project.scripts]
does-nothing = "does_nothing:main"
[tool.setuptools]
py-modules = ["does_nothing"]
"""


def once(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Install both scripts, run them in turn, print the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        package = Path(folder) / "package"
        package.mkdir()
        (package / "pyproject.toml").write_text(EMPTY, encoding="utf-8")
        (package / "does_nothing.py").write_text("def main():\n    pass\n", encoding="utf-8")
        pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, str(package)], check=True)
        subprocess.run([*pip, str(ROOT)], check=True, env={**os.environ, "PIP_NO_COMPILE": ""})
        ours, nothing = [str(venv / "bin" / "helmflow"), "--version"], [str(venv / "bin" / "does-nothing")]
        for command in (ours, nothing):
            once(command)
        pairs = [(once(ours), once(nothing)) for _ in range(ROUNDS)]
    for place, name in ((0, "cpu"), (1, "wall")):
        a = statistics.median(pair[0][place] for pair in pairs) * 1000
        b = statistics.median(pair[1][place] for pair in pairs) * 1000
        ratio = statistics.median(pair[0][place] / pair[1][place] for pair in pairs)
        print(f"{name:<5} helmflow --version {a:6.1f} ms   does-nothing {b:6.1f} ms   ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
