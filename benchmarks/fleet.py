"""50 releases of 20 objects on a real API server, beside helmfile, helm and helm-diff: `python -m benchmarks.fleet`.

Whole commands: template, first sync, apply and diff of what is unchanged, apply with 10 % changed, destroy. Both sides
run in turn on one cluster, four releases at a time, without waiting; figures are medians of three rounds. `--rows diff
template` measures these rows again and keeps the others of the last run; `--helm-diff PATH` names a binary of it. The
set-up builds what is missing with Go. Writes benchmarks/out/fleet.md and fleet.json; 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.support import peers
from benchmarks.support.sampling import (
    Audit,
    Kept,
    Row,
    Sample,
    asked,
    cell,
    median,
    others_at_work,
    ran,
    times,
)
from tests.apiserver import binaries, fleet
from tests.apiserver.cluster import RealCluster

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(__file__).parent / "out"
RELEASES, NAMESPACES, WORKERS = 50, 5, 4
CHANGED = RELEASES // 10
SETTLING_S = 4.0  # between two commands, while the control plane ends its work


@dataclass(frozen=True, slots=True)
class Step:
    """One action: the command, its bound, what it needs, and how long a pair of runs usually takes."""

    name: str
    command: str
    goal: float | None
    usual_s: float
    installed: bool = True
    compares: bool = False
    changes: bool = False
    repeats: int = 1


# In this order: each leaves the cluster as the next one needs it.
STEPS = (
    Step("template", "template", 10, 8, installed=False, repeats=3),
    Step("first sync", "sync", 1.5, 55, installed=False),
    Step("no-op apply", "apply", 15, 50, compares=True),
    Step("diff", "diff", 15, 50, compares=True),
    Step("changed apply", "apply", 5, 60, compares=True, changes=True),
    Step("destroy", "destroy", None, 30),
)
# Not asked for by anyone, measured where named: what helmfile does without a diff.
MORE = (
    Step("no-op sync", "sync", None, 65),
    Step("changed sync", "sync", None, 65, changes=True),
)


class Side:
    """One of the two tools, with a home, a state file and namespaces of its own."""

    def __init__(self, folder: Path, name: str, env: dict[str, str], command: list[str]) -> None:
        self.folder, self.env, self.command = folder, env, command
        self.releases = fleet.names(RELEASES, NAMESPACES, f"cli-{name}")
        self.is_installed = False
        fleet.write_chart(folder)

    def write(self, color: str) -> None:
        """The state file; CHANGED releases have this color."""
        changed = {name for name, _ in self.releases[:CHANGED]}
        text = fleet.state(Path("./unit"), self.releases, changed, color=color)
        (self.folder / "fleet.yaml").write_text(text, encoding="utf-8")

    def run(self, audit: Audit, command: str) -> Sample:
        """One command to its end."""
        words = [*self.command, command, "--concurrency", str(WORKERS)]
        sample = ran(audit, words, self.folder, self.env)
        if command in ("sync", "destroy"):
            self.is_installed = command == "sync"
        return sample

    def prepare(self, audit: Audit, *, installed: bool) -> None:
        """Bring the cluster to what a step needs, unmeasured, where the step before did not."""
        if self.is_installed != installed:
            self.run(audit, "sync" if installed else "destroy")


def sides(cluster: RealCluster, folder: Path, found: peers.Peers) -> tuple[Side, Side]:
    """helmflow, and helmfile with helm and helm-diff."""
    drop = ("HELM", "KUBE", "XDG_", "PYTHONDONTWRITE")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(drop)}
    made = []
    own = [sys.executable, "-m", "helmflow", "--file", "fleet.yaml"]
    other = [str(found.helmfile), "--helm-binary", str(found.helm), "--file", "fleet.yaml"]
    for name, command in (("ours", own), ("peer", [*other, "--disable-force-update"])):
        home = folder / name
        home.mkdir()
        env = {**clean, "HOME": str(home), "KUBECONFIG": str(cluster.kubeconfig), "PYTHONPATH": str(ROOT)}
        if name == "peer":
            env |= {"HELM_PLUGINS": str(found.plugins), "HELMFILE_UPGRADE_NOTICE_DISABLED": "true"}
        made.append(Side(home, name, env, command))
    return made[0], made[1]


class Progress:
    """Says what was measured and how long the rest will take."""

    def __init__(self, steps: list[Step], rounds: int, known: dict[str, Row]) -> None:
        self._left = [step for _ in range(rounds) for step in steps]
        self._seconds = {}
        for step in steps:
            self._seconds[step.name] = step.usual_s * step.repeats
            if (row := known.get(step.name)) and row.ours and row.theirs:
                pair = median(row.ours, "wall") + median(row.theirs, "wall")
                self._seconds[step.name] = step.repeats * (pair + SETTLING_S)
        print(
            f"about {self._remaining()} for {rounds} rounds of {len(steps)} rows, as the machine was",
            flush=True,
        )
        self._began = time.monotonic()

    def _remaining(self) -> str:
        seconds = sum(self._seconds[step.name] for step in self._left)
        return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"

    def done(self, step: Step, row: Row) -> None:
        """One step of one round is over."""
        now = time.monotonic()
        self._seconds[step.name], self._began = now - self._began, now
        self._left.pop(0)
        ratio = row.theirs[-1].wall / row.ours[-1].wall
        print(f"  {step.name}: {row.ours[-1]} / {row.theirs[-1]}: {ratio:.1f} times", flush=True)
        print(f"    {self._remaining()} left", flush=True)


def measure(
    pair: tuple[Side, Side], audit: Audit, steps: list[Step], rounds: int, kept: Kept
) -> dict[str, Row]:
    """Every step, round by round; each side is the first in turn. What is measured is kept at once."""
    rows = kept.read()
    progress = Progress(steps, rounds, rows)
    for step in steps:
        rows[step.name] = Row(step.name, step.goal)
    for side in pair:
        side.write("red")
        side.run(audit, "template")  # fills the caches of both
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        for step in steps:
            row = rows[step.name]
            for side in pair:
                if step.command != "template":
                    side.prepare(audit, installed=step.installed)
                if step.changes:
                    side.write(f"{step.name.replace(' ', '-')}-{number}")
            for repeat in range(step.repeats):
                turn = (0, 1) if (number + repeat) % 2 == 0 else (1, 0)
                for which in turn:
                    (row.ours, row.theirs)[which].append(pair[which].run(audit, step.command))
            kept.write(rows)
            progress.done(step, row)
    return rows


def report(rows: dict[str, Row], found: peers.Peers, load: str) -> str:
    """Markdown."""
    lines = [
        f"# {RELEASES} releases of {fleet.OBJECTS} objects on kube-apiserver {binaries.VERSION}",
        "",
        f"helmflow beside helmfile {peers.HELMFILE} with helm {peers.HELM}, both with {WORKERS} at a time and without waiting.",
        f"Rows with a star: {found.diff_says}.",
        load,
        "",
        "| action | helmflow: wall s, CPU s | helmfile: wall s, CPU s | helmfile / helmflow, wall | CPU | wanted | verdict | requests, helmflow | requests, helmfile | rounds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for step in (*STEPS, *MORE):
        if (row := rows.get(step.name)) is None:
            continue
        star = " *" if step.compares else ""
        lines.append(
            f"| {step.name}{star} | {cell(row.ours)} | {cell(row.theirs)} "
            f"| {times(row.ratio())} | {times(row.ratio('cpu'))} | {f'>= {step.goal:g}' if step.goal else ''} "
            f"| {row.verdict()} | {asked(row.ours)} | {asked(row.theirs)} | {len(row.theirs)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Set up, measure, write."""
    named = {step.name.replace(" ", "-"): step for step in (*STEPS, *MORE)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", nargs="+", choices=list(named), metavar="ROW", help=f"only these of: {', '.join(named)}"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--helm-diff", type=Path, metavar="PATH", help="a binary of helm-diff instead of one built here"
    )
    chosen = parser.parse_args()
    if isinstance(found := binaries.find(), str) and binaries.setup():
        return 1
    if isinstance(found := binaries.find(), str):
        raise SystemExit(found)
    tools = peers.build(chosen.helm_diff)
    load = others_at_work()
    print(f"{tools.diff_says}\n{load}", flush=True)
    steps = [step for name, step in named.items() if name in chosen.rows] if chosen.rows else list(STEPS)
    kept = Kept(OUT / "fleet.json")
    with tempfile.TemporaryDirectory() as name, RealCluster.start(found, Path(name, "cluster")) as cluster:
        pair = sides(cluster, Path(name), tools)
        rows = measure(pair, Audit(cluster.audit_log), steps, chosen.rounds, kept)
    text = report(rows, tools, load)
    (OUT / "fleet.md").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    return 1 if any(row.verdict() == "MISSED" for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
