"""`helmflow chart template` against the real helm as whole processes: `python -m benchmarks.chart_template [--charts N]`.

Both are installed by the benchmark itself: helmflow as a wheel into an environment of its own, with its byte code written
as on any user's machine; helm with `go install` into the user's cache. The charts are those of benchmarks/render. Caches
are warm, equal output is asserted first, and runs are taken in turn. Figures are medians of the time from start to end
and of user + system time; Helm does some of its work on a second core, so the two differ.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import helm_python

from benchmarks import render
from helmflow.core.paths import cache_home

HELM = "helm.sh/helm/v4/cmd/helm@v4.2.3"
ROOT = Path(__file__).resolve().parent.parent
GOAL = 0.5
WARMING = 3  # runs: the first compiles, the second still meets functions that compiled templates call first
TRUSTED_S = 2.1  # files younger than this are read every time


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one run."""

    wall: float
    cpu: float


def installed_helm() -> Path:
    """The real helm, built once."""
    target = cache_home() / "benchmarks" / "bin"
    if not (target / "helm").exists():
        go = shutil.which("go") or "/usr/local/go/bin/go"
        subprocess.run([go, "install", HELM], check=True, env={**os.environ, "GOBIN": str(target)})
    return target / "helm"


def plain_environment() -> dict[str, str]:
    """The caller's, without what keeps Python from writing byte code."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PIP_NO_COMPILE")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def installed_helmflow(scratch: Path) -> Path:
    """This checkout's helmflow as users have it: a wheel, in an environment with a current pip."""
    source = scratch / "source"  # a copy: building leaves files behind
    source.mkdir()
    shutil.copytree(ROOT / "helmflow", source / "helmflow", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    venv = scratch / "venv"
    subprocess.run(
        [sys.executable, "-m", "venv", "--upgrade-deps", venv], check=True, stdout=subprocess.DEVNULL
    )
    pip = [str(venv / "bin" / "pip"), "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", scratch, source], check=True)
    (wheel,) = scratch.glob("helmflow-*.whl")
    subprocess.run([*pip, "install", wheel], check=True, env=plain_environment())
    return venv / "bin" / "helmflow"


def run(command: list[str], environment: dict[str, str]) -> Cost:
    """What one run costs."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def printed(command: list[str], environment: dict[str, str]) -> bytes:
    """What a run prints; it must not fail."""
    return subprocess.run(command, capture_output=True, env=environment, check=True).stdout


def measured(
    subject: render.Subject, values: Path, programs: tuple[Path, Path], environment: dict[str, str], runs: int
) -> tuple[Cost, Cost] | None:
    """helmflow's and helm's medians for one chart; None where helm's own output is random."""
    values.write_text(json.dumps(render.values_at(subject.changed, "v1")), encoding="utf-8")
    arguments = ["template", "demo", str(subject.path), "-f", str(values)]
    ours, real = [str(programs[0]), "chart", *arguments], [str(programs[1]), *arguments]
    expected = printed(real, environment)
    for _ in range(WARMING):
        if printed(ours, environment) != expected:
            if printed(real, environment) == expected:
                raise SystemExit(f"{subject.name}: helmflow and helm print different manifests")
            return None
    pairs = [(run(ours, environment), run(real, environment)) for _ in range(runs)]
    own, other = (
        Cost(statistics.median(one.wall for one in side), statistics.median(one.cpu for one in side))
        for side in zip(*pairs, strict=True)
    )
    return own, other


def main() -> int:
    """Install, measure, print the table and the geometric means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charts", type=int, default=35)
    parser.add_argument("--runs", type=int, default=11)
    chosen = parser.parse_args()
    helm_python.disable_logging()
    subjects, _ = render.choose(chosen.charts)
    rows: list[tuple[str, Cost, Cost]] = []
    with tempfile.TemporaryDirectory() as folder_name:
        scratch = Path(folder_name)
        environment = {**plain_environment(), "HELMFLOW_CACHE_HOME": str(scratch / "cache")}
        programs = installed_helmflow(scratch), installed_helm()
        time.sleep(TRUSTED_S)
        for subject in subjects:
            found = measured(subject, scratch / "values.yaml", programs, environment, chosen.runs)
            if found is not None:
                rows.append((subject.name, *found))
    print(f"{'chart':<58} {'helmflow':>11} {'helm':>11} {'ratio':>6} {'CPU ratio':>10}")
    for name, own, real in sorted(rows, key=lambda row: row[1].wall / row[2].wall):
        ratios = f"{own.wall / real.wall:6.2f} {own.cpu / real.cpu:10.2f}"
        print(f"{name[-58:]:<58} {own.wall * 1000:8.1f} ms {real.wall * 1000:8.1f} ms {ratios}")
    mean = math.exp(statistics.fmean(math.log(own.wall / real.wall) for _, own, real in rows))
    mean_cpu = math.exp(statistics.fmean(math.log(own.cpu / real.cpu) for _, own, real in rows))
    print(
        f"helmflow / helm over {len(rows)} charts, geometric means: {mean:.3f}, CPU {mean_cpu:.3f} (goal {GOAL})"
    )
    return 0 if mean <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
