"""50 releases of 20 objects on a real API server, beside Helm and Helmfile: `python -m benchmarks.fleet [--part 1|2] [--quick]`.

Part 1, in one process with warm caches: helmflow's plan and sync beside the Helm SDK upgrading every release on four
threads, at 0 and 30 ms of added latency, with requests counted by the server's audit log.
Part 2, whole processes: template, first sync, apply and diff of what is unchanged, apply with 10 % changed, destroy,
beside helmfile, helm and helm-diff. Both sides run in turn, four releases at a time, without waiting; figures are
medians. Writes benchmarks/out/fleet.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.support import peers
from tests.apiserver import binaries, fleet
from tests.apiserver.cluster import RealCluster

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(__file__).parent / "out"
RELEASES, NAMESPACES, WORKERS = 50, 5, 4
CHANGED = RELEASES // 10
OWN = ("kube-", "node-stand-in", "etcd", "curl")  # the control plane's own requests
GOALS = {
    "no-op plan, 0 ms": 20.0,
    "no-op plan, 30 ms": 20.0,
    "10 % changed, 0 ms": 5.0,
    "10 % changed, 30 ms": 5.0,
    "template": 10.0,
    "first sync": 1.5,
    "apply, nothing changed": 15.0,
    "diff, nothing changed": 15.0,
    "apply, 10 % changed": 5.0,
}


@dataclass
class Sample:
    """Seconds of wall and of client CPU, and requests."""

    wall: float
    cpu: float
    requests: int


@dataclass
class Row:
    """One action on both sides."""

    name: str
    ours: list[Sample] = field(default_factory=list)
    theirs: list[Sample] = field(default_factory=list)
    formula: str = ""

    def ratio(self) -> float | None:
        """How many times as long the other side takes."""
        if not self.ours or not self.theirs:
            return None
        return _median(self.theirs, "wall") / _median(self.ours, "wall")


def _median(samples: list[Sample], what: str) -> float:
    return float(statistics.median(getattr(sample, what) for sample in samples))


class Audit:
    """Counts the requests of clients, read on from where it was."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0

    def count(self) -> int:
        """Requests since the last call."""
        time.sleep(0.3)
        with self._path.open("rb") as file:
            file.seek(self._at)
            text = file.read()
            self._at = file.tell()
        agents = (str(json.loads(line).get("userAgent", "")) for line in text.splitlines())
        return sum(not agent.startswith(OWN) for agent in agents)


@contextmanager
def far_away(cluster: RealCluster, folder: Path, milliseconds: int) -> Iterator[Path]:
    """A kubeconfig whose cluster answers so much later."""
    document = json.loads(cluster.kubeconfig.read_text(encoding="utf-8"))
    port = cluster.server.rpartition(":")[2]
    command = [sys.executable, "-m", "benchmarks.support.delay", port, str(milliseconds)]
    proxy = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert proxy.stdout is not None
    try:
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.stdout.readline().strip()}"
        path = folder / f"far-{milliseconds}"
        path.write_text(json.dumps(document), encoding="utf-8")
        yield path
    finally:
        proxy.kill()
        proxy.wait()


def measured(audit: Audit, call: Callable[[], None]) -> Sample:
    """One call in this process."""
    audit.count()
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Sample(time.perf_counter() - wall, time.process_time() - cpu, audit.count())


class Ours:
    """helmflow's flows in this process."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.folder, self.kubeconfig = folder, kubeconfig
        self.releases = fleet.names(RELEASES, NAMESPACES, "ours")

    def write(self, color: str) -> None:
        """The state file; CHANGED releases have this color."""
        changed = {name for name, _ in self.releases[:CHANGED]}
        text = fleet.state(Path("./unit"), self.releases, changed, color=color)
        (self.folder / "helmflow.yaml").write_text(text, encoding="utf-8")

    def _session(self) -> Any:
        from helmflow.flows.options import ClusterOptions, RunningOptions, RunOptions, StateOptions
        from helmflow.flows.session import Session

        options = RunOptions(
            state=StateOptions(cwd=self.folder),
            cluster=ClusterOptions(context="real", kubeconfig=str(self.kubeconfig)),
            running=RunningOptions(concurrency=WORKERS),
        )
        return Session(options=options, emit=lambda event: None)

    def plan(self) -> None:
        """A plan that has nothing to do."""
        from helmflow.flows import diff

        session = self._session()
        assert not diff.diff(session.options, session.emit, session).writes

    def sync(self) -> None:
        """A run to its end."""
        from helmflow.flows import sync
        from helmflow.flows.options import accept

        session = self._session()
        report = sync.sync(session.options, session.emit, accept, session)
        assert report.ok, [release.failure for release in report.releases if release.failure]


class Sdk:
    """The Helm SDK in this process: every release, four at a time."""

    def __init__(self, chart: Path, kubeconfig: Path) -> None:
        import helm_python

        self.chart = str(chart)
        self.releases = fleet.names(RELEASES, NAMESPACES, "sdk")
        self.configs = {
            namespace: helm_python.Config(
                kubeconfig_path=str(kubeconfig),
                kube_context="real",
                namespace=namespace,
                qps=10000.0,
                burst_limit=10000,
            )
            for _, namespace in self.releases
        }

    def each(self, action: Callable[[Any, str, str], object]) -> None:
        """Call it for every release."""
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda pair: action(self.configs[pair[1]], *pair), self.releases))

    def install(self) -> None:
        """The first time."""
        self.each(
            lambda helm, name, ns: helm.install(self.chart, name, {}, namespace=ns, create_namespace=True)
        )

    def dry_run(self) -> None:
        """What an upgrade would render; Helm does not compare it with the cluster."""
        self.each(lambda helm, name, ns: helm.upgrade(self.chart, name, {}, namespace=ns, dry_run="server"))

    def upgrade(self, color: str) -> None:
        """Every release, as Helm cannot know which changed."""
        changed = {name for name, _ in self.releases[:CHANGED]}
        self.each(
            lambda helm, name, ns: helm.upgrade(
                self.chart, name, {"color": color} if name in changed else {}, namespace=ns, max_history=10
            )
        )


def in_process(cluster: RealCluster, folder: Path, rounds: int) -> list[Row]:
    """Part 1."""
    audit, chart = Audit(cluster.audit_log), fleet.write_chart(folder)
    ours, sdk = Ours(folder, cluster.kubeconfig), Sdk(chart, cluster.kubeconfig)
    ours.write("red")
    first = Row("first install", formula=f"helm 2N+5 each: {RELEASES * (2 * fleet.OBJECTS + 5)}")
    first.ours.append(measured(audit, ours.sync))
    first.theirs.append(measured(audit, sdk.install))
    rows = [first]
    for milliseconds in (0, 30):
        with far_away(cluster, folder, milliseconds) as path:
            ours.kubeconfig, near = path, Sdk(chart, path)
            plan = Row(f"no-op plan, {milliseconds} ms", formula=f"helm 4 each: {RELEASES * 4}")
            change = Row(
                f"10 % changed, {milliseconds} ms",
                formula=f"helm 2N+7 each: {RELEASES * (2 * fleet.OBJECTS + 7)}",
            )
            ours.plan()
            near.dry_run()
            for number in range(rounds):
                plan.ours.append(measured(audit, ours.plan))
                plan.theirs.append(measured(audit, near.dry_run))
                color = f"c{milliseconds}-{number}"
                ours.write(color)
                change.ours.append(measured(audit, ours.sync))
                change.theirs.append(measured(audit, partial(near.upgrade, color)))
            rows += [plan, change]
    return rows


class Processes:
    """Whole commands."""

    def __init__(self, folder: Path, prefix: str, env: dict[str, str], command: list[str]) -> None:
        self.folder, self.env, self.command = folder, env, command
        self.releases = fleet.names(RELEASES, NAMESPACES, prefix)

    def write(self, color: str) -> None:
        """The state file; CHANGED releases have this color."""
        changed = {name for name, _ in self.releases[:CHANGED]}
        text = fleet.state(Path("./unit"), self.releases, changed, color=color)
        (self.folder / "fleet.yaml").write_text(text, encoding="utf-8")

    def run(self, audit: Audit, *words: str) -> Sample:
        """One command, its children counted."""
        audit.count()
        before, wall = os.times(), time.perf_counter()
        with (self.folder / "log").open("wb") as log:
            done = subprocess.run(
                [*self.command, *words], cwd=self.folder, env=self.env, stdout=log, stderr=log, check=False
            )
        took, after = time.perf_counter() - wall, os.times()
        if done.returncode:
            raise RuntimeError(f"{words}: {(self.folder / 'log').read_text(errors='replace')[-3000:]}")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Sample(took, cpu, audit.count())


def processes(cluster: RealCluster, folder: Path, found: peers.Peers, rounds: int) -> list[Row]:
    """Part 2."""
    audit = Audit(cluster.audit_log)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HELM", "KUBE", "PYTHONDONTWRITE"))}
    sides = []
    for name in ("ours", "peer"):
        home = folder / name
        home.mkdir()
        fleet.write_chart(home)
        env = {
            **clean,
            "HOME": str(home),
            "KUBECONFIG": str(cluster.kubeconfig),
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(home / ".cache"),
        }
        if name == "peer" and found.plugins:
            env["HELM_PLUGINS"] = str(found.plugins)
        own = [sys.executable, "-m", "helmflow", "--file", "fleet.yaml"]
        other = [
            str(found.helmfile),
            "--helm-binary",
            str(found.helm),
            "--file",
            "fleet.yaml",
            "--disable-force-update",
        ]
        sides.append(Processes(home, f"cli-{name}", env, own if name == "ours" else other))
    ours, theirs = sides
    can_compare = found.helmfile is not None and found.helm is not None
    rows: dict[str, Row] = {}

    def both(name: str, *words: str, needs_diff: bool = False) -> None:
        row = rows.setdefault(name, Row(name))
        row.ours.append(ours.run(audit, *words))
        if can_compare and (found.plugins or not needs_diff):
            row.theirs.append(theirs.run(audit, *words))
        print(f"  {name}: {row.ours[-1]} / {row.theirs[-1:]}", flush=True)

    workers = ("--concurrency", str(WORKERS))
    for number in range(rounds):
        for side in sides:
            side.write("red")
        ours.run(audit, "template", *workers)
        both("template", "template", *workers)
        both("first sync", "sync", *workers)
        both("sync, nothing changed", "sync", *workers)
        both("apply, nothing changed", "apply", *workers, needs_diff=True)
        both("diff, nothing changed", "diff", *workers, needs_diff=True)
        for side in sides:
            side.write(f"sync-{number}")
        both("sync, 10 % changed", "sync", *workers)
        for side in sides:
            side.write(f"apply-{number}")
        both("apply, 10 % changed", "apply", *workers, needs_diff=True)
        both("destroy", "destroy", *workers)
    return list(rows.values())


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| action | ours: wall s, CPU s, requests | other: wall s, CPU s, requests | other / ours | wanted | by formula |",
        "|---|---|---|---|---|---|",
    ]

    def cell(samples: list[Sample]) -> str:
        if not samples:
            return "not measured"
        return f"{_median(samples, 'wall'):.2f}, {_median(samples, 'cpu'):.2f}, {_median(samples, 'requests'):.0f}"

    for row in rows:
        ratio, goal = row.ratio(), GOALS.get(row.name)
        shown = f"{ratio:.1f}" if ratio else ""
        lines.append(
            f"| {row.name} | {cell(row.ours)} | {cell(row.theirs)} | {shown} | {f'>= {goal:g}' if goal else ''} | {row.formula} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("1", "2"), help="only this part")
    parser.add_argument("--quick", action="store_true", help="one round instead of three")
    chosen = parser.parse_args()
    found = binaries.find()
    if isinstance(found, str):
        print(found, file=sys.stderr)
        return 1
    rounds = 1 if chosen.quick else 3
    texts = [f"# {RELEASES} releases of {fleet.OBJECTS} objects on kube-apiserver {binaries.VERSION}\n"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HELMFLOW_CACHE_HOME"] = str(folder / "cache")
        if chosen.part != "2":
            with RealCluster.start(found, folder / "one") as cluster:
                texts.append(
                    f"## In one process, beside the Helm SDK\n\n{table(in_process(cluster, folder, rounds))}\n"
                )
                print(texts[-1], flush=True)
        if chosen.part != "1":
            tools = peers.build()
            with RealCluster.start(found, folder / "two") as cluster:
                titles = f"helmfile {peers.HELMFILE}, helm {peers.HELM}, helm-diff {peers.HELM_DIFF}"
                texts.append(
                    f"## Whole processes, beside {titles}\n\n{table(processes(cluster, folder, tools, rounds))}\n"
                )
                texts += [f"Not built: {reason}\n" for reason in tools.missing]
                print("\n".join(texts[-2:]), flush=True)
    OUT.mkdir(exist_ok=True)
    (OUT / ("fleet.md" if not chosen.part else f"fleet-{chosen.part}.md")).write_text(
        "\n".join(texts), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
