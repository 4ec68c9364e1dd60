"""`helmflow chart template` against the real helm as whole processes: `python -m benchmarks.chart_template [--charts N]`.

Both are installed by the benchmark itself: helmflow as a wheel into an environment of its own, with its byte code written
as on any user's machine; helm with `go install` into the user's cache. The charts are those of benchmarks/render. Caches
are warm, equal output is asserted first and last, and runs are taken in turn, all charts in every round. Wall is the time
from start to end, CPU user + system time; Helm does some of its work on a second core, so the two differ. A console script
that does nothing is measured too: what is left when all of helmflow costs nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
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


@dataclass(frozen=True, slots=True)
class Pair:
    """The same chart on both sides: command lines, and every round's costs."""

    name: str
    ours: tuple[str, ...]
    real: tuple[str, ...]
    own_costs: list[Cost]
    real_costs: list[Cost]


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


def script_that_does_nothing(helmflow: Path) -> tuple[str, ...]:
    """A console script beside helmflow's, as pip writes them."""
    script = helmflow.with_name("nothing")
    first = helmflow.read_text(encoding="utf-8").partition("\n")[0]
    script.write_text(f"{first}\nimport sys\nif __name__ == '__main__':\n    sys.exit(0)\n", encoding="utf-8")
    script.chmod(0o755)
    return (str(script),)


def run(command: tuple[str, ...], environment: dict[str, str]) -> Cost:
    """What one run costs; it must not fail."""
    nowhere = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, environment, file_actions=nowhere)
    _, status, used = os.wait4(process, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return Cost(wall, used.ru_utime + used.ru_stime)


def printed(command: tuple[str, ...], environment: dict[str, str]) -> bytes:
    """What a run prints; it must not fail."""
    return subprocess.run(command, capture_output=True, env=environment, check=True).stdout


def equal(pair: Pair, environment: dict[str, str]) -> object:
    """Whether both print the same; false where helm's own output is random. Ends the program where they differ."""
    expected = printed(pair.real, environment)
    if printed(pair.ours, environment) == expected:
        return True
    if printed(pair.real, environment) == expected:
        raise SystemExit(f"{pair.name}: helmflow and helm print different manifests")
    return False


def pairs_of(subjects: Iterable[render.Subject], programs: tuple[Path, Path], scratch: Path) -> list[Pair]:
    """The command lines, each with a values file of its own."""
    found = []
    for number, subject in enumerate(subjects):
        values = scratch / f"values-{number}.yaml"
        values.write_text(json.dumps(render.values_at(subject.changed, "v1")), encoding="utf-8")
        arguments = ("template", "demo", str(subject.path), "-f", str(values))
        found.append(
            Pair(
                subject.name, (str(programs[0]), "chart", *arguments), (str(programs[1]), *arguments), [], []
            )
        )
    return found


def ratio(pair: Pair, of: Callable[[Cost], float], pick: Callable[[Iterable[float]], float]) -> float:
    """helmflow / helm."""
    return pick(map(of, pair.own_costs)) / pick(map(of, pair.real_costs))


def wall(cost: Cost) -> float:
    return cost.wall


def cpu(cost: Cost) -> float:
    return cost.cpu


def table(pairs: list[Pair], nothing: list[Cost]) -> float:
    """Print the figures; the geometric mean of the ratios of median wall times."""
    middle = statistics.median
    print(f"{'chart':<52} {'helmflow':>10} {'helm':>10} {'wall':>6} {'(least)':>7} {'CPU':>6} {'(least)':>7}")
    for pair in sorted(pairs, key=lambda one: ratio(one, wall, middle)):
        own, real = middle(map(wall, pair.own_costs)), middle(map(wall, pair.real_costs))
        print(
            f"{pair.name[-52:]:<52} {own * 1000:7.1f} ms {real * 1000:7.1f} ms {ratio(pair, wall, middle):6.2f} "
            f"{ratio(pair, wall, min):7.2f} {ratio(pair, cpu, middle):6.2f} {ratio(pair, cpu, min):7.2f}"
        )
    figures = [
        math.exp(statistics.fmean(math.log(ratio(pair, of, pick)) for pair in pairs))
        for of in (wall, cpu)
        for pick in (middle, min)
    ]
    idle = middle(map(wall, nothing))
    floor = math.exp(statistics.fmean(math.log(idle / middle(map(wall, pair.real_costs))) for pair in pairs))
    print(
        f"helmflow / helm over {len(pairs)} charts, geometric means of medians (and of least times): "
        f"wall {figures[0]:.3f} ({figures[1]:.3f}), CPU {figures[2]:.3f} ({figures[3]:.3f}); goal {GOAL}, wall"
    )
    print(f"A console script that does nothing: {idle * 1000:.1f} ms, {floor:.3f} of helm")
    return figures[0]


def main() -> int:
    """Install, measure, print the table and the geometric means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charts", type=int, default=35)
    parser.add_argument("--rounds", type=int, default=21)
    chosen = parser.parse_args()
    helm_python.disable_logging()
    subjects, _ = render.choose(chosen.charts)
    with tempfile.TemporaryDirectory() as folder_name:
        scratch = Path(folder_name)
        environment = {**plain_environment(), "HELMFLOW_CACHE_HOME": str(scratch / "cache")}
        programs = installed_helmflow(scratch), installed_helm()
        pairs = pairs_of(subjects, programs, scratch)
        idle = script_that_does_nothing(programs[0])
        time.sleep(TRUSTED_S)
        pairs = [pair for pair in pairs if all(equal(pair, environment) for _ in range(WARMING))]
        nothing: list[Cost] = []
        for _ in range(chosen.rounds):
            for pair in pairs:
                pair.own_costs.append(run(pair.ours, environment))
                pair.real_costs.append(run(pair.real, environment))
                nothing.append(run(idle, environment))
        pairs = [pair for pair in pairs if equal(pair, environment)]
    return 0 if table(pairs, nothing) <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
