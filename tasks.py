"""Every routine of the project, one word each: `python3 tasks.py WORD`. Needs nothing but Python 3.11 and pip.

tour        create .venv and run the example on the embedded cluster
test        create .venv with the test tools and pass the normal suite
check       format, lint, types, import contracts and the normal suite
format      rewrite the sources as the formatter wants them
nightly     fuzzing, every crash point, thousands of random cases
apiserver   the contract and scenario tests on a real kube-apiserver
browser     the HTML report in a real Chromium
bench       all benchmarks, side by side with the reference
build       the wheel
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("HELMFLOW_VENV") or ROOT / ".venv")
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
SHOP = Path("examples") / "environments"


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run one command in the project's folder; the task ends where it fails."""
    words = [str(word) for word in command]
    print("$", " ".join(words), flush=True)
    status = subprocess.call(words, cwd=ROOT, env={**os.environ, **(env or {})})
    if status:
        sys.exit(status)


def environment(extra: str = "") -> None:
    """Create .venv where it is missing and install helmflow into it."""
    if not (BIN / "python").exists():
        run(sys.executable, "-m", "venv", VENV)
    wanted = f".[{extra}]" if extra else "."
    run(
        BIN / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", wanted
    )


def helmflow(*words: str | Path) -> None:
    """Run helmflow from .venv."""
    run(BIN / "helmflow", *words)


def pytest(*words: str, env: dict[str, str] | None = None) -> None:
    """Run pytest from .venv."""
    run(BIN / "python", "-m", "pytest", *words, env=env)


def tour() -> None:
    """Serve the shop's charts, sync the dev environment to the embedded cluster, stop serving."""
    environment()
    helmflow(
        "chart", "serve", SHOP / "repository", "--", BIN / "helmflow", "sync", "-f", SHOP, "--env", "dev"
    )


def test() -> None:
    """The normal suite: what has to pass before anything lands."""
    environment("dev")
    counts = ROOT / ".cache" / "conformance-counts"
    for old in counts.glob("*.json"):
        old.unlink()
    selection = "not nightly and not apiserver and not browser"
    env = {"HELMFLOW_CONFORMANCE_COUNTS": str(counts)}
    pytest("-q", "-n", "2", "--dist", "worksteal", "-m", selection, env=env)
    run(BIN / "python", "-m", "tests.conformance", env=env)


def lint() -> None:
    """Format, lint, types and import contracts."""
    environment("dev")
    run(BIN / "ruff", "format", "--check", ".")
    run(BIN / "ruff", "check", ".")
    run(BIN / "mypy")
    run(BIN / "lint-imports")


def check() -> None:
    """Everything that has to hold before a commit lands."""
    lint()
    test()


def format_sources() -> None:
    """Rewrite the sources."""
    environment("dev")
    run(BIN / "ruff", "format", ".")
    run(BIN / "ruff", "check", "--fix", ".")


def nightly() -> None:
    """The long runs, with a fresh seed that is printed."""
    environment("dev")
    pytest("-q", "-n", "2", "-m", "nightly", env={"HYPOTHESIS_PROFILE": "nightly"})


def apiserver() -> None:
    """The real API server: built once into the user's cache, then the tests that need it."""
    environment("dev")
    run(BIN / "python", "-m", "tests.apiserver", "setup")
    run(BIN / "python", "-m", "tests.helm_programs")
    run(BIN / "python", "-m", "tests.postgres")
    pytest(
        "-q", "-m", "apiserver and not nightly", "--durations", "10", env={"HELMFLOW_APISERVER": "required"}
    )


def browser() -> None:
    """The HTML report in Chromium: the system's, or Debian's where root may install it."""
    environment("dev,browser")
    missing = not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
    pytest("-q", "-rs", "-m", "browser")


def bench() -> None:
    """All benchmarks."""
    environment("dev")
    for script in sorted((ROOT / "benchmarks").glob("[a-z]*.py")):
        run(BIN / "python", "-m", f"benchmarks.{script.stem}")


def build() -> None:
    """The wheel, in dist/."""
    environment()
    run(BIN / "python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "dist", ".")


TASKS = {
    "tour": tour,
    "test": test,
    "lint": lint,
    "check": check,
    "format": format_sources,
    "nightly": nightly,
    "apiserver": apiserver,
    "browser": browser,
    "bench": bench,
    "build": build,
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in TASKS:
        sys.exit(__doc__)
    TASKS[sys.argv[1]]()
