"""`helmflow chart template` against the real helm as whole processes: `python -m benchmarks.chart_template [--charts N]`.

Both are installed by the benchmark itself: helmflow into an environment of its own, helm with `go install` into the user's
cache. Caches are warm, equal output is asserted first, runs are taken in turn; figures are medians of user + system time.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from helmflow.core.paths import cache_home
from tests.charts_cases import cases, folder

HELM = "helm.sh/helm/v4/cmd/helm@v4.2.3"
ROOT = Path(__file__).resolve().parent.parent
GOAL = 0.5
NO_VALUES = "{}\n"


def installed_helm() -> Path:
    """The real helm, built once."""
    target = cache_home() / "benchmarks" / "bin"
    if not (target / "helm").exists():
        go = shutil.which("go") or "/usr/local/go/bin/go"
        subprocess.run([go, "install", HELM], check=True, env={**os.environ, "GOBIN": str(target)})
    return target / "helm"


def installed_helmflow(scratch: Path) -> Path:
    """This checkout's helmflow as users have it: installed, not editable, byte code compiled."""
    venv = scratch / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(ROOT)], check=True)
    return venv / "bin" / "helmflow"


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """CPU time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def printed(command: list[str], environment: dict[str, str]) -> bytes | None:
    """What a run prints, None where it fails."""
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    return done.stdout if done.returncode == 0 else None


def measured(
    helmflow: Path, helm: Path, values: Path, environment: dict[str, str], count: int, runs: int
) -> list[tuple[str, float, float]]:
    """Name, helmflow's and helm's seconds of charts that both render equally: random content leaves a chart out."""
    rows: list[tuple[str, float, float]] = []
    families: set[str] = set()
    for name in sorted({case.chart_id for case in cases()}):
        family = name.rpartition("~")[2]
        if family in families or len(rows) == count:
            continue
        arguments = ["demo", str(folder() / "charts" / name / "chart"), "-f", str(values)]
        ours, real = [str(helmflow), "chart", "template", *arguments], [str(helm), "template", *arguments]
        if not (expected := printed(real, environment)):
            continue
        if any(printed(ours, environment) != expected for _ in range(2)):
            if printed(real, environment) == expected:
                print(f"{name}: DIFFERENT OUTPUT")
            continue
        pairs = [(seconds(ours, environment), seconds(real, environment)) for _ in range(runs)]
        families.add(family)
        rows.append((name, statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)))
    return rows


def main() -> None:
    """Install, measure, print the table and the geometric mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charts", type=int, default=24)
    parser.add_argument("--runs", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder_name:
        scratch = Path(folder_name)
        environment = {**os.environ, "HELMFLOW_CACHE_HOME": str(scratch / "cache")}
        values = scratch / "values.yaml"
        values.write_text(NO_VALUES, encoding="utf-8")
        helmflow, helm = installed_helmflow(scratch), installed_helm()
        rows = measured(helmflow, helm, values, environment, chosen.charts, chosen.runs)
    print(f"{'chart':<62} {'helmflow':>9} {'helm':>9} {'ratio':>6}")
    for name, ours, real in sorted(rows, key=lambda row: row[1] / row[2]):
        print(f"{name:<62} {ours * 1000:6.1f} ms {real * 1000:6.1f} ms {ours / real:6.2f}")
    mean = math.exp(statistics.fmean(math.log(ours / real) for _, ours, real in rows))
    print(f"helmflow / helm over {len(rows)} charts: geometric mean {mean:.3f} (goal {GOAL})")


if __name__ == "__main__":
    main()
